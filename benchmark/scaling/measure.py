"""One run of the benchmark on a made-up data set, in a process of its own, and what it took."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from benchmark.errors import BenchmarkError
from benchmark.scaling.memory import Used, watched
from benchmark.scaling.workload import Workload

#: What is scored besides the models of known cost.
ALWAYS = ("uniform", "centerbias", "gold")
#: One core for each process, so that seconds are seconds of a core.
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
)
#: What the run's own clock does not see: the start of Python and its imports.
REST = "starting, and what no phase counts"
#: What tells runs apart.
SETTINGS = [
    "images", "width", "height", "subjects", "fixations", "models", "jobs", "cost", "repeat",
    "clock",
]  # fmt: skip
COLUMNS = ["axis", *SETTINGS, "quantity", "part", "amount", "calls"]
#: Quantities of a run, and their units.
TOTALS = {
    "wall": "s", "cores": "s", "peak": "byte", "load": "", "rows": "", "store": "byte",
    "csv": "byte",
}  # fmt: skip


@dataclass(frozen=True)
class Run:
    """What is run.

    Attributes:
        axis: the curve that it belongs to.
        models: how many models of known cost are scored.
        cost: of each, a name in ``models.ROUNDS``.
        draws: bootstrap draws.
        clock: seconds of the profile are those of the clock on the wall, not of a core.
    """

    axis: str
    workload: Workload
    models: int = 1
    jobs: int = 1
    cost: str = "cheap"
    repeat: int = 0
    draws: int = 10_000
    clock: bool = False

    @property
    def settings(self) -> dict[str, Any]:
        sizes = asdict(self.workload)
        return {
            "axis": self.axis,
            **{key: sizes[key] for key in ("images", "width", "height", "subjects")},
            "fixations": self.workload.fixations,
            "models": self.models,
            "jobs": self.jobs,
            "cost": self.cost,
            "repeat": self.repeat,
            "clock": int(self.clock),
        }

    def command(self, data: Path, out: Path) -> list[str]:
        own: list[str] = []
        for number in range(self.models):
            own += ["--model", f"blur{number}=benchmark.scaling.models:{self.cost}"]
            own += ["--trained-on", f"blur{number}=none"]
        program = "benchmark.scaling.child" if not self.clock else "benchmark"
        return [
            *(sys.executable, "-W", "ignore", "-m", program, "run", "--profile"),
            *("--dataset", str(data)),
            *("--models", ",".join(ALWAYS), *own, "--jobs", str(self.jobs)),
            *("--draws", str(self.draws), "--out", str(out)),
        ]


def measure(run: Run, data: Path | None = None) -> pd.DataFrame:
    """The rows of a run: what it took altogether, and each part of its profile.

    Args:
        data: the workload's folder, where it is written already.

    Raises:
        BenchmarkError: the run failed; its last words are told.
    """
    with tempfile.TemporaryDirectory(prefix="scaling-") as temporary:
        folder = data or run.workload.write(Path(temporary) / "data")
        out = Path(temporary) / "out"
        load = os.getloadavg()[0]
        used, said = _watched(run.command(folder, out), Path(temporary) / "said")
        if used.code:
            raise BenchmarkError(f"a run of {run.settings} failed: {said[-2000:]}")
        profile = pd.read_csv(out / "profile.csv")
        totals = {
            "wall": used.seconds,
            "cores": used.core_seconds,
            "peak": used.peak,
            "load": load,
            "rows": _rows(out / "scores.csv"),
            "store": _store_size(out / "scores.sqlite"),
            "csv": (out / "scores.csv").stat().st_size,
        }
    return pd.DataFrame(_table(run, totals, profile), columns=COLUMNS)


def _table(run: Run, totals: dict[str, float], profile: pd.DataFrame) -> Iterable[dict[str, Any]]:
    settings = run.settings
    for quantity, amount in totals.items():
        yield {**settings, "quantity": quantity, "part": "all", "amount": amount, "calls": 1}
    phases = profile["kind"].str.startswith("run")
    rest = totals["wall" if run.clock else "cores"] - profile.loc[phases, "seconds"].sum()
    yield {**settings, "quantity": "phase", "part": REST, "amount": max(0.0, rest), "calls": 1}
    for is_phase, row in zip(phases, profile.itertuples()):
        yield {
            **settings,
            "quantity": "phase" if is_phase else "scoring",
            "part": row.part,
            "amount": row.seconds,
            "calls": row.calls,
        }


def _watched(command: list[str], said: Path) -> tuple[Used, str]:
    root = Path(__file__).resolve().parents[2]
    paths = [str(root), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, **ONE_THREAD, "PYTHONPATH": os.pathsep.join(paths)}
    environment.pop("BENCHMARK_FEATURES", None)  # nothing is at hand
    with said.open("w") as stream:
        process = subprocess.Popen(
            command, stdout=stream, stderr=subprocess.STDOUT, env=environment, cwd=said.parent
        )
        try:
            used = watched(process)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    return used, said.read_text(errors="replace")


def _rows(file: Path) -> int:
    with file.open("rb") as stream:
        return sum(1 for _ in stream) - 1


def _store_size(file: Path) -> int:
    """Of the store, as it is once its log is written into it."""
    import sqlite3

    with closing(sqlite3.connect(file)) as connection:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    return int(pages * size)
