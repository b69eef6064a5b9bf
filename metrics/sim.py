"""Similarity: histogram intersection of a prediction and the empirical fixation map."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from metrics.densities import normalised_pair
from metrics.spec import metric


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
    pair = normalised_pair(saliency_map, empirical_map)
    if pair is None:
        return float("nan")
    return float(np.minimum(*pair).sum())
