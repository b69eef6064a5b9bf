"""Per-image scores on disk: an SQLite file that a killed run resumes from.

Rows are keyed by a hash of everything a score depends on, so a change of data, model, metric or
setting never meets stale values. Only one process writes; each image is one transaction. Each row
has a checksum: a file with a wrong one, or with a wrong structure, is replaced by one that holds
what is sound in it (benchmark/store_repair.py), and the rest is computed again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import BenchmarkError
from benchmark.evaluate import Score
from benchmark.store_repair import DAMAGED, SCHEMA, checked, repair, text

#: Seconds to wait for another program that has the file open.
PATIENCE = 60
_IN_USE = ("locked", "busy")  # what SQLite says then


class Store:
    """Scores by (key, image, metric); ``key`` identifies model, data and settings.

    A damaged file is set aside as ``NAME.damaged``, and a new one begun with what is sound in it.

    Args:
        say: told of damage.

    Raises:
        BenchmarkError: the file cannot be created, read or written (with the reason).
    """

    def __init__(self, path: Path, say: Callable[[str], None] = lambda text: None):
        self.path = path
        with self._explained():
            path.parent.mkdir(parents=True, exist_ok=True)
            for told in repair(path):
                say(told)
            self._connection = sqlite3.connect(path, timeout=PATIENCE)
            self._connection.text_factory = text
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=NORMAL")
            self._connection.executescript(SCHEMA)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            if any(sign in str(error) for sign in DAMAGED):
                remedy = "The file is damaged: run again; what can be read of it will be kept."
            elif any(sign in str(error) for sign in _IN_USE):
                remedy = (
                    f"Another program has had it open for {PATIENCE} seconds: end that, then run "
                    "the same command again; what was scored before is kept."
                )
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
        rows = [
            checked(keys[s.model], s.image, s.metric, _to_sql(s.value), s.n_fixations)
            for s in scores
        ]
        with self._explained(), self._connection:
            self._connection.executemany(
                "INSERT OR REPLACE INTO checked_scores VALUES (?,?,?,?,?,?)", rows
            )

    def read(self, key: str) -> dict[tuple[int, str], tuple[float, int]]:
        """All scores under a key: (image, metric) -> (value, n_fixations)."""
        with self._explained():
            rows = self._connection.execute(
                "SELECT * FROM checked_scores WHERE key = ?", (key,)
            ).fetchall()
        return {(image, metric): (_from_sql(value), n) for _, image, metric, value, n, _ in rows}

    def grid(
        self, key: str, images: int, metrics: Sequence[str]
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Scores under a key of the first ``images`` images, (images, metrics).

        Returns:
            Values, and numbers of fixations, which are -1 where no score is stored.
        """
        column = {metric: n for n, metric in enumerate(metrics)}
        values = np.full((images, len(column)), np.nan)
        counts = np.full((images, len(column)), -1, dtype=np.int64)
        with self._explained():
            for image, metric, value, n_fixations in self._connection.execute(
                "SELECT image, metric, value, n_fixations FROM checked_scores WHERE key = ?", (key,)
            ):
                if image < images and metric in column:
                    values[image, column[metric]] = _from_sql(value)
                    counts[image, column[metric]] = n_fixations
        return values, counts

    def add_sum(self, key: str, block: int, total: NDArray[np.float64]) -> None:
        """Keep the sum of the reduced predictions of a block of images."""
        with self._explained(), self._connection:
            self._connection.execute(
                "INSERT OR REPLACE INTO checked_sums VALUES (?,?,?,?)",
                checked(key, block, total.tobytes()),
            )

    def blocks(self, key: str) -> set[int]:
        """Blocks whose sums are stored under a key."""
        with self._explained():
            rows = self._connection.execute("SELECT block FROM checked_sums WHERE key = ?", (key,))
            return {block for (block,) in rows}

    def sum_of(self, key: str, block: int) -> NDArray[np.float64]:
        """The sum of one stored block, a flat array."""
        with self._explained():
            ((total,),) = self._connection.execute(
                "SELECT total FROM checked_sums WHERE key = ? AND block = ?", (key, block)
            )
        return np.frombuffer(total)

    def close(self) -> None:
        self._connection.close()


def _to_sql(value: float) -> float | None:
    return None if np.isnan(value) else value  # SQLite has no NaN


def _from_sql(value: float | None) -> float:
    return float("nan") if value is None else value
