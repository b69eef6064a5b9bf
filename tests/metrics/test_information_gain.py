"""Log-likelihood and information gain: values by hand, invariants, errors."""

from __future__ import annotations

import numpy as np
import pytest

from metrics.information_gain import information_gain, log_likelihood


def test_values_by_hand():
    density = np.array([[0.5, 0.25], [0.125, 0.125]])
    assert log_likelihood(np.log(density), [0, 1, 0.9], [0, 0, 1.9]) == pytest.approx([1, 0, -1])


def test_uniform_has_log_likelihood_zero():
    uniform = np.full((7, 5), -np.log(35))
    assert log_likelihood(uniform, [0, 4], [6, 0]) == pytest.approx([0, 0], abs=1e-14)


def test_gain_over_itself_is_exactly_zero(example):
    density, x, y = example
    assert (information_gain(np.log(density), np.log(density), x, y) == 0).all()


def test_gain_is_difference_of_likelihoods(example):
    density, x, y = example
    baseline = np.log(np.roll(density, 9, axis=1))
    expected = log_likelihood(np.log(density), x, y) - log_likelihood(baseline, x, y)
    assert information_gain(np.log(density), baseline, x, y) == pytest.approx(expected, rel=1e-12)


def test_zero_density_costs_infinity():
    log_density = np.log(np.array([[1.0, 1e-300]]))
    log_density[0, 1] = -np.inf
    assert log_likelihood(log_density, [1], [0])[0] == -np.inf
    assert np.isnan(information_gain(log_density, log_density, [1], [0])[0])


@pytest.mark.parametrize(("x", "y"), [([2], [0]), ([-0.5], [0]), ([0], [2]), ([np.nan], [0])])
def test_fixation_outside_is_an_error(x, y):
    with pytest.raises(ValueError, match="outside the map of width 2 and height 2"):
        log_likelihood(np.zeros((2, 2)), x, y)


def test_shapes_must_agree():
    with pytest.raises(ValueError, match=r"\(2, 2\).*\(2, 3\)"):
        information_gain(np.zeros((2, 2)), np.zeros((2, 3)), [0], [0])
    with pytest.raises(ValueError, match="one length"):
        log_likelihood(np.zeros((2, 2)), [0, 1], [0])
