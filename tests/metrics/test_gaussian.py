"""Gaussian filtering agrees with scipy for every border, size and width."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from metrics.gaussian import filtered_map, filtered_points, kernel_weights

SIZES = st.tuples(st.integers(1, 40), st.integers(1, 40))


@given(SIZES, st.floats(0.4, 30), st.sampled_from(["reflect", "constant"]), st.data())
def test_points_agree_with_scipy(shape, sigma, mode, data):
    count = data.draw(st.integers(0, 6))
    x = data.draw(st.lists(st.integers(0, shape[1] - 1), min_size=count, max_size=count))
    y = data.draw(st.lists(st.integers(0, shape[0] - 1), min_size=count, max_size=count))
    counts = np.zeros(shape)
    np.add.at(counts, (np.array(y, int), np.array(x, int)), 1)
    expected = gaussian_filter(counts, sigma, mode=mode)
    assert filtered_points(x, y, shape, sigma, mode) == pytest.approx(expected, rel=1e-9, abs=1e-15)


@given(SIZES, st.floats(0.4, 30), st.integers(0, 99))
def test_dense_maps_agree_with_scipy(shape, sigma, seed):
    values = np.random.default_rng(seed).random(shape)
    expected = gaussian_filter(values, sigma, mode="constant")
    assert filtered_map(values, sigma) == pytest.approx(expected, rel=1e-9)


def test_maps_larger_than_a_block():
    values = np.random.default_rng(0).random((300, 270))
    expected = gaussian_filter(values, 11.0, mode="constant")
    assert filtered_map(values, 11.0) == pytest.approx(expected, rel=1e-9)


def test_reflection_keeps_all_mass():
    assert filtered_points([0, 9], [0, 3], (5, 10), 8.0).sum() == pytest.approx(2)


def test_weights_sum_to_one():
    weights = kernel_weights(24.0)
    assert len(weights) == 97
    assert weights[0] + 2 * weights[1:].sum() == pytest.approx(1)


@pytest.mark.parametrize("sigma", [0.0, -1.0, np.nan])
def test_width_must_be_positive(sigma):
    with pytest.raises(ValueError, match="must be positive"):
        kernel_weights(sigma)


def test_unknown_border_is_an_error():
    with pytest.raises(ValueError, match='"constant" or "reflect"'):
        filtered_points([0], [0], (3, 3), 1.0, mode="wrap")
