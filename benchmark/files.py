"""Files of results: read with errors that name the remedy, written whole, equal content alike."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import json
import os
import re
import tempfile
from array import array
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmark.errors import BenchmarkError

#: Half of a character, which JSON can write, but nothing can show.
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
#: Rows of a CSV file that are written at a time.
_ROWS = 2**16

REMEDY = "Write the folder again with `python -m benchmark run`."


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in ``path``.

    Raises:
        BenchmarkError: the file is missing, unreadable or not a JSON object.
    """
    try:
        text = path.read_text(encoding="utf-8")
        content = json.loads(text)
        if _SURROGATE.search(text):
            json.dumps(content, ensure_ascii=False).encode("utf-8")
    except FileNotFoundError as error:
        raise BenchmarkError(f"{path} is missing. {REMEDY}") from error
    except (OSError, ValueError, RecursionError) as error:
        raise BenchmarkError(f"{path} cannot be read as JSON: {error}. {REMEDY}") from error
    if not isinstance(content, dict):
        raise BenchmarkError(f"{path} must hold a JSON object. {REMEDY}")
    return content


def read_csv(path: Path, texts: Sequence[str], numbers: Sequence[str]) -> pd.DataFrame:
    """The named columns of a CSV file; an empty number is NaN, text is taken literally.

    Text columns keep values such as "NA" or "001", which are legitimate names of models and images.

    Raises:
        BenchmarkError: the file is missing or unreadable, lacks a column or has one twice, has a
            row of another length than its header, or text for a number; the line is named.
    """
    # not with pandas, which takes a row that is too long for one with a name in front, fills one
    # that is too short, and does not read numbers exactly in all its versions
    rows = _rows(path)
    _, header = next(rows)
    missing = [column for column in (*texts, *numbers) if column not in header]
    if missing:
        raise BenchmarkError(f"{path} lacks the column(s) {', '.join(missing)}. {REMEDY}")
    twice = sorted({column for column in header if header.count(column) > 1})
    if twice:
        raise BenchmarkError(f"{path} has the column(s) {', '.join(twice)} twice. {REMEDY}")
    at = {column: header.index(column) for column in (*texts, *numbers)}
    words: dict[str, list[str]] = {name: [] for name in texts}
    values = {name: array("d") for name in numbers}
    same: dict[str, str] = {}  # one object for equal texts
    for line, row in rows:
        for name in texts:
            words[name].append(same.setdefault(row[at[name]], row[at[name]]))
        for name in numbers:
            values[name].append(_number(path, line, name, row[at[name]]))
    frame = {name: pd.Series(words.pop(name), dtype=str) for name in texts}
    return pd.DataFrame({**frame, **{name: np.array(values[name]) for name in numbers}})


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Rows of a CSV file and the lines that they end on, the header first."""
    header = None
    try:
        with path.open(encoding="utf-8-sig", newline="") as text:
            reader = csv.reader(text, strict=True)
            for row in reader:
                if header is not None and row and len(row) != len(header):
                    raise BenchmarkError(
                        f"{path}, line {reader.line_num}: {len(row)} fields, expected "
                        f"{len(header)} as in the header. {REMEDY}"
                    )
                if row:
                    header = header or row
                    yield reader.line_num, row
    except FileNotFoundError as error:
        raise BenchmarkError(f"{path} is missing. {REMEDY}") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BenchmarkError(f"{path} cannot be read as CSV: {error}. {REMEDY}") from error
    if header is None:
        raise BenchmarkError(f"{path} cannot be read as CSV: it is empty. {REMEDY}")


def decimal(text: str) -> float:
    """A number as files of data have it.

    Raises:
        ValueError: it is none; nor are "1_0" and digits beyond ASCII, which Python takes for some.
    """
    if "_" in text or not text.isascii():
        raise ValueError(f"{text!r} is no number")
    return float(text)


def _number(path: Path, line: int, column: str, text: str) -> float:
    try:
        return decimal(text) if text else float("nan")
    except ValueError as error:
        raise BenchmarkError(
            f"{path}, line {line}: {column} is {text!r}, expected a number. {REMEDY}"
        ) from error


def write_whole(path: Path, content: str | bytes) -> Path:
    """Write ``content`` to ``path`` so that readers see the old file or the new one, never a part.

    Raises:
        BenchmarkError: the folder cannot be written to, or the disk is full.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    with _in_place_of(path) as temporary:
        temporary.write_bytes(data)
    return path


@contextlib.contextmanager
def _in_place_of(path: Path) -> Iterator[Path]:
    """A file to write, which then replaces ``path``."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        # what stopped the writing may stop the removal, too; the first error is the one to tell
        with contextlib.suppress(BenchmarkError):
            discard(temporary)
        raise BenchmarkError(
            f"{path} cannot be written: {error.strerror or error}. "
            "Free some space or choose a folder that you may write to."
        ) from error


#: What a file is called until it is whole, by :func:`models.deepgaze.files.whole`.
_PART = re.compile(r"^\.(.+)\.[0-9a-f]{32}\.part$")


@contextlib.contextmanager
def disk_errors(where: Path, choice: str) -> Iterator[None]:
    """Tell errors of the disk within the block as what to do about them.

    Args:
        where: is named if an error names no file, as that of a full disk.
        choice: the options or variables by which another place is chosen.

    Raises:
        BenchmarkError: a file could not be read or written, or the disk is full.
    """
    try:
        yield
    except OSError as error:
        if error.errno is None or isinstance(error, ConnectionError):
            raise  # not of the disk: of an image library, of a reader of the output who has left
        file = Path(os.fsdecode(error.filename)) if error.filename else where
        whole = _PART.match(file.name)
        raise BenchmarkError(
            f"{file.with_name(whole[1]) if whole else file} cannot be read or written: "
            f"{error.strerror}. Free some space, or choose a folder that you may write to with "
            f"{choice}."
        ) from error


def writable(folder: Path, choice: str) -> Path:
    """The folder, or the one above it in which it would be made; nothing is left in it.

    Raises:
        BenchmarkError: no file can be written there.
    """
    with disk_errors(folder, choice):
        there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        if not there.is_dir():
            raise BenchmarkError(
                f"{there} is a file, so nothing can be written to {folder}. Choose another folder "
                f"with {choice}."
            )
        try:
            with tempfile.TemporaryFile(dir=there):
                return there
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(there)) from error


def discard(path: Path) -> None:
    """Remove a file if it exists.

    Raises:
        BenchmarkError: the folder cannot be written to.
    """
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise BenchmarkError(f"{path} cannot be removed: {error.strerror or error}.") from error


def write_csv(frame: pd.DataFrame, path: Path, columns: Sequence[str]) -> None:
    """Write the columns of a table; numbers with ten digits, NaN as an empty field."""
    write_csv_pieces([frame], path, columns)


def write_csv_pieces(frames: Iterable[pd.DataFrame], path: Path, columns: Sequence[str]) -> None:
    """The same for a table in pieces, at least one, of which one at a time is in memory."""
    with _in_place_of(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        for number, frame in enumerate(frames):
            frame.to_csv(
                file,
                columns=list(columns),
                index=False,
                header=number == 0,
                float_format="%.10g",
                lineterminator="\n",
            )


def file_hash(path: Path) -> str:
    """SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(2**20):
            digest.update(piece)
    return digest.hexdigest()


def write_json(record: dict[str, Any], path: Path) -> None:
    """Write an object, indented, in the order of its keys."""
    write_whole(path, json.dumps(record, indent=2, ensure_ascii=False, default=_plain) + "\n")


def _plain(value: Any) -> Any:
    """An array, a scalar or anything else as JSON has it."""
    return value.tolist() if hasattr(value, "tolist") else str(value)
