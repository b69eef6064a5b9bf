"""The mean prediction of a model over the other images: its shuffled baseline.

Predictions are reduced to a common grid in relative coordinates, which keeps memory flat; the
scored image's own prediction is subtracted again.

Where the centre bias of the scored data set is part of a prediction, that of the other images was
made with the scored image's fixations, its own was not. What their centre biases add to the mean is
therefore replaced by the image's own, so that both sides of the comparison know the same.
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


def weighted(log_prior: NDArray[np.float64], exponent: float) -> NDArray[np.float64]:
    """Log of ``prior ** exponent``, normalised over the image, (height, width)."""
    values = exponent * log_prior
    values -= values.max()
    values -= np.log(np.exp(values).sum())
    return values


@dataclass
class MeanPrediction:
    """Sum of the reduced predictions of ``count`` images.

    Attributes:
        total: of the predictions, (GRID, GRID).
        count: images in the sum.
        priors: sum of the weighted centre biases that are part of these predictions, (GRID, GRID);
            None if none is.
        failed: images that are not in the sum because they could not be predicted.
    """

    total: NDArray[np.float64]
    count: int
    priors: NDArray[np.float64] | None = None
    failed: frozenset[int] = frozenset()

    def log_density_without(
        self,
        density: NDArray[np.float64],
        log_prior: NDArray[np.float64] | None = None,
        copies: Sequence[NDArray[np.float64]] = (),
    ) -> NDArray[np.float64]:
        """Log of the mean prediction for all images but the one this prediction is for.

        ``log mean_j p_j + log q_i - log mean_j q_j``, normalised; q is the weighted centre bias in
        p, each without the fixations on its own image. To first order, this is the mean of what the
        other images would be predicted with the centre bias of this one.

        Args:
            density: the prediction for the image itself, p_i, (height, width).
            log_prior: log q_i, (height, width); None if no centre bias is part of it.
            copies: reduced predictions, and where there are any the weighted centre biases in them,
                (1 or 2, GRID, GRID) each, of copies of this image, which are left out as well.

        Returns:
            Normalised, (height, width); uniform if there is no other image.
        """
        height, width = density.shape
        if self.count - len(copies) < 2:
            return np.full((height, width), -np.log(height * width))
        mean = self._others(self.total, density, [copy[0] for copy in copies])
        with np.errstate(divide="ignore"):
            if log_prior is None or self.priors is None:
                return np.log(mean / mean.sum())
            prior = self._others(self.priors, np.exp(log_prior), [copy[1] for copy in copies])
            if prior.sum() < 0.5:  # no other prediction has one, but for rounding
                return np.log(mean / mean.sum())
            values = np.log(mean) + log_prior - np.log(np.maximum(prior, np.finfo(float).tiny))
        values -= values.max()
        values -= np.log(np.exp(values).sum())
        return values

    @staticmethod
    def _others(
        total: NDArray[np.float64],
        own: NDArray[np.float64],
        copies: Sequence[NDArray[np.float64]],
    ) -> NDArray[np.float64]:
        """A sum without the image's own part and those of its copies, (height, width)."""
        height, width = own.shape
        others = total - reduced(own)
        for copy in copies:
            others -= copy
        others = np.maximum(others, 0.0)
        return _interpolation(height) @ others @ _interpolation(width).T  # type: ignore[no-any-return]
