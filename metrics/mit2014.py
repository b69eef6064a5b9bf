"""The MIT Saliency Benchmark's own variants of the metrics (Matlab code of 2014-16).

Definitions follow its public Matlab code (Bylinskii, Judd, Borji et al.), written anew here. They
treat fixations as a binary map, so two fixations on one pixel count once.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from metrics.auc import rank_counts
from metrics.fixations import pixel_indices
from metrics.nss import nss
from metrics.sim import similarity
from metrics.spec import metric

#: Size of the jitter of AUC-Judd, in units of the range of the map.
JITTER = 1e-7


def distinct_pixels(
    x: ArrayLike, y: ArrayLike, shape: tuple[int, int]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Columns and rows of the pixels with at least one fixation, each once."""
    columns, rows = pixel_indices(x, y, shape)
    flat = np.unique(rows * shape[1] + columns)
    return flat % shape[1], flat // shape[1]


def min_max(saliency_map: NDArray) -> NDArray[np.float64]:
    """The map scaled to [0, 1]; a constant map becomes NaN, as in the original code."""
    saliency_map = np.asarray(saliency_map, dtype=np.float64)
    low, high = saliency_map.min(), saliency_map.max()
    if low == high:
        return np.full(saliency_map.shape, np.nan)
    return (saliency_map - low) / (high - low)


def equalised(saliency_map: NDArray) -> NDArray[np.float64]:
    """Ranks of the pixels scaled to [0, 1], ties sharing their mean rank, (height, width).

    The monotone transform that loses least to thresholds at fixed steps, as DeepGaze II's maps
    were submitted to that benchmark.
    """
    ranks = rankdata(saliency_map).reshape(np.shape(saliency_map))
    return (ranks - 0.5) / ranks.size


def auc_judd(
    saliency_map: NDArray, x: ArrayLike, y: ArrayLike, rng: np.random.Generator | None = None
) -> float:
    """AUC-Judd: negatives are the unfixated pixels, thresholds only at fixated values.

    Args:
        saliency_map: (height, width).
        x, y: fixations in pixels, (fixations,).
        rng: source of the uniform jitter of 1e-7 that breaks ties, None for no jitter. Here the
            map is scaled to [0, 1] first, since the jitter would drown a density's values.

    Returns:
        Value in [0, 1]; NaN without fixations.

    Raises:
        ValueError: the map contains NaN, or a fixation is outside it.
    """
    values = np.asarray(saliency_map, dtype=np.float64)
    columns, rows = distinct_pixels(x, y, (values.shape[0], values.shape[1]))
    if not len(columns):
        return float("nan")
    if values.min() < values.max():
        values = min_max(values)
    if rng is not None:
        values = values + JITTER * rng.random(values.shape)
    positives = np.sort(values[rows, columns])[::-1]
    thresholds, inverse = np.unique(positives, return_inverse=True)
    below, _ = rank_counts(values, thresholds)
    at_least = values.size - below[inverse.ravel()]
    order = np.arange(1, len(positives) + 1)
    hits = np.concatenate([[0.0], order / len(positives), [1.0]])
    negatives = max(values.size - len(positives), 1)
    false_alarms = np.concatenate([[0.0], (at_least - order) / negatives, [1.0]])
    return _area(false_alarms, hits)


def _area(x: NDArray, y: NDArray) -> float:
    return float(np.sum(np.diff(x) * (y[1:] + y[:-1]) / 2))


def _stepped_auc(positives: NDArray, splits: NDArray, step: float) -> float:
    """Mean over splits (rows) of the area under a ROC curve with thresholds in fixed steps."""
    thresholds = np.arange(round(1 / step), -1, -1) * step
    hits = (positives[None, :] >= thresholds[:, None]).mean(axis=1)
    hits = np.concatenate([[0.0], hits, [1.0]])
    false_alarms = (splits[:, :, None] >= thresholds).mean(axis=1)
    edges = np.zeros((len(splits), 1))
    false_alarms = np.concatenate([edges, false_alarms, edges + 1], axis=1)
    areas = np.diff(false_alarms, axis=1) * (hits[1:] + hits[:-1]) / 2
    return float(areas.sum(axis=1).mean())


@metric(
    name="AUC_Borji",
    title="AUC-Borji",
    unit="",
    higher_is_better=True,
    per="image",
    chance=0.5,
    wants="density with its histogram equalised (protocol mit2014 only)",
    citation="Borji, Tavakoli, Sihite, Itti 2013",
)
def auc_borji(
    saliency_map: NDArray,
    x: ArrayLike,
    y: ArrayLike,
    rng: np.random.Generator,
    splits: int = 100,
    step: float = 0.1,
) -> float:
    """AUC-Borji: as many random pixels as fixations for negatives, thresholds in steps.

    Args:
        saliency_map: (height, width); scaled to [0, 1] first.
        x, y: fixations in pixels, (fixations,).
        rng: draws the negatives. splits: number of draws that are averaged.
        step: distance of the thresholds.

    Returns:
        Value in [0, 1]; NaN without fixations; 0.5 for a constant map.
    """
    shape = (np.shape(saliency_map)[0], np.shape(saliency_map)[1])
    columns, rows = distinct_pixels(x, y, shape)
    if not len(columns):
        return float("nan")
    scaled = min_max(saliency_map)
    if np.isnan(scaled).any():
        return 0.5
    drawn = rng.integers(0, scaled.size, size=(splits, len(columns)))
    return _stepped_auc(scaled[rows, columns], scaled.ravel()[drawn], step)


def shuffled_auc_borji(
    saliency_map: NDArray,
    x: ArrayLike,
    y: ArrayLike,
    other_x: ArrayLike,
    other_y: ArrayLike,
    rng: np.random.Generator,
    splits: int = 100,
    step: float = 0.1,
) -> float:
    """Shuffled AUC of that benchmark: negatives from the fixated pixels of other images.

    Args:
        other_x, other_y: fixations of (ten) other images at this image's size; their distinct
            pixels are drawn from without replacement, as many as there are fixations.
        For the others see :func:`auc_borji`.

    Returns:
        Value in [0, 1]; NaN without fixations here or elsewhere; 0.5 for a constant map.
    """
    shape = (np.shape(saliency_map)[0], np.shape(saliency_map)[1])
    columns, rows = distinct_pixels(x, y, shape)
    other_columns, other_rows = distinct_pixels(other_x, other_y, shape)
    if not len(columns) or not len(other_columns):
        return float("nan")
    scaled = min_max(saliency_map)
    if np.isnan(scaled).any():
        return 0.5
    pool = scaled[other_rows, other_columns]
    count = min(len(columns), len(pool))
    drawn = rng.permuted(np.tile(pool, (splits, 1)), axis=1)[:, :count]
    return _stepped_auc(scaled[rows, columns], drawn, step)


def nss_distinct(saliency_map: NDArray, x: ArrayLike, y: ArrayLike) -> float:
    """NSS over distinct fixated pixels with the sample standard deviation (Matlab's ``std``).

    Returns:
        The mean; NaN for a constant map or without fixations.
    """
    shape = (np.shape(saliency_map)[0], np.shape(saliency_map)[1])
    columns, rows = distinct_pixels(x, y, shape)
    if not len(columns) or np.ptp(saliency_map) == 0:
        return float("nan")
    return float(nss(saliency_map, columns, rows, ddof=1).mean())


def similarity_min_max(saliency_map: NDArray, empirical_map: NDArray) -> float:
    """SIM after scaling both maps to [0, 1]; NaN if one of them is constant."""
    if np.ptp(saliency_map) == 0 or np.ptp(empirical_map) == 0:
        return float("nan")
    return similarity(min_max(saliency_map), min_max(empirical_map))


def information_gain_min_max(
    saliency_map: NDArray, baseline_map: NDArray, x: ArrayLike, y: ArrayLike
) -> float:
    """That benchmark's InfoGain, in bits: both maps scaled to [0, 1], then divided by their sums.

    The scaling moves every map's minimum to zero, so this is *not* the information gain of the
    density. ``mean log2(eps + p) - log2(eps + p_baseline)`` over distinct fixated pixels, eps being
    the double precision's epsilon.

    Returns:
        Bits; NaN if a map is constant or there is no fixation.
    """
    shape = (np.shape(saliency_map)[0], np.shape(saliency_map)[1])
    columns, rows = distinct_pixels(x, y, shape)
    if not len(columns) or np.ptp(saliency_map) == 0 or np.ptp(baseline_map) == 0:
        return float("nan")
    epsilon = np.finfo(float).eps
    logs = []
    for values in (saliency_map, baseline_map):
        scaled = min_max(values)
        logs.append(np.log2(epsilon + scaled[rows, columns] / scaled.sum()))
    return float(np.mean(logs[0] - logs[1]))
