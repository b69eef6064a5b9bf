"""Per-image scores on disk: an SQLite file that a killed run resumes from.

Rows are keyed by a hash of everything a score depends on, so a change of data, model, metric or
setting never meets stale values. Only one process writes; each image is one transaction. Each row
has a checksum: a file with a wrong one, or with a wrong structure, is replaced by one that holds
what is sound in it, and the rest is computed again.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import BenchmarkError
from benchmark.evaluate import Score

_SCHEMA = """
CREATE TABLE IF NOT EXISTS checked_scores (
    key TEXT, image INTEGER, metric TEXT, value REAL, n_fixations INTEGER, checksum INTEGER,
    PRIMARY KEY (key, image, metric)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS checked_sums (
    key TEXT, block INTEGER, total BLOB, checksum INTEGER, PRIMARY KEY (key, block)
) WITHOUT ROWID;
"""
_TABLES = {"checked_scores": ("key", "image", "metric"), "checked_sums": ("key", "block")}
#: How SQLite repeats what its tables were made by.
_STATEMENTS = {
    " ".join(statement.replace("IF NOT EXISTS ", "").split()) for statement in _SCHEMA.split(";")
}

_DAMAGED = ("not a database", "malformed")  # what SQLite says of a file that it did not write so


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
        self._say = say
        with self._explained():
            path.parent.mkdir(parents=True, exist_ok=True)
            damaged = _set_aside(path) if _is_damaged(path) else None
            self._connection = sqlite3.connect(path, timeout=60)
            self._connection.text_factory = _text
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=NORMAL")
            self._connection.executescript(_SCHEMA)
            if damaged:
                self._salvage(damaged)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            if any(sign in str(error) for sign in _DAMAGED):
                remedy = "The file is damaged: run again; what can be read of it will be kept."
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
            _checked(keys[s.model], s.image, s.metric, _to_sql(s.value), s.n_fixations)
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
                _checked(key, block, total.tobytes()),
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

    def _salvage(self, damaged: Path) -> None:
        """Take over what is sound in a damaged file."""
        kept = 0
        for table, values in _sound_rows(damaged):
            marks = ",".join("?" * len(values))
            done = self._connection.execute(
                f"INSERT OR IGNORE INTO {table} VALUES ({marks})", values
            )
            kept += done.rowcount
        self._connection.commit()
        self._say(
            f"{self.path} was damaged: {kept} values in it are sound and kept, the others are "
            f"computed again. The damaged file is now {damaged.name}."
        )

    def close(self) -> None:
        self._connection.close()


def _is_damaged(path: Path) -> bool:
    """Whether the structure of an existing file is wrong, or the checksum of a row."""
    if not path.exists():
        return False
    with closing(sqlite3.connect(path, timeout=60)) as connection:
        connection.text_factory = _text
        try:
            if connection.execute("PRAGMA integrity_check").fetchall() != [("ok",)]:
                return True
            statements = [sql for (sql,) in connection.execute("SELECT sql FROM sqlite_schema")]
            if any(" ".join(sql.split()) not in _STATEMENTS for sql in statements):
                return True
            return bool(statements) and any(
                _checked(*row[:-1]) != row
                for table in _TABLES
                for row in connection.execute(f"SELECT * FROM {table}")
            )
        except UnicodeDecodeError:  # of a name in the schema
            return True
        except sqlite3.DatabaseError as error:
            if any(sign in str(error) for sign in _DAMAGED):
                return True
            raise


def _sound_rows(damaged: Path) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """(table, row) of a damaged file, as far as they can be reached from either end.

    It is read with and without its own first page, without which SQLite reads nothing, and with
    and without the pages of its write-ahead file, should a killed run have left one. Rows that are
    reached in several ways come as often.
    """
    copy = damaged.with_name(f"{damaged.name}.copy")
    ahead = damaged.with_name(f"{damaged.name}-wal")
    data = _padded(damaged.read_bytes())
    for content in (data, _with_new_first_page(data, copy)):
        for pages in (ahead.read_bytes(), b"") if ahead.exists() else (b"",):
            copy.write_bytes(content)
            if pages:
                copy.with_name(f"{copy.name}-wal").write_bytes(pages)
            yield from _reached_rows(copy)


def _with_new_first_page(data: bytes, path: Path) -> bytes:
    """A file with the first page of a new store, made at ``path``: it holds the schema only."""
    with closing(sqlite3.connect(path)) as new:
        new.execute("PRAGMA journal_mode=WAL")
        new.executescript(_SCHEMA)
    first = path.read_bytes()
    page = int.from_bytes(first[16:18], "big")
    pages = (len(data) // page).to_bytes(4, "big")
    return first[:28] + pages + first[32:page] + data[page:]


def _reached_rows(copy: Path) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Sound rows of a file, which is deleted then."""
    try:
        for table, order in _TABLES.items():
            for direction in ("ASC", "DESC"):
                with (
                    closing(sqlite3.connect(copy)) as old,
                    suppress(sqlite3.Error, UnicodeDecodeError),
                ):
                    old.text_factory = _text
                    columns = ", ".join(f"{column} {direction}" for column in order)
                    for row in old.execute(f"SELECT * FROM {table} ORDER BY {columns}"):
                        if _checked(*row[:-1]) == row:
                            yield table, row
    finally:
        for suffix in ("", "-wal", "-shm"):
            copy.with_name(copy.name + suffix).unlink(missing_ok=True)


def _padded(data: bytes) -> bytes:
    """A file with zeros for its missing end: SQLite reads nothing of one that was cut off."""
    page = int.from_bytes(data[16:18], "big")
    pages = int.from_bytes(data[28:32], "big")
    missing = page * pages - len(data)
    believable = data.startswith(b"SQLite format 3\0") and missing < 10 * len(data) + 2**24
    return data + bytes(max(0, missing)) if believable else data


def _set_aside(path: Path) -> Path:
    names = (path.with_name(f"{path.name}.damaged{n or ''}") for n in count())
    target = next(name for name in names if not name.exists())
    path.rename(target)
    ahead = path.with_name(f"{path.name}-wal")  # beside another file, it would damage that
    if ahead.exists():
        ahead.rename(target.with_name(f"{target.name}-wal"))
    path.with_name(f"{path.name}-shm").unlink(missing_ok=True)
    return target


def _checked(*row: Any) -> tuple[Any, ...]:
    """A row with its checksum, which tells -0.0 from 0.0 and 1 from 1.0."""
    return (*row, zlib.crc32(repr(row).encode()))


def _text(data: bytes) -> str:
    return data.decode(errors="replace")


def _to_sql(value: float) -> float | None:
    return None if np.isnan(value) else value  # SQLite has no NaN


def _from_sql(value: float | None) -> float:
    return float("nan") if value is None else value
