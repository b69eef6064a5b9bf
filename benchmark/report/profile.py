"""Where a run's time went, as a table to read and a CSV file."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from benchmark.clock import METRIC, MODEL, Clock
from benchmark.files import write_csv

SCORING = "scoring"
#: Time of scoring that no worker spent on an image.
WAITING = "storing, sending, waiting"
COLUMNS = ["part", "seconds", "calls", "share"]


def write_profile(folder: Path, phases: Clock, work: Clock, workers: int) -> str:
    """Write profile.csv and return the same to read.

    Args:
        phases: seconds of the run, by the wall clock.
        work: seconds within scoring, of all workers together.
        workers: how many scored at a time.
    """
    table = profile(phases, work, workers)
    write_csv(table, folder / "profile.csv", ["kind", *COLUMNS])
    lines = []
    for kind, rows in table.groupby("kind", sort=False):
        lines += ["", f"{kind:<44}  seconds    calls   share"]
        lines += [
            f"  {row.part:<42}  {row.seconds:7.2f}  {row.calls:7d}  {100 * row.share:5.1f} %"
            for row in rows.itertuples()
        ]
    return "\n".join([*lines, "", overhead_in_words(table)])


def profile(phases: Clock, work: Clock, workers: int) -> pd.DataFrame:
    """A row per part; ``share`` is that of its kind."""
    rows = [("run, by the wall clock", *row) for row in _rows(phases)]
    scoring = f"scoring, {workers} at a time"
    rows += [(scoring, *row) for row in _rows(work)]
    idle = workers * phases.seconds[SCORING] - sum(work.seconds.values())
    if work.seconds:
        rows.append((scoring, WAITING, max(0.0, idle), 0))
    table = pd.DataFrame(rows, columns=["kind", "part", "seconds", "calls"])
    table["share"] = table["seconds"] / table.groupby("kind")["seconds"].transform("sum")
    return table


def _rows(clock: Clock) -> list[tuple[str, float, int]]:
    parts = sorted(clock.seconds, key=lambda part: -clock.seconds[part])
    return [(part, clock.seconds[part], clock.calls[part]) for part in parts]


def overhead(table: pd.DataFrame) -> float:
    """Time of scoring that is neither a model's nor a metric's, divided by the time that is."""
    rows = table[table["kind"].str.startswith(SCORING)]
    useful = rows["part"].str.startswith((MODEL, METRIC))
    within = float(rows.loc[useful, "seconds"].sum())
    return float(rows.loc[~useful, "seconds"].sum()) / within if within else float("nan")


def overhead_in_words(table: pd.DataFrame) -> str:
    """The share that the evaluation itself takes."""
    value = overhead(table)
    if value != value:
        return "Nothing was scored: all scores were stored before."
    return (
        f"Besides models and metrics, scoring took {100 * value:.1f} % of the time that they took."
    )
