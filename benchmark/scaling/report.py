"""Tables, figure and README of the measured curves."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from tqdm import tqdm

from benchmark.files import write_csv, write_json, write_whole
from benchmark.report.plots.style import render
from benchmark.run import BLOCKS
from benchmark.scaling import curves, machine, measure, plan_text
from benchmark.scaling.components import COLUMNS, measure_parts
from benchmark.scaling.figures import scaling_figure
from benchmark.scaling.laws import Law
from benchmark.scaling.markdown import table, wrapped
from benchmark.scaling.memory import INTERVAL, check_system
from benchmark.scaling.table import Curves
from benchmark.scores import DRAWN_AT_ONCE

#: A row of the table of laws: axis, what grows, its unit, quantity, part.
LAWS = (
    ("images", "images", "image", "phase", "loading the data"),
    ("images", "images", "image", "phase", "comparing images"),
    ("images", "images", "image", "phase", "fitting centerbias"),
    ("images", "images", "image", "phase", "fitting gold"),
    ("images", "images", "image", "phase", "mean predictions"),
    ("images", "images", "image", "phase", "scoring"),
    ("images", "images", "image", "phase", "statistics, tables and figures"),
    ("images", "images", "image", "cores", "all"),
    ("size", "pixels", "megapixel", "phase", "scoring"),
    ("size", "pixels", "megapixel", "cores", "all"),
    ("subjects", "subjects", "subject", "phase", "scoring"),
    ("subjects", "subjects", "subject", "cores", "all"),
    ("models", "models", "model", "phase", "scoring"),
    ("models", "models", "model", "cores", "all"),
)


def measure_all(out: Path, quick: bool, resume: bool = False) -> None:
    """Write scaling.csv, parts.csv and machine.json.

    Args:
        resume: keep the runs and parts that are in the tables already.

    Raises:
        BenchmarkError: a run failed, or this system does not tell memory.
    """
    check_system()
    runs = curves.quick() if quick else curves.full()
    before = _read(out / "scaling.csv") if resume else None
    tables: list[pd.DataFrame] = []
    for measured in tqdm(curves.measured(runs, before), "runs", total=len(runs)):
        tables.append(measured)
        write_csv(pd.concat(tables), out / "scaling.csv", measure.COLUMNS)
    if not resume or _read(out / "parts.csv") is None:
        write_csv(measure_parts(quick), out / "parts.csv", COLUMNS)
    write_json(machine.machine(), out / "machine.json")


def _read(file: Path) -> pd.DataFrame | None:
    return pd.read_csv(file) if file.exists() else None


def write(out: Path, quick: bool = False) -> None:
    """Write README.md and figures/ from the tables; before.csv is drawn beside them if it is there.

    It holds the parts of an earlier version.
    """
    measured = Curves(pd.read_csv(out / "scaling.csv"), pd.read_csv(out / "parts.csv"))
    before = _read(out / "before.csv")
    figure = scaling_figure(measured, before)
    for extension in ("pdf", "png"):
        write_whole(out / "figures" / f"scaling.{extension}", render(figure, extension))
    text = _readme(measured, before, machine.read(out / "machine.json"), quick)
    write_whole(out / "README.md", wrapped(text))


def _readme(measured: Curves, before: pd.DataFrame | None, found: dict, quick: bool) -> str:
    runs = measured.runs
    loads = runs.loc[runs["quantity"] == "load", "amount"]
    busy = ""
    if loads.max() > found["cores"] / 2:
        busy = (
            f" Other work went on beside: the load before a run was {loads.min():.1f} to "
            f"{loads.max():.1f} (mean {loads.mean():.1f}) on {found['cores']} cores."
        )
    wanted = curves.quick() if quick else curves.full()
    lacking = curves.missing(wanted, runs)
    if lacking:
        names = "; ".join(_named(run) for run in lacking)
        busy += f" Still to be measured (the same command with `--resume` does it): {names}."
    hollow = ""
    if before is not None:
        hollow = "\nHollow: before the changes named [below](#what-was-changed).\n"
    return f"""# How time and memory grow

Made by `python -m benchmark.scaling{" --quick" * quick}` (or `make scaling`) on:
{machine.in_words(found)}.{busy}

`scaling.csv` holds whole runs of `python -m benchmark run --profile` on folders of noise images
and random fixations: uniform, centre bias, gold standard and one or more cheap models from
outside, all metrics, {curves.DRAWS} bootstrap draws. One thing grows at a time. Every process
has one thread. Seconds are those of a core, by the run's own profile: other work does not
lengthen them, and waiting for disks does not count; for jobs and parts they are those of the
clock.
Memory is the resident memory of the run and all its workers together,
looked up in `/proc` every {INTERVAL:g} s; shared pages count for each process, and the kernel's
record of the largest process is the least that is stated.
`parts.csv` holds parts of a run alone, on many more things, each in a process of its own, with
its peak above what it had before, the least of two.

![Curves](figures/scaling.png)
{hollow}

## Laws

Amount = constant + factor x n^exponent, least squares of relative errors; of fewer than four
points a straight line. The constant holds what every run takes, such as imports and compiling.

{_laws(measured)}

## Memory

{_memory(measured)}

## Jobs

{_jobs(measured)}

## Parts alone

{_parts(measured)}

{_changes(measured, before)}
{plan_text.section(measured)}"""


def _named(run: measure.Run) -> str:
    load = run.workload
    jobs = f", {run.jobs} job{'s' * (run.jobs > 1)} with {run.cost} model" if run.clock else ""
    return (
        f"{load.images} images of {load.width}x{load.height}, {load.subjects} subjects, "
        f"{run.models} model{'s' * (run.models > 1)}{jobs}"
    )


def _laws(measured: Curves) -> str:
    rows = []
    for axis, grows, unit, quantity, part in LAWS:
        points = measured.select(axis, quantity, part)
        if len(points) < 2:
            continue
        law = measured.law(axis, grows, quantity, part)
        last = points.iloc[-1]
        scale = 1e6 if unit == "megapixel" else 1.0
        one = (law.growth(last[grows]) - law.growth(last[grows] / 2)) / (last[grows] / 2) * scale
        name = "whole run" if quantity == "cores" else part
        rows.append(
            (
                f"{name}, by {axis}",
                f"{last[grows] / scale:g}",
                f"{last['amount']:.2f}",
                f"{law.constant:.2f}",
                f"{1e3 * one:.2f}",
                f"{law.exponent:.2f}" if law.factor else "–",
                f"{100 * law.error:.0f} %",
            )
        )
    header = ["Part", "largest n", "s there", "constant, s", "ms for one more", "exponent", "error"]
    return table(header, rows)


def _memory(measured: Curves) -> str:
    rows = measured.select("images", "peak")
    first, last = rows.iloc[0], rows.iloc[-1]
    growth = (last["amount"] - first["amount"]) / (last["images"] - first["images"])

    sizes = measured.select("size", "peak")
    return (
        f"A run of {first['images']} images has {first['amount'] / 1e6:.0f} MB at its peak, one of "
        f"{last['images']} images {last['amount'] / 1e6:.0f} MB: {growth / 1e3:+.1f} kB for each "
        "image more, its fixations and scores included (a fall is chance). "
        "It hardly depends on how many images there "
        f"are; it does on their size: {sizes['amount'].iloc[0] / 1e6:.0f} MB at "
        f"{sizes['pixels'].iloc[0] / 1e6:.2f} megapixels, {sizes['amount'].iloc[-1] / 1e6:.0f} MB "
        f"at {sizes['pixels'].iloc[-1] / 1e6:.2f}."
    )


def _jobs(measured: Curves) -> str:
    speedups = measured.speedups()
    if speedups.empty:
        return "Not measured yet."
    rows = [
        (
            row.cost,
            f"{1e3 * row.prediction:.1f}",
            f"{1e3 * row.image:.1f}",
            f"{row.ratio:.2f}",
            f"{row.start:.1f}",
        )
        for row in speedups.itertuples()
    ]
    header = ["Model", "ms a prediction", "ms an image", "two jobs over one", "start of workers, s"]
    loads = measured.select("jobs", "load")["amount"]
    return (
        table(header, rows)
        + "\n\nOne job and two took turns, and the best of each counts. The ratio is that of "
        "scoring (images a second), when the workers are there; their start is stated apart. On "
        f"two idle cores at least 1.7 is aimed at; the load before these runs was {loads.min():.1f}"
        " or more."
    )


def _parts(measured: Curves) -> str:
    rows = []
    for part, points in measured.parts.groupby("part", sort=False):
        law, linear = measured.of_part(str(part)), measured.of_part(str(part), linear=True)
        held = measured.of_part(str(part), "bytes")
        last = points.iloc[-1]
        rows.append(
            (
                str(part),
                f"{last['n']:,} {last['unit']}".replace(",", " "),
                f"{last['seconds']:.3f}",
                f"{1e6 * linear.factor:.3g}",
                f"{law.exponent:.2f}" if len(points) > 3 else _slope(points, law),
                f"{last['bytes'] / 1e6:.0f}",
                f"{held.factor:.0f}",
            )
        )
    header = ["Part", "largest n", "s there", "µs each", "exponent", "MB there", "bytes each"]
    return table(header, rows)


def _slope(points: pd.DataFrame, law: Law) -> str:
    """Exponent between the last two points, without the constant of a straight line."""
    from math import log

    (n, a), (m, b) = points[["n", "seconds"]].to_numpy()[-2:]
    return f"{log(b / a) / log(m / n):.2f}" if a > 0 and b > 0 else "–"


def _changes(measured: Curves, before: pd.DataFrame | None) -> str:
    if before is None:
        return ""
    rows = []
    for part in measured.parts["part"].unique():
        now = measured.parts[measured.parts["part"] == part]
        both = before[before["part"] == part].merge(now, on=["part", "unit", "n"])
        if both.empty:
            continue
        last = both.iloc[-1]
        rows.append(
            (
                part,
                f"{last['n']:,} {last['unit']}".replace(",", " "),
                *(f"{last[c]:.3f}" for c in ("seconds_x", "seconds_y")),
                *(f"{last[c] / 1e6:.1f}" for c in ("bytes_x", "bytes_y")),
            )
        )
    header = ["Part", "n", "s before", "s now", "MB before", "MB now"]
    return f"""## What was changed

Images that look the same are found by a tree of their thumbnails' block means, not by comparing
all pairs. Bootstrap draws are made in portions of at most {DRAWN_AT_ONCE // 10**6} million
images. Scores are read from the store into arrays, and written and read in portions. Fixations
are read into arrays, not tuples. Whether an image is scored is one byte a model, not a table.
Sums of predictions are added up one by one, not held, and there are at most {BLOCKS} of a model.
Results keep their bytes. `before.csv` holds the parts as they were, measured once on the same
machine; with other work on it, times by the clock that differ by less than two say nothing.

{table(header, rows)}

"""
