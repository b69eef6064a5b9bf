"""Image-based Kullback-Leibler divergence of a prediction from the empirical fixation map."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from metrics.densities import normalised_pair
from metrics.spec import metric

#: Matlab's machine epsilon to five digits, as both public evaluation codes use it.
EPSILON = 2.2204e-16


@metric(
    name="KL",
    title="KL divergence",
    unit="nat",
    higher_is_better=False,
    per="image",
    wants="density blurred like the empirical map",
    citation="Bylinskii et al. 2019; Kümmerer, Wallis, Bethge 2018",
)
def kl_divergence(
    saliency_map: NDArray, empirical_map: NDArray, epsilon: float = EPSILON
) -> float:
    """Kullback-Leibler divergence of a prediction p from the empirical density q, in nats.

    ``sum q * log(epsilon + q / (p + epsilon))``, both maps first divided by their sums.

    Args:
        saliency_map, empirical_map: non-negative, (height, width).
        epsilon: keeps exact zeros of the prediction finite; each costs about 36 nats times q.

    Returns:
        Nats; NaN if the empirical map is empty.

    Raises:
        ValueError: the maps differ in shape, or a value is negative or not finite.
    """
    pair = normalised_pair(saliency_map, empirical_map)
    if pair is None:
        return float("nan")
    p, q = pair
    ratio = np.add(p, epsilon)
    np.divide(q, ratio, out=ratio)
    ratio += epsilon
    np.log(ratio, out=ratio)
    return float(np.vdot(q, ratio))
