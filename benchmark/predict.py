"""Predictions for images without fixations: densities on disk, and pictures to look at."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imageio.v3 as imageio
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from benchmark import registry
from benchmark.datasets.images import SUFFIXES, find_images
from benchmark.errors import BenchmarkError, DataError
from benchmark.evaluate import checked
from benchmark.files import write_whole
from models.base import UnavailableError

FORMATS = ("npy", "hdf5", "png")


@dataclass(frozen=True)
class Predicted:
    """An image and where its prediction went."""

    image: Path
    files: tuple[Path, ...]


def predict(
    paths: Sequence[Path],
    model: str = "deepgaze2",
    out: Path = Path("predictions"),
    formats: Sequence[str] = ("npy", "png"),
    centre_bias: bool = True,
) -> list[Predicted]:
    """Predict images and folders of images.

    Writes ``NAME.npy`` (natural log of the density per pixel, float32, (height, width)) and
    ``NAME.png`` (the image under the density) for each image, or ``predictions.hdf5`` with a data
    set of that kind for each, as pysaliency reads it. Names are paths relative to the folder that
    all images share. Images that were predicted before are predicted again.

    Args:
        centre_bias: False leaves the prior out of models that have one.

    Raises:
        BenchmarkError: a format or the model is unknown, or the model needs measured fixations.
        DataError: a path is no image; lists every such path before anything is predicted.
    """
    for name in formats:
        if name not in FORMATS:
            raise BenchmarkError(f"unknown format {name!r}. Known: {', '.join(FORMATS)}.")
    images = collect(paths)
    predictor = _build(model)
    if not centre_bias and not hasattr(predictor, "log_density_without_prior"):
        raise BenchmarkError(f"the model {model!r} has no prediction without centre bias.")
    method = predictor.log_density if centre_bias else predictor.log_density_without_prior
    store = None
    try:
        if "hdf5" in formats:
            store = _Hdf5(out / "predictions.hdf5")
        done = []
        for name, file in tqdm(images.items(), desc=f"predicting with {model}", unit="image"):
            pixels = read_image(file)
            log_density, _ = checked(method(pixels), pixels.shape[:2])
            written = []
            if "npy" in formats:
                buffer = io.BytesIO()
                np.save(buffer, log_density.astype(np.float32))
                written.append(write_whole(out / f"{name}.npy", buffer.getvalue()))
            if "png" in formats:
                from benchmark.report.plots.overlay import overlay

                written.append(write_whole(out / f"{name}.png", overlay(pixels, log_density)))
            if store is not None:
                written.append(store.add(name, log_density.astype(np.float32)))
            done.append(Predicted(file, tuple(written)))
    finally:
        if store is not None:
            store.close()
    return done


def collect(paths: Iterable[Path]) -> dict[str, Path]:
    """Image files by name: their paths relative to the folder they share; folders are searched.

    Raises:
        DataError: a path is missing or is no image, or there is no image at all.
    """
    files: list[Path] = []
    problems = []
    for path in paths:
        if path.is_dir():
            found = find_images(path)
            if not found:
                problems.append(f"{path}: there is no image in this folder.")
            files += found
        elif not path.is_file():
            problems.append(f"{path}: there is no such file or folder.")
        elif path.suffix.lower() not in SUFFIXES:
            problems.append(
                f"{path}: is not an image; the ending has to be one of {' '.join(sorted(SUFFIXES))}"
            )
        else:
            files.append(path)
    if problems or not files:
        raise DataError(*(problems or ["no image was named; name image files or folders."]))
    unique = list(dict.fromkeys(file.absolute() for file in files))
    shared = Path(os.path.commonpath([file.parent for file in unique]))
    return {str(file.relative_to(shared)): file for file in unique}


def read_image(file: Path) -> NDArray:
    """Pixels of an image file, (height, width) or (height, width, channels).

    Raises:
        DataError: it does not decode.
    """
    try:
        pixels = np.asarray(imageio.imread(file))
    # Image libraries raise anything from OSError to SyntaxError on damaged files.
    except Exception as error:
        raise DataError(f"{file}: cannot be read as an image ({error}).") from error
    return pixels[0] if pixels.ndim == 4 else pixels  # the first frame of an animation


def _build(name: str) -> Any:
    entry = registry.lookup(registry.models(), name, "model")
    kind = entry.load()
    try:
        return kind()
    except TypeError as error:
        usable = [
            other for other, known in registry.models().items() if known.metadata["kind"] == "model"
        ]
        raise BenchmarkError(
            f"the model {name!r} needs the measured fixations of a data set, so it cannot predict "
            f"images alone. Models that can: {', '.join(usable)}."
        ) from error
    except UnavailableError as error:
        raise BenchmarkError(str(error)) from error


class _Hdf5:
    """A file with one data set an image, written whole."""

    def __init__(self, file: Path):
        import h5py

        file.parent.mkdir(parents=True, exist_ok=True)
        self.file = file
        self._part = file.with_name(f".{file.name}.{os.getpid()}.tmp")
        self._content = h5py.File(self._part, "w")
        self._content.attrs["unit"] = "natural log of the density per pixel"

    def add(self, name: str, log_density: NDArray[np.float32]) -> Path:
        self._content.create_dataset(name, data=log_density, compression="gzip", shuffle=True)
        return self.file

    def close(self) -> None:
        self._content.close()
        os.replace(self._part, self.file)
