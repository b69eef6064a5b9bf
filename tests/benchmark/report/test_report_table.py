"""Printed numbers and the choice of the best."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.report.results import Estimate, Results
from benchmark.report.table import best_models, columns, interval, number


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [
        (1.0006, 3, "1.001"),
        (-0.5, 2, "−0.50"),
        (-0.0004, 3, "0.000"),
        (0.0, 1, "0.0"),
        (math.nan, 3, "–"),
        (-math.inf, 3, "−∞"),
        (math.inf, 3, "∞"),
    ],
)
def test_number(value, decimals, text):
    assert number(value, decimals) == text


@given(st.floats(-1e6, 1e6), st.integers(0, 4))
def test_a_printed_number_is_the_value_rounded(value, decimals):
    read = float(number(value, decimals).replace("−", "-"))
    assert abs(read - value) <= 0.5 * 10**-decimals * (1 + 1e-6)


def test_interval():
    assert interval(Estimate(0.5, -0.25, 0.75), 2) == "[−0.25, 0.75]"
    assert interval(Estimate(0.5), 2) == ""


def best(results: Results, values: dict[str, float], higher: bool = True) -> set[str]:
    cells = {m.name: Estimate(values.get(m.name, math.nan)) for m in results.models}
    return set(best_models(results, cells, 2, higher))


def test_the_best_is_a_ranked_model_with_a_finite_value(make):
    results = Results.read(make(n_models=3).write())
    values = {"gold": 9.0, "gold-insample": -9.0, "model-0": 1.0, "model-1": 2.0, "uniform": 0.5}
    assert best(results, values) == {"model-1"}
    assert best(results, values, higher=False) == {"uniform"}
    assert best(results, {**values, "model-2": math.inf}) == {"model-1"}
    assert best(results, {"gold": 1.0}) == set()


def test_values_that_print_alike_are_equally_good(make):
    results = Results.read(make(n_models=3).write())
    values = {"model-0": 1.001, "model-1": 1.004, "model-2": 1.006}
    assert best(results, values) == {"model-2"}
    assert best(results, values, higher=False) == {"model-0", "model-1"}


def test_an_incomplete_run_has_no_best(make):
    results = Results.read(make(n_models=3, complete=False).write())
    assert best(results, {"model-0": 1.0, "model-1": 2.0}) == set()


def test_columns_show_means_and_explained_per_cent(make):
    folder = make(n_models=3)
    results = Results.read(folder.write())
    table = columns(results)
    assert [column.label for column in table][:3] == ["IG", "Expl. IG", "LL"]
    row = folder.summary.query("model == 'model-1' and metric == 'IG'").iloc[0]
    assert table[0].text("model-1") == f"{row['mean']:.3f}"
    assert table[1].text("model-1") == f"{100 * row['explained']:.1f}"
    expected = f"[{100 * row['explained_low']:.1f}, {100 * row['explained_high']:.1f}]"
    assert table[1].interval("model-1") == expected
    assert (table[1].unit, table[1].decimals) == ("%", 1)
    assert table[1].text("gold") == "100.0"


def test_explained_shares_belong_to_their_own_average(make):
    results = Results.read(make(n_models=3).write())
    table = columns(results, ["NSS", "IG_image"])
    assert [c.label for c in table] == ["NSS", "IG per image", "Expl. IG per image"]
    expected = 100 * results.explained("model-0", "IG_image").value
    assert table[2].cells["model-0"].value == expected
    assert expected != 100 * results.explained("model-0", "IG").value
