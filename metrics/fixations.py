"""Look-up of map values at fixations: coordinates truncated to pixel indices, bounds checked."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def pixel_indices(
    x: ArrayLike, y: ArrayLike, shape: tuple[int, int]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Column and row of the pixels that contain the points (x, y).

    Args:
        x, y: coordinates in pixels, (fixations,); x to the right, y down, the image spans
            0 <= x < width, 0 <= y < height.
        shape: (height, width) of the map.

    Raises:
        ValueError: x and y differ in length, or a point is not a number or outside the map.
    """
    xs, ys = np.atleast_1d(np.asarray(x, float)), np.atleast_1d(np.asarray(y, float))
    if xs.shape != ys.shape or xs.ndim != 1:
        raise ValueError(
            f"x and y must be one-dimensional and of one length, not of shape {xs.shape} "
            f"and {ys.shape}."
        )
    inside = (xs >= 0) & (xs < shape[1]) & (ys >= 0) & (ys < shape[0])
    if not inside.all():
        first = int(np.argmin(inside))
        raise ValueError(
            f"fixation {first} at x={xs[first]}, y={ys[first]} is outside the map of "
            f"width {shape[1]} and height {shape[0]}; drop such fixations first."
        )
    return xs.astype(np.int64), ys.astype(np.int64)


def values_at(values: NDArray, x: ArrayLike, y: ArrayLike) -> NDArray[np.float64]:
    """Map values at fixations as float64, shape (fixations,); see :func:`pixel_indices`.

    Raises:
        ValueError: the map is not two-dimensional, or a fixation is outside it.
    """
    values = np.asarray(values)
    if values.ndim != 2:
        raise ValueError(f"a map must have shape (height, width), not {values.shape}.")
    columns, rows = pixel_indices(x, y, (values.shape[0], values.shape[1]))
    return values[rows, columns].astype(np.float64)
