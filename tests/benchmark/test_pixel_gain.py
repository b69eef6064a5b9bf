"""Gains in pixel space add up to the image's information gain."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.pixel_gain import expected_gain_map, gain_map, gains, mean
from metrics.information_gain import information_gain


def log_density(seed, shape):
    values = np.random.default_rng(seed).normal(size=shape)
    return values - np.log(np.exp(values).sum())


def test_gains_are_the_information_gains_of_the_metric():
    model, baseline = log_density(0, (20, 30)), log_density(1, (20, 30))
    x, y = np.array([0, 29, 7]), np.array([0, 19, 11])
    expected = [np.log2(np.exp(model[b, a]) / np.exp(baseline[b, a])) for a, b in zip(x, y)]
    found = gains(model[y, x], baseline[y, x])
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    np.testing.assert_allclose(found, information_gain(model, baseline, x, y), rtol=1e-12)


@given(
    st.integers(0, 1000), st.integers(1, 40), st.sampled_from([0.0, 0.7, 5.0, 60.0])
)  # fmt: skip
def test_the_map_sums_to_the_information_gain(seed, count, bandwidth):
    rng, shape = np.random.default_rng(seed), (31, 47)
    x, y = rng.uniform(0, 47, count), rng.uniform(0, 31, count)
    values = rng.normal(size=count)
    found = gain_map(x, y, values, shape, bandwidth)
    assert found.shape == shape
    np.testing.assert_allclose(found.sum(), values.mean(), atol=1e-12)


def test_without_bandwidth_each_gain_is_at_its_pixel():
    found = gain_map([2.9, 2.1, 0.0], [1.5, 1.0, 0.0], [3.0, 1.0, -1.0], (3, 4))
    expected = np.zeros((3, 4))
    expected[1, 2], expected[0, 0] = 4 / 3, -1 / 3
    np.testing.assert_allclose(found, expected)


@pytest.mark.parametrize("bandwidth", [0.0, 2.0])
def test_infinite_gains_leave_the_others_their_place(bandwidth):
    x, y, finite = [5, 20, 30], [4, 10, 12], [1.0, 0.0, 0.5]
    found = gain_map(x, y, [1.0, -np.inf, 0.5], (20, 40), bandwidth)
    np.testing.assert_array_equal(found, gain_map(x, y, finite, (20, 40), bandwidth))


def test_a_gain_of_nothing_over_nothing_is_undefined():
    found = gains([-np.inf, -np.inf, -1.0], [-np.inf, -1.0, -np.inf])
    np.testing.assert_array_equal(found, [np.nan, -np.inf, np.inf])
    assert np.isnan(mean(found[1:]))


def test_the_gaussian_is_where_the_fixation_is_and_as_wide_as_said():
    found = gain_map([60], [40], [1.0], (100, 140), 6.0)
    rows, columns = np.indices(found.shape)
    assert (found * columns).sum() == pytest.approx(60)
    assert (found * rows).sum() == pytest.approx(40)
    assert np.sqrt((found * (columns - 60) ** 2).sum()) == pytest.approx(6.0, rel=1e-3)
    brute = np.exp(-((columns - 60) ** 2 + (rows - 40) ** 2) / 72.0)
    np.testing.assert_allclose(found, brute / brute.sum(), atol=1e-12)


@pytest.mark.parametrize(
    ("x", "y", "values", "match"),
    [
        ([], [], [], "at least one"),
        ([1], [1, 2], [0.5], "1 x, 2 y and 1 gains"),
        ([4], [1], [0.5], r"x=4, y=1 lies outside the image of 4x3"),
        ([1], [3], [0.5], "outside"),
    ],
)
def test_what_cannot_be_placed_is_refused(x, y, values, match):
    with pytest.raises(ValueError, match=match):
        gain_map(x, y, values, (3, 4))


def test_the_expected_gain_is_the_mean_over_draws_from_the_truth():
    truth, model, baseline = (log_density(seed, (6, 5)) for seed in range(3))
    found = expected_gain_map(truth, model, baseline)
    brute = sum(
        np.exp(truth[i]) * np.log2(np.exp(model[i]) / np.exp(baseline[i])) for i in np.ndindex(6, 5)
    )
    assert found.sum() == pytest.approx(brute)
    # over itself a density gains nothing, and no other density is expected to gain more than it
    assert expected_gain_map(truth, baseline, baseline).sum() == 0
    assert expected_gain_map(truth, truth, baseline).sum() >= found.sum()


def test_a_pixel_that_the_truth_excludes_counts_nothing():
    truth = np.log(
        np.array([[0.5, 0.5, 0.0]]), where=[[True, True, False]], out=np.full((1, 3), -np.inf)
    )
    model = np.array([[np.log(0.5), np.log(0.5), -np.inf]])
    found = expected_gain_map(truth, model, np.full((1, 3), -np.log(3)))
    np.testing.assert_allclose(found, [[0.5 * np.log2(1.5)] * 2 + [0.0]])
    with pytest.raises(ValueError, match="same image"):
        expected_gain_map(truth, model, np.zeros((2, 3)))
