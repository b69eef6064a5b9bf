"""Reads a submission back as a board does, and compares it with what was predicted."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pysaliency
from numpy.typing import NDArray
from PIL import Image
from scipy.special import logsumexp
from tqdm import tqdm

from benchmark.rank_maps import JPEG_LARGEST, JPEG_MEAN, LEVELS, rank_quantised
from benchmark.submission_pieces import DENSITIES, Record

#: Of the log of a density's sum; boards allow 1e-3, single precision needs less than 1e-6.
TOLERANCE = 1e-5
WITH, WITHOUT = "with_centre_bias", "without_centre_bias"


@dataclass
class ReadBack:
    """What reading a submission back found; the worst values are over all images.

    Attributes:
        problems: what is wrong, naming file, value and expectation.
        largest_logsumexp: largest distance from 0 of the log of a density's sum.
        unequal_population: largest difference between the numbers of pixels at two grey levels, as
            a share of the number at each if they were equal.
        jpeg_largest, jpeg_mean: largest and mean distance of a JPEG from its PNG, in grey levels.
        jpeg_rank_correlation: smallest Spearman correlation of a JPEG with its PNG.
    """

    problems: list[str] = field(default_factory=list)
    largest_logsumexp: float = 0.0
    unequal_population: float = 0.0
    jpeg_largest: int = 0
    jpeg_mean: float = 0.0
    jpeg_rank_correlation: float = 1.0

    def measured(self) -> dict[str, float]:
        """The worst values, for the manifest."""
        return {name: value for name, value in vars(self).items() if name != "problems"}


def read_back(
    out: Path, stimuli: pysaliency.FileStimuli, records: Mapping[str, Record]
) -> ReadBack:
    """Check every file of a submission.

    Args:
        stimuli: the images, in the order of ``records``.
        records: by the images' names; see :class:`benchmark.submission_pieces.Pieces`.
    """
    found = ReadBack()
    _check_contents(out, records, found)
    try:
        model = pysaliency.HDF5Model(stimuli, str(out / DENSITIES), caching=False)
    except (OSError, ValueError) as error:
        found.problems.append(f"{out / DENSITIES}: pysaliency cannot read it ({error}).")
        return found
    progress = tqdm(zip(stimuli, records.items()), "reading back", len(records), unit="image")
    try:
        for stimulus, (name, record) in progress:
            label = f"{out / DENSITIES}:{name}"
            shape = (int(stimulus.shape[0]), int(stimulus.shape[1]))
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # of shapes, which are checked below
                    log_density = np.asarray(model.log_density(stimulus))
            except (OSError, ValueError) as error:
                found.problems.append(f"{label}: is no log density ({error}).")
                continue
            if log_density.shape != shape:
                found.problems.append(f"{label}: has the shape {log_density.shape}, not {shape}.")
                continue
            _check_sum(label, log_density, found)
            _check_pictures(out, record, log_density, found)
    finally:
        model.parent_model.hdf5_file.close()
    return found


def _check_contents(out: Path, records: Mapping[str, Record], found: ReadBack) -> None:
    """What is uploaded holds a prediction for each image, and nothing else."""
    expected = {file for record in records.values() for file in record["files"]}
    for folder in ("jpeg", "png"):
        for file in sorted((out / folder).rglob("*")):
            if file.is_file() and file.relative_to(out).as_posix() not in expected:
                found.problems.append(f"{file}: is not of this submission; remove it.")
    items: dict[str, Any] = {}
    try:
        with h5py.File(out / DENSITIES, "r") as content:
            content.visititems(lambda name, item: items.update({name: item}))
            types = {
                name: item.dtype for name, item in items.items() if isinstance(item, h5py.Dataset)
            }
    except OSError:
        return  # reported when pysaliency reads it
    for name in sorted({*types, *records}):
        label = f"{out / DENSITIES}:{name}"
        if name not in records:
            found.problems.append(f"{label}: is of no image.")
        elif name not in types:
            found.problems.append(f"{label}: is missing.")
        elif types[name] != np.float32:
            found.problems.append(f"{label}: is of type {types[name]}; expected float32.")


def _check_sum(label: str, log_density: NDArray, found: ReadBack) -> None:
    mass = abs(float(logsumexp(log_density.astype(np.float64))))
    found.largest_logsumexp = max(found.largest_logsumexp, mass)
    if not mass <= TOLERANCE:
        found.problems.append(
            f"{label}: the log of its sum is off by {mass:.3g}; expected at most {TOLERANCE:g}."
        )


def _check_pictures(out: Path, record: Record, log_density: NDArray, found: ReadBack) -> None:
    """Check each PNG against the log density, as far as it shows that, and its JPEG against it."""
    for name in sorted(record["files"]):
        if not name.startswith("png/"):
            continue
        grey = _grey(out / name, log_density.shape, found)
        if grey is None:
            continue
        if name.startswith(f"png/{WITH}/") and (grey != rank_quantised(log_density)).any():
            found.problems.append(f"{out / name}: has not the ranks of the log density.")
        counts = np.bincount(grey.ravel(), minlength=LEVELS)
        unequal = float(np.ptp(counts) / (grey.size / LEVELS))
        found.unequal_population = max(found.unequal_population, unequal)
        jpeg = Path("jpeg", *Path(name).parts[1:]).with_suffix(".jpg")
        _check_jpeg(out / jpeg, grey, found)


def _check_jpeg(file: Path, written: NDArray[np.uint8], found: ReadBack) -> None:
    grey = _grey(file, written.shape, found)
    if grey is None:
        return
    distance = np.abs(grey.astype(np.int64) - written)
    largest, mean = int(distance.max()), float(distance.mean())
    found.jpeg_largest = max(found.jpeg_largest, largest)
    found.jpeg_mean = max(found.jpeg_mean, mean)
    if largest > JPEG_LARGEST or mean > JPEG_MEAN:
        found.problems.append(
            f"{file}: is up to {largest} and on average {mean:.2g} grey levels from what was "
            f"written; expected at most {JPEG_LARGEST} and {JPEG_MEAN}."
        )
    if np.ptp(grey) and np.ptp(written):
        correlation = float(np.corrcoef(_mean_ranks(grey), _mean_ranks(written))[0, 1])
        found.jpeg_rank_correlation = min(found.jpeg_rank_correlation, correlation)


def _grey(file: Path, shape: tuple[int, ...], found: ReadBack) -> NDArray[np.uint8] | None:
    """Pixels of an 8-bit grey picture of the image's size, or None and a problem."""
    try:
        with Image.open(file) as picture:
            mode, pixels = picture.mode, np.asarray(picture)
    # Image libraries raise anything from OSError to SyntaxError on damaged files.
    except Exception as error:
        found.problems.append(f"{file}: cannot be read as an image ({error}).")
        return None
    if mode != "L" or pixels.shape != shape:
        found.problems.append(
            f"{file}: is of mode {mode} and shape {pixels.shape}; expected 8-bit grey, {shape}."
        )
        return None
    return pixels


def _mean_ranks(grey: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Ranks of the pixels, ties sharing their mean rank, (pixels,)."""
    counts = np.bincount(grey.ravel(), minlength=LEVELS)
    return (np.cumsum(counts) - counts / 2)[grey.ravel()]
