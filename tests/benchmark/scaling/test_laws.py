"""Fits of laws of growth recover known ones."""

from __future__ import annotations

import numpy as np
import pytest

from benchmark.scaling.laws import linear_law, power_law

N = np.array([50, 100, 200, 400, 800, 1600])


@pytest.mark.parametrize("exponent", [0.5, 1.0, 1.5, 2.0])
@pytest.mark.parametrize("constant", [0.0, 5.0])
def test_known_exponents_and_constants_come_out(exponent, constant):
    factor = 20.0 / 1600**exponent
    law = power_law(N, constant + factor * N**exponent)
    assert law.exponent == pytest.approx(exponent, abs=0.021)
    assert law.constant == pytest.approx(constant, abs=0.1)
    assert law.at(3200) == pytest.approx(constant + 20.0 * 2**exponent, rel=0.02)
    assert law.error < 0.01


def test_noise_of_some_percent_moves_the_exponent_little():
    rng = np.random.default_rng(0)
    law = power_law(N, 1e-3 * N**2.0 * np.exp(rng.normal(0, 0.05, len(N))))
    assert law.exponent == pytest.approx(2.0, abs=0.15)


def test_what_does_not_grow_has_no_cost_for_one():
    law = power_law(N, np.full(len(N), 7.0))
    assert law.at(1e6) == pytest.approx(7.0, rel=0.01)
    assert linear_law(N, [3, 3, 3, 3, 3, 2.9]).growth(1e6) == 0.0


def test_a_straight_line_is_the_cost_of_one():
    law = linear_law(N, 2.0 + 0.01 * N)
    assert (law.constant, law.factor) == (pytest.approx(2.0), pytest.approx(0.01))
    assert linear_law([1, 2], [0.0, 5.0], relative=False).growth(2) == pytest.approx(4.0)
    with pytest.raises(ValueError, match="two numbers"):
        linear_law([3, 3], [1.0, 2.0])


def test_a_law_holds_only_where_the_points_tell_it():
    assert power_law(N, 2.0 * N).holds
    assert linear_law(N[:3], [1.0, 2.0, 4.1]).holds
    assert not linear_law(N[:2], [1.0, 2.0]).holds  # nothing tells its error
    assert not linear_law(N[:4], [1.0, 9.0, 1.0, 9.0]).holds
    assert not power_law(N, 1e-9 * N**4.0).holds  # beyond the exponents that are tried
    assert not power_law(N, np.log(N)).holds


def test_exponents_of_few_points_are_assumed():
    assert power_law(N, N**1.5).fitted
    assert not power_law(N[:3], N[:3] ** 1.5).fitted


def test_what_hardly_differs_does_not_grow():
    assert not power_law(N, [3.9, 3.5, 3.6, 3.7, 3.5, 3.7]).grows(1600)
    assert power_law(N, 1.0 + 0.1 * N).grows(1600)
