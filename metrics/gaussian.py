"""Exact separable Gaussian filtering.

Agrees with ``scipy.ndimage.gaussian_filter`` (sampled, truncated, normalised kernel) at a fraction
of its cost: a map of few fixations adds up outer products of one-dimensional responses, and a dense
map is filtered by products with the band of a Toeplitz matrix, block by block.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

_BLOCK = 64


def kernel_weights(sigma: float, truncate: float = 4.0) -> NDArray[np.float64]:
    """One-sided weights w[0..radius] of the sampled Gaussian; w[0] + 2 * sum(w[1:]) is 1.

    Args:
        sigma: standard deviation in pixels.
        truncate: radius in standard deviations.

    Raises:
        ValueError: sigma is not positive.
    """
    if not sigma > 0:
        raise ValueError(f"the standard deviation of a Gaussian must be positive, not {sigma}.")
    radius = int(truncate * sigma + 0.5)
    weights = np.exp(-0.5 * (np.arange(radius + 1) / sigma) ** 2)
    return weights / (weights[0] + 2 * weights[1:].sum())


@numba.njit(nogil=True, cache=True)
def _respond(response, position, weights, reflect):
    """Filtered unit impulse at ``position`` over the pixels of one axis."""
    length, radius = response.size, weights.size - 1
    response[:] = 0.0
    for pixel in range(position - radius, position + radius + 1):
        weight = weights[abs(pixel - position)]
        if 0 <= pixel < length:
            response[pixel] += weight
        elif reflect:
            folded = pixel % (2 * length)
            response[min(folded, 2 * length - 1 - folded)] += weight


@numba.njit(nogil=True, cache=True)
def _add_responses(total, x, y, weights, reflect):
    """Add the outer product of each point's responses along both axes, where they reach."""
    height, width = total.shape
    reach = weights.size - 1
    along_y, along_x = np.empty(height), np.empty(width)
    for k in range(len(x)):
        _respond(along_y, y[k], weights, reflect)
        _respond(along_x, x[k], weights, reflect)
        first, last = max(x[k] - reach, 0), min(x[k] + reach + 1, width)
        for row in range(max(y[k] - reach, 0), min(y[k] + reach + 1, height)):
            weight = along_y[row]
            for column in range(first, last):
                total[row, column] += weight * along_x[column]


def responses(
    length: int, positions: ArrayLike, weights: NDArray[np.float64], mode: str
) -> NDArray[np.float64]:
    """Filtered unit impulses: column k is the response, over 0..length-1, to one at positions[k].

    Args:
        positions: int pixel indices, (points,).
        weights: from :func:`kernel_weights`.
        mode: "constant" (zeros outside) or "reflect" (mirrored at the edge of the last pixel).

    Returns:
        (length, points).

    Raises:
        ValueError: the mode is unknown.
    """
    _check_mode(mode)
    columns = np.empty((len(np.atleast_1d(positions)), length))
    for column, position in zip(columns, np.atleast_1d(positions)):
        _respond(column, int(position), weights, mode == "reflect")
    return columns.T


def _check_mode(mode: str) -> None:
    if mode not in ("constant", "reflect"):
        raise ValueError(f'unknown boundary mode {mode!r}: use "constant" or "reflect".')


def filtered_points(
    x: ArrayLike,
    y: ArrayLike,
    shape: tuple[int, int],
    sigma: float,
    mode: str = "reflect",
    truncate: float = 4.0,
) -> NDArray[np.float64]:
    """The Gaussian-filtered count map of points at pixel indices (x, y), (height, width).

    Equal to ``gaussian_filter(counts, sigma, mode=mode, truncate=truncate)``.
    """
    _check_mode(mode)
    weights, total = kernel_weights(sigma, truncate), np.zeros(shape)
    columns, rows = np.asarray(x, np.int64), np.asarray(y, np.int64)
    _add_responses(total, columns, rows, weights, mode == "reflect")
    return total


@lru_cache(maxsize=64)
def _band(weights: bytes, rows: int) -> NDArray[np.float64]:
    """Toeplitz band that maps ``rows + 2 * radius`` inputs to ``rows`` outputs."""
    taps = np.frombuffer(weights)
    radius = len(taps) - 1
    offset = np.arange(rows + 2 * radius)[None, :] - np.arange(rows)[:, None] - radius
    table = np.append(taps, 0.0)
    return table[np.minimum(np.abs(offset), radius + 1)]


def _bands(
    length: int, weights: NDArray[np.float64]
) -> Iterator[tuple[slice, slice, NDArray[np.float64]]]:
    """Cut the filter into blocks: (outputs, inputs that reach them, matrix between them)."""
    radius, key = len(weights) - 1, weights.tobytes()
    for start in range(0, length, _BLOCK):
        stop = min(start + _BLOCK, length)
        first, last = max(start - radius, 0), min(stop + radius, length)
        skip = first - (start - radius)
        band = _band(key, stop - start)[:, skip : skip + last - first]
        yield slice(start, stop), slice(first, last), band


def filtered_map(values: NDArray, sigma: float, truncate: float = 4.0) -> NDArray[np.float64]:
    """The dense map filtered with zeros beyond its border, (height, width).

    Equal to ``gaussian_filter(values, sigma, mode="constant", truncate=truncate)``.
    """
    weights = kernel_weights(sigma, truncate)
    values = np.ascontiguousarray(values, dtype=np.float64)
    half, filtered = np.empty_like(values), np.empty_like(values)
    for outputs, inputs, band in _bands(values.shape[0], weights):
        np.matmul(band, values[inputs], out=half[outputs])
    for outputs, inputs, band in _bands(values.shape[1], weights):
        np.matmul(half[:, inputs], band.T, out=filtered[:, outputs])
    return filtered
