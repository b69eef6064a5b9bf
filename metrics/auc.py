"""Area under the ROC curve, exact, one value per fixation; uniform and shuffled negatives.

The AUC of one fixation is the share of negatives with a lower map value, ties counting one half.
Instead of sorting the negatives, one pass over them counts how many lie below, and up to, each of
the few distinct fixated values.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

from metrics.fixations import pixel_indices, values_at
from metrics.spec import metric

#: Up to so many thresholds, comparing each value with each threshold is fastest (it vectorises).
_FEW = 48
_BLOCK = 2048  # values that stay in the first-level cache
#: Bins follow the floating-point format: sign, exponent and the leading bits of the fraction.
_SHIFT = 52 - 12
_MOST_BINS = 1 << 20
_VALUES_PER_BIN = 4  # at least, so that setting up bins costs less than filling them


@numba.njit(nogil=True, cache=True)
def _compare_all(values: NDArray, thresholds: NDArray, below: NDArray, up_to: NDArray) -> int:
    """Count values below, and up to, each threshold; returns the number of NaN."""
    undefined = 0
    for start in range(0, values.size, _BLOCK):
        block = values[start : start + _BLOCK]
        for i in range(block.size):
            undefined += block[i] != block[i]
        for k in range(thresholds.size):
            threshold = thresholds[k]
            less = 0
            less_or_equal = 0
            for i in range(block.size):
                less += block[i] < threshold
                less_or_equal += block[i] <= threshold
            below[k] += less
            up_to[k] += less_or_equal
    return undefined


@numba.njit(nogil=True, inline="always")
def _bin(bits: int) -> int:
    """Number that grows with the value whose bit pattern this is."""
    return (bits if bits >= 0 else bits ^ 0x7FFFFFFFFFFFFFFF) >> _SHIFT


@numba.njit(nogil=True, cache=True)
def _bin_all(
    values: NDArray,
    bits: NDArray,
    thresholds: NDArray,
    threshold_bits: NDArray,
    below: NDArray,
    up_to: NDArray,
) -> int:
    """As _compare_all, placing each value by its bin; only bins with a threshold need comparisons.

    ``bits`` and ``threshold_bits`` are the same numbers as bit patterns, zeros being positive.
    """
    count = thresholds.size
    lowest, highest = _bin(threshold_bits[0]), _bin(threshold_bits[count - 1])
    width, most = 0, max(min(_MOST_BINS, values.size // _VALUES_PER_BIN), 2)
    while ((highest - lowest) >> width) >= most:
        width += 1
    lowest, highest = lowest >> width, highest >> width
    # thresholds first[b] ... first[b + 1] - 1 fall into bin b
    first = np.zeros(highest - lowest + 2, dtype=np.int32)
    for k in range(count):
        first[(_bin(threshold_bits[k]) >> width) - lowest + 1] += 1
    for b in range(1, first.size):
        first[b] += first[b - 1]
    between = np.zeros(count + 1, dtype=np.int64)
    equal = np.zeros(count + 1, dtype=np.int64)
    undefined = 0
    for i in range(values.size):
        value = values[i]
        if value != value:
            undefined += 1
            continue
        b = (_bin(bits[i] if value != 0.0 else 0) >> width) - lowest
        if b < 0:
            between[0] += 1
            continue
        if b >= first.size - 1:
            between[count] += 1
            continue
        base, end = first[b], first[b + 1]
        while base < end:
            middle = (base + end) >> 1
            if thresholds[middle] < value:
                base = middle + 1
            else:
                end = middle
        if base < count and thresholds[base] == value:
            equal[base] += 1
        else:
            between[base] += 1
    total = 0
    for k in range(count):
        total += between[k]
        below[k] = total
        total += equal[k]
        up_to[k] = total
    return undefined


def rank_counts(
    values: ArrayLike, thresholds: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """How many values lie below each threshold, and how many up to and including it.

    Args:
        values: any shape. thresholds: sorted, distinct, (thresholds,).

    Raises:
        ValueError: a value or threshold is NaN.
    """
    flat = np.ascontiguousarray(values, dtype=np.float64).ravel()
    thresholds = np.ascontiguousarray(thresholds) + 0.0  # no negative zeros
    below = np.zeros(thresholds.size, dtype=np.int64)
    up_to = np.zeros(thresholds.size, dtype=np.int64)
    if np.isnan(thresholds).any():
        undefined = 1
    elif thresholds.size <= _FEW:
        undefined = _compare_all(flat, thresholds, below, up_to)
    else:
        patterns = flat.view(np.int64), thresholds.view(np.int64)
        undefined = _bin_all(flat, patterns[0], thresholds, patterns[1], below, up_to)
    if undefined:
        raise ValueError("the map contains NaN: an AUC needs a number at every pixel.")
    return below, up_to


def auc_per_positive(positives: ArrayLike, negatives: ArrayLike) -> NDArray[np.float64]:
    """AUC of each positive value against all negative values.

    ``(#(negatives < positive) + #(negatives == positive) / 2) / #negatives``. Their mean is the
    area under the ROC curve of all positives together.

    Args:
        positives: (positives,). negatives: any shape.

    Returns:
        Values in [0, 1], (positives,); NaN throughout if there is no negative.

    Raises:
        ValueError: a value is NaN.

    >>> auc_per_positive([1.0, 3.0], [0.0, 1.0, 2.0, 2.0])
    array([0.375, 1.   ])
    """
    positives = np.asarray(positives, dtype=np.float64).ravel()
    if positives.size == 0 or np.size(negatives) == 0:
        return np.full(positives.size, np.nan)
    thresholds, inverse = np.unique(positives, return_inverse=True)
    below, up_to = rank_counts(negatives, thresholds)
    return ((below + up_to) / (2 * np.size(negatives)))[inverse.ravel()]


@metric(
    name="AUC",
    title="AUC (uniform negatives)",
    unit="",
    higher_is_better=True,
    per="fixation",
    chance=0.5,
    wants="density, or any monotone transform of it",
    citation="Judd, Durand, Torralba 2012; Kümmerer, Wallis, Bethge 2018",
)
def auc(saliency_map: NDArray, x: ArrayLike, y: ArrayLike) -> NDArray[np.float64]:
    """AUC of each fixation against all pixels of the image.

    Invariant under strictly monotone transforms of the map; a constant map scores exactly 0.5.

    Args:
        saliency_map: (height, width).
        x, y: fixations in pixels, (fixations,); truncated to pixel indices.

    Returns:
        (fixations,); the image's AUC is their mean.

    Raises:
        ValueError: the map contains NaN, or a fixation is outside it.
    """
    return auc_per_positive(values_at(saliency_map, x, y), saliency_map)


@metric(
    name="sAUC",
    title="Shuffled AUC",
    unit="",
    higher_is_better=True,
    per="fixation",
    chance=0.5,
    wants="density divided by the mean prediction for the other images",
    citation="Tatler, Baddeley, Gilchrist 2005; Kümmerer, Wallis, Bethge 2018",
)
def shuffled_auc(
    saliency_map: NDArray, x: ArrayLike, y: ArrayLike, other_x: ArrayLike, other_y: ArrayLike
) -> NDArray[np.float64]:
    """AUC of each fixation against the map values at fixations of other images.

    Args:
        saliency_map: (height, width).
        x, y: fixations of this image in pixels, (fixations,).
        other_x, other_y: fixations of all other images, rescaled to this image's size with
            :func:`rescale_fixations`; every one counts, also two on the same pixel.

    Returns:
        (fixations,); the image's sAUC is their mean. NaN if there is no other fixation.

    Raises:
        ValueError: the map is NaN at a fixation, or a fixation is outside it.
    """
    negatives = values_at(saliency_map, other_x, other_y)
    return auc_per_positive(values_at(saliency_map, x, y), negatives)


def rescale_fixations(
    x: ArrayLike, y: ArrayLike, sizes: ArrayLike, shape: tuple[int, int]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pixel indices, in an image of ``shape``, of fixations made on images of other ``sizes``.

    ``x * width / width_of_origin``, truncated, and likewise y: relative positions are kept.

    Args:
        x, y: fixations in pixels of their own images, (fixations,).
        sizes: (fixations, 2), height and width of the image each fixation was made on.
        shape: (height, width) of the target image.

    Returns:
        Columns and rows, int (fixations,).
    """
    sizes = np.asarray(sizes, dtype=float).reshape(-1, 2)
    new_x = np.asarray(x, dtype=float) * (shape[1] / sizes[:, 1])
    new_y = np.asarray(y, dtype=float) * (shape[0] / sizes[:, 0])
    return pixel_indices(new_x, new_y, shape)
