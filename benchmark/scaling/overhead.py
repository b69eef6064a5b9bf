"""What the evaluation loop takes beside models and metrics, by the size of the images."""

from __future__ import annotations

import pandas as pd

from benchmark.clock import METRIC, MODEL
from benchmark.profiled import LOOP, MEASURED
from benchmark.report.profile import WAITING
from benchmark.scaling.markdown import table
from benchmark.scaling.table import Curves

#: Largest overhead that is aimed at, of the time spent in models and metrics.
AIM = 0.05
PARTS = (LOOP, MEASURED, WAITING)


def overheads(measured: Curves) -> pd.DataFrame:
    """Seconds an image of models and metrics and of each of PARTS, a row a size of images.

    ``share`` is the overhead: the sum of PARTS over models and metrics.
    """
    rows = measured.runs
    rows = rows[(rows["axis"] == "size") & (rows["quantity"] == "scoring")]
    useful = rows["part"].str.startswith((MODEL, METRIC))
    each = (rows["amount"] / rows["images"]).groupby(
        [rows["width"], rows["height"], rows["part"].mask(useful, "useful")]
    )
    found = each.sum().unstack("part", fill_value=0.0).reindex(columns=["useful", *PARTS])
    found = found.fillna(0.0)
    return found.assign(share=found[list(PARTS)].sum(axis=1) / found["useful"]).reset_index()


def section(measured: Curves) -> str:
    """The text below the heading."""
    found = overheads(measured)
    if found.empty:
        return "Not measured yet."
    rows = [
        (
            f"{row['width']:.0f}x{row['height']:.0f}",
            *(f"{1e3 * row[name]:.1f}" for name in ("useful", *PARTS)),
            f"{100 * row['share']:.1f} %",
            "yes" if row["share"] < AIM else "no",
        )
        for _, row in found.iterrows()
    ]
    header = ["Images", "models and metrics, ms", *(f"{part}, ms" for part in PARTS), "overhead",
              f"below {100 * AIM:.0f} %"]  # fmt: skip
    longest = found[list(PARTS)].sum(axis=1).max()
    return f"""{table(header, rows)}

Milliseconds an image, by `--profile`, of uniform, centre bias, gold standard and one model that
takes next to no time, all metrics. Overhead is the time of scoring that is neither a model's nor a
metric's, over the time that is; less than {100 * AIM:.0f} % is aimed at. {_met(found)} With a
model that takes {longest / AIM:.2f} s an image or more it is met at every size above."""


def _met(found: pd.DataFrame) -> str:
    names = [f"{w:.0f}x{h:.0f}" for w, h in zip(found["width"], found["height"])]
    met = [name for name, share in zip(names, found["share"]) if share < AIM]
    missed = [name for name, share in zip(names, found["share"]) if share >= AIM]
    parts = [f"is met at {', '.join(met)}"] * bool(met)
    parts += [f"is missed at {', '.join(missed)}"] * bool(missed)
    return f"That {' and '.join(parts)}."
