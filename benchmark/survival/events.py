"""What is done to a run, and what was found afterwards: a function for each kind of harm."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

from benchmark.survival.bench import Bench, Finding
from benchmark.survival.disk import filled, largest, small_disk
from benchmark.survival.features import damaged
from benchmark.survival.process import Ended, Run
from benchmark.survival.stored import Scores, lost, readable, stored


def killed(bench: Bench, times: int) -> Finding:
    """SIGKILL at random moments, again and again in the same folder until the run is through."""
    finding = Finding("run killed (SIGKILL) at a random moment")
    out, before = bench.fresh(), Scores()
    while finding.times < times:
        run = bench.start(out, *bench.random_jobs())
        if run.wait_until(_some_moment(bench, out)):
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
        out, before = bench.fresh(), Scores()
        run = bench.start(out, "--jobs", "2")
        if run.wait_until(some_stored(bench, out)) and (workers := run.children()):
            with suppress(ProcessLookupError):
                before = stored(out)
                os.kill(int(bench.rng.choice(workers)), signal.SIGKILL)
                finding.times += 1
                finding.stored += len(before)
        bench.compare(out, finding, before, run.ended())
    return finding


def dask_worker_killed(bench: Bench, times: int) -> Finding:
    """A worker of a Dask cluster killed while it scores."""
    from distributed import Client, LocalCluster

    finding = Finding("Dask worker killed while it computed")
    with (
        LocalCluster(2, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        for _ in range(times):
            out, before = bench.fresh(), Scores()
            run = bench.start(out, "--backend", "dask", "--scheduler", cluster.scheduler_address)
            if run.wait_until(some_stored(bench, out)):
                processes = list(client.run(os.getpid).values())
                before = stored(out)
                os.kill(int(bench.rng.choice(processes)), signal.SIGKILL)
                finding.times += 1
                finding.stored += len(before)
            bench.compare(out, finding, before, run.ended())
            client.wait_for_workers(2, timeout=60)
    return finding


def disk_full(bench: Bench, times: int) -> Finding:
    """The disk is full from a random moment on, or when a killed run is begun again."""
    finding = Finding("disk full at a random moment")
    for number in range(times):
        out = bench.fresh()
        with small_disk(out) as mounted:
            run = bench.start(out)
            if not run.wait_until(some_stored(bench, out)):
                bench.compare(out, finding, {}, run.ended())
                continue
            again = mounted and number % 2 == 1
            if again:
                stopped(run)
            if not mounted:
                run.limit(largest(out))
            with filled(out) if mounted else nullcontext():
                ended = (bench.start(out) if again else run).ended()
            failed(bench, finding, out, ended, "disk full", "cannot be written")
    return finding


def permission_revoked(bench: Bench, times: int) -> Finding:
    """What a run has written becomes read-only at a random moment, and writable again afterwards.

    The run goes on with the files that it has open, until it writes its tables; or it is killed and
    begun again, in the read-only folder, or where only the store's file is read-only.
    """
    finding = Finding("permission to write revoked at a random moment")
    for number in range(times):
        out = bench.fresh()
        run = bench.start(out, obedient=True)
        if not run.wait_until(some_stored(bench, out)):
            bench.compare(out, finding, {}, run.ended())
            continue
        again = number % 3 > 0
        if again:
            stopped(run)
        with read_only(out / "scores.sqlite" if number % 3 == 2 else out):
            ended = (bench.start(out, obedient=True) if again else run).ended()
        failed(bench, finding, out, ended, "not writable", "cannot be written")
    return finding


def store_damaged(bench: Bench, times: int) -> Finding:
    """Some bytes of a store change, or its end is cut off; a killed run's, or a finished one's.

    ``untold`` counts runs that did not say so although scores had changed or gone.
    """
    finding = Finding("bytes of the score store changed, or its end cut off")
    finished = bench.folder / "undisturbed" / "scores.sqlite"
    for number in range(times):
        out = bench.fresh()
        if number % 2:
            run = bench.start(out)
            if not run.wait_until(some_stored(bench, out)):
                bench.compare(out, finding, {}, run.ended())
                continue
            stopped(run)
        else:
            out.mkdir()
            shutil.copy(finished, out)
        before = stored(out)
        files = [
            file for file in sorted(out.glob("scores.sqlite*")) if file.suffix != ".sqlite-shm"
        ]
        file = files[bench.rng.integers(len(files))]
        file.write_bytes(damaged(file.read_bytes(), bench.rng))
        finding.times += 1
        finding.stored += len(before)
        changed = readable(out) != before
        ended = bench.settle(out, finding, {})
        if changed and "was damaged" not in ended.said:
            finding.untold += 1
            finding.notes.append(f"damage was not told: {ended.said[-2000:]}")
        finding.lost += lost(before, stored(out))
    return finding


def failed(bench: Bench, finding: Finding, out: Path, ended: Ended, *signs: str) -> None:
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


def _some_moment(bench: Bench, out: Path) -> Callable[[], bool]:
    """A random moment of the run, or of the part of it in which scores are stored."""
    if bench.rng.integers(2) and len(stored(out)) < len(bench.scores):
        wanted = int(bench.rng.integers(len(stored(out)), len(bench.scores)))
        return lambda: len(stored(out)) > wanted
    deadline = time.monotonic() + bench.rng.uniform(0, bench.seconds)
    return lambda: time.monotonic() > deadline


def some_stored(bench: Bench, out: Path) -> Callable[[], bool]:
    """Reached when a random share of the scores is stored."""
    wanted = float(bench.rng.uniform(0.05, 0.8)) * len(bench.scores)
    return lambda: len(stored(out)) >= wanted


def stopped(run: Run) -> None:
    """Kill a run with all its processes."""
    run.kill(group=True)
    run.ended()


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Nobody but root may write to a file, or to a folder and what is in it."""
    everything = [folder, *folder.rglob("*")]
    modes = {path: path.stat().st_mode for path in everything}
    for path, mode in modes.items():
        path.chmod(mode & ~(stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH))
    try:
        yield
    finally:
        for path, mode in modes.items():
            with suppress(FileNotFoundError):  # where only a file was read-only
                path.chmod(mode)
