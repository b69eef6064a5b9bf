"""Checks a data set, or a folder of predictions, before time is spent on it; lists all problems."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmark.errors import BenchmarkError, DataError

if TYPE_CHECKING:
    from benchmark.datasets.base import Dataset

TOLERANCE = 1e-3  # of logsumexp, as in the field's submission rules
KINDS = ("log density", "density", "saliency map")
HDF5_SUFFIXES = frozenset({".h5", ".hdf5", ".hdf"})
IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff"})
MAP_SUFFIXES = frozenset({".npy", ".mat"}) | IMAGE_SUFFIXES


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
) -> Report:
    """Check a data set, or, with ``predictions_for``, predictions for the images of one.

    Args:
        path_or_name: a data set's name or folder; or a folder of npy, mat, png, jpg or tiff files
            called like the images, or an HDF5 file.
        data_root: where data sets lie.
        predictions_for: name or folder of the data set the predictions are for.
        kind: what the predictions are: "log density", "density" or "saliency map". None tells it
            from each map's values, and says what it took it for.

    Raises:
        BenchmarkError: the data set to compare with cannot be loaded, or ``kind`` is unknown.
    """
    if predictions_for is None:
        return check_dataset(path_or_name, data_root)
    from benchmark.datasets import locate

    dataset = locate.load(predictions_for, data_root)
    return check_predictions(Path(path_or_name).expanduser(), dataset, kind)


def check_dataset(path_or_name: str | Path, data_root: str | Path | None = None) -> Report:
    """Check that a data set loads, that every image decodes, and that nothing looks suspicious."""
    from benchmark.datasets import images, locate

    report = Report()
    try:
        dataset = locate.load(path_or_name, data_root)
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
    _suspect_coordinates(dataset, report)
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
    trials = set(zip(dataset.fixations.n.tolist(), dataset.fixations.subjects.tolist()))
    pairs = len(dataset) * subjects
    report.info.append(f"{len(trials)} of {pairs} pairs of an image and a subject have fixations.")
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


def _suspect_coordinates(dataset: Dataset, report: Report) -> None:
    """Warn of coordinates in another unit or order than pixels, x and y."""
    x, y = np.asarray(dataset.fixations.x), np.asarray(dataset.fixations.y)
    if x.max() <= 1 and y.max() <= 1 and dataset.sizes.min() > 2:
        report.warnings.append(
            "all coordinates lie between 0 and 1: they look normalised; expected pixels, so "
            "multiply x by the image's width and y by its height."
        )
    outside = dataset.dropped.get("fixations outside the image", 0)
    swapped = dataset.extras.get("outside_if_swapped", outside)
    if outside > 0.01 * (len(x) + outside) and swapped < outside / 4:
        report.warnings.append(
            f"{outside} fixations lie outside their image, but only {swapped} with x and y "
            "swapped: are the columns in the wrong order?"
        )
    elif outside > 0.2 * (len(x) + outside):
        report.warnings.append(
            f"{outside} of {len(x) + outside} fixations lie outside their image: are the "
            "coordinates those of the screen instead of the image?"
        )


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


@dataclass
class _Map:
    """A prediction on disk: the name it is matched by, how messages call it, how to read it."""

    stem: str
    label: str
    read: Callable[[], np.ndarray]


def _read_mat(file: Path) -> np.ndarray:
    from scipy.io import loadmat

    try:
        content = loadmat(file)
    except NotImplementedError as error:
        raise ValueError("is a Matlab file of version 7.3; save it with -v7") from error
    arrays = [value for name, value in content.items() if not name.startswith("__")]
    if len(arrays) != 1:
        raise ValueError(f"holds {len(arrays)} variables; expected one")
    return np.asarray(arrays[0])


def _read_image(file: Path) -> np.ndarray:
    from imageio.v3 import imread

    return np.asarray(imread(file))


def _read_file(file: Path) -> np.ndarray:
    suffix = file.suffix.lower()
    if suffix == ".npy":
        return np.load(file, allow_pickle=False)  # type: ignore[no-any-return]
    return _read_mat(file) if suffix == ".mat" else _read_image(file)


@contextmanager
def _maps(source: Path) -> Iterator[list[_Map]]:
    """The predictions in a folder or an HDF5 file, sorted by name."""
    if source.is_dir():
        files = [
            file
            for file in sorted(source.rglob("*"))
            if file.suffix.lower() in MAP_SUFFIXES and not file.name.startswith(".")
        ]
        yield [_Map(file.stem, str(file), partial(_read_file, file)) for file in files]
    elif source.suffix.lower() in HDF5_SUFFIXES and source.is_file():
        import h5py

        try:
            hdf5 = h5py.File(source, "r")
        except OSError as error:
            raise DataError(f"{source}: is no intact HDF5 file ({error}).") from error
        with hdf5:
            keys: list[str] = []
            hdf5.visititems(
                lambda key, item: keys.append(key) if isinstance(item, h5py.Dataset) else None
            )
            yield [
                _Map(Path(key).stem, f"{source}:{key}", partial(hdf5[key].__getitem__, ()))
                for key in sorted(keys)
            ]
    else:
        raise DataError(
            f"{source}: expected a folder of {' '.join(sorted(MAP_SUFFIXES))} files, or one file "
            f"ending in {' '.join(sorted(HDF5_SUFFIXES))}."
        )


def check_predictions(source: Path, dataset: Dataset, kind: str | None = None) -> Report:
    """Check that there is one sound prediction for each image of a data set.

    Args:
        source: a folder, or an HDF5 file; predictions are called like the images, endings aside.
        kind: see ``check``.

    Raises:
        BenchmarkError: ``kind`` is unknown.
    """
    if kind is not None and kind not in KINDS:
        raise BenchmarkError(f"unknown kind {kind!r}; expected one of {', '.join(KINDS)}.")
    report = Report()
    sizes = {Path(name).stem: tuple(size) for name, size in zip(dataset.image_names, dataset.sizes)}
    if len(sizes) < len(dataset):
        report.errors.append(
            f"{dataset.name}: several images share a name (endings and folders aside), so that "
            "predictions cannot be matched to them by name."
        )
        return report
    taken: dict[str, list[str]] = {}
    try:
        with _maps(source) as maps:
            _match(maps, sizes, report)
            for one in maps:
                if one.stem in sizes:
                    is_a = _check_map(one, sizes[one.stem], kind, report)
                    taken.setdefault(is_a, []).append(one.label)
    except DataError as error:
        report.errors += error.problems
        return report
    kinds = {name: labels for name, labels in taken.items() if name in KINDS}
    report.info += [f"Taken as {name}: {len(labels)} maps." for name, labels in kinds.items()]
    if len(kinds) > 1:
        examples = "; ".join(f"{labels[0]} is a {name}" for name, labels in kinds.items())
        report.warnings.append(f"the maps are not all of one kind: {examples}.")
    return report


def _match(maps: list[_Map], sizes: dict[str, Any], report: Report) -> None:
    counts = Counter(one.stem for one in maps)
    report.errors += [
        f"no prediction for the image {stem}; add it." for stem in sizes if stem not in counts
    ]
    report.errors += [
        f"{count} predictions are called {stem}; keep one."
        for stem, count in counts.items()
        if count > 1
    ]
    report.warnings += [
        f"{one.label}: there is no such image; it is not used."
        for one in maps
        if one.stem not in sizes
    ]


def _check_map(one: _Map, size: tuple[int, ...], kind: str | None, report: Report) -> str:
    """Check one map against its image's size; returns what it was taken for."""
    try:
        values = np.asarray(one.read())
        if not (np.issubdtype(values.dtype, np.number) or values.dtype == bool):
            raise ValueError(f"holds values of type {values.dtype}")
    # Decoders raise anything on damaged files.
    except Exception as error:
        report.errors.append(f"{one.label}: cannot be read ({error}); expected a numeric map.")
        return "unreadable"
    report.errors += [f"{one.label}: {problem}" for problem in _shape_problems(values, size)]
    if np.iscomplexobj(values):
        report.errors.append(f"{one.label}: holds complex numbers; expected real ones.")
        return "unreadable"
    values = values.astype(np.float64)
    if nan := int(np.isnan(values).sum()):
        report.errors.append(f"{one.label}: {nan} values are NaN.")
    if infinite := int(np.isposinf(values).sum()):
        report.errors.append(f"{one.label}: {infinite} values are +inf.")
    taken = kind or _guess(values)
    if not nan and not infinite and values.size:
        problems = _value_problems(values, taken)
        (report.errors if kind or taken != "saliency map" else report.warnings).extend(
            f"{one.label}: {problem}" for problem in problems
        )
    return taken


def _shape_problems(values: np.ndarray, size: tuple[int, ...]) -> list[str]:
    height, width = size
    if values.ndim != 2:
        return [f"has the shape {values.shape}; expected one value a pixel, ({height}, {width})."]
    if values.shape != (height, width):
        hint = " It looks transposed." if values.shape == (width, height) else ""
        return [
            f"has the size {values.shape[1]}x{values.shape[0]}, the image {width}x{height}.{hint}"
        ]
    return []


def _guess(values: np.ndarray) -> str:
    """What a map is by its values: a log density is nowhere positive, a density sums to one."""
    finite = values[np.isfinite(values)]
    if finite.size and finite.max() <= 0 and finite.min() < 0:
        return "log density"
    if finite.size and finite.min() >= 0 and abs(finite.sum() - 1) < TOLERANCE:
        return "density"
    return "saliency map"


def _value_problems(values: np.ndarray, kind: str) -> list[str]:
    from scipy.special import logsumexp

    negative = int((values < 0).sum())
    if kind == "log density":
        mass = float(logsumexp(values))
        if not abs(mass) <= TOLERANCE:
            return [
                f"its logsumexp is {mass:.6g}, expected 0 within {TOLERANCE:g}; subtract it (log "
                "densities are natural logarithms)."
            ]
    elif kind == "density":
        problems = [f"{negative} densities are negative."] if negative else []
        if not abs(values.sum() - 1) <= TOLERANCE:
            problems.append(f"sums to {values.sum():.6g}, expected 1 within {TOLERANCE:g}.")
        return problems
    elif np.isneginf(values).any():
        return ["holds -inf among positive values: neither a log density nor a saliency map."]
    elif negative and negative < values.size and abs(values.sum() - 1) < TOLERANCE:
        return [f"sums to 1, but {negative} densities are negative."]
    return []
