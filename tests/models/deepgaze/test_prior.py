"""The table of a prior says what the centre bias says."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import logsumexp

from models.centerbias import CenterBias
from models.deepgaze.prior import CELLS, log_prior, prior_table
from models.deepgaze.readout import Lattice
from tests.models.deepgaze.bright import looked_at, pictures

SIZES = [(48, 64), (131, 29), (300, 451), (128, 128)]


@pytest.fixture(scope="module")
def centerbias():
    return CenterBias(looked_at(pictures(4)), bandwidth=0.08, uniform_weight=0.02)


@pytest.fixture(scope="module")
def table(centerbias):
    return prior_table(centerbias)


def test_a_table_is_a_density(centerbias, table):
    assert table.shape == (CELLS, CELLS)
    assert table.dtype == np.float32
    assert abs(logsumexp(table.astype(np.float64))) < 1e-5
    np.testing.assert_allclose(table, centerbias.log_density_without((CELLS, CELLS)), atol=1e-5)
    assert np.ptp(table) > 1


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_it_is_the_centre_bias_at_every_size(centerbias, table, size):
    found = log_prior(table, Lattice.of_pixels(*size))
    assert found.dtype == np.float32
    assert abs(logsumexp(found.astype(np.float64))) < 1e-5
    # Exact to the table's cells: a little lower where the density bends, at single fixations.
    difference = found - centerbias.log_density_without(size)
    assert np.abs(difference).max() < 0.06
    assert np.abs(difference).mean() < 0.005


@pytest.mark.parametrize("step", [3.0, 8.0, 1000.0])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_on_a_lattice_positions_stand_for_pixels(table, size, step):
    lattice = Lattice.of_step(*size, step)
    found = log_prior(table, lattice).astype(np.float64)
    assert found.shape == (lattice.rows.cells, lattice.columns.cells)
    assert abs(logsumexp(found) + np.log(size[0] * size[1] / found.size)) < 1e-5


def test_a_uniform_table():
    uniform = np.full((CELLS, CELLS), -2 * np.log(CELLS), np.float32)
    found = log_prior(uniform, Lattice.of_pixels(31, 45))
    np.testing.assert_allclose(found, -np.log(31 * 45), atol=1e-5)


def test_left_is_left_and_above_is_above():
    """A prior that rises along one direction does so in an image of whatever shape."""
    rising = np.log(np.arange(1, CELLS + 1, dtype=float))
    for table, axis in ((rising[:, None], 0), (rising[None, :], 1)):
        full = np.broadcast_to(table, (CELLS, CELLS))
        density = np.exp(log_prior(full, Lattice.of_pixels(40, 90)).astype(np.float64))
        along = density.sum(axis=1 - axis)
        expected = np.arange(len(along)) + 0.5
        np.testing.assert_allclose(along, expected / expected.sum(), atol=2e-4)
