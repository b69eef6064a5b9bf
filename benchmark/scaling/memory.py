"""Peak memory of a process and all that it starts, read from /proc.

Resident memory (what ``ps`` calls RSS) of all processes of the tree is added up at short intervals;
pages that several share count for each, so that the sum is an upper bound. A process counts from
the second time that it is seen: one that has not begun its own program yet still has its parent's
memory. The kernel's own record of each process's peak (VmHWM), which misses nothing between two
looks, is the least that is reported.
"""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from benchmark.errors import BenchmarkError

INTERVAL = 0.1
_PROC = Path("/proc")


@dataclass(frozen=True)
class Used:
    """What a command took: seconds by the clock and of all cores, bytes at its peak."""

    seconds: float
    core_seconds: float
    peak: int
    code: int


def check_system() -> None:
    """
    Raises:
        BenchmarkError: this system does not tell the memory of processes as Linux does.
    """
    if not (_PROC / "self" / "statm").exists():
        raise BenchmarkError("memory is read from /proc, which only Linux has: measure there.")


def watched(process: subprocess.Popen) -> Used:
    """Wait for a process that was just started, and look at its memory meanwhile."""
    began, page = time.perf_counter(), os.sysconf("SC_PAGE_SIZE")
    before, peak = frozenset({process.pid}), 0
    ticks: dict[int, int] = {}
    while process.poll() is None:
        now = frozenset(_tree(process.pid))
        sizes = {pid: _resident(pid) * page for pid in now & before}
        peak = max([peak, sum(sizes.values()), *(_own_peak(pid) for pid in sizes)])
        ticks.update({pid: _ticks(pid) for pid in sizes})
        before = now
        time.sleep(INTERVAL)
    seconds = time.perf_counter() - began
    return Used(seconds, sum(ticks.values()) / os.sysconf("SC_CLK_TCK"), peak, process.returncode)


def _tree(pid: int) -> list[int]:
    """A process and its descendants."""
    children: dict[int, list[int]] = {}
    for name in _names(_PROC):
        if name.isdigit():
            fields = _text(_PROC / name / "stat").rpartition(")")[2].split()
            if fields:
                children.setdefault(int(fields[1]), []).append(int(name))
    found = [pid]
    for parent in found:
        found += children.get(parent, [])
    return found


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:  # it has ended
        return []


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:  # it has ended
        return ""


def _resident(pid: int) -> int:
    """Pages in memory."""
    fields = _text(_PROC / str(pid) / "statm").split()
    return int(fields[1]) if fields else 0


def _own_peak(pid: int) -> int:
    for line in _text(_PROC / str(pid) / "status").splitlines():
        if line.startswith("VmHWM:"):
            return 1024 * int(line.split()[1])
    return 0


def _ticks(pid: int) -> int:
    """Time on cores, in the system and for itself."""
    fields = _text(_PROC / str(pid) / "stat").rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12]) if fields else 0
