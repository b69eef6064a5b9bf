"""The map each metric should be given, derived from one predicted density.

A metric rewards its own kind of map: scoring one and the same map under all of them penalises every
model somewhere (Kümmerer, Wallis, Bethge 2018, "Saliency benchmarking made easy").
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from metrics.gaussian import filtered_map, kernel_weights, responses

#: Simulated empirical maps from which the best map for SIM is read off.
SIM_SAMPLES = 500


def shuffled_map(log_density: NDArray, shuffled_log_density: NDArray) -> NDArray[np.float64]:
    """Log density minus the log of the mean prediction for other images: the map for shuffled AUC.

    Negatives of the shuffled AUC follow the fixations on other images, so the likelihood ratio
    between the two densities is the optimal score.

    Returns:
        (height, width); 0 where both densities are zero.
    """
    if np.shape(log_density) != np.shape(shuffled_log_density):
        raise ValueError(
            f"the density has shape {np.shape(log_density)}, the shuffled baseline "
            f"{np.shape(shuffled_log_density)}: they must agree."
        )
    with np.errstate(invalid="ignore"):
        ratio = np.subtract(log_density, shuffled_log_density, dtype=np.float64)
    ratio[np.isnan(ratio)] = 0.0
    return ratio


def blurred_map(density: NDArray, sigma: float) -> NDArray[np.float64]:
    """Density convolved with the Gaussian of the empirical map: the map for CC and KL.

    Up to the border this is the expected empirical map under the density. Zeros lie beyond the
    border, as in the MIT/Tübingen benchmark.

    Args:
        density: (height, width). sigma: standard deviation in pixels.
    """
    return filtered_map(density, sigma)


def sim_map(
    density: NDArray,
    sigma: float,
    n_fixations: int,
    rng: np.random.Generator,
    samples: int = SIM_SAMPLES,
) -> NDArray[np.float64]:
    """The map of highest expected SIM when ``n_fixations`` are drawn from the density.

    SIM is a sum over pixels of min(s, q), q being the blurred map of the drawn fixations. Its
    expectation is concave and separable in the pixels of s, with derivative P(q > s), so the best s
    that sums to one has the same P(q > s) at every pixel: s is one common quantile of each pixel's
    distribution of q, the level being set by the sum. Quantiles come from ``samples`` simulated
    maps on a grid of a third of sigma, then interpolated linearly. Nothing is iterated over maps.

    Args:
        density: normalised, (height, width).
        sigma: standard deviation of the empirical map's Gaussian, in pixels.
        n_fixations: number of fixations that the empirical map is made of.
        rng: draws the fixations.

    Returns:
        (height, width), non-negative, sum 1.
    """
    height, width = density.shape
    if n_fixations < 1:
        return np.full(density.shape, 1.0 / density.size)
    step = max(int(sigma / 3), 1)
    rows, columns = _cell_centres(height, step), _cell_centres(width, step)
    weights = kernel_weights(sigma)
    # [p, r]: filter response at grid row r to an impulse at pixel row p (the filter is symmetric)
    along_y = responses(height, rows, weights, "reflect").astype(np.float32)
    along_x = responses(width, columns, weights, "reflect").astype(np.float32)
    points = _draw(density, samples * n_fixations, rng).reshape(samples, n_fixations)
    maps = np.empty((samples, len(rows), len(columns)), dtype=np.float32)
    for drawn, simulated in zip(points, maps):
        np.matmul(along_y[drawn // width].T, along_x[drawn % width], out=simulated)
    maps /= n_fixations
    ordered = np.ascontiguousarray(maps.reshape(samples, -1).T)
    ordered.sort(axis=1)
    coarse = _common_quantile(ordered, target=len(ordered) / density.size)
    coarse = coarse.reshape(len(rows), len(columns))
    best = _interpolation(height, rows) @ coarse @ _interpolation(width, columns).T
    return best / best.sum()


def _draw(density: NDArray[np.float64], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Flat indices of ``count`` independent pixels drawn from a density."""
    cumulative = np.cumsum(density)
    # Looking up sorted numbers and shuffling the answers is several times faster than looking up
    # the same numbers in random order. Normalised sums of exponentials are sorted uniform numbers.
    sums = np.cumsum(rng.standard_exponential(count + 1))
    found = np.searchsorted(cumulative, sums[:-1] * (cumulative[-1] / sums[-1]), side="right")
    return rng.permutation(np.minimum(found, density.size - 1))


def _cell_centres(length: int, step: int) -> NDArray[np.int64]:
    """Centres of equal cells of about ``step`` pixels that tile 0..length-1."""
    cells = max(-(-length // step), 1)
    return ((np.arange(cells) + 0.5) * length / cells).astype(np.int64)


def _interpolation(length: int, positions: NDArray[np.int64]) -> NDArray[np.float64]:
    """Matrix (length, positions) of linear interpolation, constant beyond the outer positions."""
    identity = np.eye(len(positions))
    return np.stack([np.interp(np.arange(length), positions, row) for row in identity], axis=1)


def _common_quantile(ordered: NDArray[np.float32], target: float) -> NDArray[np.float64]:
    """The quantile, at the one level where quantiles sum to ``target``, of each sorted row."""

    def quantile(level: float) -> NDArray[np.float64]:
        position = level * (ordered.shape[1] - 1)
        below = int(position)
        above = min(below + 1, ordered.shape[1] - 1)
        share = position - below
        return ordered[:, below] * (1 - share) + ordered[:, above].astype(np.float64) * share

    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        if quantile(middle).sum() < target:
            low = middle
        else:
            high = middle
    return quantile(high)
