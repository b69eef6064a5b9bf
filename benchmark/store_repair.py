"""A damaged store replaced by one with what is sound in it: at no moment less of it is on disk.

The new store is made beside the old one, in ``NAME.part``; whole, it becomes ``NAME.new``. Only
then is the old one called ``NAME.damaged``, with its write-ahead file, and the new one ``NAME``. A
repair that ends before there is a ``NAME.new`` begins anew, one that ends later goes on.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from itertools import count, takewhile
from pathlib import Path
from typing import Any

from benchmark import store_ahead

SCHEMA = """
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
    " ".join(statement.replace("IF NOT EXISTS ", "").split()) for statement in SCHEMA.split(";")
}

#: What SQLite says of a file that it did not write so.
DAMAGED = ("not a database", "malformed")


def repair(path: Path) -> list[str]:
    """Replace a store if it is damaged; first, go on with a repair that was interrupted.

    Returns:
        What to tell about it; nothing if the store was sound.

    Raises:
        sqlite3.Error, OSError: the new store cannot be written; the old one is as it was.
    """
    new, told = _beside(path, ".new"), []
    if new.exists():
        told.append(_swap(path, new))
    _discard(_beside(path, ".part"))
    _discard(_beside(path, ".copy"))
    if path.exists() and (store_ahead.is_damaged(path) or _is_wrong(path)):
        _salvage(path, new)
        told.append(_swap(path, new))
    return told


def _salvage(path: Path, new: Path) -> None:
    """Make ``new`` of what is sound in a damaged store, which stays as it is."""
    part = _beside(path, ".part")
    try:
        with closing(sqlite3.connect(part)) as connection:
            connection.text_factory = text
            connection.execute("PRAGMA synchronous=FULL")
            connection.executescript(SCHEMA)
            with connection:
                for table, values in _sound_rows(path):
                    marks = ",".join("?" * len(values))
                    connection.execute(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", values)
        part.rename(new)
    except BaseException:
        with suppress(OSError):
            _discard(part)
        raise


def _swap(path: Path, new: Path) -> str:
    """Put ``new`` in the place of a damaged store; returns what to tell.

    The order of the steps says how far it has come. The write-ahead file goes first, since it would
    damage the new store; the damaged one is not read any more.
    """
    taken = list(takewhile(Path.exists, _names(path)))
    target = next(name for name in _names(path) if name not in taken)
    if path.exists():
        _beside(path, "-shm").unlink(missing_ok=True)
        ahead = _beside(path, "-wal")
        if ahead.exists():
            ahead.rename(_beside(target, "-wal"))
        path.rename(target)
    elif taken:
        target = taken[-1]
    new.rename(path)
    with closing(sqlite3.connect(path)) as connection:
        counts = [connection.execute(f"SELECT count(*) FROM {table}") for table in _TABLES]
        kept = sum(row[0] for found in counts for row in found)
    return (
        f"{path} was damaged: {kept} values in it are sound and kept, the others are computed "
        f"again. The damaged file is now {target.name}."
    )


def _names(path: Path) -> Iterator[Path]:
    return (_beside(path, f".damaged{n or ''}") for n in count())


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _discard(path: Path) -> None:
    """Remove a file and what SQLite puts beside it."""
    for suffix in ("", "-journal", "-wal", "-shm"):
        _beside(path, suffix).unlink(missing_ok=True)


def _is_wrong(path: Path) -> bool:
    """Whether the structure of a file is wrong, or the checksum of a row."""
    with closing(sqlite3.connect(path, timeout=60)) as connection:
        connection.text_factory = text
        try:
            if connection.execute("PRAGMA integrity_check").fetchall() != [("ok",)]:
                return True
            statements = [sql for (sql,) in connection.execute("SELECT sql FROM sqlite_schema")]
            if any(" ".join(sql.split()) not in _STATEMENTS for sql in statements):
                return True
            return bool(statements) and any(
                checked(*row[:-1]) != row
                for table in _TABLES
                for row in connection.execute(f"SELECT * FROM {table}")
            )
        except UnicodeDecodeError:  # of a name in the schema
            return True
        except sqlite3.DatabaseError as error:
            if any(sign in str(error) for sign in DAMAGED):
                return True
            raise


def _sound_rows(damaged: Path) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """(table, row) of a damaged file, as far as they can be reached from either end.

    It is read with and without its own first page, without which SQLite reads nothing, and with
    and without the pages of its write-ahead file, should a killed run have left one. Rows that are
    reached in several ways come as often.
    """
    copy, ahead = _beside(damaged, ".copy"), _beside(damaged, "-wal")
    data = _padded(damaged.read_bytes())
    try:
        for content in (data, _with_new_first_page(data, copy)):
            for pages in (ahead.read_bytes(), b"") if ahead.exists() else (b"",):
                _discard(copy)
                copy.write_bytes(content)
                if pages:
                    _beside(copy, "-wal").write_bytes(pages)
                yield from _reached_rows(copy)
    finally:
        with suppress(OSError):
            _discard(copy)


def _with_new_first_page(data: bytes, path: Path) -> bytes:
    """A file with the first page of a new store, made at ``path``: it holds the schema only."""
    with closing(sqlite3.connect(path)) as new:
        new.execute("PRAGMA journal_mode=WAL")
        new.executescript(SCHEMA)
    first = path.read_bytes()
    page = int.from_bytes(first[16:18], "big")
    pages = (len(data) // page).to_bytes(4, "big")
    return first[:28] + pages + first[32:page] + data[page:]


def _reached_rows(copy: Path) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Sound rows of a file."""
    for table, order in _TABLES.items():
        for direction in ("ASC", "DESC"):
            with closing(sqlite3.connect(copy)) as old, _until_damage():
                # without a file in shared memory: a full disk would look like damage
                old.execute("PRAGMA locking_mode=EXCLUSIVE")
                old.text_factory = text
                columns = ", ".join(f"{column} {direction}" for column in order)
                for row in old.execute(f"SELECT * FROM {table} ORDER BY {columns}"):
                    if checked(*row[:-1]) == row:
                        yield table, row


@contextmanager
def _until_damage() -> Iterator[None]:
    """Damage ends the block; what else goes wrong is raised."""
    try:
        yield
    except UnicodeDecodeError:
        pass
    except sqlite3.Error as error:
        if any(sign in str(error) for sign in ("full", "disk I/O", "unable to open")):
            raise


def _padded(data: bytes) -> bytes:
    """A file with zeros for its missing end: SQLite reads nothing of one that was cut off."""
    page = int.from_bytes(data[16:18], "big")
    pages = int.from_bytes(data[28:32], "big")
    missing = page * pages - len(data)
    believable = data.startswith(b"SQLite format 3\0") and missing < 10 * len(data) + 2**24
    return data + bytes(max(0, missing)) if believable else data


def checked(*row: Any) -> tuple[Any, ...]:
    """A row with its checksum, which tells -0.0 from 0.0 and 1 from 1.0."""
    return (*row, zlib.crc32(repr(row).encode()))


def text(data: bytes) -> str:
    """Text as SQLite has it, also where it is damaged."""
    return data.decode(errors="replace")
