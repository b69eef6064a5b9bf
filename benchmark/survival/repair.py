"""Runs that are killed while they repair a damaged store."""

from __future__ import annotations

import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from benchmark.evaluate import Score
from benchmark.store import Store
from benchmark.survival.bench import Bench, Finding
from benchmark.survival.events import stopped
from benchmark.survival.features import damaged
from benchmark.survival.stored import lost, stored

#: Scores of another run beside those of the workload, so that a repair takes some time.
OTHERS = 20_000
OTHER = "another"
NAME = "scores.sqlite"
#: Endings of files that are there while a store is repaired.
_DURING = (".part", ".copy", ".new")


def repair_killed(bench: Bench, times: int) -> Finding:
    """SIGKILL while a damaged store is repaired; ``lost``: what a repair in peace would keep."""
    finding = Finding("run killed while it repaired a damaged store")
    large = _enlarged(bench)
    while finding.times < times:
        out, peaceful = bench.fresh(), bench.folder / "peaceful"
        out.mkdir()
        file = out / NAME
        file.write_bytes(_spoilt(large, bench))
        shutil.rmtree(peaceful, ignore_errors=True)
        shutil.copytree(out, peaceful)
        seconds, _ = _repaired(peaceful)
        sound = stored(peaceful)
        run = bench.start(out)
        if not run.wait_until(lambda out=out: _begun(out)):  # type: ignore[misc]
            bench.compare(out, finding, {}, run.ended())
            continue
        time.sleep(bench.rng.uniform(0, seconds))
        stopped(run)
        said = run.ended().said
        if not _begun(out):  # it was through
            shutil.rmtree(out)
            continue
        finding.times += 1
        finding.stored += len(sound)
        said += _repaired(out)[1]
        finding.lost += lost(sound, stored(out))
        if "was damaged" not in said:
            finding.untold += 1
            finding.notes.append(f"damage was not told: {said[-2000:]}")
        with closing(sqlite3.connect(file)) as connection, connection:
            connection.execute("DELETE FROM checked_scores WHERE key = ?", (OTHER,))
        bench.settle(out, finding, {k: v for k, v in sound.items() if k in bench.scores})
    return finding


def _enlarged(bench: Bench) -> Path:
    """A finished run's store with scores of another run."""
    file = bench.fresh() / NAME
    file.parent.mkdir()
    shutil.copy(bench.folder / "undisturbed" / NAME, file)
    with closing(Store(file)) as store:
        scores = (Score(OTHER, n, "IG", n / 7, 3) for n in range(OTHERS))
        store.add({OTHER: OTHER}, scores)
    return file


def _spoilt(file: Path, bench: Bench) -> bytes:
    """The store's bytes with some changed, and surely a score."""
    copy = file.with_name("spoilt")
    shutil.copy(file, copy)
    with closing(sqlite3.connect(copy)) as connection, connection:
        connection.execute(
            "UPDATE checked_scores SET value = 0.25 WHERE key = ? AND image = 5", (OTHER,)
        )
    return damaged(copy.read_bytes(), bench.rng, cut=False)


def _repaired(out: Path) -> tuple[float, str]:
    """Repair a store in this process: seconds, and what is told."""
    said: list[str] = []
    start = time.perf_counter()
    Store(out / NAME, said.append).close()
    return time.perf_counter() - start, " ".join(said)


def _begun(out: Path) -> bool:
    return not (out / NAME).exists() or any((out / f"{NAME}{s}").exists() for s in _DURING)
