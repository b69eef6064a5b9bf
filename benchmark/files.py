"""CSV and JSON as this program writes them: whole or not at all, equal content in equal bytes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from benchmark.report.files import write_whole


def write_csv(frame: pd.DataFrame, path: Path, columns: Sequence[str]) -> None:
    """Write the columns of a table; numbers with ten digits, NaN as an empty field."""
    text = frame.to_csv(
        columns=list(columns), index=False, float_format="%.10g", lineterminator="\n"
    )
    write_whole(path, text)


def write_json(record: dict[str, Any], path: Path) -> None:
    """Write an object, indented, in the order of its keys."""
    write_whole(path, json.dumps(record, indent=2, ensure_ascii=False, default=float) + "\n")
