"""OSIE: 700 images with several dominant objects each, and one Matlab file of fixations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmark.datasets import images, scanpaths
from benchmark.datasets.base import Dataset, DatasetSpec, dataset
from benchmark.errors import DataError
from models import matlab

LAYOUT = "OSIE: stimuli/<name>.jpg and fixations.mat (or data/stimuli and data/eye/fixations.mat)"


def _places(root: Path) -> tuple[Path, Path]:
    """Where the stimuli and the fixations are: our layout, or that of the authors' repository."""
    if (root / "data" / "eye").is_dir():
        return root / "data" / "stimuli", root / "data" / "eye" / "fixations.mat"
    return root / "stimuli", root / "fixations.mat"


def recognises(root: Path) -> bool:
    """Whether the folder has this layout."""
    return _places(root)[1].is_file()


def path_spec(root: Path) -> DatasetSpec:
    """What is said of a data set of this layout that is not a registered one."""
    return DatasetSpec(
        name=root.name,
        title=root.name,
        summary="A data set in the layout of OSIE.",
        fixation_rule="All fixations count; fixations outside the image are dropped.",
        citation="",
        licence="",
    )


def _read_mat(file: Path) -> list[dict[str, Any]]:
    """The struct array ``fixations``, as dictionaries ``img``, ``subjects``."""
    if not file.is_file():
        raise DataError(f"{file}: this file is missing; expected {LAYOUT}.")
    try:
        records = matlab.load(file.read_bytes(), simplify_cells=True)["fixations"]
        return [dict(record) for record in np.atleast_1d(np.asarray(records, dtype=object))]
    # The parser raises whatever damaged bytes lead it into.
    except Exception as error:
        raise DataError(
            f"{file}: cannot be read ({type(error).__name__}: {error}); expected a Matlab file "
            "(version 7 or older) with the struct array `fixations`. Download it again."
        ) from error


def _read_trial(trial: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x, y in pixels and durations in seconds. A trial of one fixation holds bare numbers."""
    if not isinstance(trial, dict):
        raise TypeError("a trial that is no struct with fix_x, fix_y and fix_duration")
    x, y, duration = (_numbers(trial, key) for key in ("fix_x", "fix_y", "fix_duration"))
    if not len(x) == len(y) == len(duration):
        raise ValueError(f"{len(x)} x, {len(y)} y and {len(duration)} durations")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ValueError("a coordinate that is no number")
    if not np.isfinite(duration).all():
        raise ValueError("a duration that is no number")
    return x, y, duration / 1000


def _numbers(trial: dict[str, Any], key: str) -> np.ndarray:
    values = np.atleast_1d(np.asarray(trial[key])).ravel()
    if values.size and values.dtype.kind not in "biuf":
        raise ValueError(f"{key} holds values of type {values.dtype}")
    return values.astype(float)


@dataset(
    name="osie",
    title="OSIE",
    summary="700 images with several dominant objects, free viewing for 3 s by 15 subjects.",
    fixation_rule="All fixations count: none is forced, though the first are more central than "
    "later ones. Fixations outside the image are dropped (there are none).",
    citation="Xu, Jiang, Wang, Kankanhalli, Zhao: Predicting human gaze beyond pixels. "
    "Journal of Vision 14(1):28, 2014. One degree is about 24 pixels.",
    licence="MIT",
    folder="OSIE",
    pixels_per_degree=24.0,
    kernel_size=24.0,
)
def load(root: Path, spec: DatasetSpec) -> Dataset:
    """Read a folder in the layout of OSIE.

    Raises:
        DataError: lists what is missing, unreadable or inconsistent.
    """
    stimuli_folder, file = _places(root)
    records = _read_mat(file)
    trials, owners = [], []
    names: list[str] = []
    problems: list[str] = []
    for record in records:
        name = str(record.get("img", ""))
        if not name or name in names or "subjects" not in record:
            problems.append(
                f"{file}: an entry has no image, no subjects, or occurs twice: {name!r}."
            )
            continue
        for subject, trial in enumerate(np.atleast_1d(np.asarray(record["subjects"], object))):
            try:
                trials.append(_read_trial(trial))
                owners.append((len(names), subject))
            except (KeyError, TypeError, ValueError) as error:
                problems.append(f"{file}: image {name}, subject {subject}: {error}; replace it.")
        names.append(name)
    try:
        stimuli = images.open_stimuli([stimuli_folder / name for name in names])
    except DataError as error:
        problems += error.problems
    if problems:
        raise DataError(*problems)

    x, y, duration = (scanpaths.pad([trial[k] for trial in trials]) for k in range(3))
    return scanpaths.build(
        spec,
        stimuli,
        names,
        [str(n) for n in range(1 + max((subject for _, subject in owners), default=-1))],
        scanpaths.Scanpaths(
            image=np.array([n for n, _ in owners], dtype=int),
            subject=np.array([subject for _, subject in owners], dtype=int),
            x=x,
            y=y,
            # Only durations were published: the rank stands for the time, as in pysaliency.
            t=np.where(np.isnan(x), np.nan, np.arange(x.shape[1])),
            per_fixation={"durations": duration},
        ),
    )
