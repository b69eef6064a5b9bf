"""Files of results: read with errors that name the remedy, written whole, equal content alike."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmark.errors import BenchmarkError

#: Half of a character, which JSON can write, but nothing can show.
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
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
    header, rows, lines = _rows(path)
    missing = [column for column in (*texts, *numbers) if column not in header]
    if missing:
        raise BenchmarkError(f"{path} lacks the column(s) {', '.join(missing)}. {REMEDY}")
    twice = sorted({column for column in header if header.count(column) > 1})
    if twice:
        raise BenchmarkError(f"{path} has the column(s) {', '.join(twice)} twice. {REMEDY}")
    at = {column: header.index(column) for column in (*texts, *numbers)}
    frame = {name: pd.Series([row[at[name]] for row in rows], dtype=str) for name in texts}
    values = {name: _floats(path, name, [row[at[name]] for row in rows], lines) for name in numbers}
    return pd.DataFrame({**frame, **values})


def _rows(path: Path) -> tuple[list[str], list[list[str]], list[int]]:
    """The header of a CSV file, its rows, and the lines that they end on."""
    rows, lines = [], []
    try:
        with path.open(encoding="utf-8-sig", newline="") as text:
            reader = csv.reader(text, strict=True)
            for row in reader:
                if row:
                    rows.append(row)
                    lines.append(reader.line_num)
    except FileNotFoundError as error:
        raise BenchmarkError(f"{path} is missing. {REMEDY}") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BenchmarkError(f"{path} cannot be read as CSV: {error}. {REMEDY}") from error
    if not rows:
        raise BenchmarkError(f"{path} cannot be read as CSV: it is empty. {REMEDY}")
    for row, line in zip(rows, lines):
        if len(row) != len(rows[0]):
            raise BenchmarkError(
                f"{path}, line {line}: {len(row)} fields, expected {len(rows[0])} as in the "
                f"header. {REMEDY}"
            )
    return rows[0], rows[1:], lines[1:]


def decimal(text: str) -> float:
    """A number as files of data have it.

    Raises:
        ValueError: it is none; nor are "1_0" and digits beyond ASCII, which Python takes for some.
    """
    if "_" in text or not text.isascii():
        raise ValueError(f"{text!r} is no number")
    return float(text)


def _floats(path: Path, column: str, texts: Sequence[str], lines: Sequence[int]) -> np.ndarray:
    values = np.full(len(texts), np.nan)
    for row, text in enumerate(texts):
        if text == "":
            continue
        try:
            values[row] = decimal(text)
        except ValueError as error:
            raise BenchmarkError(
                f"{path}, line {lines[row]}: {column} is {text!r}, expected a number. {REMEDY}"
            ) from error
    return values


def write_whole(path: Path, content: str | bytes) -> Path:
    """Write ``content`` to ``path`` so that readers see the old file or the new one, never a part.

    Raises:
        BenchmarkError: the folder cannot be written to, or the disk is full.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(data)
        os.replace(temporary, path)
    except OSError as error:
        # what stopped the writing may stop the removal, too; the first error is the one to tell
        with contextlib.suppress(BenchmarkError):
            discard(temporary)
        raise BenchmarkError(
            f"{path} cannot be written: {error.strerror or error}. "
            "Free some space or choose a folder that you may write to."
        ) from error
    return path


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
    text = frame.to_csv(
        columns=list(columns), index=False, float_format="%.10g", lineterminator="\n"
    )
    write_whole(path, text)


def write_json(record: dict[str, Any], path: Path) -> None:
    """Write an object, indented, in the order of its keys."""
    write_whole(path, json.dumps(record, indent=2, ensure_ascii=False, default=_plain) + "\n")


def _plain(value: Any) -> Any:
    """An array, a scalar or anything else as JSON has it."""
    return value.tolist() if hasattr(value, "tolist") else str(value)
