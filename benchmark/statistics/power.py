"""How well a data set separates two models: detectable differences, power, images needed.

Predictions treat the weighted mean difference as Student's t does: with n images it has the
standard error sd / sqrt(n), and a two-sided test at 5 % finds a true difference with the power of
the noncentral t distribution. The sign-flip test has no p-value as small as the level below
:func:`fewest_images`, six for 5 %: there the power is 0. :func:`simulated` counts how often that
test finds a difference.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import nct, t

from benchmark.scores import Bootstrap, Column, interval
from benchmark.statistics.paired import LEVEL, sign_flip_p

POWER = 0.8
#: More images than this are not asked for: models so close are not worth telling apart.
MOST_IMAGES = 10_000_000
_CERTAIN = 30.0  # noncentrality beyond which the power is 1 to the last digit


def spread(column: Column) -> float:
    """Standard deviation of an image's influence on a weighted mean, in the metric's unit.

    ``sd(w_i (v_i - mean)) / mean(w)``, so that sd / sqrt(n) is the mean's standard error with
    random weights, too (the mean over fixations is a ratio). NaN for fewer than two images, and
    where a value is infinite.
    """
    chosen = column.defined
    if chosen.sum() < 2:
        return float("nan")
    weights, values = column.weights[chosen], column.values[chosen]
    if not np.isfinite(values).all():
        return float("nan")
    return float(np.std(weights * (values - column.mean), ddof=1) / weights.mean())


def fewest_images(level: float = LEVEL) -> int:
    """The smallest number of images with which a sign-flip test at ``level`` can reject."""
    return 1 + math.ceil(-math.log2(level))


def predicted_power(difference: float, sd: float, n_images: int, level: float = LEVEL) -> float:
    """Probability that a two-sided test at ``level`` finds ``difference`` with so many images."""
    if not (np.isfinite(difference) and np.isfinite(sd)):
        return float("nan")
    if n_images < fewest_images(level):
        return 0.0
    if sd == 0:
        return 1.0 if difference else level
    return _power(abs(difference) / sd * np.sqrt(n_images), n_images - 1, level)


def _power(noncentrality: float, freedom: int, level: float) -> float:
    if noncentrality > _CERTAIN and freedom > 10:
        return 1.0
    critical = t.ppf(1 - level / 2, freedom)
    power = nct.sf(critical, freedom, noncentrality)
    if noncentrality < 5:  # beyond, the other side has less than 1e-11, and scipy may give NaN
        power += nct.cdf(-critical, freedom, noncentrality)
    return float(power)


def detectable(sd: float, n_images: int, power: float = POWER, level: float = LEVEL) -> float:
    """The smallest true difference that a test at ``level`` finds with ``power``.

    Infinite with fewer images than a test can reject with.
    """
    if not np.isfinite(sd):
        return float("nan")
    if n_images < fewest_images(level):
        return float("inf")
    high = 2 * (t.ppf(1 - level / 2, n_images - 1) + t.ppf(power, n_images - 1))
    needed = brentq(lambda nc: _power(nc, n_images - 1, level) - power, 0.0, high)
    return float(needed * sd / np.sqrt(n_images))


def images_needed(
    difference: float, sd: float, power: float = POWER, level: float = LEVEL
) -> float:
    """The smallest number of images with which ``difference`` is found; infinite if absurd."""
    if not (np.isfinite(difference) and np.isfinite(sd)):
        return float("nan")
    low, high = 1, 2
    while predicted_power(difference, sd, high, level) < power:
        low, high = high, 2 * high
        if high > MOST_IMAGES:
            return float("inf")
    while high - low > 1:
        middle = (low + high) // 2
        if predicted_power(difference, sd, middle, level) < power:
            low = middle
        else:
            high = middle
    return float(high)


def half_width(sd: float, n_images: int, level: float = 0.95) -> float:
    """Expected half-width of the interval of a mean."""
    if n_images < 2:
        return float("nan")
    return float(t.ppf((1 + level) / 2, n_images - 1) * sd / np.sqrt(n_images))


def power_table(pairs: Sequence[tuple[str, str]], columns: Sequence[Column]) -> pd.DataFrame:
    """A row for each pair: what this data set can tell of its two models.

    Args:
        pairs: (model, other). columns: the paired difference of each, model minus other.

    Returns:
        columns model, other, n_images, difference, sd, half_width, detectable (80 % power at 5 %),
        power (predicted, if the measured difference were the true one) and images_needed for it.
    """
    rows = []
    for (model, other), column in zip(pairs, columns):
        n, sd, mean = int(column.defined.sum()), spread(column), column.mean
        rows.append(
            (model, other, n, mean, sd, half_width(sd, n), detectable(sd, n),
             predicted_power(mean, sd, n), images_needed(mean, sd))
        )  # fmt: skip
    names = ["model", "other", "n_images", "difference", "sd", "half_width", "detectable",
             "power", "images_needed"]  # fmt: skip
    return pd.DataFrame(rows, columns=names)


def simulated(
    column: Column, n_images: int, repeats: int = 1000, flips: int = 999, seed: int = 0
) -> tuple[float, float]:
    """Power and half-width that data sets of n images really have.

    Images are drawn with replacement, so that the whole data set is the population and its mean
    the true difference.

    Returns:
        The share of ``repeats`` samples in which the sign-flip test has p <= 5 %, and the mean
        half-width of the bootstrap interval over 200 of them (1000 draws).
    """
    values, weights = column.values[column.defined], column.weights[column.defined]
    drawn = np.random.default_rng(seed).integers(0, len(values), (n_images, repeats))
    p = sign_flip_p(values[drawn] * weights[drawn], flips, seed)
    samples = [Column(values[one], weights[one]) for one in drawn.T[:200]]
    means = Bootstrap(n_images, 1000, seed).means(samples).T
    ends = np.array([interval(each, n_images) for each in means])
    return float((p <= LEVEL).mean()), float(np.diff(ends, axis=1).mean() / 2)


def check(
    pairs: Sequence[tuple[str, str]],
    columns: Sequence[Column],
    n_images: Sequence[int] = (10, 20, 50, 100, 200, 500),
    repeats: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Predicted beside simulated power and half-widths, a row for each pair and number of images.

    Numbers of images beyond those of the data set are left out, and pairs that never differ.
    """
    rows = []
    for (model, other), column in zip(pairs, columns):
        sd, most = spread(column), int(column.defined.sum())
        if not sd > 0 or not np.isfinite(column.mean):
            continue
        for n in [n for n in n_images if n <= most]:
            power, width = simulated(column, n, repeats, seed=seed)
            rows.append(
                (model, other, n, predicted_power(column.mean, sd, n), power,
                 float(np.sqrt(power * (1 - power) / repeats)), half_width(sd, n), width)
            )  # fmt: skip
    names = ["model", "other", "n_images", "power_predicted", "power_simulated",
             "power_se", "half_width_predicted", "half_width_simulated"]  # fmt: skip
    return pd.DataFrame(rows, columns=names)


def worst(checked: pd.DataFrame) -> float:
    """The largest difference between predicted and simulated power."""
    return float((checked["power_predicted"] - checked["power_simulated"]).abs().max())


def curve(sd: float, n_images: NDArray[np.int64]) -> NDArray[np.float64]:
    """Smallest detectable difference by number of images."""
    return np.array([detectable(sd, int(n)) for n in n_images])
