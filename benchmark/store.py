"""Per-image scores on disk: an SQLite file that a killed run resumes from.

Rows are keyed by a hash of everything a score depends on, so a change of data, model, metric or
setting never meets stale values. Only one process writes; each image is one transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import BenchmarkError
from benchmark.evaluate import Score

_SCHEMA = """
CREATE TABLE IF NOT EXISTS scores (
    key TEXT, image INTEGER, metric TEXT, value REAL, n_fixations INTEGER,
    PRIMARY KEY (key, image, metric)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sums (
    key TEXT, block INTEGER, total BLOB, PRIMARY KEY (key, block)
) WITHOUT ROWID;
"""

_DAMAGED = ("not a database", "malformed")  # what SQLite says of a file that it did not write so


class Store:
    """Scores by (key, image, metric); ``key`` identifies model, data and settings.

    Raises:
        BenchmarkError: the file cannot be created, read or written (with the reason).
    """

    def __init__(self, path: Path):
        self.path = path
        with self._explained():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(path, timeout=60)
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=NORMAL")
            self._connection.executescript(_SCHEMA)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            if any(sign in str(error) for sign in _DAMAGED):
                remedy = "The file is damaged: delete it and start again."
            else:
                remedy = (
                    "Is the disk full, or the folder not writable? What was scored before is kept; "
                    "run the same command again to go on, or choose another folder with --out."
                )
            raise BenchmarkError(
                f"cannot use the score store {self.path}: {error}. {remedy}"
            ) from error

    def add(self, keys: dict[str, str], scores: Iterable[Score]) -> None:
        """Write scores in one transaction; ``keys`` maps model names to their keys."""
        rows = [(keys[s.model], s.image, s.metric, _to_sql(s.value), s.n_fixations) for s in scores]
        with self._explained(), self._connection:
            self._connection.executemany("INSERT OR REPLACE INTO scores VALUES (?,?,?,?,?)", rows)

    def read(self, key: str) -> dict[tuple[int, str], tuple[float, int]]:
        """All scores under a key: (image, metric) -> (value, n_fixations)."""
        with self._explained():
            rows = self._connection.execute(
                "SELECT image, metric, value, n_fixations FROM scores WHERE key = ?", (key,)
            ).fetchall()
        return {(image, metric): (_from_sql(value), n) for image, metric, value, n in rows}

    def add_sum(self, key: str, block: int, total: NDArray[np.float64]) -> None:
        """Keep the sum of the reduced predictions of a block of images."""
        with self._explained(), self._connection:
            self._connection.execute(
                "INSERT OR REPLACE INTO sums VALUES (?,?,?)", (key, block, total.tobytes())
            )

    def sums(self, key: str) -> dict[int, NDArray[np.float64]]:
        """Sums of reduced predictions by block, flat arrays."""
        with self._explained():
            rows = self._connection.execute(
                "SELECT block, total FROM sums WHERE key = ? ORDER BY block", (key,)
            ).fetchall()
        return {block: np.frombuffer(total) for block, total in rows}

    def close(self) -> None:
        self._connection.close()


def _to_sql(value: float) -> float | None:
    return None if np.isnan(value) else value  # SQLite has no NaN


def _from_sql(value: float | None) -> float:
    return float("nan") if value is None else value
