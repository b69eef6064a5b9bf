"""Grey maps: levels of equal population, ties together, order kept, JPEGs near what they show."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from scipy.stats import rankdata

from benchmark.rank_maps import JPEG_LARGEST, JPEG_MEAN, jpeg, png, rank_quantised

SHAPES = st.tuples(st.integers(1, 13), st.integers(1, 13))
LEVELS = st.integers(2, 256)
TIED = arrays(np.float64, SHAPES, elements=st.integers(-3, 3).map(float))


def decoded(content: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(content)) as picture:
        assert picture.mode == "L"
        return np.asarray(picture)


def by_definition(values, levels):
    """The formula, with ranks from scipy."""
    ranks = rankdata(values) - 1  # from 0, ties sharing their mean
    level = np.floor(levels * np.round(2 * ranks) / (2 * values.size))
    return level.reshape(values.shape)


@given(SHAPES, LEVELS, st.integers(0, 2**32 - 1))
def test_levels_have_equal_populations(shape, levels, seed):
    values = np.random.default_rng(seed).permutation(shape[0] * shape[1]).reshape(shape)
    counts = np.bincount(rank_quantised(values, levels).ravel(), minlength=levels)
    assert len(counts) == levels
    assert np.ptp(counts) <= 1


def test_levels_of_a_real_size_have_equal_populations():
    values = np.random.default_rng(0).permutation(768 * 1024).reshape(768, 1024)
    counts = np.bincount(rank_quantised(np.float32(values)).ravel())
    np.testing.assert_array_equal(counts, np.full(256, 768 * 1024 // 256))


@given(TIED, LEVELS)
def test_the_definition(values, levels):
    grey = rank_quantised(values, levels)
    assert grey.dtype == np.uint8
    np.testing.assert_array_equal(grey, by_definition(values, levels))


@given(TIED, LEVELS)
def test_order_is_kept_and_ties_share_a_level(values, levels):
    grey = rank_quantised(values, levels).ravel().astype(int)
    order = np.argsort(values.ravel(), kind="stable")
    steps, rises = np.diff(grey[order]), np.diff(values.ravel()[order])
    assert (steps >= 0).all()
    assert (steps[rises == 0] == 0).all()


@given(TIED)
def test_only_the_order_matters(values):
    expected = rank_quantised(values)
    np.testing.assert_array_equal(rank_quantised(np.exp(values)), expected)
    np.testing.assert_array_equal(rank_quantised(3 * values - 7), expected)


@given(arrays(np.float64, SHAPES, elements=st.floats(-5, 5)))
def test_the_map_turned_over(values):
    """Without ties, and a multiple of levels, the reverse order gives the reverse levels."""
    distinct = np.unique(values)
    grey = rank_quantised(distinct, max(2, min(256, len(distinct))))
    if 2 <= len(distinct) <= 256:
        np.testing.assert_array_equal(rank_quantised(-distinct, len(distinct)), grey[::-1])


@pytest.mark.parametrize("value", [0.0, -np.inf, 3.5])
def test_a_constant_map_is_of_one_middle_level(value):
    np.testing.assert_array_equal(rank_quantised(np.full((7, 9), value)), np.full((7, 9), 125))


def test_impossible_pixels_are_the_darkest():
    values = np.array([[-np.inf, -np.inf, -3.0, -1.0]])
    np.testing.assert_array_equal(rank_quantised(values, 4), [[0, 0, 2, 3]])


@pytest.mark.parametrize("levels", [1, 0, 257])
def test_levels_out_of_range(levels):
    with pytest.raises(ValueError, match=rf"levels is {levels}; expected 2 to 256"):
        rank_quantised(np.zeros((2, 2)), levels)


@pytest.mark.parametrize("values", [np.zeros((0, 3)), np.array([[0.0, np.nan]])])
def test_maps_without_a_value_or_with_nan(values):
    with pytest.raises(ValueError, match="none may be NaN"):
        rank_quantised(values)


@given(SHAPES, st.integers(0, 2**32 - 1))
def test_pictures_read_back(shape, seed):
    """Even noise, the worst that JPEG can meet, stays within the stated distance."""
    grey = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    np.testing.assert_array_equal(decoded(png(grey)), grey)
    distance = np.abs(decoded(jpeg(grey)).astype(int) - grey)
    assert distance.max() <= JPEG_LARGEST


def test_a_noisy_jpeg_of_a_real_size():
    grey = np.random.default_rng(1).integers(0, 256, (768, 1024), dtype=np.uint8)
    distance = np.abs(decoded(jpeg(grey)).astype(int) - grey)
    assert distance.max() <= JPEG_LARGEST
    assert distance.mean() <= JPEG_MEAN


def test_equal_maps_are_equal_bytes():
    grey = np.random.default_rng(2).integers(0, 256, (30, 40), dtype=np.uint8)
    assert png(grey) == png(grey.copy())
    assert jpeg(grey) == jpeg(grey.copy())
