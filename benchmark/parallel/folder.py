"""Folders in the system's temporary one that do not outlive their process for long.

A killed process cannot remove its folder. So each holds a file that its owner has locked, which
the system unlocks when the owner ends, however it does; the next process of the same machine
removes the folders whose lock is free.
"""

from __future__ import annotations

import os
import platform
import re
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmark.errors import BenchmarkError

OWNER = "owner"
#: Seconds within which a folder is locked after it was made.
YOUNG = 60.0


class TemporaryFolder:
    """A folder for one process's files.

    Raises:
        BenchmarkError: there is no room for it.
    """

    def __init__(self) -> None:
        sweep()
        try:
            self.path = Path(tempfile.mkdtemp(prefix=f"{_prefix()}{os.getpid()}-"))
            self._lock: int | None = os.open(self.path / OWNER, os.O_RDWR | os.O_CREAT, 0o600)
            _locked(self._lock)
        except OSError as error:
            raise no_room(error) from error

    def remove(self) -> None:
        """Remove it; what others still have open (on Windows) goes with a later sweep."""
        if self._lock is not None:
            os.close(self._lock)  # an open file cannot be removed on Windows
            self._lock = None
        _remove(self.path)


def no_room(error: OSError) -> BenchmarkError:
    """What to raise when the folder for temporary files cannot be written."""
    try:
        where = tempfile.gettempdir()
    except OSError:
        where = "there is none that can be written"
    return BenchmarkError(
        f"what workers share cannot be written to the folder for temporary files ({where}): "
        f"{error.strerror or error}. Make room there, or let TMPDIR name a folder that has some; "
        "--jobs 1 and --backend threading need none. What was computed is kept."
    )


def sweep() -> None:
    """Remove this machine's folders whose owners have ended."""
    try:
        found = list(Path(tempfile.gettempdir()).glob(f"{_prefix()}*"))
    except OSError:
        return
    for folder in found:
        if _is_left(folder):
            _remove(folder)


def _prefix() -> str:
    """How folders of this machine begin: others may have theirs in the same, shared one."""
    return f"benchmark-{re.sub('[^A-Za-z0-9]+', '_', platform.node())}-"


def _is_left(folder: Path) -> bool:
    try:
        lock = os.open(folder / OWNER, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
    except OSError:  # somebody else's, or being made or removed
        return False
    try:
        return time.time() - os.fstat(lock).st_mtime > YOUNG and _locked(lock)
    finally:
        os.close(lock)


def _locked(file: int) -> bool:
    """Lock an open file, unless another has done so."""
    try:
        _lock(file)
    except OSError:
        return False
    return True


def _lock(file: int) -> None:
    """
    Raises:
        OSError: another has locked it.
    """
    system: Any
    if os.name == "nt":
        import msvcrt as system

        system.locking(file, system.LK_NBLCK, 1)
    else:
        import fcntl as system

        system.flock(file, system.LOCK_EX | system.LOCK_NB)


def _remove(folder: Path) -> None:
    """Remove what can be removed; the file that says whose it is goes last, for the next sweep."""
    with suppress(OSError):
        for file in list(folder.iterdir()):
            if file.name != OWNER:
                file.unlink()
        (folder / OWNER).unlink()
        folder.rmdir()
