"""MIT1003, SIENA12 and others in the layout of the FixaTons collection.

``STIMULI/<name>.jpg`` and ``SCANPATHS/<name>/<subject>``: a text file a trial, a row a fixation,
``x y t_start t_end`` in pixels (x to the right, y down, whatever the collection's README says of an
inverted y) and seconds.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmark.datasets import images, scanpaths
from benchmark.datasets.base import Dataset, DatasetSpec, dataset
from benchmark.errors import DataError
from benchmark.files import decimal

LAYOUT = "FixaTons: STIMULI/<name>.jpg and SCANPATHS/<name>/<subject>"
COLUMNS = ("x", "y", "t_start", "t_end")


def recognises(root: Path) -> bool:
    """Whether the folder has this layout."""
    return (root / "STIMULI").is_dir() and (root / "SCANPATHS").is_dir()


def path_spec(root: Path) -> DatasetSpec:
    """What is said of a data set of this layout that is not a registered one."""
    return DatasetSpec(
        name=root.name,
        title=root.name,
        summary="A data set in the layout of the FixaTons collection.",
        fixation_rule="The first fixation of each scanpath is taken as forced and dropped, "
        "as are fixations outside the image.",
        citation="",
        licence="",
        drop_initial=True,
    )


def _line_problems(file: Path, text: bytes) -> list[str]:
    """What is wrong with each line of a scanpath file, with line numbers."""
    problems = []
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split()
        try:
            intact = len(words) in (0, len(COLUMNS)) and all(
                np.isfinite(decimal(w.decode())) for w in words
            )
        except ValueError:
            intact = False
        if not intact:
            found = line.decode(errors="replace").strip()[:60]
            problems.append(
                f"{file}:{number}: expected {len(COLUMNS)} numbers ({' '.join(COLUMNS)}), "
                f"found {found!r}; correct or delete this line."
            )
    return problems


def read_scanpath(file: Path) -> np.ndarray:
    """One trial as a float array (fixations, 4): x, y in pixels, start, end in seconds.

    Raises:
        DataError: names every line that does not hold four finite numbers.
    """
    text = file.read_bytes()
    try:
        rows = np.array([line.split() for line in text.splitlines() if line.strip()], dtype=float)
    except ValueError as error:  # words that are no numbers, or rows of different lengths
        raise DataError(*_line_problems(file, text)) from error
    strange = b"_" in text  # "1_0" is a number to Python
    if len(rows) and (strange or rows.shape[1] != len(COLUMNS) or not np.isfinite(rows).all()):
        raise DataError(*_line_problems(file, text))
    return rows.reshape(-1, len(COLUMNS))


def _match(root: Path) -> tuple[list[Path], list[str]]:
    """Images sorted by name, and what is wrong with their match to the scanpath folders."""
    missing = [
        f"{root / folder}: this folder is missing; expected {LAYOUT}."
        for folder in ("STIMULI", "SCANPATHS")
        if not (root / folder).is_dir()
    ]
    if missing:
        raise DataError(*missing)
    files = images.find_images(root / "STIMULI")
    stems = [file.stem for file in files]
    folders = {f.name for f in (root / "SCANPATHS").iterdir() if not images.is_hidden(Path(f.name))}
    problems = [
        f"{root / 'SCANPATHS' / stem}: this folder with the scanpaths of the image "
        f"{file.name} is missing; add it, or remove the image."
        for stem, file in zip(stems, files)
        if stem not in folders
    ]
    problems += [
        f"{root / 'STIMULI'}: the image of the scanpaths in SCANPATHS/{name} is missing; add it, "
        "or remove the folder."
        for name in sorted(folders.difference(stems))
    ]
    problems += [
        f"{file}: another image is called {file.stem}, too; rename one of them."
        for n, file in enumerate(files)
        if file.stem in stems[:n]
    ]
    if not files:
        problems.append(f"{root / 'STIMULI'}: holds no image; put the stimuli there.")
    return files, problems


@dataset(
    name="mit1003",
    title="MIT1003",
    summary="1003 natural images, free viewing for 3 s by 15 subjects.",
    fixation_rule="The forced initial fixation of each scanpath and fixations outside the image "
    "are dropped; coordinates count from 1 (0 is outside) and are used as they are, as pysaliency "
    "does.",
    citation="Judd, Ehinger, Durand, Torralba: Learning to predict where humans look. ICCV 2009. "
    "Distributed in Zanca, Serchi, Piu, Rosini, Rufa: FixaTons: A collection of human fixations "
    "datasets and metrics for scanpath similarity. arXiv:1802.02534, 2018.",
    licence="None stated; images are from Flickr and LabelMe.",
    folder="FixaTons/MIT1003",
    pixels_per_degree=35.0,
    kernel_size=24.0,
    drop_initial=True,
)
def load_mit1003(root: Path, spec: DatasetSpec) -> Dataset:
    """Read MIT1003; see ``load``."""
    return read(root, spec, first_pixel=1)


@dataset(
    name="siena12",
    title="SIENA12",
    summary="12 grey images with little meaning, free viewing for 5 s, 22 or 23 subjects an image.",
    # Row 0 lies within 10 % of the centre in 96 % of the scanpaths that begin with the image (row
    # 1: 62 %, row 2: 36 %), so that it is a forced fixation as in MIT1003. 51 of 272 scanpaths
    # begin later than 50 ms, and are still central in 75 %: one rule for all is simplest to state.
    fixation_rule="The first fixation of each scanpath (central, as the experiment forced it) and "
    "fixations outside the image are dropped.",
    citation="Zanca, Serchi, Piu, Rosini, Rufa: FixaTons: A collection of human fixations datasets "
    "and metrics for scanpath similarity. arXiv:1802.02534, 2018.",
    licence="None stated.",
    folder="FixaTons/SIENA12",
    drop_initial=True,
)
def load(root: Path, spec: DatasetSpec) -> Dataset:
    """Read SIENA12, or any other folder in this layout; see ``read``."""
    return read(root, spec)


def read(root: Path, spec: DatasetSpec, first_pixel: int = 0) -> Dataset:
    """Read a folder in the layout of FixaTons.

    Args:
        first_pixel: the smallest coordinate inside an image; 1 where 0 means outside.

    Raises:
        DataError: lists every missing folder, every file that is no image, and every bad line.
    """
    files, problems = _match(root)
    trials, owners = [], []
    for n, file in enumerate(files):
        folder = root / "SCANPATHS" / file.stem
        for trial in sorted(folder.iterdir()) if folder.is_dir() else []:
            if images.is_hidden(Path(trial.name)):
                continue
            try:
                trials.append(read_scanpath(trial))
                owners.append((n, trial.name))
            except DataError as error:
                problems += error.problems
            except OSError as error:
                problems.append(f"{trial}: cannot be read ({error}); expected a text file.")
    try:
        stimuli = images.open_stimuli(files)
    except DataError as error:
        problems += error.problems
    if problems:
        raise DataError(*problems)

    subjects = sorted({subject for _, subject in owners})
    index = {subject: number for number, subject in enumerate(subjects)}
    columns = [scanpaths.pad([trial[:, k] for trial in trials]) for k in range(len(COLUMNS))]
    x, y, start, end = columns
    return scanpaths.build(
        spec,
        stimuli,
        [file.name for file in files],
        subjects,
        scanpaths.Scanpaths(
            image=np.array([n for n, _ in owners], dtype=int),
            subject=np.array([index[subject] for _, subject in owners], dtype=int),
            x=x,
            y=y,
            t=start,
            per_fixation={"durations": end - start},
        ),
        first_pixel=first_pixel,
    )
