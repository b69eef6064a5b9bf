"""Normalisation of non-negative maps to densities, as the image-based metrics need it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def normalised(values: NDArray) -> NDArray[np.float64]:
    """The map divided by its sum; a map of zeros becomes the uniform density.

    Raises:
        ValueError: a value is negative or not finite.
    """
    values = np.asarray(values, dtype=np.float64)
    total = values.sum()
    if not np.isfinite(total) or values.min() < 0:
        raise ValueError(
            "the map contains negative, NaN or infinite values: KL and SIM need a density or a "
            "non-negative saliency map. (Is it a log density?)"
        )
    return values / total if total > 0 else np.full(values.shape, 1.0 / values.size)


def normalised_pair(
    saliency_map: NDArray, empirical_map: NDArray
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Both maps as densities; None if the empirical map is empty, where a score is undefined.

    Raises:
        ValueError: the maps differ in shape, or a value is negative or not finite.
    """
    if np.shape(saliency_map) != np.shape(empirical_map):
        raise ValueError(
            f"the prediction has shape {np.shape(saliency_map)}, the empirical map "
            f"{np.shape(empirical_map)}: they must agree."
        )
    if not np.any(empirical_map):
        return None
    return normalised(saliency_map), normalised(empirical_map)
