"""Normalised scanpath saliency: the map in standard deviations from its mean, at fixations."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metrics.fixations import values_at
from metrics.spec import metric


@metric(
    name="NSS",
    title="Normalised scanpath saliency",
    unit="",
    higher_is_better=True,
    per="fixation",
    chance=0.0,
    wants="density",
    citation="Peters, Iyer, Itti, Koch 2005; Kümmerer, Wallis, Bethge 2018",
)
def nss(saliency_map: NDArray, x: ArrayLike, y: ArrayLike, ddof: int = 0) -> NDArray[np.float64]:
    """Normalised scanpath saliency of each fixation.

    ``(map(x, y) - mean) / std`` over all pixels. Invariant under increasing affine transforms.

    Args:
        saliency_map: (height, width).
        x, y: fixations in pixels, (fixations,); truncated to pixel indices.
        ddof: 0 divides by the number of pixels (population), 1 by one less (as Matlab does).

    Returns:
        (fixations,); the image's NSS is their mean. A constant map scores exactly 0.

    Raises:
        ValueError: the map is not finite, or a fixation is outside it.
    """
    saliency_map = np.asarray(saliency_map, dtype=np.float64)
    values = values_at(saliency_map, x, y)
    mean = saliency_map.mean()
    with np.errstate(invalid="ignore"):
        centred = saliency_map - mean
    variance = np.vdot(centred, centred) / max(saliency_map.size - ddof, 1)
    if not np.isfinite(variance):
        raise ValueError("the map contains NaN or infinite values: NSS needs finite ones.")
    # the computed deviation of a constant map need not be exactly 0
    if variance <= (1e-12 * mean) ** 2 and np.ptp(saliency_map) == 0:
        return np.zeros_like(values)
    return (values - mean) / np.sqrt(variance)
