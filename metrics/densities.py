"""Normalisation of non-negative maps to densities, as the image-based metrics need it."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray


@numba.njit(nogil=True, cache=True)
def _sum_and_least(values: NDArray[np.float64]) -> tuple[float, float]:
    """Sum of the values, in rows for precision, and the least of them; NaN makes the sum NaN."""
    total, least = 0.0, np.inf
    for row in range(values.shape[0]):
        part = 0.0
        for column in range(values.shape[1]):
            value = values[row, column]
            part += value
            least = min(least, value)
        total += part
    return total, least


def density_scale(values: NDArray[np.float64]) -> tuple[float, float]:
    """Factor and offset that make a map a density: ``values * factor + offset``.

    The factor is one over the sum; a map of zeros becomes the uniform density.

    Raises:
        ValueError: a value is negative or not finite.
    """
    total, least = _sum_and_least(values)
    if not np.isfinite(total) or least < 0:
        raise ValueError(
            "the map contains negative, NaN or infinite values: KL and SIM need a density or a "
            "non-negative saliency map. (Is it a log density?)"
        )
    return (1.0 / total, 0.0) if total > 0 else (0.0, 1.0 / values.size)


def as_pair(
    saliency_map: NDArray, empirical_map: NDArray
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both maps as contiguous float64 arrays.

    Raises:
        ValueError: they are not two-dimensional or differ in shape.
    """
    first = np.ascontiguousarray(saliency_map, dtype=np.float64)
    second = np.ascontiguousarray(empirical_map, dtype=np.float64)
    if first.shape != second.shape or first.ndim != 2:
        raise ValueError(
            f"the prediction has shape {first.shape}, the empirical map {second.shape}: both must "
            "be (height, width), and the same."
        )
    return first, second
