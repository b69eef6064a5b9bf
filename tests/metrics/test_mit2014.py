"""The MIT benchmark's variants against literal transcriptions of their definitions."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from metrics import mit2014
from metrics.auc import auc


def scaled(values):
    return (values - values.min()) / (values.max() - values.min())


def test_distinct_pixels_collapse_duplicates():
    x, y = mit2014.distinct_pixels([3.2, 3.9, 1.0], [4.1, 4.0, 2.0], (10, 10))
    assert sorted(zip(x.tolist(), y.tolist())) == [(1, 2), (3, 4)]


def test_judd_by_definition(example):
    density, x, y = example
    values, fixated = scaled(density).ravel(), np.zeros(density.shape, bool)
    fixated[y.astype(int), x.astype(int)] = True
    positives = np.sort(values[fixated.ravel()])[::-1]
    hits, false_alarms = [0.0], [0.0]
    for i, threshold in enumerate(positives, start=1):
        hits.append(i / len(positives))
        above = (values >= threshold).sum()
        false_alarms.append((above - i) / (len(values) - len(positives)))
    expected = np.trapezoid([*hits, 1.0], [*false_alarms, 1.0])
    assert mit2014.auc_judd(density, x, y) == pytest.approx(expected, rel=1e-12)
    jittered = mit2014.auc_judd(density, x, y, np.random.default_rng(0))
    assert jittered == pytest.approx(expected, abs=1e-3)
    assert mit2014.auc_judd(density * 1e-9, x, y) == pytest.approx(expected, rel=1e-9)


def stepped(positives, negatives, step=0.1):
    """ROC area with thresholds 1, 0.9, ... 0, by loops."""
    points = [(0.0, 0.0)]
    for k in range(10, -1, -1):
        points.append(((negatives >= k * step).mean(), (positives >= k * step).mean()))
    points.append((1.0, 1.0))
    pairs = itertools.pairwise(points)
    return sum((x2 - x1) * (y1 + y2) / 2 for (x1, y1), (x2, y2) in pairs)


def test_borji_by_definition(example):
    density, x, y = example
    columns, rows = mit2014.distinct_pixels(x, y, density.shape)
    values = scaled(density)
    drawn = np.random.default_rng(4).integers(0, density.size, size=(100, len(columns)))
    expected = np.mean([stepped(values[rows, columns], values.ravel()[d]) for d in drawn])
    score = mit2014.auc_borji(density, x, y, np.random.default_rng(4))
    assert score == pytest.approx(expected, rel=1e-12)


def test_shuffled_by_definition(example):
    density, x, y = example
    other_x, other_y = [1, 1, 5, 59, 30, 31], [1, 1, 9, 39, 12, 12]
    score = mit2014.shuffled_auc_borji(density, x, y, other_x, other_y, np.random.default_rng(0))
    columns, rows = mit2014.distinct_pixels(x, y, density.shape)
    values = scaled(density)
    pool = values[[1, 9, 39, 12, 12], [1, 5, 59, 30, 31]]  # 5 distinct pixels, all of them drawn
    assert score == pytest.approx(stepped(values[rows, columns], pool), rel=1e-12)


def test_steps_cost_a_peaky_map_and_equalising_saves_it():
    rows, columns = np.mgrid[:200, :300]
    bump = np.exp(-((rows - 80) ** 2 + (columns - 120) ** 2) / (2 * 25.0**2))
    rng = np.random.default_rng(0)
    flat = rng.choice(bump.size, 300, p=bump.ravel() / bump.sum())
    y, x = np.divmod(flat, 300)
    exact = auc(bump, x, y).mean()
    plain = mit2014.auc_borji(bump**4, x, y, np.random.default_rng(1))
    equalised = mit2014.auc_borji(mit2014.equalised(bump**4), x, y, np.random.default_rng(1))
    assert plain < exact - 0.03
    assert equalised == pytest.approx(exact, abs=0.02)


def test_equalised_ranks_share_ties():
    assert mit2014.equalised(np.array([[5.0, 7.0], [5.0, 9.0]])) == pytest.approx(
        np.array([[0.25, 0.625], [0.25, 0.875]])
    )
    assert np.ptp(mit2014.equalised(np.full((3, 3), 0.2))) == 0


def test_nss_uses_distinct_pixels_and_sample_deviation(example):
    density, x, y = example
    fixated = np.zeros(density.shape, bool)
    fixated[y.astype(int), x.astype(int)] = True
    expected = ((density - density.mean()) / density.std(ddof=1))[fixated].mean()
    assert mit2014.nss_distinct(density, x, y) == pytest.approx(expected, rel=1e-12)


def test_similarity_scales_first(example):
    density, _, _ = example
    other = np.roll(density, 6, axis=1) + 3
    p, q = scaled(density), scaled(other)
    expected = np.minimum(p / p.sum(), q / q.sum()).sum()
    assert mit2014.similarity_min_max(density, other) == pytest.approx(expected, rel=1e-12)


def test_information_gain_scales_first(example):
    density, x, y = example
    baseline = np.roll(density, 6, axis=1)
    columns, rows = mit2014.distinct_pixels(x, y, density.shape)
    p, q = scaled(density), scaled(baseline)
    p, q = p / p.sum(), q / q.sum()
    eps = 2.0**-52
    expected = (np.log2(eps + p[rows, columns]) - np.log2(eps + q[rows, columns])).mean()
    score = mit2014.information_gain_min_max(density, baseline, x, y)
    assert score == pytest.approx(expected, rel=1e-12)


def test_constant_maps():
    constant, x, y = np.full((9, 9), 0.3), [1, 2], [3, 4]
    rng = np.random.default_rng(0)
    many_x, many_y = rng.integers(0, 60, 400), rng.integers(0, 60, 400)
    jittered = mit2014.auc_judd(np.full((60, 60), 0.3), many_x, many_y, rng)
    assert jittered == pytest.approx(0.5, abs=0.05)  # it has no other way of breaking ties
    assert mit2014.auc_borji(constant, x, y, rng) == 0.5
    assert mit2014.shuffled_auc_borji(constant, x, y, [0, 5], [0, 5], rng) == 0.5
    assert np.isnan(mit2014.nss_distinct(constant, x, y))
    assert np.isnan(mit2014.similarity_min_max(constant, np.eye(9)))
    assert np.isnan(mit2014.information_gain_min_max(constant, np.eye(9), x, y))


def test_no_fixations_is_undefined():
    values, rng = np.eye(5), np.random.default_rng(0)
    for score in (
        mit2014.auc_judd(values, [], []),
        mit2014.auc_borji(values, [], [], rng),
        mit2014.shuffled_auc_borji(values, [], [], [1], [1], rng),
        mit2014.shuffled_auc_borji(values, [1], [1], [], [], rng),
        mit2014.nss_distinct(values, [], []),
        mit2014.information_gain_min_max(values, values, [], []),
    ):
        assert np.isnan(score)
