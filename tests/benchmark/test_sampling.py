"""Drawn fixations follow the density that they are drawn from."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from benchmark.sampling import sample_fixations

COUNT = 20_000


def density(seed):
    values = np.random.default_rng(seed).gamma(0.5, size=(9, 14))
    return values / values.sum()


def p_value(drawn_from, tested):
    x, y = sample_fixations(np.log(drawn_from), COUNT, np.random.default_rng(5))
    counts = np.zeros(tested.shape)
    np.add.at(counts, (y, x), 1)
    expected = tested * COUNT
    often = expected >= 5
    observed = [*counts[often], counts[~often].sum()]
    return stats.chisquare(observed, [*expected[often], expected[~often].sum()]).pvalue


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_draws_follow_the_density_and_no_other(seed):
    own = density(seed)
    assert p_value(own, own) > 0.001
    assert p_value(own, own.T.reshape(own.shape)) < 1e-6
    assert p_value(own, own[:, ::-1]) < 1e-6


def test_excluded_pixels_are_never_drawn():
    values = np.full((4, 5), -np.inf)
    values[2, 3], values[3, 0] = 700.0, 700.0  # up to a constant
    x, y = sample_fixations(values, 500, np.random.default_rng(0))
    assert set(zip(x.tolist(), y.tolist())) == {(3, 2), (0, 3)}


def test_the_same_seed_gives_the_same_draws():
    one, two = (sample_fixations(np.log(density(1)), 9, np.random.default_rng(7)) for _ in "ab")
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_no_density_is_refused(bad):
    with pytest.raises(ValueError, match="log density"):
        sample_fixations(np.array([[0.0, bad]]), 3, np.random.default_rng(0))
    with pytest.raises(ValueError, match="log density"):
        sample_fixations(np.full((2, 2), -np.inf), 3, np.random.default_rng(0))
