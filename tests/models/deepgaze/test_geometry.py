"""Grids and interpolation beside numpy's and torch's own."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.deepgaze.geometry import Axis, interpolation_matrix, tiling

AXES = st.builds(
    Axis, st.floats(-20, 20), st.floats(0.5, 40), st.integers(min_value=1, max_value=30)
)


def test_positions():
    assert Axis(3.0, 16.0, 3).positions.tolist() == [3.0, 19.0, 35.0]
    assert Axis(0, 1, 2).positions.dtype == np.float64


@given(length=st.integers(1, 3000), step=st.floats(0.5, 64))
def test_tiles_cover_the_side_exactly(length, step):
    axis = tiling(length, step)
    edges = axis.positions[0] - axis.step / 2, axis.positions[-1] + axis.step / 2
    np.testing.assert_allclose(edges, (-0.5, length - 0.5), atol=1e-9 * length)
    assert axis.cells >= 1
    # As near to the step as whole cells allow: one cell more or less would be no nearer.
    cells = np.array([max(axis.cells - 1, 1), axis.cells, axis.cells + 1])
    distances = np.abs(cells - length / step)
    assert distances[1] <= distances.min() + 1e-9  # half way between, either is as near


def test_a_tile_a_pixel():
    assert tiling(7, 1.0) == Axis(0.0, 1.0, 7)


@given(axis=AXES, positions=st.lists(st.floats(-100, 1500), min_size=1, max_size=20))
def test_interpolation_is_that_of_numpy(axis, positions):
    values = np.random.default_rng(0).normal(size=axis.cells)
    matrix = interpolation_matrix(axis, np.array(positions))
    np.testing.assert_allclose(matrix.sum(axis=1), 1.0, atol=1e-12)
    assert (matrix >= 0).all()
    np.testing.assert_allclose(
        matrix @ values, np.interp(positions, axis.positions, values), atol=1e-9
    )


def test_interpolation_at_the_cells_themselves_changes_nothing():
    axis = Axis(2.5, 4.0, 6)
    np.testing.assert_array_equal(interpolation_matrix(axis, axis.positions), np.eye(6))


def test_no_positions():
    assert interpolation_matrix(Axis(0.0, 1.0, 4), np.array([])).shape == (0, 4)


@pytest.mark.parametrize(("original", "resized"), [(64, 32), (67, 34), (45, 61), (33, 33)])
def test_positions_of_resized_pixels_are_those_of_torch(original, resized):
    """A ramp that is resized shows, at each new pixel, where in the original that pixel lies."""
    ramp = torch.arange(original, dtype=torch.float64)[None, None]
    shown = torch.nn.functional.interpolate(ramp, size=resized, mode="linear", align_corners=False)
    found = Axis(0.0, 1.0, resized).of_resized(resized, original).positions
    inside = (found >= 0) & (found <= original - 1)
    assert inside.sum() >= resized - 2
    np.testing.assert_allclose(found[inside], shown[0, 0].numpy()[inside], atol=1e-9)


def test_cells_of_a_resized_image_keep_their_place():
    axis = Axis(7.5, 16.0, 4).of_resized(64, 128)  # cells centred on 8, 24, ... of 64 pixels
    np.testing.assert_allclose((axis.positions + 0.5) / 128, (np.arange(4) + 0.5) / 4)
    assert axis.cells == 4
