"""AUC and shuffled AUC against the definition by brute force, and their invariants."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from metrics import auc as module
from metrics.auc import auc, auc_per_positive, rank_counts, rescale_fixations, shuffled_auc

FEW_VALUES = st.integers(-3, 3).map(float)  # many ties


def brute_force(positives, negatives):
    """Mean over all negatives of 1 where lower, 1/2 where equal."""
    return [np.mean([(n < p) + 0.5 * (n == p) for n in negatives]) for p in positives]


@given(
    arrays(float, st.integers(1, 8), elements=FEW_VALUES),
    arrays(float, st.integers(1, 30), elements=FEW_VALUES),
)
def test_equals_definition(positives, negatives):
    expected = brute_force(positives, negatives)
    assert auc_per_positive(positives, negatives) == pytest.approx(expected, abs=1e-15)


ANY_VALUES = FEW_VALUES | st.floats(allow_nan=False) | st.sampled_from([-0.0, 0.0, 5e-324])


@given(
    arrays(float, st.integers(1, 300), elements=ANY_VALUES),
    arrays(float, st.integers(1, 9), elements=ANY_VALUES),
    st.sampled_from([0, 99]),
)
def test_both_ways_of_counting_agree(values, thresholds, few):
    thresholds = np.unique(thresholds + 0.0)
    kept, module._FEW = module._FEW, few
    try:
        below, up_to = rank_counts(values, thresholds)
    finally:
        module._FEW = kept
    assert below.tolist() == [(values < t).sum() for t in thresholds]
    assert up_to.tolist() == [(values <= t).sum() for t in thresholds]


@pytest.mark.parametrize("scale", [1.0, -1.0, 1e-200])
def test_many_thresholds(scale):
    rng = np.random.default_rng(0)
    values = rng.exponential(size=5000) * scale
    positives = np.concatenate([rng.exponential(size=400) * scale, values[:50]])
    expected = [(values < p).mean() + (values == p).mean() / 2 for p in positives]
    assert auc_per_positive(positives, values) == pytest.approx(expected, abs=1e-15)


def test_values_beyond_a_block_are_counted():
    values = np.arange(3.0 * module._BLOCK + 5)
    below, up_to = rank_counts(values, np.array([values[-1]]))
    assert (below[0], up_to[0]) == (len(values) - 1, len(values))


@pytest.mark.parametrize("value", [0.0, 0.1, -7.3, 1e-300])
def test_constant_map_is_exactly_one_half(value):
    constant = np.full((13, 17), value)
    assert (auc(constant, [0, 5], [0, 9]) == 0.5).all()
    assert (shuffled_auc(constant, [0, 5], [0, 9], [1, 2, 3], [4, 5, 6]) == 0.5).all()


def test_invariant_under_monotone_transforms(example):
    density, x, y = example
    expected = auc(density, x, y)
    for transform in (np.log, np.sqrt, lambda d: 3 * d - 8, np.exp):
        assert (auc(transform(density), x, y) == expected).all()
    assert auc(-density, x, y) == pytest.approx(1 - expected)


def test_single_precision_counts_alike(example):
    density, x, y = example
    single = density.astype(np.float32)
    assert (auc(single, x, y) == auc(single.astype(float), x, y)).all()


def test_minus_infinity_is_a_value():
    log_density = np.array([[-np.inf, 0.0]])
    assert auc(log_density, [0, 1], [0, 0]) == pytest.approx([0.25, 0.75])


@pytest.mark.parametrize("size", [3, 400])
def test_nan_is_an_error(size):
    values = np.random.default_rng(0).random((30, 30))
    x, y = np.arange(size) % 30, np.arange(size) // 30
    values[29, 29] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        auc(values, x, y)


def test_no_negatives_is_undefined():
    assert np.isnan(auc_per_positive([1.0, 2.0], [])).all()
    assert auc_per_positive([], [1.0]).shape == (0,)


def test_shuffled_counts_every_negative(example):
    density, x, y = example
    other_x, other_y = [3, 3, 50], [5, 5, 20]  # two on one pixel count twice
    negatives = [density[5, 3], density[5, 3], density[20, 50]]
    positives = [density[int(b), int(a)] for a, b in zip(x, y)]
    expected = brute_force(positives, negatives)
    assert shuffled_auc(density, x, y, other_x, other_y) == pytest.approx(expected)


def test_rescaling_keeps_relative_positions():
    x, y = rescale_fixations([99.9, 0.0], [49.9, 25.0], [(50, 100), (50, 200)], (100, 10))
    assert x.tolist() == [9, 0]
    assert y.tolist() == [99, 50]
