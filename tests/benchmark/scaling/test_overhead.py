"""The evaluation loop costs little beside models and metrics on images of a realistic size."""

from __future__ import annotations

import pytest

from benchmark.scaling import overhead
from benchmark.scaling.measure import Run, measure
from benchmark.scaling.table import Curves
from benchmark.scaling.workload import Workload
from tests.benchmark.scaling.made_up import OVERHEAD, curves


def test_overhead_is_below_five_per_cent_of_models_and_metrics():
    """Seconds of a core, so that other work on the machine does not count."""
    rows = measure(Run("size", Workload(8, 1024, 768), draws=100))
    (found,) = overhead.overheads(Curves(rows, rows.iloc[:0])).itertuples()
    assert found.useful > 0.1  # models and metrics were timed
    assert 0 < found.share < overhead.AIM


def test_overhead_is_what_is_neither_a_models_nor_a_metrics():
    found = overhead.overheads(curves()).set_index("width")
    useful = [2e-3, 4e-3, 8e-3]
    assert found["useful"].tolist() == pytest.approx(useful)
    assert found["share"].tolist() == pytest.approx([sum(OVERHEAD.values()) / s for s in useful])


def test_the_text_says_where_it_is_small():
    text = overhead.section(curves()).replace("\n", " ")
    assert "| 100x100 | 2.0 | 0.1 | 0.0 | 0.2 | 15.0 % | no |" in text
    assert "less than 5 % is aimed at. That is met at 400x100 and is missed at" in text
