"""Measures all runs and parts; finished tables stay until new ones are complete."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from benchmark.errors import BenchmarkError
from benchmark.files import write_csv, write_json
from benchmark.scaling import components, curves, machine, measure
from benchmark.scaling.memory import check_system

#: Folder, beside the finished tables, of what is measured so far.
UNFINISHED = "unfinished"


def measure_all(out: Path, quick: bool, resume: bool = False) -> None:
    """Write scaling.csv, parts.csv and machine.json.

    Until all is measured, rows are written to ``unfinished`` in the folder, and its tables stay.

    Args:
        resume: keep what an interrupted measurement left; if there is none, the tables' rows.

    Raises:
        BenchmarkError: a run failed, this system does not tell memory, or what would be kept is
            from another machine or other versions.
    """
    check_system()
    work, here = out / UNFINISHED, machine.machine()
    source = (work if (work / "machine.json").exists() else out) if resume else None
    runs, parts = _known(source, here)
    shutil.rmtree(work, ignore_errors=True)
    write_json(here, work / "machine.json")
    wanted = curves.quick() if quick else curves.full()
    runs = curves.rows_of(wanted, runs)
    lacking = curves.missing(wanted, runs)
    write_csv(runs, work / "scaling.csv", measure.COLUMNS)
    write_csv(parts, work / "parts.csv", components.COLUMNS)
    for rows in tqdm(curves.measured(lacking, runs), "runs", total=len(lacking)):
        runs = _joined(runs, rows)
        write_csv(runs, work / "scaling.csv", measure.COLUMNS)
    tasks = components.missing(parts, quick)
    for row in tqdm(components.measured(tasks, quick), "parts", total=len(tasks)):
        parts = _joined(parts, row)
        write_csv(parts, work / "parts.csv", components.COLUMNS)
    write_csv(curves.rows_of(wanted, runs), out / "scaling.csv", measure.COLUMNS)
    write_csv(components.in_order(parts, quick), out / "parts.csv", components.COLUMNS)
    write_json(here, out / "machine.json")
    shutil.rmtree(work)


def _known(source: Path | None, here: dict) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Runs and parts that a folder holds, if they were measured on this machine."""
    nothing = pd.DataFrame(columns=measure.COLUMNS), pd.DataFrame(columns=components.COLUMNS)
    if source is None or not any((source / name).exists() for name in ("scaling.csv", "parts.csv")):
        return nothing
    file = source / "machine.json"
    if not file.exists():
        raise BenchmarkError(
            f"{file} is missing, so that nobody knows where the tables beside it were measured: "
            "measure all anew, without --resume."
        )
    other = machine.differences(machine.read(file), here)
    if other:
        raise BenchmarkError(
            f"{file}: the tables beside it are of another machine or other versions "
            f"({'; '.join(other)}). Go on there, or measure all anew, without --resume."
        )
    tables = (source / "scaling.csv", source / "parts.csv")
    runs, parts = (
        pd.read_csv(table) if table.exists() else empty for table, empty in zip(tables, nothing)
    )
    return runs, parts


def _joined(before: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    return rows if before.empty else pd.concat([before, rows], ignore_index=True)
