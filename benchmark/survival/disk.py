"""Disks that get full: a small file system of its own, or a limit to the size of files."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: Bytes of the file system: several times what the results of a small run take.
SIZE = 64 * 2**20


@contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """A file system in memory as a new folder; False where it cannot be mounted (root may)."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)]
    able = os.geteuid() == 0 and shutil.which("mount") is not None
    mounted = able and subprocess.run(command, capture_output=True, check=False).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def filled(folder: Path) -> Iterator[None]:
    """Nothing is free on a folder's file system."""
    filler = folder / "filler"
    try:
        with filler.open("wb", buffering=0) as file:
            _fill(file.fileno())
        yield
    finally:
        filler.unlink(missing_ok=True)


def _fill(file: int) -> None:
    try:
        while os.write(file, bytes(4096)):
            pass
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise


def largest(folder: Path) -> int:
    """Bytes of the largest file of a folder."""
    return max(file.stat().st_size for file in folder.iterdir() if file.is_file())
