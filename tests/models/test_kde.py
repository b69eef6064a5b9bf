"""Kernel densities against sums written out, and leave-one-out sums against explicit maps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.kde import Points, density_map, kernel_sums, other_counts, pair_sums
from tests.models.synthetic import training_data


def written_out(x, y, shape, sigma):
    """Mean of Gaussians, each divided by its own sum over the image."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    total = np.zeros(shape)
    for a, b in zip(x, y):
        kernel = np.exp(-((columns - a) ** 2 + (rows - b) ** 2) / (2 * sigma**2))
        total += kernel / kernel.sum()
    return total / len(x)


@given(st.floats(0.5, 40), st.integers(1, 7), st.integers(0, 1000))
@settings(deadline=None, max_examples=30)
def test_density_by_definition(sigma, count, seed):
    rng = np.random.default_rng(seed)
    shape = (int(rng.integers(1, 30)), int(rng.integers(1, 30)))
    x, y = rng.integers(0, shape[1], count), rng.integers(0, shape[0], count)
    density = density_map(x, y, shape, sigma)
    assert density == pytest.approx(written_out(x, y, shape, sigma), rel=1e-10, abs=1e-300)
    assert density.sum() == pytest.approx(1, abs=1e-12)


def test_density_needs_a_point():
    with pytest.raises(ValueError, match="at least one fixation"):
        density_map([], [], (5, 5), 2.0)


def test_kernel_sums_by_definition():
    table = np.exp(-np.arange(9.0))
    expected = [sum(table[abs(i - c)] for i in range(7)) for c in range(7)]
    assert kernel_sums(table, 7) == pytest.approx(expected)


@pytest.mark.parametrize("sigma", [2.0, 9.0, 100.0])
def test_pair_sums_by_definition(sigma):
    data = training_data()
    points = Points.sorted_by_image(
        data.fixations.x_int,
        data.fixations.y_int,
        data.fixations.n,
        data.fixations.subjects,
        data.sizes,
    )
    sums, slopes = pair_sums(points, sigma)
    others = other_counts(points)
    n = data.fixations.n[points.order]
    for i in range(0, len(points.x), 7):
        chosen = (n == n[i]) & (points.labels != points.labels[i])
        assert others[i] == chosen.sum()
        shape = tuple(data.sizes[n[i]])
        map_ = written_out(points.x[chosen], points.y[chosen], shape, sigma) * chosen.sum()
        assert sums[i] == pytest.approx(map_[points.y[i], points.x[i]], rel=1e-10)
    step = 1e-5
    numeric = (
        pair_sums(points, sigma * np.exp(step))[0] - pair_sums(points, sigma * np.exp(-step))[0]
    ) / (2 * step)
    assert slopes == pytest.approx(numeric, rel=1e-5, abs=1e-12)


def test_points_keep_the_way_back():
    points = Points.sorted_by_image([5, 6, 7], [1, 2, 3], [1, 0, 1], [0, 0, 1], [(9, 9), (9, 9)])
    assert points.x.tolist() == [6, 5, 7]
    assert np.array([50, 60, 70])[points.order].tolist() == [60, 50, 70]
    assert points.starts.tolist() == [0, 1, 3]
