"""Figure and README of the measured curves."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from scipy.stats import linregress

from benchmark.files import write_whole
from benchmark.report.plots.style import render
from benchmark.run import BLOCKS
from benchmark.scaling import curves, jobs, machine, measure, overhead, plan_text
from benchmark.scaling.components import LONG
from benchmark.scaling.figures import scaling_figure
from benchmark.scaling.laws import LARGEST_ERROR, Law
from benchmark.scaling.markdown import table, wrapped
from benchmark.scaling.memory import INTERVAL
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
        names = "; ".join(dict.fromkeys(_named(run) for run in lacking))
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
its peak above what it had before, the least of two (beyond {LONG:g} s of one).

![Curves](figures/scaling.png)
{hollow}

## Laws

Amount = constant + factor x n^exponent, least squares of relative errors; of fewer than four
points a straight line, whose exponent of 1 is assumed and not printed. The constant holds what
every run takes, such as imports and compiling. "No growth": less of it than the law's error. No law
is stated of two points, with an error above {100 * LARGEST_ERROR:.0f} %, or where the best exponent
is the least or largest that is tried.

{_laws(measured)}

## Overhead of the loop

{overhead.section(measured)}

## Memory

{_memory(measured)}

## Jobs

{jobs.section(measured)}

## Parts alone

{_parts(measured)}

"µs each" is by a straight line, the error its largest. The exponent is that of the law above where
there are four points or more and it holds; else the slope between the last two points.

{_changes(measured, before)}
{plan_text.section(measured)}"""


def _named(run: measure.Run) -> str:
    load = run.workload
    with_jobs = f", {run.jobs} job{'s' * (run.jobs > 1)} with {jobs.NAMES[run.cost]} model"
    return (
        f"{load.images} images of {load.width}x{load.height}, {load.subjects} subjects, "
        f"{run.models} model{'s' * (run.models > 1)}{with_jobs * run.clock}"
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
        name = "whole run" if quantity == "cores" else part
        rows.append(
            (
                f"{name}, by {axis}",
                f"{last[grows] / scale:g}",
                f"{last['amount']:.2f}",
                *_of_law(law, float(last[grows]), scale),
            )
        )
    header = ["Part", "largest n", "s there", "constant, s", "ms for one more", "exponent", "error"]
    return table(header, rows)


def _of_law(law: Law, largest: float, scale: float) -> tuple[str, str, str, str]:
    """Constant, cost of one more, exponent and error, as far as the points tell them."""
    error = f"{100 * law.error:.0f} %" if law.points > 2 else "–"
    if law.points > 2 and law.error <= LARGEST_ERROR and not law.grows(largest):
        return f"{law.at(largest):.2f}", "no growth", "–", error
    if not law.holds:
        return "–", "–", "–", error
    one = (law.growth(largest) - law.growth(largest / 2)) / (largest / 2) * scale
    exponent = f"{law.exponent:.2f}" if law.fitted else "–"
    return f"{law.constant:.2f}", f"{1e3 * one:.2f}", exponent, error


def _memory(measured: Curves) -> str:
    rows, sizes = measured.select("images", "peak"), measured.select("size", "peak")
    first, last = rows.iloc[0], rows.iloc[-1]
    peaks = rows["amount"] / 1e6
    line = linregress(rows["images"], rows["amount"]) if len(rows) > 2 else None
    if line is not None and line.slope > 2 * line.stderr:
        grown = f"{line.slope / 1e3:.1f} kB for each image more, its fixations and scores included"
    else:
        grown = "no growth measurable"
    return (
        f"Runs of {first['images']:.0f} to {last['images']:.0f} images have {peaks.min():.0f} to "
        f"{peaks.max():.0f} MB at their peak: {grown}. By the size of the images: "
        f"{sizes['amount'].iloc[0] / 1e6:.0f} MB at {sizes['pixels'].iloc[0] / 1e6:.2f} "
        f"megapixels, {sizes['amount'].iloc[-1] / 1e6:.0f} MB at "
        f"{sizes['pixels'].iloc[-1] / 1e6:.2f}."
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
                f"{100 * linear.error:.0f} %",
                f"{law.exponent:.2f}" if law.fitted and law.holds else _slope(points),
                f"{last['bytes'] / 1e6:.0f}",
                f"{held.factor:.0f}",
            )
        )
    header = ["Part", "largest n", "s there", "µs each", "error", "exponent", "MB there",
              "bytes each"]  # fmt: skip
    return table(header, rows)


def _slope(points: pd.DataFrame) -> str:
    """Exponent between the last two points."""
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
