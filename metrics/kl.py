"""Image-based Kullback-Leibler divergence of a prediction from the empirical fixation map."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from metrics.densities import as_pair, density_scale
from metrics.spec import metric

#: Matlab's machine epsilon to five digits, as both public evaluation codes use it.
EPSILON = 2.2204e-16


@numba.njit(nogil=True, cache=True)
def _ratio(p, q, factor_p, offset_p, factor_q, offset_q, epsilon, out):
    """``epsilon + q / (p + epsilon)`` of the normalised maps."""
    for row in range(p.shape[0]):
        for column in range(p.shape[1]):
            density = p[row, column] * factor_p + offset_p
            empirical = q[row, column] * factor_q + offset_q
            out[row, column] = epsilon + empirical / (density + epsilon)


@metric(
    name="KL",
    title="KL divergence",
    unit="nat",
    higher_is_better=False,
    per="image",
    wants="density blurred like the empirical map",
    citation="Bylinskii et al. 2019; Kümmerer, Wallis, Bethge 2018",
)
def kl_divergence(saliency_map: NDArray, empirical_map: NDArray, epsilon: float = EPSILON) -> float:
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
    p, q = as_pair(saliency_map, empirical_map)
    if not q.any():
        return float("nan")
    logs = np.empty_like(p)
    scale = density_scale(q)
    _ratio(p, q, *density_scale(p), *scale, epsilon, logs)
    np.log(logs, out=logs)
    return float(np.vdot(q, logs)) * scale[0]
