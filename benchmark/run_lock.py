"""One run at a time in a results folder: two would mix up its tables.

The file ``run.lock`` says who writes, and is locked by the operating system, which frees it when
its owner dies. Some network file systems do not show locks to other machines: an owner elsewhere is
believed to live.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from benchmark.errors import BenchmarkError

try:
    import fcntl
except ModuleNotFoundError:  # a system without such locks
    fcntl = None  # type: ignore[assignment]

NAME = "run.lock"


@contextmanager
def only_run(folder: Path) -> Iterator[None]:
    """Be the only run that writes to a results folder; it is made if it does not exist.

    The lock of a run that was killed on this machine is taken over.

    Raises:
        BenchmarkError: another run writes there, or may do so on another machine; or the folder
            cannot be written to.
    """
    path = folder / NAME
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = _locked(path)
    except OSError as error:
        raise BenchmarkError(
            f"{path} cannot be written: {error.strerror or error}. Free some space, or choose "
            "another folder with --out."
        ) from error
    try:
        yield
    finally:
        with suppress(OSError):
            path.unlink()  # while it is locked, so that nobody else's is removed
        os.close(file)


def _locked(path: Path) -> int:
    """The file, open, locked and with this process's name in it."""
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            alone = _lock(file)
            owner = _owner(file)
            if alone is False or (owner and _may_run(owner, alone)):
                raise BenchmarkError(_refusal(path, owner, sure=alone is False))
            if _is(path, file):
                _sign(file)
                return file
        except BaseException:
            os.close(file)
            raise
        os.close(file)  # its owner has just removed it


def _lock(file: int) -> bool | None:
    """Whether the operating system locks the file for this process; None if it cannot tell."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return None
    return True


def _may_run(owner: dict[str, Any], alone: bool | None) -> bool:
    """Whether a run that left its name may still be there."""
    if owner["host"] != platform.node():
        return True
    return alone is None and _exists(owner["pid"])


def _exists(pid: int) -> bool:
    if os.name != "posix":
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _owner(file: int) -> dict[str, Any]:
    """Process and machine that the file names; empty if it names none."""
    try:
        content = json.loads(os.read(file, 4096))
        return {"pid": int(content["pid"]), "host": str(content["host"])}
    except (ValueError, KeyError, TypeError):
        return {}


def _sign(file: int) -> None:
    os.lseek(file, 0, os.SEEK_SET)
    os.truncate(file, 0)
    os.write(file, json.dumps({"pid": os.getpid(), "host": platform.node()}).encode())


def _is(path: Path, file: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file))
    except FileNotFoundError:
        return False


def _refusal(path: Path, owner: dict[str, Any], sure: bool) -> str:
    who = "process {pid} on {host}".format(**owner) if owner else "one that has just begun"
    text = (
        f"another run ({who}) writes to {path.parent}. Wait for its end, or choose another folder "
        "with --out."
    )
    return text if sure else f"{text} If it does not run any more, remove {path} and start again."
