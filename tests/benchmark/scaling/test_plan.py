"""The plan's arithmetic follows from the table that it is given."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmark.errors import BenchmarkError
from benchmark.scaling import plan, plan_text
from benchmark.scaling.plan import Goal
from benchmark.scaling.table import Curves
from tests.benchmark.scaling.made_up import PIXEL, curves

GOAL = Goal(images=10_000, models=10)


def _of(items, part):
    return next(item for item in items if item.part == part)


def test_hours_are_unit_costs_times_numbers():
    items = plan.hours(curves(), GOAL)
    pixel_time = PIXEL * 1024 * 768
    assert _of(items, "predictions, cheap models").total == pytest.approx(
        2 * pixel_time * 10_000 * 10, rel=1e-3
    )
    assert _of(items, "metrics but sAUC").total == pytest.approx(7 * pixel_time * 1e5, rel=1e-3)
    shuffled = _of(items, "sAUC")
    assert shuffled.total == pytest.approx((pixel_time + 1e-6 * GOAL.fixations) * 1e5, rel=1e-3)
    assert shuffled.total_changed == pytest.approx((pixel_time + 1e-6 * 1e5) * 1e5, rel=1e-3)
    assert _of(items, "fitting centerbias").total == pytest.approx(1e-6 * GOAL.fixations, rel=1e-3)
    gold, looks = _of(items, "fitting gold"), GOAL.images * 1e-6 * GOAL.fixations
    assert gold.total == pytest.approx(1e-6 * GOAL.fixations + looks, rel=1e-3)
    assert gold.total_changed == pytest.approx(1e-6 * GOAL.fixations, rel=1e-3)
    checks = _of(items, "checking the store, at each start")
    assert checks.total == pytest.approx(1e-6 * GOAL.rows, rel=1e-3)
    assert _of(items, "storing scores").total == pytest.approx(1e-5 * GOAL.rows, rel=1e-3)
    assert _of(items, "resampling scores").total == pytest.approx(10 * 1e-6 * GOAL.rows, rel=1e-3)


def test_shuffled_negatives_are_quadratic_in_images_until_they_are_a_sample():
    measured = curves()
    once = plan.hours(measured, GOAL)
    twice = plan.hours(measured, replace(GOAL, images=2 * GOAL.images))
    part = "others' fixations, for sAUC"
    assert _of(twice, part).total == pytest.approx(4 * _of(once, part).total, rel=1e-3)
    changed = _of(twice, part).total_changed / _of(once, part).total_changed
    assert changed == pytest.approx(2.0, rel=1e-3)


def test_bytes_are_those_of_a_row_times_rows():
    store, sums, csv = plan.disk(curves(), GOAL)
    assert sums.total == 1024 * 10 * 256 * 256 * 8
    assert store.total == pytest.approx(100 * GOAL.rows, rel=1e-3)
    assert csv.total == pytest.approx(60 * GOAL.rows, rel=1e-3)
    memory = plan.memory(curves(), GOAL)
    assert _of(memory, "fixations").total == pytest.approx(8 * GOAL.fixations, rel=1e-3)


def test_dear_models_cost_their_speed():
    (item,) = plan.predictions({"slow": 0.5}, GOAL)
    assert item.total == 2 * 0.5 * 10_000 * 10


def test_the_text_states_the_sums():
    measured = curves()
    text = plan_text.section(measured, GOAL)
    total = sum(item.total for item in plan.hours(measured, GOAL)) / 3600
    assert f"| {total:,.0f}".replace(",", " ") in text
    assert "1.5 million\nfixations" in text


def test_a_part_that_was_not_measured_is_named():
    measured = curves()
    lacking = measured.parts[measured.parts["part"] != "fitting gold"]
    with pytest.raises(BenchmarkError, match=r"parts\.csv: .* 'fitting gold', found 0"):
        plan.hours(Curves(measured.runs, lacking), GOAL)
