"""Where feature maps lie in an image, and the matrices that carry values from one grid to another.

Positions are pixel indices of one axis: the centre of the first pixel is 0. All matrices act on one
axis, so a map ``(rows, columns)`` is resampled as ``down @ map @ across.T``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Axis:
    """Positions of the cells of a grid along one axis of the image: ``start + step * cell``."""

    start: float
    step: float
    cells: int

    @property
    def positions(self) -> NDArray[np.float64]:
        """Centres of the cells in pixels of the image, (cells,)."""
        return self.start + self.step * np.arange(self.cells, dtype=np.float64)

    def of_resized(self, resized: int, original: int) -> Axis:
        """The same cells in pixels of the image before it was resized along this axis."""
        ratio = original / resized
        return Axis((self.start + 0.5) * ratio - 0.5, self.step * ratio, self.cells)


def tiling(length: int, step: float) -> Axis:
    """Equal cells that cover ``length`` pixels exactly, each of about ``step`` pixels."""
    cells = max(1, round(length / step))
    return Axis(0.5 * length / cells - 0.5, length / cells, cells)


def interpolation_matrix(source: Axis, positions: NDArray) -> NDArray[np.float64]:
    """Linear interpolation from cells to positions, (positions, cells); rows sum to 1.

    Beyond the outermost centres the nearest cell's value holds.
    """
    at = np.clip((positions - source.start) / source.step, 0, source.cells - 1)
    low = np.minimum(at.astype(np.int64), max(source.cells - 2, 0))
    share = at - low
    matrix = np.zeros((len(positions), source.cells))
    rows = np.arange(len(positions))
    matrix[rows, low] = 1.0 - share
    if source.cells > 1:
        matrix[rows, low + 1] += share
    return matrix
