"""Reads inputs in a process of its own, which may hang, run out of memory or die of a signal."""

from __future__ import annotations

import faulthandler
import multiprocessing
import os
import resource
import signal
import sys
import warnings
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType

from benchmark.fuzzing.target import CRASH, HANG, MEMORY, Outcome, Target, attempt

#: What is asked for, but never filled, costs nothing: so many times the memory that may be filled.
_UNFILLED = 4


def confine(megabytes: int) -> None:
    """Limit this process's address space beyond what is in use now, and leave no core dump."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if Path("/proc/self/statm").is_file():
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * os.sysconf("SC_PAGE_SIZE") + _UNFILLED * megabytes * 2**20
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def peak() -> int:
    """The most memory, in megabytes, that this process has filled so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 2**10


def _serve(target: Target, file: Path, megabytes: int, connection: Connection) -> None:
    warnings.simplefilter("ignore")
    faulthandler.disable()
    with open(os.devnull, "w") as nowhere:  # C libraries write their complaints there
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
    confine(megabytes)
    before = peak()
    while True:
        try:
            content = connection.recv_bytes()
        except EOFError:
            return
        file.write_bytes(content)
        outcome = attempt(target, file)
        if peak() - before > megabytes:
            outcome = Outcome(MEMORY, f"reading it filled more than {megabytes} MB")
        connection.send((outcome.kind, outcome.detail))


class Worker:
    """Reads one input after the other; a process that hangs or dies is replaced.

    Args:
        folder: an empty one for the input and the files around it.
        seconds: after so long, an input counts as one that hangs.
        megabytes: of memory that reading an input may take.
    """

    def __init__(self, target: Target, folder: Path, seconds: float = 10, megabytes: int = 1024):
        self.target, self.seconds, self.megabytes = target, seconds, megabytes
        target.prepare(folder)
        self.file = folder / target.file
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self._start()

    def _start(self) -> None:
        # Forked: a new process starts at once, with everything imported.
        context = multiprocessing.get_context("fork")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(self.target, self.file, self.megabytes, theirs), daemon=True
        )
        self._process.start()
        theirs.close()

    def attempt(self, content: bytes) -> Outcome:
        """What becomes of an input."""
        try:
            self._connection.send_bytes(content)
            if self._connection.poll(self.seconds):
                outcome = Outcome(*self._connection.recv())
                if outcome.kind == MEMORY:  # the peak stays with the process
                    self._restart()
                return outcome
        except (EOFError, ConnectionError):
            self._process.join()
            code = self._process.exitcode or 0
            name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
            self._restart()
            return Outcome(CRASH, f"the process died: {name}")
        self._restart()
        return Outcome(HANG, f"no answer in {self.seconds:g} s")

    def _restart(self) -> None:
        self.close()
        self._start()

    def close(self) -> None:
        """End the process."""
        self._connection.close()
        self._process.kill()
        self._process.join()

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
