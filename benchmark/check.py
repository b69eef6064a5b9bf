"""Checks a data set, or a folder of predictions, before time is spent on it; lists all problems."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmark.errors import BenchmarkError, DataError
from models.map_files import (
    KINDS,
    TOLERANCE,
    MapError,
    MapFiles,
    Matching,
    match,
    not_a_number,
    open_maps,
    shape_problem,
    short_names,
    stimulus_names,
    value_problems,
)

if TYPE_CHECKING:
    from benchmark.datasets.base import Dataset


@dataclass
class Report:
    """What a check found: errors prevent scoring, warnings may spoil it, info is for the record."""

    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    info: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether there is no error; there may be warnings."""
        return not self.errors

    def __str__(self) -> str:
        lines = [f"error: {text}" for text in self.errors]
        lines += [f"warning: {text}" for text in self.warnings]
        lines += self.info
        count = f"{len(self.errors)} errors, {len(self.warnings)} warnings"
        return "\n".join([*lines, count])


def check(
    path_or_name: str | Path,
    data_root: str | Path | None = None,
    predictions_for: str | Path | None = None,
    kind: str | None = None,
    fixations: Path | None = None,
) -> Report:
    """Check a data set, or, with ``predictions_for``, predictions for the images of one.

    Args:
        path_or_name: a data set's name or folder; or a folder or archive of npy, mat, png, jpg or
            tiff files called like the images, or an HDF5 file.
        data_root: where data sets lie.
        predictions_for: name or folder of the data set the predictions are for.
        kind: what the predictions are: "log density", "density" or "saliency map". None tells it
            from each map's values, and says what it took it for.
        fixations: CSV file of the fixations of a data set that is a folder of images alone.

    Raises:
        BenchmarkError: the data set to compare with cannot be loaded, or ``kind`` is unknown.
    """
    if predictions_for is None:
        return check_dataset(path_or_name, data_root, fixations)
    dataset = _load(predictions_for, data_root, fixations)
    return check_predictions(Path(path_or_name).expanduser(), dataset, kind)


def _load(
    path_or_name: str | Path, data_root: str | Path | None, fixations: Path | None
) -> Dataset:
    from benchmark.datasets import folder, locate

    if fixations is not None:
        return folder.load_held_out(Path(path_or_name).expanduser(), fixations)
    return locate.load(path_or_name, data_root)


def check_dataset(
    path_or_name: str | Path,
    data_root: str | Path | None = None,
    fixations: Path | None = None,
) -> Report:
    """Check that a data set loads, that every image decodes, and that nothing looks suspicious."""
    from benchmark.datasets import images

    report = Report()
    try:
        dataset = _load(path_or_name, data_root, fixations)
    except DataError as error:
        report.errors += error.problems
        # Whatever else is wrong: truncated images are to be in the same list.
        folder = _folder(path_or_name, data_root)
        for problem in images.decode_problems(images.find_images(folder) if folder else []):
            if problem not in report.errors:
                report.errors.append(problem)
        return report
    except BenchmarkError as error:
        report.errors.append(str(error))
        return report
    files = [Path(file) for file in getattr(dataset.stimuli, "filenames", [])]
    report.errors += images.decode_problems(files)
    _describe(dataset, report)
    report.warnings += suspicions(dataset)
    if report.ok:  # needs pixels of every image
        _find_duplicates(dataset, report)
    return report


def _folder(path_or_name: str | Path, data_root: str | Path | None) -> Path | None:
    """The folder of a data set that failed to load, None if there is none."""
    from benchmark.datasets import locate

    try:
        if locate.is_path(path_or_name):
            folder = Path(path_or_name).expanduser()
        else:
            folder = locate.find(str(path_or_name), data_root)
    except BenchmarkError:
        return None
    return folder if folder.is_dir() else None


def _describe(dataset: Dataset, report: Report) -> None:
    fixations, subjects = len(dataset.fixations.x), len(dataset.subject_names)
    report.info.append(
        f"{dataset.name}: {len(dataset)} images, {subjects} subjects, {fixations} fixations."
    )
    pairs = len(dataset) * subjects
    report.info.append(
        f"{len(dataset.seen)} of {pairs} pairs of an image and a subject have fixations."
    )
    report.info.append(f"Fixation rule: {dataset.spec.fixation_rule}")
    counts = ", ".join(f"{count} {reason}" for reason, count in dataset.dropped.items() if count)
    report.info.append(f"Left out or empty: {counts or 'nothing'}.")
    if bare := dataset.dropped.get("images without fixations"):
        report.warnings.append(f"{bare} images have no fixation: their scores are undefined.")
    if ignored := dataset.extras.get("ignored_columns"):
        report.warnings.append(f"these columns are not used: {', '.join(ignored)}.")
    durations = np.asarray(getattr(dataset.fixations, "duration", []), dtype=float)
    if odd := int((durations <= 0).sum()):
        report.warnings.append(f"{odd} fixations have no positive duration; they count, though.")
    if subjects < 2:
        report.warnings.append(
            "there are fewer than two subjects: the gold standard, which predicts each subject "
            "from the others, is undefined."
        )


def suspicions(dataset: Dataset) -> list[str]:
    """What speaks against coordinates in pixels, x and y, and against first fixations as taken."""
    from benchmark.datasets import initial_fixations

    found = []
    x, y = np.asarray(dataset.fixations.x), np.asarray(dataset.fixations.y)
    if x.max() <= 1 and y.max() <= 1 and dataset.sizes.min() > 2:
        found.append(
            "all coordinates lie between 0 and 1: they look normalised; expected pixels, so "
            "multiply x by the image's width and y by its height."
        )
    outside = dataset.dropped.get("fixations outside the image", 0)
    swapped = dataset.extras.get("outside_if_swapped", outside)
    if outside > 0.01 * (len(x) + outside) and swapped < outside / 4:
        found.append(
            f"{outside} fixations lie outside their image, but only {swapped} with x and y "
            "swapped: are the columns in the wrong order?"
        )
    elif outside > 0.2 * (len(x) + outside):
        found.append(
            f"{outside} of {len(x) + outside} fixations lie outside their image: are the "
            "coordinates those of the screen instead of the image?"
        )
    if suspicion := initial_fixations.suspicion(dataset.extras):
        found.append(suspicion)
    return found


def _find_duplicates(dataset: Dataset, report: Report) -> None:
    copies = [
        f"{dataset.image_names[n]} like {dataset.image_names[first]}"
        for n, first in enumerate(dataset.groups)
        if n != first
    ]
    if copies:
        report.warnings.append(
            f"{len(copies)} images look like another one (they share a fold): {', '.join(copies)}."
        )


# Predictions


def check_predictions(source: Path, dataset: Dataset, kind: str | None = None) -> Report:
    """Check that there is one sound prediction for each image of a data set.

    Args:
        source: a folder, an archive or an HDF5 file; predictions are called like the images,
            endings aside (:func:`models.map_files.match`).
        kind: see ``check``.

    Raises:
        BenchmarkError: ``kind`` is unknown.
    """
    if kind is not None and kind not in KINDS:
        raise BenchmarkError(f"unknown kind {kind!r}; expected one of {', '.join(KINDS)}.")
    report = Report()
    names = stimulus_names(dataset.stimuli, dataset.image_names)
    taken: dict[str, list[str]] = {}
    try:
        with open_maps(source) as maps:
            matching = match(maps.names, names)
            _tell_names(matching, maps, short_names(names), report)
            for index, name in matching.of.items():
                is_a = _check_map(maps, name, dataset.sizes[index], kind, report)
                taken.setdefault(is_a, []).append(maps.label(name))
    except MapError as error:
        report.errors.append(str(error))
        return report
    kinds = {name: labels for name, labels in taken.items() if name in KINDS}
    report.info += [f"Taken as {name}: {len(labels)} maps." for name, labels in kinds.items()]
    if len(kinds) > 1:
        examples = "; ".join(f"{labels[0]} is a {name}" for name, labels in kinds.items())
        report.warnings.append(f"the maps are not all of one kind: {examples}.")
    return report


def _tell_names(matching: Matching, maps: MapFiles, images: Sequence[str], report: Report) -> None:
    report.errors += [
        f"no prediction for the image {images[index]}; add it." for index in matching.missing
    ]
    report.errors += [
        f"{len(found)} predictions are called {images[index]}: "
        f"{', '.join(map(maps.label, found))}; keep one."
        for index, found in matching.double.items()
    ]
    report.errors += [
        f"{maps.label(name)}: several images are called so; put it into a folder like the image's "
        "to tell which."
        for name in matching.unclear
    ]
    report.warnings += [
        f"{maps.label(name)}: there is no such image; it is not used." for name in matching.extra
    ]


def _check_map(
    maps: MapFiles, name: str, size: tuple[int, ...], kind: str | None, report: Report
) -> str:
    """Check one map against its image's size; returns what it was taken for."""
    label = maps.label(name)
    try:
        if problem := shape_problem(maps.shape(name), size):
            report.errors.append(f"{label}: {problem}")
            return "of another size"  # which may be too large to read
        values = maps.read(name).astype(np.float64)
    except MapError as error:
        report.errors.append(str(error))
        return "unreadable"
    unfit = not_a_number(values)
    report.errors += [f"{label}: {problem}" for problem in unfit]
    taken = kind or _guess(values)
    if not unfit and values.size:
        problems = value_problems(values, taken)
        if taken == "saliency map" and not kind:
            problems += _suspicions(values)
        (report.errors if kind or taken != "saliency map" else report.warnings).extend(
            f"{label}: {problem}" for problem in problems
        )
    return taken


def _guess(values: np.ndarray) -> str:
    """What a map is by its values: a log density is nowhere positive, a density sums to one."""
    finite = values[np.isfinite(values)]
    if finite.size and finite.max() <= 0 and finite.min() < 0:
        return "log density"
    if finite.size and finite.min() >= 0 and abs(finite.sum() - 1) < TOLERANCE:
        return "density"
    return "saliency map"


def _suspicions(values: np.ndarray) -> list[str]:
    """What speaks against a map that nobody said to be a saliency map."""
    negative = int((values < 0).sum())
    if negative and negative < values.size and abs(values.sum() - 1) < TOLERANCE:
        return [f"sums to 1, but {negative} densities are negative."]
    return []
