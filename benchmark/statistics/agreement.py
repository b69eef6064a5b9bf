"""Whether metrics agree: on the ranking of models, on each image, and on which images are hard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import kendalltau, rankdata, spearmanr

from benchmark.scores import Bootstrap, Column, interval


def correlations_by_row(
    first: NDArray[np.float64], second: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Spearman's rank correlation of each row of two tables, (rows,); ties get mean ranks.

    Entries that are undefined in either table are left out. NaN for rows with fewer than three
    entries left, or whose entries are all alike.
    """
    missing = np.isnan(first) | np.isnan(second)
    result = np.full(len(first), np.nan)
    complete = ~missing.any(axis=1)
    if first.shape[1] >= 3 and complete.any():
        result[complete] = _spearman(first[complete], second[complete])
    for row in np.flatnonzero(~complete):
        kept = ~missing[row]
        if kept.sum() >= 3:
            result[row] = _spearman(first[row, kept][None], second[row, kept][None])[0]
    return result


def _spearman(first: NDArray, second: NDArray) -> NDArray[np.float64]:
    ranks = [rankdata(values, axis=1) for values in (first, second)]
    a, b = (values - values.mean(axis=1, keepdims=True) for values in ranks)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((a * b).sum(axis=1) / np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1)))


def agreement(
    columns: Mapping[tuple[str, str], Column],
    metrics: Sequence[str],
    models: Sequence[str],
    higher_is_better: Mapping[str, bool],
    draws: int = 10_000,
    seed: int = 0,
) -> pd.DataFrame:
    """A row for each pair of metrics, all turned so that more is better.

    Returns:
        columns

        * metric, other, n_models: models that have both means.
        * kendall, spearman: correlation of the models' ranks by their means (tau-b, ties halved).
        * within, within_low, within_high: Spearman's correlation over the models on one image,
          averaged over images, with its bootstrap 95 % interval: do both metrics order the models
          alike on a single image?
        * across: Spearman's correlation over the images for one model, averaged over models: do
          both metrics find the same images hard?
    """
    sign = {metric: 1.0 if higher_is_better[metric] else -1.0 for metric in metrics}
    values = {
        metric: np.stack([sign[metric] * columns[m, metric].values for m in models], axis=1)
        for metric in metrics
    }
    means = {
        metric: np.array([sign[metric] * columns[m, metric].mean for m in models])
        for metric in metrics
    }
    rows, per_image = [], []
    for first, second in combinations(metrics, 2):
        both = ~np.isnan(means[first]) & ~np.isnan(means[second])
        a, b = means[first][both], means[second][both]
        enough = both.sum() >= 3
        within = correlations_by_row(values[first], values[second])
        across = correlations_by_row(values[first].T, values[second].T)
        per_image.append(Column(within, np.ones(len(within))))
        rows.append(
            {
                "metric": first,
                "other": second,
                "n_models": int(both.sum()),
                "kendall": kendalltau(a, b).statistic if enough else np.nan,
                "spearman": spearmanr(a, b).statistic if enough else np.nan,
                "within": per_image[-1].mean,
                "across": np.nanmean(across) if np.isfinite(across).any() else np.nan,
            }
        )
    if not rows:
        return pd.DataFrame(columns=NAMES)
    resampled = Bootstrap(len(per_image[0].values), draws, seed).means(per_image).T
    ends = [interval(sums, int(c.defined.sum())) for sums, c in zip(resampled, per_image)]
    table = pd.DataFrame(rows)
    table["within_low"], table["within_high"] = zip(*ends)
    return table[NAMES]


NAMES = ["metric", "other", "n_models", "kendall", "spearman", "within", "within_low",
         "within_high", "across"]  # fmt: skip
