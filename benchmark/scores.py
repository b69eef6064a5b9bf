"""From per-image scores to means, intervals, explained information gain and paired differences.

Intervals are bootstrap intervals over images: images are drawn with replacement, all models and
metrics on the same draws, so differences and ratios are paired. They say how the result would vary
with other images of the same kind, seen by the same observers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm, t

#: Metrics averaged over fixations as well as over images; the latter get this suffix.
PER_FIXATION = ("LL", "IG")
IMAGE_SUFFIX = "_image"
GOLD = "gold"

#: Draws at a time, and images of all of these together, so that memory is bounded.
_DRAWS_AT_ONCE, DRAWN_AT_ONCE = 1000, 16_000_000


@dataclass(frozen=True)
class Column:
    """One metric of one model over images: values, and the weight each image has in the mean."""

    values: NDArray[np.float64]
    weights: NDArray[np.float64]

    @property
    def defined(self) -> NDArray[np.bool_]:
        return ~np.isnan(self.values) & (self.weights > 0)

    @property
    def mean(self) -> float:
        if not self.defined.any():
            return float("nan")
        with np.errstate(invalid="ignore"):  # infinities of both signs have no mean
            return float(np.average(self.values[self.defined], weights=self.weights[self.defined]))


class Bootstrap:
    """Weighted means of columns over resampled images.

    Args:
        n_images: number of images drawn, with replacement, in every draw.
        draws: number of draws. seed: makes them repeatable.
    """

    def __init__(self, n_images: int, draws: int = 10_000, seed: int = 0):
        self.n_images = n_images
        self.draws = draws
        self.seed = seed

    def means(self, columns: list[Column]) -> NDArray[np.float64]:
        """Means over each draw, (draws, columns); NaN where a draw holds no defined value, and of a
        column with an infinite one."""
        weights = np.stack([np.where(c.defined, c.weights, 0.0) for c in columns], axis=1)
        products = np.stack([np.where(c.defined, c.values, 0.0) for c in columns], axis=1) * weights
        rng = np.random.default_rng(self.seed)
        result = np.empty((self.draws, len(columns)))
        at_once = min(_DRAWS_AT_ONCE, max(1, DRAWN_AT_ONCE // self.n_images))
        for start in range(0, self.draws, at_once):
            stop = min(start + at_once, self.draws)
            counts = _counts(rng, stop - start, self.n_images)
            with np.errstate(invalid="ignore", divide="ignore"):
                result[start:stop] = (counts @ products) / (counts @ weights)
        return result


def _counts(rng: np.random.Generator, draws: int, n_images: int) -> NDArray[np.float64]:
    """How often each image is drawn, (draws, n_images)."""
    drawn = rng.integers(0, n_images, size=(draws, n_images))
    drawn += np.arange(draws)[:, None] * n_images
    counts = np.bincount(drawn.ravel(), minlength=draws * n_images)
    return counts.reshape(draws, n_images).astype(np.float64)


def interval(draws: NDArray[np.float64], n_images: int, level: float = 0.95) -> tuple[float, float]:
    """Expanded percentile interval of bootstrap draws.

    The plain percentile interval is too narrow for few images by sqrt(n / (n - 1)) and for using
    the normal where Student's t is due; the percentiles are moved outwards to make up for both
    (Hesterberg 2015, The American Statistician 69(4)).

    Returns:
        Lower and upper end; NaN for fewer than two images or where a draw is undefined.
    """
    if n_images < 2 or not np.isfinite(draws).all():
        return float("nan"), float("nan")
    tail = (1 - level) / 2
    shifted = norm.cdf(np.sqrt(n_images / (n_images - 1)) * t.ppf(tail, n_images - 1))
    low, high = np.quantile(draws, [shifted, 1 - shifted])
    return float(low), float(high)


def columns(scores: pd.DataFrame) -> dict[tuple[str, str], Column]:
    """Columns by (model, metric), all over the same images in the same order.

    Args:
        scores: columns model, image, metric, value, n_fixations; a row per image, model and metric.
    """
    images = np.sort(scores["image"].unique())
    result: dict[tuple[str, str], Column] = {}
    for (model, metric), rows in scores.groupby(["model", "metric"], sort=False):
        rows = rows.set_index("image").reindex(images)
        values = rows["value"].to_numpy(dtype=float)
        counts = rows["n_fixations"].fillna(0).to_numpy(dtype=float)
        per_image = Column(values, (counts > 0).astype(float))
        if metric in PER_FIXATION:
            result[model, metric] = Column(values, counts)
            result[model, metric + IMAGE_SUFFIX] = per_image
        else:
            result[model, metric] = per_image
    return result


def _on_common_images(first: Column, second: Column) -> tuple[Column, Column]:
    """Both columns over the images where both are defined."""
    common = first.defined & second.defined
    return (
        Column(first.values, np.where(common, first.weights, 0.0)),
        Column(second.values, np.where(common, second.weights, 0.0)),
    )


def explained_share(own: ArrayLike, gold: ArrayLike) -> NDArray[np.float64]:
    """Information gain as a share of the gold standard's; NaN where that gains nothing.

    Args:
        own, gold: information gains in one unit, of shapes that broadcast.
    """
    gain, limit = np.broadcast_arrays(np.asarray(own, dtype=float), np.asarray(gold, dtype=float))
    share = np.full(gain.shape, np.nan)
    gains = limit > 0
    share[gains] = gain[gains] / limit[gains]
    return share


def explained_mean(own: Column, gold: Column, gold_draws: NDArray[np.float64]) -> float:
    """Explained information gain of two columns that are defined on the same images.

    NaN if the gold standard's own gain cannot be told from none: it is not above 0, or its 95 %
    interval reaches 0. The ratio would say nothing, and would be negative over negative.

    Args:
        gold_draws: bootstrap means of ``gold``.
    """
    low, _ = interval(gold_draws, int(gold.defined.sum()))
    return float("nan") if low <= 0 else float(explained_share(own.mean, gold.mean))


def summarise(
    scores: pd.DataFrame, units: Mapping[str, str], draws: int = 10_000, seed: int = 0
) -> pd.DataFrame:
    """A row per model and metric: mean, 95 % interval, counts, explained information gain.

    Explained information gain is IG(model) / IG(gold standard), both over the images where both are
    defined, neither clipped nor rounded, its interval from the ratio in each draw; only IG rows
    have it, and only if ``gold`` was scored and gains information (:func:`explained_mean`). It has
    no interval if the gold standard gains nothing in a draw.

    Args:
        scores: as for :func:`columns`. units: unit of each metric.
    """
    table = columns(scores)
    n_images = int(scores["image"].nunique())
    counts = {
        key: int(rows.loc[rows["value"].notna(), "n_fixations"].sum())
        for key, rows in scores.groupby(["model", "metric"])
    }
    with_gold = {
        (model, metric): _on_common_images(column, table[GOLD, metric])
        for (model, metric), column in table.items()
        if metric.removesuffix(IMAGE_SUFFIX) == "IG" and (GOLD, metric) in table
    }
    paired = [column for pair in with_gold.values() for column in pair]
    resampled = Bootstrap(n_images, draws, seed).means([*table.values(), *paired]).T
    draw_of = dict(zip(table, resampled))
    paired_draws = dict(zip(with_gold, resampled[len(table) :].reshape(len(with_gold), 2, draws)))
    rows = []
    for (model, metric), column in table.items():
        base = metric.removesuffix(IMAGE_SUFFIX)
        defined = int(column.defined.sum())
        low, high = interval(draw_of[model, metric], defined)
        row = {
            "model": model,
            "metric": metric,
            "mean": column.mean,
            "ci_low": low,
            "ci_high": high,
            "n_images": defined,
            "n_fixations": counts[model, base],
            "unit": units.get(base, ""),
            "explained": np.nan,
            "explained_low": np.nan,
            "explained_high": np.nan,
        }
        if (model, metric) in with_gold:
            own, gold = with_gold[model, metric]
            own_draws, gold_draws = paired_draws[model, metric]
            share = row["explained"] = explained_mean(own, gold, gold_draws)
            if not np.isnan(share):
                ratio = explained_share(own_draws, gold_draws)
                ends = interval(ratio, int(own.defined.sum()))
                row["explained_low"], row["explained_high"] = ends
        rows.append(row)
    return pd.DataFrame(rows)


def differences(
    scores: pd.DataFrame,
    ranked: list[str],
    higher_is_better: Mapping[str, bool],
    draws: int = 10_000,
    seed: int = 0,
) -> pd.DataFrame:
    """Paired difference of each ranked model to the best of them, for each metric.

    Both means are over the images where both are defined.

    Args:
        scores: as for :func:`columns`. ranked: models that may be best (no ceilings).
        higher_is_better: direction of each metric.
    """
    table = columns(scores)
    bootstrap = Bootstrap(int(scores["image"].nunique()), draws, seed)
    pairs: list[tuple[str, str, str]] = []
    both: list[Column] = []
    for metric in dict.fromkeys(metric for _, metric in table):
        sign = 1.0 if higher_is_better[metric.removesuffix(IMAGE_SUFFIX)] else -1.0
        means = {m: sign * table[m, metric].mean for m in ranked if (m, metric) in table}
        means = {m: mean for m, mean in means.items() if not np.isnan(mean)}
        if not means:
            continue
        best = max(means, key=lambda m: means[m])
        for model in means:
            pairs.append((metric, model, best))
            both += _on_common_images(table[model, metric], table[best, metric])
    if not pairs:
        return pd.DataFrame(
            columns=["metric", "model", "best", "difference", "ci_low", "ci_high", "n_images"]
        )
    resampled = bootstrap.means(both)
    rows = []
    for index, (metric, model, best) in enumerate(pairs):
        first, second = both[2 * index], both[2 * index + 1]
        n_images = int(first.defined.sum())
        with np.errstate(invalid="ignore"):  # -inf - -inf is undefined, and NaN says so
            difference = resampled[:, 2 * index] - resampled[:, 2 * index + 1]
        low, high = interval(difference, n_images)
        rows.append(
            {
                "metric": metric,
                "model": model,
                "best": best,
                "difference": first.mean - second.mean,
                "ci_low": low,
                "ci_high": high,
                "n_images": n_images,
            }
        )
    return pd.DataFrame(rows)
