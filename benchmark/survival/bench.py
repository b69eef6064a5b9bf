"""Where runs are harmed, and how what they end with is compared to an undisturbed one."""

from __future__ import annotations

import shutil
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
        impossible: it cannot be done here, and why.
    """

    harm: str
    times: int = 0
    stored: int = 0
    lost: int = 0
    unlike: int = 0
    untold: int = 0
    impossible: str = ""
    notes: list[str] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        done = self.times > 0 or bool(self.impossible)
        return done and not (self.lost or self.unlike or self.untold)


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
            finding.notes.append(f"exit code {ended.code}: {ended.said[-2000:]}")

    def random_jobs(self) -> tuple[str, ...]:
        return ("--jobs", str(self.rng.integers(1, 3)))


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
