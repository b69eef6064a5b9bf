"""Files of results: read with errors that name the remedy, written whole, equal content alike."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmark.errors import BenchmarkError

#: Rows of a CSV file that are read at a time.
_ROWS = 2**16

REMEDY = "Write the folder again with `python -m benchmark run`."


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in ``path``.

    Raises:
        BenchmarkError: the file is missing, unreadable or not a JSON object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise BenchmarkError(f"{path} is missing. {REMEDY}") from error
    except (OSError, ValueError) as error:
        raise BenchmarkError(f"{path} cannot be read as JSON: {error}. {REMEDY}") from error
    if not isinstance(content, dict):
        raise BenchmarkError(f"{path} must hold a JSON object. {REMEDY}")
    return content


def read_csv(path: Path, texts: Sequence[str], numbers: Sequence[str]) -> pd.DataFrame:
    """The named columns of a CSV file; an empty number is NaN, text is taken literally.

    Text columns keep values such as "NA" or "001", which are legitimate names of models and images.

    Raises:
        BenchmarkError: the file is missing or unreadable, lacks a column, or has text for a number;
            the line is named.
    """
    columns = [*texts, *numbers]
    pieces: dict[str, list[Any]] = {column: [] for column in columns}
    same: dict[str, str] = {}  # one object for equal texts
    first = 2
    try:
        # no value is interpreted: reading numbers as pandas does is not exact in all its versions
        with pd.read_csv(
            path, dtype=str, keep_default_na=False, encoding="utf-8", chunksize=_ROWS
        ) as reader:
            for frame in reader:
                missing = [column for column in columns if column not in frame]
                if missing:
                    raise BenchmarkError(
                        f"{path} lacks the column(s) {', '.join(missing)}. {REMEDY}"
                    )
                for column in numbers:
                    pieces[column].append(_floats(path, column, frame[column], first))
                for column in texts:
                    values = [same.setdefault(text, text) for text in frame[column]]
                    pieces[column].append(np.array(values, dtype=object))
                first += len(frame)
    except FileNotFoundError as error:
        raise BenchmarkError(f"{path} is missing. {REMEDY}") from error
    except BenchmarkError:
        raise
    except (OSError, ValueError) as error:  # parser and decoding errors are ValueErrors
        raise BenchmarkError(f"{path} cannot be read as CSV: {error}. {REMEDY}") from error
    return pd.DataFrame({column: np.concatenate(pieces.pop(column)) for column in columns})


def _floats(path: Path, column: str, texts: pd.Series, first: int) -> np.ndarray:
    """Numbers of texts, of which the first is in line ``first``."""
    values = np.full(len(texts), np.nan)
    for row, text in enumerate(texts):
        if text == "":
            continue
        try:
            values[row] = float(text)
        except ValueError as error:
            raise BenchmarkError(
                f"{path}, line {row + first}: {column} is {text!r}, expected a number. {REMEDY}"
            ) from error
    return values


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
