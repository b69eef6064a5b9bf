"""Pearson correlation between a prediction and the empirical fixation map."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from metrics.spec import metric


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
    first = np.asarray(saliency_map, dtype=np.float64).ravel()
    second = np.asarray(empirical_map, dtype=np.float64).ravel()
    if np.shape(saliency_map) != np.shape(empirical_map):
        raise ValueError(
            f"the prediction has shape {np.shape(saliency_map)}, the empirical map "
            f"{np.shape(empirical_map)}: they must agree."
        )
    spreads = np.ptp(first), np.ptp(second)
    if not np.isfinite(spreads).all():
        raise ValueError("a map contains NaN or infinite values: CC needs finite ones.")
    if spreads[1] == 0:
        return float("nan")
    if spreads[0] == 0:
        return 0.0
    first = first - first.mean()
    second = second - second.mean()
    # Scaling first keeps the squares of tiny densities from underflowing.
    first /= np.abs(first).max()
    second /= np.abs(second).max()
    return float(first @ second / np.sqrt((first @ first) * (second @ second)))
