"""Information gain in pixel space: where in an image a model gains or loses, in bits.

After Kümmerer, Wallis, Bethge 2015 (PNAS 112(52), 16054-16059): the information gain of an image is
a mean over fixations, so that it can be shown where these fixations lie.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def gains(log_model: ArrayLike, log_baseline: ArrayLike) -> NDArray[np.float64]:
    """Information gain of each fixation in bits, from natural logs of both densities there.

    NaN where both densities are 0.
    """
    with np.errstate(invalid="ignore"):
        difference = np.asarray(log_model, dtype=float) - np.asarray(log_baseline, dtype=float)
    return difference / np.log(2)


def mean(values: NDArray[np.float64]) -> float:
    """Information gain of an image; NaN if some fixations gain, and others lose, infinitely."""
    with np.errstate(invalid="ignore"):
        return float(values.mean())


def gain_map(
    x: ArrayLike, y: ArrayLike, values: ArrayLike, shape: tuple[int, int], bandwidth: float = 0.0
) -> NDArray[np.float64]:
    """Each fixation's share of an image's information gain, where it lies, (height, width) in bits.

    ``G(u, v) = 1/n sum_i g_i K_i(u, v)``, with ``g_i`` the gain of fixation i and ``K_i`` a
    Gaussian around it that sums to 1 over the image's pixels (without bandwidth: 1 at its pixel).
    The sum over pixels is the image's information gain, the mean of ``values``. Gains that are not
    finite have no place in a map and count as 0 in it.

    Args:
        x, y: fixations in pixels, x to the right and y down, truncated to pixels.
        values: information gain of each fixation in bits, see :func:`gains`.
        shape: height and width.
        bandwidth: standard deviation of the Gaussian in pixels.

    Raises:
        ValueError: there is no fixation, their numbers differ, or one lies outside the image.
    """
    columns, rows = (np.asarray(each, dtype=float).astype(int) for each in (x, y))
    bits = np.asarray(values, dtype=float)
    bits = np.where(np.isfinite(bits), bits, 0.0)
    if not len(bits) or not len(bits) == len(columns) == len(rows):
        raise ValueError(
            f"{len(columns)} x, {len(rows)} y and {len(bits)} gains: give one of each a fixation, "
            "and at least one fixation."
        )
    height, width = shape
    outside = (columns < 0) | (columns >= width) | (rows < 0) | (rows >= height)
    if outside.any():
        first = int(np.flatnonzero(outside)[0])
        raise ValueError(
            f"the fixation at x={columns[first]}, y={rows[first]} lies outside the image of "
            f"{width}x{height} pixels (width x height)."
        )
    if not bandwidth:
        found = np.zeros(shape)
        np.add.at(found, (rows, columns), bits / len(bits))
        return found
    down, across = _kernels(rows, height, bandwidth), _kernels(columns, width, bandwidth)
    return (down * (bits / len(bits))) @ across.T


def expected_gain_map(
    log_truth: NDArray, log_model: NDArray, log_baseline: NDArray
) -> NDArray[np.float64]:
    """``p (log2 q - log2 b)`` a pixel: its sum is the gain expected of fixations drawn from p.

    Args:
        log_truth: natural log of the density p that fixations are taken to follow, a gold
            standard's, say, (height, width).
        log_model, log_baseline: natural logs of q and b, of the same shape.

    Raises:
        ValueError: the shapes differ.
    """
    if not log_truth.shape == log_model.shape == log_baseline.shape:
        raise ValueError(
            f"densities of shapes {log_truth.shape}, {log_model.shape} and {log_baseline.shape}: "
            "all three are over the same image."
        )
    density = np.exp(np.asarray(log_truth, dtype=float))
    with np.errstate(invalid="ignore"):
        found = density * gains(log_model, log_baseline)
    return np.where(density > 0, found, 0.0)


def _kernels(centres: NDArray[np.int64], size: int, bandwidth: float) -> NDArray[np.float64]:
    """A column a centre, Gaussian over ``size`` pixels, that sums to 1."""
    values = np.exp(-0.5 * ((np.arange(size)[:, None] - centres[None, :]) / bandwidth) ** 2)
    return values / values.sum(axis=0)
