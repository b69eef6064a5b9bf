"""The mean prediction of a model over the other images: its shuffled baseline.

Predictions are reduced to a common grid in relative coordinates, which keeps memory flat; the
scored image's own prediction is subtracted again.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

GRID = 256


@lru_cache(maxsize=64)
def _overlap(length: int) -> NDArray[np.float64]:
    """Share of each of ``length`` pixels in each of GRID equal cells, (GRID, length)."""
    edges = np.arange(GRID + 1) * (length / GRID)
    pixels = np.arange(length)
    covered = np.clip(edges[1:, None] - pixels, 0, 1) - np.clip(edges[:-1, None] - pixels, 0, 1)
    return covered


@lru_cache(maxsize=64)
def _interpolation(length: int) -> NDArray[np.float64]:
    """Linear interpolation from cell centres to ``length`` pixel centres, (length, GRID)."""
    centres = (np.arange(GRID) + 0.5) * (length / GRID) - 0.5
    identity = np.eye(GRID)
    return np.stack([np.interp(np.arange(length), centres, row) for row in identity], axis=1)


def reduced(density: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probability mass of a density in each cell of the grid, (GRID, GRID)."""
    height, width = density.shape
    return _overlap(height) @ density @ _overlap(width).T


@dataclass
class MeanPrediction:
    """Sum of the reduced predictions of ``count`` images."""

    total: NDArray[np.float64]
    count: int

    def log_density_without(self, density: NDArray[np.float64]) -> NDArray[np.float64]:
        """Log of the mean prediction for all images but the one this prediction is for.

        Args:
            density: the prediction for the image itself, (height, width).

        Returns:
            Normalised, (height, width); uniform if there is no other image.
        """
        height, width = density.shape
        if self.count < 2:
            return np.full((height, width), -np.log(height * width))
        others = np.maximum(self.total - reduced(density), 0.0)
        mean = _interpolation(height) @ others @ _interpolation(width).T
        with np.errstate(divide="ignore"):
            return np.log(mean / mean.sum())
