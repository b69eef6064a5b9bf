"""Similarity: histogram intersection of a prediction and the empirical fixation map."""

from __future__ import annotations

import numba
from numpy.typing import NDArray

from metrics.densities import as_pair, density_scale
from metrics.spec import metric


@numba.njit(nogil=True, cache=True)
def _intersection(p, q, factor_p, offset_p, factor_q):
    """Sum of the pixelwise minimum of the normalised maps."""
    total = 0.0
    for row in range(p.shape[0]):
        part = 0.0
        for column in range(p.shape[1]):
            part += min(p[row, column] * factor_p + offset_p, q[row, column] * factor_q)
        total += part
    return total


@metric(
    name="SIM",
    title="Similarity",
    unit="",
    higher_is_better=True,
    per="image",
    wants="the map of highest expected SIM under the density",
    citation="Judd, Durand, Torralba 2012; Kümmerer, Wallis, Bethge 2018",
)
def similarity(saliency_map: NDArray, empirical_map: NDArray) -> float:
    """Histogram intersection ``sum min(p, q)``, both maps first divided by their sums.

    Args:
        saliency_map, empirical_map: non-negative, (height, width).

    Returns:
        Value in [0, 1], 1 for equal densities; NaN if the empirical map is empty.

    Raises:
        ValueError: the maps differ in shape, or a value is negative or not finite.
    """
    p, q = as_pair(saliency_map, empirical_map)
    if not q.any():
        return float("nan")
    return _intersection(p, q, *density_scale(p), density_scale(q)[0])
