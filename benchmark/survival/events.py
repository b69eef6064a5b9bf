"""What is done to a run, and what was found afterwards: a function for each kind of harm."""

from __future__ import annotations

import os
import shutil
import signal
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmark.survival.process import Ended, Run
from benchmark.survival.stored import Scores, lost, stored
from benchmark.survival.workload import Workload, tables


@dataclass
class Finding:
    """What harm of one kind came to.

    Attributes:
        harm: in words. times: how often it was done.
        stored: scores that were there after harm, and that had to be there after the next run.
        lost: of these, those that were gone or changed.
        unlike: runs that ended with other bytes than an undisturbed one.
        untold: runs that failed without saying why and what to do, or did not notice damage.
    """

    harm: str
    times: int = 0
    stored: int = 0
    lost: int = 0
    unlike: int = 0
    untold: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        return self.times > 0 and not (self.lost or self.unlike or self.untold)


@dataclass
class Bench:
    """Where runs are harmed: the workload, what it gives undisturbed, and seconds that it takes."""

    workload: Workload
    folder: Path
    expected: dict[str, bytes]
    scores: Scores
    seconds: float
    rng: np.random.Generator

    def fresh(self) -> Path:
        """A results folder that does not exist yet."""
        return self.folder / f"out{len(list(self.folder.iterdir()))}"

    def start(self, out: Path, *options: str, **how: object) -> Run:
        out.mkdir(parents=True, exist_ok=True)
        log = self.folder / f"{out.name}.log"
        return Run(self.workload.command(out, *options), log, **how)  # type: ignore[arg-type]

    def settle(self, out: Path, finding: Finding, before: Scores, *options: str) -> Ended:
        """Run to the end and compare."""
        ended = self.start(out, *options).ended()
        self.compare(out, finding, before, ended)
        return ended

    def compare(self, out: Path, finding: Finding, before: Scores, ended: Ended) -> None:
        finding.lost += lost(before, stored(out))
        if ended.code != 0 or tables(out) != self.expected or stored(out) != self.scores:
            finding.unlike += 1
            finding.notes.append(ended.said[-2000:])

    def random_jobs(self) -> tuple[str, ...]:
        return ("--jobs", str(self.rng.integers(1, 3)))


def killed(bench: Bench, times: int) -> Finding:
    """SIGKILL at random moments, again and again in the same folder until the run is through."""
    finding = Finding("run killed (SIGKILL) at a random moment")
    out, before = bench.fresh(), Scores()
    while finding.times < times:
        run = bench.start(out, *bench.random_jobs())
        moment = bench.rng.uniform(0, bench.seconds)
        seconds = _Seconds()
        if run.wait_until(lambda moment=moment, seconds=seconds: seconds() > moment):  # type: ignore[misc]
            run.kill(group=bool(bench.rng.integers(2)))
            run.ended()
            finding.times += 1
            now = stored(out)
            finding.lost += lost(before, now) + lost(now, bench.scores)
            finding.stored += len(now) - len(before)
            before = now
            if len(now) < len(bench.scores):
                continue
        bench.settle(out, finding, before)
        out, before = bench.fresh(), Scores()
    bench.settle(out, finding, before)
    return finding


def worker_killed(bench: Bench, times: int) -> Finding:
    """A worker process killed while it scores; the run itself is to go on."""
    finding = Finding("worker process killed while it computed")
    for _ in range(times):
        out = bench.fresh()
        run = bench.start(out, "--jobs", "2")
        if run.wait_until(_some_stored(bench, out)) and (workers := run.children()):
            with suppress(ProcessLookupError):
                os.kill(int(bench.rng.choice(workers)), signal.SIGKILL)
                finding.times += 1
        bench.compare(out, finding, {}, run.ended())
    return finding


def dask_worker_killed(bench: Bench, times: int) -> Finding:
    """A worker of a Dask cluster killed while it scores."""
    from distributed import Client, LocalCluster

    finding = Finding("Dask worker killed while it computed")
    with LocalCluster(2, threads_per_worker=1, dashboard_address=None) as cluster:
        with Client(cluster, set_as_default=False) as client:
            for _ in range(times):
                out = bench.fresh()
                address = cluster.scheduler_address
                run = bench.start(out, "--backend", "dask", "--scheduler", address)
                if run.wait_until(_some_stored(bench, out)):
                    processes = list(client.run(os.getpid).values())
                    os.kill(int(bench.rng.choice(processes)), signal.SIGKILL)
                    finding.times += 1
                bench.compare(out, finding, {}, run.ended())
                client.wait_for_workers(2, timeout=60)
    return finding


def disk_full(bench: Bench, times: int) -> Finding:
    """No file may grow beyond a random size; then there is room again."""
    finding = Finding("disk full at a random size of the store")
    full = (bench.folder / "undisturbed" / "scores.sqlite").stat().st_size
    for _ in range(times):
        out = bench.fresh()
        limit = int(bench.rng.uniform(0.1, 0.9) * full)
        ended = bench.start(out, limit=limit).ended()
        _failed(bench, finding, out, ended, "disk full")
    return finding


def permission_revoked(bench: Bench, times: int) -> Finding:
    """The results folder becomes read-only at a random moment, and writable again afterwards."""
    finding = Finding("permission to write revoked at a random moment")
    for _ in range(times):
        out = bench.fresh()
        run = bench.start(out, obedient=True)
        if not run.wait_until(_some_stored(bench, out)):
            bench.compare(out, finding, {}, run.ended())
            continue
        with read_only(out):
            ended = run.ended()
        _failed(bench, finding, out, ended, "not writable", "annot write")
    return finding


def store_damaged(bench: Bench, times: int) -> Finding:
    """Some bytes of a killed run's store are changed, or its end cut off."""
    finding = Finding("bytes of the score store changed, or its end cut off")
    undamaged = bench.folder / "undisturbed" / "scores.sqlite"
    for _ in range(times):
        out = bench.fresh()
        out.mkdir()
        data = bytearray(undamaged.read_bytes())
        for place in bench.rng.integers(0, len(data), bench.rng.integers(1, 20)):
            data[place] ^= int(bench.rng.integers(1, 256))
        if bench.rng.integers(4) == 0:
            del data[int(bench.rng.integers(1, len(data))) :]
        (out / undamaged.name).write_bytes(data)
        finding.times += 1
        bench.settle(out, finding, {})
    return finding


def _failed(bench: Bench, finding: Finding, out: Path, ended: Ended, *signs: str) -> None:
    """A run that could not write must say so, keep its scores, and go on once it can."""
    finding.times += 1
    before = stored(out)
    finding.stored += len(before)
    finding.lost += lost(before, bench.scores)
    told = any(sign in ended.said for sign in signs) and "Traceback" not in ended.said
    if ended.code != 1 or not told:
        finding.untold += 1
        finding.notes.append(ended.said[-2000:])
    bench.settle(out, finding, before)


def _some_stored(bench: Bench, out: Path) -> Callable[[], bool]:
    """Reached when a random share of the scores is stored."""
    wanted = bench.rng.uniform(0.05, 0.8) * len(bench.scores)
    return lambda: len(stored(out)) >= wanted


class _Seconds:
    """Seconds since it was made."""

    def __init__(self) -> None:
        import time

        self._clock = time.monotonic
        self._start = self._clock()

    def __call__(self) -> float:
        return self._clock() - self._start


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Nobody but root may write to a folder or to what is in it."""
    everything = [folder, *folder.rglob("*")]
    modes = {path: path.stat().st_mode for path in everything}
    for path, mode in modes.items():
        path.chmod(mode & ~(stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH))
    try:
        yield
    finally:
        for path, mode in modes.items():
            path.chmod(mode)


def undisturbed(workload: Workload, folder: Path, seed: int) -> Bench:
    """What the workload gives if nobody disturbs it, in one process and in two.

    Raises:
        RuntimeError: the two do not give the same bytes.
    """
    bench = Bench(workload, folder, {}, {}, 0.0, np.random.default_rng(seed))
    first, second = folder / "undisturbed", folder / "two"
    ended = bench.start(first).ended()
    bench.expected, bench.scores, bench.seconds = tables(first), stored(first), ended.seconds
    again = bench.start(second, "--jobs", "2").ended()
    if ended.code or again.code or not bench.expected or tables(second) != bench.expected:
        raise RuntimeError(f"undisturbed runs differ or fail: {ended.said} {again.said}")
    shutil.rmtree(second)
    return bench
