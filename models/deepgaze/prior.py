"""The image-independent prior of a trained readout: a table in relative coordinates."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.centerbias import CenterBias
from models.deepgaze.geometry import interpolation_matrix, tiling
from models.deepgaze.readout import Lattice

#: Rows and columns of the table: a cell is much smaller than the kernels it was made with.
CELLS = 128


def prior_table(centerbias: CenterBias) -> NDArray[np.float32]:
    """Log density of a centre bias over CELLS x CELLS equal parts of the image."""
    return centerbias.log_density_without((CELLS, CELLS)).astype(np.float32)


def log_prior(table: NDArray, lattice: Lattice) -> NDArray[np.float32]:
    """A table's log density per pixel of an image, at the positions of a lattice."""
    along = []
    for side, axis in ((lattice.height, lattice.rows), (lattice.width, lattice.columns)):
        along.append(interpolation_matrix(tiling(side, side / CELLS), axis.positions))
    density = along[0] @ np.exp(table.astype(np.float64)) @ along[1].T
    pixels = lattice.height * lattice.width / density.size
    return np.log(density / density.sum() / pixels).astype(np.float32)
