"""Predictions for images without fixations: densities on disk, and pictures to look at."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pysaliency
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from benchmark import registry, selection
from benchmark.datasets.images import SUFFIXES, find_images, is_turned, read_pixels
from benchmark.density_file import DensityFile
from benchmark.errors import BenchmarkError, DataError
from benchmark.evaluate import checked
from benchmark.files import write_whole
from models.base import UnavailableError
from models.deepgaze.foreign import check_readouts
from models.deepgaze.images import as_rgb
from models.deepgaze.model import DeepGaze
from models.deepgaze.trained import TrainedReadouts
from models.external import READOUTS, ExternalError
from models.saliency_map import MapsOf, SaliencyMap

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
        BenchmarkError: a format or the model is unknown, the model needs measured fixations or
            cannot predict an image, or the folder cannot be written to.
        DataError: a path is no image; lists every such path before anything is predicted.
    """
    for name in formats:
        if name not in FORMATS:
            raise BenchmarkError(f"unknown format {name!r}. Known: {', '.join(FORMATS)}.")
    if not formats:
        raise BenchmarkError(f"no format was named. Known: {', '.join(FORMATS)}.")
    images = collect(paths, out)
    predictor = build(model)
    if not centre_bias and not hasattr(predictor, "log_density_without_prior"):
        raise BenchmarkError(f"the model {model!r} has no prediction without centre bias.")
    method = predictor.log_density if centre_bias else predictor.log_density_without_prior
    unusable = [problem for file in images.values() if (problem := _problem(file))]
    if unusable:
        raise DataError(*unusable)
    with DensityFile(out / "predictions.hdf5") if "hdf5" in formats else nullcontext() as store:
        done = []
        for name, file in tqdm(images.items(), desc=f"predicting with {model}", unit="image"):
            pixels = read_image(file)
            try:
                log_density, _ = checked(method(pixels), pixels.shape[:2])
            except (BenchmarkError, ValueError) as error:  # such as features that overflow
                raise BenchmarkError(f"{file}: {error}") from error
            written = []
            if "npy" in formats:
                written.append(write_whole(out / f"{name}.npy", npy(log_density)))
            if "png" in formats:
                from benchmark.report.plots.overlay import overlay

                written.append(write_whole(out / f"{name}.png", overlay(pixels, log_density)))
            if store is not None:
                written.append(store.add(name, log_density.astype(np.float32)))
            done.append(Predicted(file, tuple(written)))
    return done


def npy(log_density: NDArray) -> bytes:
    """A npy file of a log density: float32, natural log per pixel, (height, width)."""
    buffer = io.BytesIO()
    np.save(buffer, log_density.astype(np.float32))
    return buffer.getvalue()


def collect(paths: Iterable[Path], out: Path | None = None) -> dict[str, Path]:
    """Image files by name: their paths relative to the folder they share; folders are searched.

    Args:
        out: a folder of predictions; if it is in a searched folder, it is not searched.

    Raises:
        DataError: a path is missing or is no image, or there is no image at all.
    """
    files: list[Path] = []
    problems = []
    for path in paths:
        if path.is_dir():
            found = [file for file in find_images(path) if not _inside(file, out, path)]
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
    unique = list(dict.fromkeys(Path(os.path.abspath(file)) for file in files))
    shared = Path(os.path.commonpath([file.parent for file in unique]))
    return {str(file.relative_to(shared)): file for file in unique}


def _inside(file: Path, out: Path | None, searched: Path) -> bool:
    """Whether a file is in the folder of predictions, which is below the searched one."""
    if out is None:
        return False
    predicted = out.resolve()
    return predicted in file.resolve().parents and searched.resolve() in predicted.parents


def _problem(file: Path) -> str | None:
    """Why an image file cannot be predicted, found by decoding all of it; None if it can."""
    try:
        as_rgb(read_image(file))
    except DataError as error:
        return str(error)
    except ValueError as error:
        return f"{file}: {error}"
    return None


def read_image(file: Path) -> NDArray:
    """Pixels of an image file as a viewer shows them, (height, width[, channels]).

    The first frame of an animation, turned as its EXIF orientation says.

    Raises:
        DataError: it does not decode.
    """
    try:
        with Image.open(file) as image:
            # four inks would pass for RGB with transparency
            options: dict[str, Any] = {"mode": "RGB"} if image.mode == "CMYK" else {}
            if is_turned(image):
                options |= {"plugin": "pillow", "index": 0, "rotate": True}
        pixels = read_pixels(file, **options)
    # Image libraries raise anything from OSError to SyntaxError on damaged files.
    except Exception as error:
        raise DataError(f"{file}: cannot be read as an image ({error}).") from error
    return pixels[0] if pixels.ndim == 4 else pixels  # the first frame of an animation


def build(name: str) -> Any:
    """A registered model, or trained readouts in a file, without measured fixations.

    DeepGaze has its trained prior then; a saliency map is a plain density, without centre bias.

    Raises:
        UnknownNameError: no model is called so.
        BenchmarkError: it cannot be had without fixations, makes no densities, or lacks weights on
            this machine.
    """
    if name.endswith(READOUTS):
        readouts = TrainedReadouts(Path(name).expanduser())
        try:
            check_readouts(readouts.file)
            made = DeepGaze(readouts.weights)
        except UnavailableError as error:
            raise BenchmarkError(str(error)) from error
        made.spec = readouts.spec
        return made
    entry = registry.lookup(registry.models(), name, "model")
    try:
        if entry.metadata.get("installed"):
            return _installed(name)
        kind = entry.load()
        model = kind.plain() if hasattr(kind, "plain") else kind()
    except TypeError as error:
        usable = [
            other
            for other, known in registry.models().items()
            if known.metadata.get("kind", "model") == "model"
        ]
        raise BenchmarkError(
            f"the model {name!r} needs the measured fixations of a data set, so it cannot predict "
            f"images alone. Models that can: {', '.join(usable)}."
        ) from error
    except (UnavailableError, ImportError) as error:
        raise BenchmarkError(str(error)) from error
    if not isinstance(model, pysaliency.Model):
        raise BenchmarkError(
            f"the model {name!r} makes no densities, so there is nothing to write."
        )
    return model


def _installed(name: str) -> Any:
    """A model of an installed package.

    Raises:
        UnavailableError: it cannot be imported or made.
        TypeError: it has to be fitted.
    """
    one = selection.installed(name)
    if isinstance(one.target, type) and issubclass(one.target, SaliencyMap):
        return one.target.plain()
    if hasattr(one.target, "fit") and isinstance(one.target, type):
        raise TypeError(f"{one.origin} is fitted on a data set")
    try:
        model = one.build(None, {})  # type: ignore[arg-type]
    except ExternalError as error:
        raise UnavailableError(str(error)) from error
    if isinstance(model, pysaliency.SaliencyMapModel):
        return MapsOf(model, one.spec).as_plain()
    return model.as_plain() if isinstance(model, SaliencyMap) else model
