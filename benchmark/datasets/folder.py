"""A user's own data: a folder of images and one CSV file of fixations.

The CSV has the header ``image,subject,x,y[,t,duration]``: the image's file name, or its path below
the folder where several share a name, endings aside, the subject's name, pixels of the image (x to
the right, y down, 0 is the left or top edge), and seconds. The rows of one subject on one image are
one scanpath, in the order of ``t``, or of the file without ``t``.
"""

from __future__ import annotations

import csv
import hashlib
import math
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

import numpy as np

from benchmark.datasets import images, scanpaths, stated
from benchmark.datasets.base import Dataset, DatasetSpec
from benchmark.errors import DataError
from benchmark.files import decimal

LAYOUT = "own data: images and one CSV file with the header image,subject,x,y[,t,duration]"
REQUIRED = ("image", "subject", "x", "y")
OPTIONAL = ("t", "duration")
#: By what a CSV file may call images: their numbers by their paths below the folder.
_Index = dict[str, dict[str, int]]


def _csv_files(root: Path) -> list[Path]:
    return sorted(
        file for file in root.iterdir() if file.suffix.lower() == ".csv" and file.name[0] != "."
    )


def recognises(root: Path) -> bool:
    """Whether the folder has this layout."""
    return bool(_csv_files(root)) and bool(images.find_images(root))


def path_spec(root: Path) -> DatasetSpec:
    """What is said of a user's own data set; its name is that of the folder."""
    return DatasetSpec(
        name=root.name,
        title=root.name,
        summary="A folder of images with a CSV file of fixations.",
        fixation_rule="All fixations in the file count; fixations outside the image are dropped.",
        citation="",
        licence="",
    )


@dataclass
class _Table:
    """The rows of a CSV file that are in order, by trial, and what is wrong with the others."""

    # x, y, t, duration of one fixation after the other
    trials: dict[tuple[int, str], array[float]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    ambiguous: dict[str, list[str]] = field(default_factory=dict)  # rows by the name they give
    ignored_columns: list[str] = field(default_factory=list)
    has_times: bool = False


def _lines(file: Path, table: _Table) -> Iterator[tuple[int, list[str]]]:
    """Line numbers and cells; text that is no CSV ends up in the problems."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as text:
            reader = csv.reader(text)
            for cells in reader:
                yield reader.line_num, [cell.strip() for cell in cells]
    except (UnicodeDecodeError, csv.Error) as error:
        table.problems.append(f"{file}: is no CSV file in UTF-8 ({error}); save it as one.")


def _columns(file: Path, header: list[str], table: _Table) -> dict[str, int] | None:
    """Column numbers by name, None if a required column is missing."""
    names = [name.lower() for name in header]
    missing = [name for name in REQUIRED if name not in names]
    twice = sorted({name for name in (*REQUIRED, *OPTIONAL) if names.count(name) > 1})
    if missing or twice:
        hint = " Separate columns by commas." if len(header) == 1 and len(missing) > 1 else ""
        wrong = [f"misses {', '.join(missing)}"] * bool(missing)
        wrong += [f"has twice {', '.join(twice)}"] * bool(twice)
        table.problems.append(
            f"{file}:1: the header {' and '.join(wrong)}; expected "
            f"{','.join(REQUIRED)}[,{','.join(OPTIONAL)}], found {','.join(header)[:80]!r}.{hint}"
        )
        return None
    table.ignored_columns = [name for name in header if name.lower() not in REQUIRED + OPTIONAL]
    table.has_times = "t" in names
    return {name: names.index(name) for name in (*REQUIRED, *OPTIONAL) if name in names}


def _number(cells: dict[str, str], name: str) -> float:
    value = decimal(cells[name])
    if not math.isfinite(value):
        raise ValueError(cells[name])
    return value


def _read_row(where: str, cells: dict[str, str], index: _Index, table: _Table) -> None:
    """Put one row into its trial, or every problem of it into the problems."""
    problems = []
    image, subject = _path(cells["image"]), cells["subject"]
    called = index.get(image, {})
    if not called:
        problems.append(f"{where}: there is no image {cells['image']!r}; add it, or correct it.")
    elif len(called) > 1:
        table.ambiguous.setdefault(cells["image"], []).append(where)
    if not subject:
        problems.append(f"{where}: the subject is empty; name it.")
    values = {"t": math.nan, "duration": math.nan}
    for name in ("x", "y", *OPTIONAL):
        if name not in cells or (name == "duration" and not cells[name]):
            continue
        try:
            values[name] = _number(cells, name)
        except ValueError:
            problems.append(f"{where}: expected a number for {name}, found {cells[name][:40]!r}.")
    table.problems += problems
    if not problems and len(called) == 1:
        row = (values["x"], values["y"], values["t"], values["duration"])
        number = next(iter(called.values()))
        table.trials.setdefault((number, subject), array("d")).extend(row)


def _ambiguous(name: str, rows: list[str], index: _Index) -> str:
    """One problem for all rows that give a name of several images."""
    called = index[_path(name)]
    more = f" ({len(rows) - 1} more rows say so)" if len(rows) > 1 else ""
    return (
        f"{rows[0]}: {len(called)} images are called {name!r}{more}; expected the path below the "
        f"folder, such as {next(iter(called))!r}."
    )


def _path(cell: str) -> str:
    """The name of an image as paths are written here."""
    return cell.replace("\\", "/").removeprefix("./")


def _read_csv(file: Path, index: _Index) -> _Table:
    """Read a CSV file; ``index`` says what it may call the images."""
    table = _Table()
    columns = None
    for number, cells in _lines(file, table):
        if columns is None:
            columns = _columns(file, cells, table)
            if columns is None:
                break
            width = len(cells)
        elif not any(cells):
            continue
        elif len(cells) != width:
            table.problems.append(
                f"{file}:{number}: expected {width} columns as in the header, found {len(cells)}."
            )
        else:
            named = {name: cells[column] for name, column in columns.items()}
            _read_row(f"{file}:{number}", named, index, table)
    table.problems += [_ambiguous(name, rows, index) for name, rows in table.ambiguous.items()]
    if columns is None and not table.problems:
        table.problems.append(f"{file}: is empty; expected the header {','.join(REQUIRED)}.")
    return table


def _index(paths: list[PurePosixPath]) -> _Index:
    """What images may be called: paths go before file names, names with endings before others."""
    index: _Index = {}
    for level in (
        [str(path) for path in paths],
        [str(path.with_suffix("")) for path in paths],
        [path.name for path in paths],
        [path.stem for path in paths],
    ):
        found: _Index = {}
        for n, name in enumerate(level):
            found.setdefault(name, {})[str(paths[n])] = n
        index = found | index
    return index


def _same_names(root: Path, paths: list[PurePosixPath]) -> list[str]:
    """Problems of images of one folder that differ in their endings only."""
    first: dict[PurePosixPath, PurePosixPath] = {}
    return [
        f"{root / path}: has the same name as {root / other}; rename one of them (predictions are "
        "matched by the name without its ending)."
        for path in paths
        if (other := first.setdefault(path.with_suffix(""), path)) != path
    ]


def _unique(paths: list[PurePosixPath]) -> list[str]:
    """File names, or paths where several images share a file name."""
    names = [path.name for path in paths]
    return names if len(set(names)) == len(names) else [str(path) for path in paths]


def _scanpaths(table: _Table, subjects: list[str]) -> scanpaths.Scanpaths:
    """Trials sorted by image, then subject; fixations sorted by time where there is one."""
    keys = sorted(table.trials)
    rows = [np.array(table.trials[key]).reshape(-1, 4) for key in keys]
    if table.has_times:
        rows = [row[np.argsort(row[:, 2], kind="stable")] for row in rows]
    else:
        for row in rows:
            row[:, 2] = np.arange(len(row))
    x, y, t, duration = (scanpaths.pad([row[:, k] for row in rows]) for k in range(4))
    number = {subject: n for n, subject in enumerate(subjects)}
    return scanpaths.Scanpaths(
        image=np.array([image for image, _ in keys], dtype=int),
        subject=np.array([number[subject] for _, subject in keys], dtype=int),
        x=x,
        y=y,
        t=t,
        per_fixation={} if np.isnan(duration).all() else {"durations": duration},
    )


def load_held_out(root: Path, fixations: Path) -> Dataset:
    """Read a folder of images whose fixations are in a CSV file elsewhere.

    CSV files in the folder do not count. The data set is called after both, ``FOLDER-FILE``.

    Raises:
        DataError: the folder or the file is missing, or :func:`load` finds problems.
    """
    missing = [f"{root}: there is no such folder; expected one of images."] * (not root.is_dir())
    if not fixations.is_file():
        missing.append(f"{fixations}: there is no such file; expected a CSV file of fixations.")
    if missing:
        raise DataError(*missing)
    name = f"{root.resolve().name}-{fixations.stem}"
    spec = stated.apply(replace(path_spec(root), name=name, title=name), root)
    dataset = load(root, spec, fixations)
    digest = hashlib.sha256(fixations.read_bytes()).hexdigest()
    dataset.extras["fixation_file"] = {"name": fixations.name, "sha256": digest}
    return dataset


def load(root: Path, spec: DatasetSpec, fixations: Path | None = None) -> Dataset:
    """Read a user's own folder; images without fixations are kept and counted.

    Args:
        fixations: the CSV file, None for the one in the folder.

    Raises:
        DataError: lists, with line numbers, every problem of the images and of the CSV file.
    """
    files = images.find_images(root)
    tables = _csv_files(root) if fixations is None else [fixations]
    paths = [PurePosixPath(file.relative_to(root).as_posix()) for file in files]
    problems = _same_names(root, paths)
    if not files:
        endings = " ".join(sorted(images.SUFFIXES))
        problems.append(f"{root}: holds no image; expected files ending in {endings}.")
    if len(tables) != 1:
        found = ", ".join(file.name for file in tables) or "none"
        problems.append(f"{root}: expected exactly one CSV file of fixations, found {found}.")
    try:
        stimuli = images.open_stimuli(files)
    except DataError as error:
        problems += error.problems
    table = _read_csv(tables[0], _index(paths)) if len(tables) == 1 else _Table()
    problems += table.problems
    if not problems and not table.trials:
        problems.append(f"{tables[0]}: holds no fixation; expected one a row.")
    if problems:
        raise DataError(*problems)

    subjects = sorted({subject for _, subject in table.trials})
    return scanpaths.build(
        spec,
        stimuli,
        _unique(paths),
        subjects,
        _scanpaths(table, subjects),
        extras={"ignored_columns": table.ignored_columns},
    )
