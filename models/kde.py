"""Exact Gaussian kernel densities on a pixel grid, and leave-one-out likelihoods without any map.

Every kernel is normalised over the pixels of the image, so a density sums to one whatever lies near
the border, and the density that is fitted is the density that is scored. Kernels sit on pixels,
hence distances are whole numbers and every Gaussian is read from a table: evaluating all pairs of
fixations costs no exponential.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray


def gaussian_table(sigma: float, length: int) -> NDArray[np.float64]:
    """``exp(-d**2 / (2 sigma**2))`` for distances d = 0 ... length - 1 in pixels."""
    return np.exp(-0.5 * (np.arange(length) / sigma) ** 2)


def kernel_sums(table: NDArray[np.float64], length: int) -> NDArray[np.float64]:
    """Sum over pixels 0..length-1 of the (one-dimensional) kernel centred on each pixel, (length,).

    ``table[d]`` is the kernel at distance d; its sum is the kernel's normaliser.
    """
    cumulative = np.cumsum(table[:length])
    return cumulative + cumulative[::-1] - table[0]


def kernel_columns(positions: ArrayLike, length: int, sigma: float) -> NDArray[np.float64]:
    """One-dimensional kernels over pixels 0..length-1, each of sum one, (length, points).

    Args:
        positions: pixel indices of the kernels' centres, (points,).
        sigma: standard deviation in pixels.
    """
    positions = np.asarray(positions, dtype=np.int64)
    table = gaussian_table(sigma, length)
    normaliser = kernel_sums(table, length)[positions]
    return table[np.abs(np.arange(length)[:, None] - positions[None, :])] / normaliser


def density_map(
    x: ArrayLike, y: ArrayLike, shape: tuple[int, int], sigma: float
) -> NDArray[np.float64]:
    """Kernel density of points at pixel indices (x, y), (height, width); sums to one.

    Raises:
        ValueError: there is no point.
    """
    x = np.asarray(x, dtype=np.int64)
    if x.size == 0:
        raise ValueError("a kernel density needs at least one fixation.")
    product = kernel_columns(y, shape[0], sigma) @ kernel_columns(x, shape[1], sigma).T
    return product / x.size


@dataclass(frozen=True)
class Points:
    """Fixations as pixel indices, sorted by the image they belong to.

    Attributes:
        x, y: pixel indices, (fixations,). labels: what is left out together, (fixations,).
        order: ``values[order]`` brings values given in the caller's order into this one.
        starts: first fixation of each image, and the end, (images + 1,).
        heights, widths: of each image, (images,).
    """

    x: NDArray[np.int32]
    y: NDArray[np.int32]
    labels: NDArray[np.int64]
    order: NDArray[np.int64]
    starts: NDArray[np.int64]
    heights: NDArray[np.int64]
    widths: NDArray[np.int64]

    @classmethod
    def sorted_by_image(
        cls, x: ArrayLike, y: ArrayLike, n: ArrayLike, labels: ArrayLike, sizes: ArrayLike
    ) -> Points:
        """Sort fixations by image ``n``; ``sizes`` holds (height, width) of each image."""
        n, sizes = np.asarray(n, dtype=np.int64), np.asarray(sizes, dtype=np.int64)
        order = np.argsort(n, kind="stable")
        starts = np.searchsorted(n[order], np.arange(len(sizes) + 1))
        return cls(
            np.asarray(x).astype(np.int32)[order],
            np.asarray(y).astype(np.int32)[order],
            np.asarray(labels, dtype=np.int64)[order],
            order,
            starts,
            sizes[:, 0].copy(),
            sizes[:, 1].copy(),
        )


@numba.njit(nogil=True, cache=True)
def _pair_sums(x, y, labels, starts, heights, widths, table, slope, sums, slope_sums, out, d_out):
    """Sum kernels of all points with another label, and its derivative, at every point.

    table[d] is the Gaussian at distance d and slope[d] its derivative by log sigma; sums[k] and
    slope_sums[k] are their sums over distances 0..k.
    """
    for image in range(len(starts) - 1):
        first, last = starts[image], starts[image + 1]
        height, width = heights[image], widths[image]
        inverse = np.empty(last - first)
        shrink = np.empty(last - first)  # derivative of log normaliser
        for i in range(first, last):
            sum_x = sums[x[i]] + sums[width - 1 - x[i]] - table[0]
            sum_y = sums[y[i]] + sums[height - 1 - y[i]] - table[0]
            slope_x = slope_sums[x[i]] + slope_sums[width - 1 - x[i]] - slope[0]
            slope_y = slope_sums[y[i]] + slope_sums[height - 1 - y[i]] - slope[0]
            inverse[i - first] = 1.0 / (sum_x * sum_y)
            shrink[i - first] = slope_x / sum_x + slope_y / sum_y
        for i in range(first, last):
            for j in range(first, i):
                if labels[i] == labels[j]:
                    continue
                dx, dy = abs(x[i] - x[j]), abs(y[i] - y[j])
                kernel = table[dx] * table[dy]
                change = slope[dx] * table[dy] + table[dx] * slope[dy]
                a, b = inverse[i - first], inverse[j - first]
                out[i] += kernel * b
                out[j] += kernel * a
                d_out[i] += (change - kernel * shrink[j - first]) * b
                d_out[j] += (change - kernel * shrink[i - first]) * a


def pair_sums(points: Points, sigma: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sum, at each point, of the normalised kernels of all points with another label in its image.

    Args:
        points: sorted fixations. sigma: standard deviation in pixels.

    Returns:
        The sums and their derivatives by log(sigma), both (fixations,) in the order of ``points``.
    """
    length = int(max(points.heights.max(initial=1), points.widths.max(initial=1)))
    table = gaussian_table(sigma, length)
    slope = table * (np.arange(length) / sigma) ** 2
    total, derivative = np.zeros(len(points.x)), np.zeros(len(points.x))
    _pair_sums(
        points.x, points.y, points.labels, points.starts, points.heights, points.widths,
        table, slope, np.cumsum(table), np.cumsum(slope), total, derivative,
    )  # fmt: skip
    return total, derivative


def other_counts(points: Points) -> NDArray[np.int64]:
    """Number of points of the same image with another label, for each point, (fixations,)."""
    image = np.repeat(np.arange(len(points.starts) - 1), np.diff(points.starts))
    pairs = np.stack([image, points.labels])
    _, inverse, counts = np.unique(pairs, axis=1, return_inverse=True, return_counts=True)
    return np.diff(points.starts)[image] - counts[inverse.ravel()]
