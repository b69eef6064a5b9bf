"""Pearson correlation between a prediction and the empirical fixation map."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from metrics.densities import as_pair
from metrics.spec import metric


@numba.njit(nogil=True, cache=True)
def _range_and_mean(values: NDArray[np.float64]) -> tuple[float, float, float]:
    """Least and largest value and the mean; NaN makes the mean and the range NaN."""
    total, low, high = 0.0, np.inf, -np.inf
    for row in range(values.shape[0]):
        part = 0.0
        for column in range(values.shape[1]):
            value = values[row, column]
            part += value
            low = min(low, value)
            high = max(high, value)
        total += part
    mean = total / values.size
    return (low, high, mean) if mean == mean else (mean, mean, mean)


@numba.njit(nogil=True, cache=True)
def _moments(first, second, mean_first, mean_second, scale_first, scale_second):
    """Sums of the product and of the squares of both centred, scaled maps."""
    product, square_first, square_second = 0.0, 0.0, 0.0
    for row in range(first.shape[0]):
        part, part_first, part_second = 0.0, 0.0, 0.0
        for column in range(first.shape[1]):
            a = (first[row, column] - mean_first) * scale_first
            b = (second[row, column] - mean_second) * scale_second
            part += a * b
            part_first += a * a
            part_second += b * b
        product += part
        square_first += part_first
        square_second += part_second
    return product, square_first, square_second


@metric(
    name="CC",
    title="Correlation coefficient",
    unit="",
    higher_is_better=True,
    per="image",
    chance=0.0,
    wants="density blurred like the empirical map",
    citation="Ouerhani et al. 2003; Kümmerer, Wallis, Bethge 2018",
)
def correlation(saliency_map: NDArray, empirical_map: NDArray) -> float:
    """Pearson correlation of two maps over pixels.

    Args:
        saliency_map, empirical_map: (height, width).

    Returns:
        Value in [-1, 1]. A constant prediction correlates 0 with a map that varies; against a
        constant empirical map the correlation is undefined: NaN.

    Raises:
        ValueError: the maps differ in shape or are not finite.
    """
    first, second = as_pair(saliency_map, empirical_map)
    low, high, mean = _range_and_mean(first)
    low_empirical, high_empirical, mean_empirical = _range_and_mean(second)
    if not np.isfinite(high - low) or not np.isfinite(high_empirical - low_empirical):
        raise ValueError("a map contains NaN or infinite values: CC needs finite ones.")
    if low_empirical == high_empirical:
        return float("nan")
    if low == high:
        return 0.0
    # scaling by the range keeps the squares of tiny densities from underflowing
    scales = 1.0 / (high - low), 1.0 / (high_empirical - low_empirical)
    product, square, square_empirical = _moments(first, second, mean, mean_empirical, *scales)
    return float(product / np.sqrt(square * square_empirical))
