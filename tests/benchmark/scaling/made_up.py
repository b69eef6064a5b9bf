"""Made-up tables of measured runs, whose laws are known."""

from __future__ import annotations

import pandas as pd

from benchmark.scaling.components import PARTS
from benchmark.scaling.measure import COLUMNS, TOTALS
from benchmark.scaling.table import Curves

METRICS = ("LL", "IG", "AUC", "sAUC", "NSS", "CC", "KL", "SIM")
#: Seconds of a call or an image for each pixel.
PIXEL = 1e-8
PHASES = (
    "loading the data", "comparing images", "hashes", "fitting centerbias", "fitting gold",
    "mean predictions", "scoring", "collecting scores", "statistics, tables and figures",
)  # fmt: skip

#: Models of known cost, and the seconds of scoring with one job.
MODELS = (("cheap", 1.0), ("dear", 10.0))
#: Seconds an image.
OVERHEAD = {
    "the loop itself": 1e-4,
    "preparing what was measured": 2e-5,
    "storing, sending, waiting": 1.8e-4,
}


def row(axis, quantity, part, amount, calls=1, **settings):
    usual = {"images": 10, "width": 100, "height": 100, "subjects": 5, "models": 1, "jobs": 1}
    made = {**usual, "cost": "cheap", "repeat": 0, "clock": 0, **settings}
    made["fixations"] = 30 * made["images"]
    made.update(axis=axis, quantity=quantity, part=part, amount=amount, calls=calls)
    return made


def runs():
    rows = []
    for images in (10, 20, 40, 80):
        here, scores = {"images": images}, images * 32
        sizes = {
            "rows": scores,
            "store": 4096 + 100 * scores + -(-images // 32) * 2**19,
            "csv": 50 + 60 * scores,
        }
        for total in TOTALS:
            rows.append(row("images", total, "all", sizes.get(total, 1 + images), **here))
        for part in PHASES:
            rows.append(row("images", "phase", part, 1 + 1e-3 * 30 * images, **here))
        waiting = "storing, sending, waiting"
        rows.append(row("images", "scoring", waiting, 0.1 + 1e-5 * scores, **here))
    for width in (100, 200, 400):
        here, seconds = {"width": width}, PIXEL * width * 100
        for part in (*(f"metric {m}" for m in METRICS), "model blur0", "model gold"):
            rows.append(row("size", "scoring", part, 20 * seconds, 20, **here))
        for part, each in OVERHEAD.items():
            rows.append(row("size", "scoring", part, 10 * each, **here))
        for part in PHASES:
            rows.append(row("size", "phase", part, 10 * seconds, **here))
    for axis, key in (("subjects", "subjects"), ("models", "models"), ("size", "width")):
        for n in (100, 200, 400):
            rows += [row(axis, total, "all", 1 + n, **{key: n}) for total in TOTALS]
            if axis != "size":
                rows.append(row(axis, "phase", "scoring", 1 + n, **{key: n}))
    turns = [(*model, jobs, turn) for model in MODELS for turn in (0, 1) for jobs in (1, 2)]
    for cost, seconds, jobs, turn in turns:
        here = {"cost": cost, "jobs": jobs, "clock": 1, "repeat": turn}
        seconds *= 1 + 0.5 * (turn if jobs == 2 else 1 - turn)
        rows.append(row("jobs", "wall", "all", seconds / jobs + 4.0, **here))
        rows.append(row("jobs", "phase", "scoring", seconds / jobs, **here))
        rows.append(row("jobs", "phase", "mean predictions", 1.0 + jobs, **here))
        rows.append(row("jobs", "scoring", "model blur0", 0.5 * seconds, 10, **here))
        rows.append(row("jobs", "load", "all", 0.5, **here))
    return pd.DataFrame(rows, columns=COLUMNS)


def parts():
    rows = [
        (part.__name__.replace("_", " "), unit, n, 1e-6 * n, 8 * n)
        for part, (unit, numbers, _) in PARTS.items()
        for n in numbers
    ]
    return pd.DataFrame(rows, columns=["part", "unit", "n", "seconds", "bytes"])


def curves():
    return Curves(runs(), parts())
