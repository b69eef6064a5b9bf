"""Matlab files are weighed before scipy reads them."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from scipy.io import savemat
from scipy.sparse import csc_matrix

from models import matlab


def written(values, **options):
    buffer = io.BytesIO()
    savemat(buffer, {"map": values}, **options)
    return buffer.getvalue()


VALUES = np.arange(12.0).reshape(3, 4)


@pytest.mark.parametrize("options", [{}, {"do_compression": True}, {"format": "4"}])
def test_sound_files_are_read(options):
    content = written(VALUES, **options)
    np.testing.assert_array_equal(matlab.load(content)["map"], VALUES)
    assert matlab.shapes(content) == [("map", (3, 4), "double")]


def test_a_shape_without_its_bytes_is_refused():
    content = written(VALUES)
    larger = content.replace(struct.pack("<ii", 3, 4), struct.pack("<ii", 2**20, 2**20))
    assert larger != content
    with pytest.raises(ValueError, match="1099511627776 values take 96 bytes"):
        matlab.check(larger)


def test_cells_without_their_bytes_are_refused():
    cells = np.empty((1, 2), dtype=object)
    cells[:] = "a", "b"
    content = written(cells).replace(struct.pack("<ii", 1, 2), struct.pack("<ii", 1, 2**30), 1)
    with pytest.raises(ValueError, match="1073741824 elements take"):
        matlab.check(content)


def test_a_compressed_variable_that_unpacks_beyond_measure_is_refused():
    packed = zlib.compress(bytes(2**28))
    content = written(VALUES)[:128] + struct.pack("<II", 15, len(packed)) + packed
    with pytest.raises(ValueError, match="has more than 209715200 bytes"):
        matlab.check(content)


def test_sparse_arrays_and_other_versions_are_refused():
    with pytest.raises(ValueError, match="holds a sparse array; expected full arrays"):
        matlab.check(written(csc_matrix(VALUES)))
    later = bytearray(written(VALUES))
    later[125] = 2
    with pytest.raises(ValueError, match=r"version 7.3; save it with -v7"):
        matlab.check(bytes(later))
    with pytest.raises(ValueError, match="no header of a Matlab file"):
        matlab.check(b"x" * 200)


def test_cells_within_cells_without_end_are_refused():
    cells = np.empty((1, 1), dtype=object)
    cells[0, 0] = "a"
    for _ in range(40):
        outer = np.empty((1, 1), dtype=object)
        outer[0, 0] = cells
        cells = outer
    with pytest.raises(ValueError, match="deeper than 32"):
        matlab.check(written(cells))
