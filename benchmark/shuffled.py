"""The mean prediction of a model over the other images: its shuffled baseline.

Predictions are reduced to a common grid in relative coordinates, which keeps memory flat; the
scored image's own prediction is subtracted again.

Where the centre bias of the scored data set is part of the predictions, those for other images know
the scored image's fixations by it, unlike its own. The mean is therefore taken of what they would
be with the centre bias that the scored image is predicted with.
"""

from __future__ import annotations

from collections.abc import Sequence
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


def prior_factor(log_prior: NDArray[np.float64], exponent: float) -> NDArray[np.float64]:
    """``(prior / uniform) ** exponent`` of a log density, (height, width)."""
    return np.exp(exponent * (log_prior + np.log(log_prior.size)))  # type: ignore[no-any-return]


@dataclass
class MeanPrediction:
    """Sum of the reduced predictions of ``count`` images.

    Attributes:
        total: of the predictions, (GRID, GRID).
        count: images in the sum.
        with_prior: of the predictions that the centre bias is part of, and of the same divided by
            its factor (:func:`prior_factor`) in each, (2, GRID, GRID); None if there are none.
        failed: images that are not in the sum because they could not be predicted.
    """

    total: NDArray[np.float64]
    count: int
    with_prior: NDArray[np.float64] | None = None
    failed: frozenset[int] = frozenset()

    def log_density_without(
        self,
        density: NDArray[np.float64],
        factor: NDArray[np.float64] | None = None,
        copies: Sequence[NDArray[np.float64]] = (),
    ) -> NDArray[np.float64]:
        """Log of the mean prediction for all images but the one this prediction is for.

        ``log mean_j p_j``; where the centre bias has the factor f_i in the prediction p_i,
        ``log mean_j p_j f_i / f_j``.

        Args:
            density: the prediction for the image itself, p_i, (height, width).
            factor: f_i, (height, width); None if the centre bias is no part of it.
            copies: of copies of this image, which are left out as well, the part of each in
                ``total`` and, if there are any, ``with_prior``, (1 or 3, GRID, GRID).

        Returns:
            Normalised, (height, width); uniform if there is no other image.
        """
        height, width = density.shape
        if self.count - len(copies) < 2:
            return np.full((height, width), -np.log(height * width))

        def resampled(total: NDArray, own: NDArray, layer: int) -> NDArray[np.float64]:
            others = total - reduced(own)
            for copy in copies:
                others -= copy[layer]
            others = np.maximum(others, 0.0)  # subtraction leaves rounding errors
            return _interpolation(height) @ others @ _interpolation(width).T

        mean = resampled(self.total, density, 0)
        if factor is not None and self.with_prior is not None:
            mean -= resampled(self.with_prior[0], density, 1)
            np.maximum(mean, 0.0, out=mean)
            mean += resampled(self.with_prior[1], density / factor, 2) * factor
        with np.errstate(divide="ignore"):
            return np.log(mean / mean.sum())
