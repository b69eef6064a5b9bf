"""A run in a process of its own, with its children: started, watched and killed."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from models.deepgaze.files import VARIABLE

#: Seconds after which a run is said to hang.
PATIENCE = 600
POLL = 0.02


@dataclass
class Ended:
    """How a run ended: exit code (negative: killed by that signal), what it said, seconds."""

    code: int
    said: str
    seconds: float


class Run:
    """A run that has been started, in a process group of its own.

    Args:
        command: as a list.
        obedient: without root's right to write where nobody may.
        log: file for what it says.
        cache: folder for its maps and features.
    """

    def __init__(
        self, command: list[str], log: Path, obedient: bool = False, cache: Path | None = None
    ):
        self._log = log
        with log.open("wb") as stream:
            self._process = subprocess.Popen(
                [*(without_override() if obedient else []), *command],
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, VARIABLE: str(cache or "")},
            )
        self._started = time.monotonic()

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def wait_until(self, reached: Callable[[], bool]) -> bool:
        """Wait for something, or the run's end; whether the former came first."""
        while self.is_running:
            if reached():
                return True
            time.sleep(POLL)
            if time.monotonic() - self._started > PATIENCE:
                self.kill(group=True)
                raise TimeoutError(f"a run hung for {PATIENCE} seconds: {self._text()}")
        return False

    def children(self) -> list[int]:
        """Process ids of the run's workers (not of what it calls for a moment)."""
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                parent = (entry / "stat").read_text().rsplit(")", 1)[1].split()[1]
                command = (entry / "cmdline").read_text()
            except OSError:  # it has ended
                continue
            if int(parent) == self._process.pid and "loky" in command and "tracker" not in command:
                found.append(int(entry.name))
        return sorted(found)

    def limit(self, size: int) -> None:
        """From now on, no write beyond ``size`` bytes of a file succeeds, as on a full disk."""
        if self.is_running:
            resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE, (size, size))

    def kill(self, group: bool) -> None:
        """SIGKILL to the run alone, or to its workers, too."""
        if not self.is_running:
            return
        if group:
            os.killpg(self._process.pid, signal.SIGKILL)
        else:
            self._process.kill()

    def ended(self) -> Ended:
        """Wait for the end."""
        self.wait_until(lambda: False)
        return Ended(self._process.wait(), self._text(), time.monotonic() - self._started)

    def _text(self) -> str:
        return self._log.read_text(errors="replace")


def without_override() -> list[str]:
    """A command in front of another that takes root's power over permissions from it."""
    if os.geteuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        raise OSError("setpriv is not installed, without which root may write everywhere")
    rights = "-dac_override,-dac_read_search"
    return ["setpriv", f"--bounding-set={rights}", f"--inh-caps={rights}"]
