"""The plan's arithmetic follows from the table that it is given."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from benchmark.scaling import plan, plan_text
from benchmark.scaling.components import PARTS
from benchmark.scaling.measure import COLUMNS
from benchmark.scaling.plan import Goal
from benchmark.scaling.table import Curves

METRICS = ("LL", "IG", "AUC", "sAUC", "NSS", "CC", "KL", "SIM")
#: Seconds of a call or an image for each pixel.
PIXEL = 1e-8
GOAL = Goal(images=10_000, models=10)


def _row(axis, quantity, part, amount, calls=1, **settings):
    usual = {"images": 10, "width": 100, "height": 100, "subjects": 5, "models": 1, "jobs": 1}
    row = {**usual, "cost": "cheap", "repeat": 0, **settings}
    row["fixations"] = 30 * row["images"]
    return {**row, "axis": axis, "quantity": quantity, "part": part, "amount": amount,
            "calls": calls}  # fmt: skip


def _curves():
    rows = []
    for images in (10, 20, 40, 80):
        here = {"images": images}
        scores = images * 32
        for part in ("fitting centerbias", "fitting gold"):
            rows.append(_row("images", "phase", part, 1 + 1e-3 * 30 * images, **here))
        rows.append(_row("images", "rows", "all", scores, **here))
        rows.append(_row("images", "store", "all", 4096 + 100 * scores, **here))
        rows.append(_row("images", "csv", "all", 50 + 60 * scores, **here))
        waiting = "storing, sending, waiting"
        rows.append(_row("images", "scoring", waiting, 0.1 + 1e-5 * scores, **here))
    for width in (100, 200, 400):
        here, seconds = {"width": width}, PIXEL * width * 100
        for part in (*(f"metric {m}" for m in METRICS), "model blur0", "model gold"):
            rows.append(_row("size", "scoring", part, 20 * seconds, 20, **here))
        for part in ("comparing images", "hashes"):
            rows.append(_row("size", "phase", part, 10 * seconds, **here))
    parts = [
        {"part": part.__name__.replace("_", " "), "unit": unit, "n": n, "seconds": 1e-6 * n,
         "bytes": 8 * n}
        for part, (unit, numbers, _) in PARTS.items()
        for n in numbers
    ]  # fmt: skip
    return Curves(pd.DataFrame(rows, columns=COLUMNS), pd.DataFrame(parts))


def _of(items, part):
    return next(item for item in items if item.part == part)


def test_hours_are_unit_costs_times_numbers():
    items = plan.hours(_curves(), GOAL)
    pixel_time = PIXEL * 1024 * 768
    assert _of(items, "predictions, cheap models").total == pytest.approx(
        2 * pixel_time * 10_000 * 10, rel=1e-3
    )
    assert _of(items, "metrics but sAUC").total == pytest.approx(7 * pixel_time * 1e5, rel=1e-3)
    shuffled = _of(items, "sAUC")
    assert shuffled.total == pytest.approx((pixel_time + 1e-6 * GOAL.fixations) * 1e5, rel=1e-3)
    assert shuffled.total_changed == pytest.approx((pixel_time + 1e-6 * 1e5) * 1e5, rel=1e-3)
    fit = _of(items, "fitting gold")
    assert fit.total == pytest.approx(1 + 1e-3 * GOAL.fixations, rel=0.02)
    assert _of(items, "storing scores").total == pytest.approx(1e-5 * GOAL.rows, rel=1e-3)
    assert _of(items, "resampling scores").total == pytest.approx(10 * 1e-6 * GOAL.rows, rel=1e-3)


def test_shuffled_negatives_are_quadratic_in_images_until_they_are_a_sample():
    curves = _curves()
    once = plan.hours(curves, GOAL)
    twice = plan.hours(curves, replace(GOAL, images=2 * GOAL.images))
    part = "others' fixations, for sAUC"
    assert _of(twice, part).total == pytest.approx(4 * _of(once, part).total, rel=1e-3)
    changed = _of(twice, part).total_changed / _of(once, part).total_changed
    assert changed == pytest.approx(2.0, rel=1e-3)


def test_bytes_are_those_of_a_row_times_rows():
    store, csv = plan.disk(_curves(), GOAL)
    assert store.total == pytest.approx(100 * GOAL.rows, rel=1e-3)
    assert csv.total == pytest.approx(60 * GOAL.rows, rel=1e-3)
    memory = plan.memory(_curves(), GOAL)
    assert _of(memory, "fixations").total == pytest.approx(8 * GOAL.fixations, rel=1e-3)


def test_dear_models_cost_their_speed():
    (item,) = plan.predictions({"slow": 0.5}, GOAL)
    assert item.total == 2 * 0.5 * 10_000 * 10


def test_the_text_states_the_sums():
    curves = _curves()
    text = plan_text.section(curves, GOAL)
    total = sum(item.total for item in plan.hours(curves, GOAL)) / 3600
    assert f"| {total:,.0f}".replace(",", " ") in text
    assert "1.5 million\nfixations" in text
