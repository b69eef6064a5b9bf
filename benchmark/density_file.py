"""An HDF5 file of log densities as pysaliency reads it: one data set an image, called like it."""

from __future__ import annotations

import os
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from benchmark.errors import BenchmarkError
from benchmark.files import discard


class DensityFile:
    """Writes a file that appears when all images are in it, or not at all.

    Equal content gives equal bytes.

    Raises:
        BenchmarkError: the folder cannot be written to, or the disk is full.
    """

    def __init__(self, file: Path):
        self.file = file
        self._part = file.with_name(f".{file.name}.{os.getpid()}.tmp")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            self._content = h5py.File(self._part, "w")
        except OSError as error:
            raise self._unwritable(error) from error
        self._content.attrs["unit"] = "natural log of the density per pixel"

    def add(self, name: str, log_density: NDArray[np.float32]) -> Path:
        """Add the log density of an image, (height, width); folders in the name are groups."""
        try:
            self._content.create_dataset(
                name, data=log_density, compression="gzip", shuffle=True, track_times=False
            )
        except OSError as error:
            raise self._unwritable(error) from error
        return self.file

    def _unwritable(self, error: OSError) -> BenchmarkError:
        return BenchmarkError(
            f"{self.file} cannot be written: {error.strerror or error}. "
            "Free some space or choose a folder that you may write to."
        )

    def __enter__(self) -> DensityFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        try:
            self._content.close()
            if kind is None:
                os.replace(self._part, self.file)
        except OSError as error:
            raise self._unwritable(error) from error
        finally:
            discard(self._part)
