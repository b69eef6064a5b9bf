"""Power and detectable differences against statistical identities and plain simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm, t, ttest_1samp

from benchmark.scores import Bootstrap, Column
from benchmark.statistics import power
from benchmark.statistics.paired import sign_flip_p


def column(n=200, mean=0.3, seed=0, weighted=True):
    rng = np.random.default_rng(seed)
    weights = rng.integers(20, 90, n).astype(float) if weighted else np.ones(n)
    return Column(rng.normal(mean, 1, n), weights)


def test_the_spread_of_unweighted_means_is_the_standard_deviation():
    one = column(weighted=False)
    assert power.spread(one) == pytest.approx(one.values.std(ddof=1))
    assert np.isnan(power.spread(Column(np.array([1.0]), np.ones(1))))


def test_the_spread_of_weighted_means_is_that_of_the_bootstrap():
    one = column(n=400)
    sums = Bootstrap(400, 20_000).means([one])[:, 0]
    assert power.spread(one) / np.sqrt(400) == pytest.approx(sums.std(), rel=0.03)


def test_the_power_is_that_of_the_t_test():
    rng = np.random.default_rng(1)
    samples = rng.normal(0.5, 1.2, (20_000, 25))
    measured = (ttest_1samp(samples, 0, axis=1).pvalue <= 0.05).mean()
    assert power.predicted_power(0.5, 1.2, 25) == pytest.approx(measured, abs=0.012)


def test_without_a_difference_the_power_is_the_level():
    assert power.predicted_power(0, 1, 30) == pytest.approx(0.05)
    assert power.predicted_power(0, 0, 30) == 0.05
    assert power.predicted_power(0.1, 0, 30) == 1
    assert np.isnan(power.predicted_power(0.1, np.nan, 30))


@pytest.mark.parametrize("n", [1, 2, 4, 5])
def test_too_few_images_to_reject_have_no_power(n):
    """The smallest p of the sign-flip test of n images is 2 ** -(n - 1)."""
    assert sign_flip_p(np.ones((n, 1)))[0] > power.LEVEL
    assert power.predicted_power(9.0, 1.0, n) == power.predicted_power(9.0, 0.0, n) == 0
    assert power.detectable(1.0, n) == np.inf


def test_six_images_are_the_fewest():
    assert power.fewest_images() == 6
    assert power.fewest_images(0.01) == 8
    assert sign_flip_p(np.ones((6, 1)))[0] <= power.LEVEL
    assert power.predicted_power(9.0, 1.0, 6) > 0.99
    assert power.images_needed(9.0, 1.0) == power.images_needed(9.0, 0.0) == 6


@pytest.mark.parametrize("n", [6, 10, 463, 1003, 100_000])
def test_the_detectable_difference_has_the_power_asked_for(n):
    smallest = power.detectable(0.7, n)
    assert power.predicted_power(smallest, 0.7, n) == pytest.approx(0.8, abs=1e-6)
    if n > 400:  # the textbook's formula for many images
        expected = (norm.ppf(0.975) + norm.ppf(0.8)) * 0.7 / np.sqrt(n)
        assert smallest == pytest.approx(expected, rel=0.005)


def test_power_is_defined_and_rises_with_every_difference():
    """scipy's noncentral t is NaN here and there."""
    for n in (6, 50, 1003):
        powers = [power.predicted_power(d, 1, n) for d in np.linspace(0, 2, 301)]
        assert np.isfinite(powers).all()
        assert (np.diff(powers) >= -1e-9).all()


@pytest.mark.parametrize("difference", [0.05, 0.3, 2.0])
def test_images_needed_are_the_fewest(difference):
    n = int(power.images_needed(difference, 1.0))
    assert power.predicted_power(difference, 1.0, n) >= 0.8
    assert n == 6 or power.predicted_power(difference, 1.0, n - 1) < 0.8
    assert power.images_needed(0.0, 1.0) == np.inf


def test_predictions_agree_with_samples_of_images():
    one = column(n=600, mean=0.35)
    for n in (20, 60):
        found, width = power.simulated(one, n, repeats=1000, flips=499)
        predicted = power.predicted_power(one.mean, power.spread(one), n)
        assert 0.2 < predicted < 0.9
        assert found == pytest.approx(predicted, abs=0.06)
        assert width == pytest.approx(power.half_width(power.spread(one), n), rel=0.06)


def test_half_widths_are_those_of_student():
    assert power.half_width(2.0, 16) == pytest.approx(t.ppf(0.975, 15) * 0.5)


def test_tables_leave_out_what_cannot_be_checked():
    same = Column(np.zeros(30), np.ones(30))
    pairs = [("a", "b"), ("b", "c")]
    checked = power.check(pairs, [column(n=30), same], n_images=(10, 20, 50), repeats=50)
    assert checked[["model", "n_images"]].to_numpy().tolist() == [["a", 10], ["a", 20]]
    table = power.power_table(pairs, [column(n=30), same])
    assert table["detectable"].iloc[1] == 0
    assert table["images_needed"].iloc[1] == np.inf
    assert 0 <= power.worst(checked) < 0.5
