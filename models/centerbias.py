"""The centre bias: where people look whatever the image shows; the base of information gain."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pysaliency
from numpy.typing import NDArray

from models.base import TrainingData, image_shape, model
from models.kde import Points, gaussian_table, kernel_sums, pair_sums
from models.mixture_fit import fit_mixture

#: Fixations are binned to this many rows and columns of relative coordinates; half a bin is less
#: than a tenth of any bandwidth that the fit allows.
GRID = 512
_BOUNDS = (5.0 / GRID, 1.0)
_STARTS = (0.02, 0.06)


@model(
    name="centerbias",
    title="Centre bias",
    summary="kernel density of the fixations on all other images, mixed with uniform",
    kind="baseline",
    citation="Kümmerer, Wallis, Bethge 2015, PNAS 112(52)",
    trained_on=("scored",),
)
class CenterBias(pysaliency.Model):
    """Gaussian kernel density of fixations in relative coordinates, mixed with the uniform density.

    ``p = (1 - w) * mean_j K(. - u_j) + w / (height * width)``, u_j = ((x + 1/2) / width,
    (y + 1/2) / height). The bandwidth is one number relative to width and to height, so in pixels
    the kernel is wider along the longer side. Every kernel is normalised over the pixels of the
    image it is evaluated on. For an image of the training data its own fixations (and those of its
    duplicates) are left out.

    Args:
        data: stimuli and fixations; those of other images make the density.
        bandwidth: standard deviation relative to the image's width and height.
        uniform_weight: w, between 0 and 1.
    """

    def __init__(self, data: TrainingData, bandwidth: float, uniform_weight: float):
        super().__init__(caching=False)
        self.data = data
        self.bandwidth = bandwidth
        self.uniform_weight = uniform_weight
        self._rows, self._columns = _bins(data)
        self._counts = np.zeros((GRID, GRID))
        np.add.at(self._counts, (self._rows, self._columns), 1.0)
        self._group_of_fixation = data.groups[data.fixations.n]

    @property
    def parameters(self) -> dict[str, float]:
        """What was fitted, for the record."""
        return {"bandwidth": self.bandwidth, "uniform_weight": self.uniform_weight}

    @classmethod
    def fit(cls, data: TrainingData) -> CenterBias:
        """Fit bandwidth and weight by leave-one-image-out likelihood.

        Raises:
            ValueError: there is no fixation.
        """
        rows, columns = _bins(data)
        groups = data.groups[data.fixations.n]
        labels = np.arange(len(rows))  # every fixation of the left-out images counts as its own
        _, image = np.unique(groups, return_inverse=True)
        sizes = np.full((image.max(initial=-1) + 1, 2), GRID)
        points = Points.sorted_by_image(columns, rows, image, labels, sizes)
        counts = np.zeros((GRID, GRID))
        np.add.at(counts, (points.y, points.x), 1.0)
        per_image = np.diff(points.starts)
        others = len(labels) - np.repeat(per_image, per_image)

        def held_out(bandwidth: float) -> tuple[NDArray, NDArray]:
            everything, everything_slope = _gridded(counts, bandwidth * GRID)
            own, own_slope = pair_sums(points, bandwidth * GRID)
            alone, alone_slope = _self_kernels(points, bandwidth * GRID)
            with np.errstate(invalid="ignore", divide="ignore"):
                density = (everything[points.y, points.x] - own - alone) / others
                slope = (everything_slope[points.y, points.x] - own_slope - alone_slope) / others
            # subtraction leaves rounding errors where no other fixation is near
            return np.where(others, np.maximum(density, 0.0), np.nan) * GRID**2, slope * GRID**2

        fit = fit_mixture(held_out, np.ones((len(labels), 1)), _STARTS, _BOUNDS)
        return cls(data, fit.bandwidth, fit.weights[1])

    def log_density(self, stimulus: Any) -> NDArray[np.float64]:
        """Natural log of the density for a stimulus or image array, (height, width).

        The stimulus's own fixations are left out if it belongs to the training data.
        """
        return self.log_density_without(image_shape(stimulus), self.data.index_of(stimulus))

    def _log_density(self, stimulus: Any) -> NDArray[np.float64]:
        return self.log_density(stimulus)

    def log_density_without(
        self, shape: tuple[int, int], index: int | None = None
    ) -> NDArray[np.float64]:
        """Natural log of the density of ``shape`` without the fixations on image ``index``."""
        counts = self._counts_without(index)
        if counts is None:
            return np.full(shape, -np.log(shape[0] * shape[1]))
        down = _resampled_kernels(shape[0], self.bandwidth)
        across = _resampled_kernels(shape[1], self.bandwidth)
        return self._log_mixed(down @ counts @ across.T, shape)

    def log_density_at(
        self, shape: tuple[int, int], x: NDArray, y: NDArray, index: int | None = None
    ) -> NDArray[np.float64]:
        """Values of :meth:`log_density_without` at pixel indices, (points,); no map is made."""
        counts = self._counts_without(index)
        if counts is None:
            return np.full(len(x), -np.log(shape[0] * shape[1]))
        down = _resampled_kernels(shape[0], self.bandwidth)[y]
        across = _resampled_kernels(shape[1], self.bandwidth)[x]
        return self._log_mixed(np.einsum("ij,ij->i", down @ counts, across), shape)

    def _counts_without(self, index: int | None) -> NDArray[np.float64] | None:
        """Relative frequencies on the grid without image ``index``; None if nothing is left."""
        counts = self._counts
        if index is not None:
            own = self._group_of_fixation == self.data.groups[index]
            counts = counts.copy()
            np.subtract.at(counts, (self._rows[own], self._columns[own]), 1.0)
        total = counts.sum()
        return counts / total if total else None

    def _log_mixed(self, density: NDArray, shape: tuple[int, int]) -> NDArray[np.float64]:
        density *= 1.0 - self.uniform_weight
        density += self.uniform_weight / (shape[0] * shape[1])
        return np.log(density, out=density)

    def shuffled_log_density(self, stimulus: Any) -> NDArray[np.float64]:
        """The mean prediction for other images is this prediction.

        Taken literally, the mean over other images would hold the scored fixations, which were
        left out here, and push the shuffled AUC of a mere centre bias far below chance.
        """
        return self.log_density(stimulus)


def _bins(data: TrainingData) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Grid rows and columns of the fixations in relative coordinates."""
    sizes = data.sizes[data.fixations.n]
    rows = (data.fixations.y_int + 0.5) / sizes[:, 0] * GRID
    columns = (data.fixations.x_int + 0.5) / sizes[:, 1] * GRID
    return rows.astype(np.int64), columns.astype(np.int64)


def _gridded(counts: NDArray, sigma: float) -> tuple[NDArray, NDArray]:
    """Sum of the normalised kernels of all counts on the grid, and its derivative by log sigma."""
    table = gaussian_table(sigma, GRID)
    slope = table * (np.arange(GRID) / sigma) ** 2
    sums, slope_sums = kernel_sums(table, GRID), kernel_sums(slope, GRID)
    distance = np.abs(np.arange(GRID)[:, None] - np.arange(GRID)[None, :])
    kernels = table[distance] / sums
    slopes = slope[distance] / sums - kernels * (slope_sums / sums)
    half = counts @ kernels.T
    return kernels @ half, slopes @ half + kernels @ (counts @ slopes.T)


def _self_kernels(points: Points, sigma: float) -> tuple[NDArray, NDArray]:
    """Each point's own normalised kernel at itself, and its derivative by log sigma."""
    table = gaussian_table(sigma, GRID)
    sums = kernel_sums(table, GRID)
    slope_sums = kernel_sums(table * (np.arange(GRID) / sigma) ** 2, GRID)
    peak = 1.0 / (sums[points.x] * sums[points.y])
    shrink = slope_sums[points.x] / sums[points.x] + slope_sums[points.y] / sums[points.y]
    return peak, -peak * shrink


@lru_cache(maxsize=64)
def _resampled_kernels(length: int, bandwidth: float) -> NDArray[np.float64]:
    """Kernels centred on the bins, over ``length`` pixels, each of sum one, (length, GRID)."""
    pixels = (np.arange(length) + 0.5) / length
    bins = (np.arange(GRID) + 0.5) / GRID
    kernels = np.exp(-0.5 * ((pixels[:, None] - bins[None, :]) / bandwidth) ** 2)
    return kernels / kernels.sum(axis=0)
