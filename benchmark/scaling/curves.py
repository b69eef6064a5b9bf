"""Which runs are measured: one thing grows at a time, all others stay small."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from benchmark.scaling.measure import SETTINGS, Run, measure
from benchmark.scaling.workload import Workload

#: Bootstrap draws of these runs; their cost at other numbers is measured apart.
DRAWS = 1000
_KEYS = ["axis", *SETTINGS]
SIZES = ((160, 120), (480, 360), (1024, 768), (1600, 1200))


def full() -> list[Run]:
    """All curves, in the order in which they are measured."""
    return [
        *_images((50, 100, 200, 400, 800)),
        *_sizes(12, SIZES),
        *_subjects(50, (5, 10, 30)),
        *_models(50, (1, 4, 8)),
        *_jobs(240, ("dear",), repeats=3),
    ]


def quick() -> list[Run]:
    """The same with few and small images."""
    return [
        *_images((8, 16, 32)),
        *_sizes(4, SIZES[:2]),
        *_subjects(8, (5, 10)),
        *_models(8, (1, 2)),
        *_jobs(16, ("middle",), repeats=1),
    ]


def _images(numbers: Sequence[int]) -> Iterator[Run]:
    return (Run("images", Workload(n), draws=DRAWS) for n in numbers)


def _sizes(images: int, sizes: Sequence[tuple[int, int]]) -> Iterator[Run]:
    return (Run("size", Workload(images, *size), draws=DRAWS) for size in sizes)


def _subjects(images: int, numbers: Sequence[int]) -> Iterator[Run]:
    return (Run("subjects", Workload(images, subjects=n), draws=DRAWS) for n in numbers)


def _models(images: int, numbers: Sequence[int]) -> Iterator[Run]:
    return (Run("models", Workload(images), models=n, draws=DRAWS) for n in numbers)


def _jobs(images: int, costs: Sequence[str], repeats: int) -> Iterator[Run]:
    """One job and two take turns, so that other work on the machine meets both."""
    return (
        Run("jobs", Workload(images), jobs=jobs, cost=cost, repeat=repeat, draws=DRAWS, clock=True)
        for cost in costs
        for repeat in range(repeats)
        for jobs in (1, 2)
    )


def _key(run: Run) -> tuple[object, ...]:
    return tuple(run.settings[name] for name in _KEYS)


def rows_of(runs: Sequence[Run], table: pd.DataFrame) -> pd.DataFrame:
    """The rows of these runs in a table, in the order of the runs."""
    found = {tuple(key): rows for key, rows in table.groupby(_KEYS, sort=False)}
    kept = [found[key] for key in map(_key, runs) if key in found]
    return pd.concat(kept, ignore_index=True) if kept else table.iloc[:0]


def missing(runs: Sequence[Run], table: pd.DataFrame) -> list[Run]:
    """The runs that a table lacks."""
    known = set(table[_KEYS].itertuples(index=False, name=None))
    return [run for run in runs if _key(run) not in known]


def measured(runs: Sequence[Run], before: pd.DataFrame | None = None) -> Iterator[pd.DataFrame]:
    """The rows of each run, one after the other; what several curves share is measured once.

    Args:
        before: rows of runs that are measured already.
    """
    known: dict[tuple[object, ...], pd.DataFrame] = {}
    if before is not None:
        for _, rows in before.groupby(_KEYS, sort=False):
            known[tuple(rows[SETTINGS].iloc[0])] = rows
    for run in runs:
        settings = tuple(run.settings[name] for name in SETTINGS)
        if settings not in known:
            known[settings] = measure(run)
        yield known[settings].assign(axis=run.axis)
