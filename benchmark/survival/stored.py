"""The scores in a store, read from a copy, without changing the file."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

Scores = dict[tuple[str, int, str], float | None]


def stored(out: Path) -> Scores:
    """Scores by key, image and metric; none if there is no store, or not yet a table in it."""
    store = out / "scores.sqlite"
    if not store.exists():
        return {}
    with tempfile.TemporaryDirectory() as folder:
        # a copy: what a killed run left in the write-ahead file must stay there for the next run
        for suffix in ("", "-wal"):
            file = store.with_name(store.name + suffix)
            if file.exists():
                shutil.copy(file, folder)
        with closing(sqlite3.connect(Path(folder) / store.name)) as connection:
            tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema")]
            if "checked_scores" not in tables:
                return {}
            rows = connection.execute("SELECT key, image, metric, value FROM checked_scores")
            return {(key, image, metric): value for key, image, metric, value in rows}


def readable(out: Path) -> Scores | None:
    """The same of a store that may be damaged; None if SQLite says that it is."""
    try:
        return stored(out)
    except (sqlite3.Error, UnicodeDecodeError):
        return None


def lost(before: Scores, after: Scores) -> int:
    """How many scores there were that are gone, or another value."""
    return sum(key not in after or after[key] != value for key, value in before.items())
