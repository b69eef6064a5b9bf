"""Grey pictures of densities in which each grey level covers equally many pixels.

Boards that take 8-bit maps score them by ranks (AUC, shuffled AUC). Equal populations keep as much
of the ranks as 256 levels can (Kümmerer, Wallis, Bethge 2016, Table 1).
"""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

LEVELS = 256
#: Of 100, where all steps of the transform's coefficients are 1.
JPEG_QUALITY = 100
#: How far, in grey levels, a pixel of such a JPEG may be from what was written, and all on average.
#: Coefficients are rounded, so that errors have a standard deviation of about 0.4 levels.
JPEG_LARGEST, JPEG_MEAN = 4, 0.5


def rank_quantised(values: NDArray, levels: int = LEVELS) -> NDArray[np.uint8]:
    """Grey levels of equal population, higher where the values are higher.

    ``level = floor(levels * r / n)`` of n pixels, r being a pixel's rank from 0. Without ties the
    numbers of pixels at two levels differ by at most 1. Ties share the level of their mean rank, so
    that a constant map is of one middle level; only that can make populations unequal.

    Args:
        values: (height, width), of any scale, since only their order matters; -inf is allowed.
        levels: from 2 to 256.

    Returns:
        (height, width), 0 to ``levels`` - 1.

    Raises:
        ValueError: there is no value, a value is NaN, or ``levels`` is out of range.
    """
    values = np.asarray(values)
    if not 2 <= levels <= LEVELS:
        raise ValueError(f"levels is {levels}; expected 2 to {LEVELS}.")
    if not values.size or np.isnan(values).any():
        raise ValueError("a map needs at least one value, and none may be NaN.")
    _, group, counts = np.unique(values.ravel(), return_inverse=True, return_counts=True)
    below = np.cumsum(counts) - counts
    twice_mean_rank = 2 * below + counts - 1  # whole numbers, so that no level is rounded
    level = levels * twice_mean_rank // (2 * values.size)
    return level.astype(np.uint8)[group.ravel()].reshape(values.shape)


def png(grey: NDArray[np.uint8]) -> bytes:
    """An 8-bit grey PNG of a map, lossless."""
    buffer = io.BytesIO()
    Image.fromarray(grey).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def jpeg(grey: NDArray[np.uint8]) -> bytes:
    """An 8-bit grey JPEG of a map, of the highest quality there is."""
    buffer = io.BytesIO()
    Image.fromarray(grey).save(buffer, "JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()
