"""Paired tests between models, image by image, corrected for how many were made.

The statistic is the one that is reported: the difference of the two means, over fixations for LL
and IG, over images for all other metrics. It is a sum of one contribution an image. The null
hypothesis is that the two models are exchangeable on every image; exchanging them flips the sign of
the whole image's contribution, so images are what is permuted, never fixations.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from benchmark.scores import Bootstrap, Column, interval

FLIPS = 20_000
#: Level of tests, and of the error rate of a family of them.
LEVEL = 0.05
_SUMS_AT_ONCE = 2_000_000  # signs held at a time


def difference(first: Column, second: Column) -> Column:
    """``second - first`` on the images where both are defined, as one column.

    Its mean is the difference of the two means over these images, its bootstrap that of the paired
    difference. Both columns hold the same images with the same weights. Equal values differ by 0,
    infinite ones, too.
    """
    common = first.defined & second.defined
    with np.errstate(invalid="ignore"):  # -inf - -inf is undefined, though both are equal
        values = np.where(first.values == second.values, 0.0, second.values - first.values)
    values = np.where(common, values, np.nan)
    return Column(values, np.where(common, first.weights, 0.0))


def contributions(columns: Sequence[Column]) -> NDArray[np.float64]:
    """What each image adds to the mean of each column, (images, columns); undefined adds 0."""
    parts = []
    for column in columns:
        weights = np.where(column.defined, column.weights, 0.0)
        total = weights.sum()
        parts.append(np.where(column.defined, column.values, 0.0) * weights / (total or 1.0))
    return np.stack(parts, axis=1)


def sign_flip_p(
    contributions: NDArray[np.float64], flips: int = FLIPS, seed: int = 0
) -> NDArray[np.float64]:
    """Two-sided p-values of sums of contributions under random signs, (columns,).

    p is the share of sign patterns whose sum is at least as far from 0 as the one observed. If
    there are at most ``flips`` patterns (up to a common sign), all are tried and p is exact; else
    so many are drawn, the same for all columns, and the observed one is counted in: (hits + 1) /
    (flips + 1), which never lets a true null hypothesis be rejected too often. Ties count as hits,
    up to rounding.

    Args:
        contributions: of each image, (images, columns).

    Returns:
        NaN for a column with a value that is not finite, since its sum is infinite under all signs;
        1 for one of zeros.
    """
    values = contributions[np.any(contributions != 0, axis=1)]
    finite = np.isfinite(values).all(axis=0)
    values = np.where(finite, values, 0.0)
    n_images = len(values)
    reached = np.abs(values.sum(axis=0)) - 1e-12 * np.abs(values).sum(axis=0)
    exact = n_images <= 1 or 2.0 ** (n_images - 1) <= flips
    patterns = 2 ** max(n_images - 1, 0) if exact else flips
    rng = np.random.default_rng(seed)
    hits = np.zeros(values.shape[1], dtype=np.int64)
    step = max(1, _SUMS_AT_ONCE // max(n_images, 1))
    for start in range(0, patterns, step):
        size = min(step, patterns - start)
        if exact:  # the last image keeps its sign: the opposite patterns have the opposite sums
            numbers = np.arange(start, start + size)
            flipped = (numbers[:, None] >> np.arange(n_images)[None, :]) & 1
        else:
            flipped = rng.integers(0, 2, size=(size, n_images), dtype=np.int8)
        sums = np.where(flipped, -1.0, 1.0) @ values
        hits += (np.abs(sums) >= reached).sum(axis=0)
    p = hits / patterns if exact else (hits + 1) / (patterns + 1)
    return np.where(finite, p, np.nan)


def smallest_p(n_images: int, flips: int = FLIPS) -> float:
    """The smallest p-value that :func:`sign_flip_p` can give.

    Args:
        n_images: on which the two models may differ. flips: as drawn.
    """
    return max(2.0 ** -max(n_images - 1, 0), 1 / (flips + 1))


def enough_flips(n_pairs: int, flips: int = FLIPS) -> int:
    """``flips``, or more where so few could separate no pair of a family after Holm's correction.

    More are ten times the fewest that could, so that a few hits do not decide.
    """
    if n_pairs / (flips + 1) <= LEVEL:
        return flips
    return math.ceil(10 * n_pairs / LEVEL)


def can_separate(tests: pd.DataFrame, flips: int = FLIPS) -> bool:
    """Whether Holm's correction leaves any pair of a family a chance to be separated.

    Args:
        tests: rows of one metric from :func:`paired_tests`. flips: as given to it.
    """
    family = tests.dropna(subset=["p"])
    if family.empty:
        return True
    most = int(family["n_images"].max())
    return len(family) * smallest_p(most, enough_flips(len(tests), flips)) <= LEVEL


def holm(p: ArrayLike) -> NDArray[np.float64]:
    """Holm's adjusted p-values: rejecting those up to alpha keeps the family's error rate at alpha.

    The k-th smallest of m is multiplied by m - k + 1, made no smaller than those before it and no
    larger than 1 (Holm 1979, Scandinavian Journal of Statistics 6(2)). NaN is no member of the
    family and stays NaN.
    """
    p = np.asarray(p, dtype=float)
    adjusted = np.full(p.shape, np.nan)
    order = np.argsort(p, kind="stable")[: np.count_nonzero(~np.isnan(p))]
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(factors * p[order]))
    return adjusted


def paired_tests(
    columns: dict[tuple[str, str], Column],
    metric: str,
    models: Sequence[str],
    higher_is_better: bool = True,
    draws: int = 10_000,
    flips: int = FLIPS,
    seed: int = 0,
) -> pd.DataFrame:
    """A row for each pair of models; the Holm family is all pairs for this metric.

    Args:
        columns: as from ``benchmark.scores.columns``. flips: at least, see :func:`enough_flips`.
        models: in the order in which pairs name them; ``difference`` is model minus other.

    Returns:
        columns metric, model, other, difference, ci_low, ci_high, p, p_holm, n_images, better,
        worse (images on which the model is better or worse than the other).
    """
    pairs = list(combinations([m for m in models if (m, metric) in columns], 2))
    names = ["metric", "model", "other", "difference", "ci_low", "ci_high", "p", "p_holm",
             "n_images", "better", "worse"]  # fmt: skip
    if not pairs:
        return pd.DataFrame(columns=names)
    paired = [difference(columns[other, metric], columns[model, metric]) for model, other in pairs]
    p = np.where(
        [column.defined.any() for column in paired],
        sign_flip_p(contributions(paired), enough_flips(len(pairs), flips), seed),
        np.nan,
    )
    rows = []
    resampled = Bootstrap(len(paired[0].values), draws, seed).means(paired).T
    for (model, other), column, sums, one, corrected in zip(pairs, paired, resampled, p, holm(p)):
        n_images = int(column.defined.sum())
        gains = column.values[column.defined] * (1 if higher_is_better else -1)
        counts = n_images, int((gains > 0).sum()), int((gains < 0).sum())
        ends = interval(sums, n_images)
        rows.append((metric, model, other, column.mean, *ends, one, corrected, *counts))
    return pd.DataFrame(rows, columns=names)
