"""The mean prediction for other images keeps mass and leaves the scored image out, exactly."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import logsumexp

from benchmark.shuffled import GRID, MeanPrediction, reduced


def density(shape, seed=0):
    values = np.random.default_rng(seed).random(shape) ** 4
    return values / values.sum()


@pytest.mark.parametrize("shape", [(1, 1), (7, 13), (100, 301), (GRID, GRID), (512, 777)])
def test_reducing_keeps_the_mass(shape):
    result = reduced(density(shape))
    assert result.shape == (GRID, GRID)
    assert result.sum() == pytest.approx(1, abs=1e-12)
    assert result.min() >= 0


def test_reducing_by_a_whole_factor_adds_up_blocks():
    values = density((2 * GRID, 3 * GRID))
    blocks = values.reshape(GRID, 2, GRID, 3).sum(axis=(1, 3))
    np.testing.assert_allclose(reduced(values), blocks, rtol=1e-12)


def test_reducing_keeps_relative_positions():
    values = np.zeros((10, 40))
    values[3, 20] = 1.0  # covers rows 0.3 to 0.4, columns 0.5 to 0.525
    rows, columns = np.nonzero(reduced(values) > 1e-12)
    assert (rows.min() / GRID, (rows.max() + 1) / GRID) == pytest.approx((0.3, 0.4), abs=1 / GRID)
    assert (columns.min() / GRID, (columns.max() + 1) / GRID) == pytest.approx(
        (0.5, 0.525), abs=1 / GRID
    )


def test_without_its_own_it_is_the_explicit_mean_of_the_others():
    """On images of the grid's own size nothing is resampled, so that the mean is exact."""
    densities = [density((GRID, GRID), seed) for seed in range(4)]
    everything = MeanPrediction(sum(reduced(d) for d in densities), len(densities))
    for left_out, own in enumerate(densities):
        others = np.mean([d for n, d in enumerate(densities) if n != left_out], axis=0)
        result = np.exp(everything.log_density_without(own))
        # subtraction leaves rounding errors, of the size of those of the scored image's density
        np.testing.assert_allclose(result, others, rtol=1e-9, atol=1e-15 * own.max())


def test_leaving_out_is_the_same_for_images_of_all_sizes():
    shapes = [(31, 45), (64, 64), (45, 31), (90, 20)]
    densities = [density(shape, seed) for seed, shape in enumerate(shapes)]
    everything = MeanPrediction(sum(reduced(d) for d in densities), len(densities))
    for left_out, own in enumerate(densities):
        # the same others, and another image of this size in its place
        replaced = density(own.shape, 99)
        total = sum(reduced(d) for n, d in enumerate(densities) if n != left_out)
        explicit = MeanPrediction(total + reduced(replaced), len(densities))
        result = everything.log_density_without(own)
        assert result.shape == own.shape
        assert logsumexp(result) == pytest.approx(0, abs=1e-12)
        np.testing.assert_allclose(result, explicit.log_density_without(replaced), rtol=1e-9)


def test_the_mean_of_uniform_predictions_is_uniform():
    shapes = [(31, 45), (300, 20), (24, 35)]
    densities = [np.full(shape, 1 / np.prod(shape)) for shape in shapes]
    mean = MeanPrediction(sum(reduced(d) for d in densities), len(densities))
    for own in densities:
        expected = np.full(own.shape, -np.log(own.size))
        np.testing.assert_allclose(mean.log_density_without(own), expected, rtol=1e-9)


@pytest.mark.parametrize("count", [0, 1])
def test_where_there_is_no_other_image_it_is_uniform(count):
    own = density((24, 35))
    result = MeanPrediction(reduced(own) * count, count).log_density_without(own)
    np.testing.assert_array_equal(result, np.full((24, 35), -np.log(24 * 35)))
