"""README and figure are made from the tables alone, and state what is in them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from benchmark.files import write_csv, write_json
from benchmark.scaling import curves as curves_module
from benchmark.scaling import jobs, machine, report
from benchmark.scaling.curves import full, measured, quick
from benchmark.scaling.laws import linear_law, power_law
from benchmark.scaling.markdown import wrapped
from benchmark.scaling.measure import COLUMNS
from benchmark.scaling.table import Curves
from tests.benchmark.scaling.made_up import curves, parts, runs


@pytest.fixture
def folder(tmp_path):
    write_csv(runs(), tmp_path / "scaling.csv", COLUMNS)
    write_csv(parts(), tmp_path / "parts.csv", list(parts()))
    write_csv(parts().assign(seconds=1.0), tmp_path / "before.csv", list(parts()))
    write_json(machine.machine(), tmp_path / "machine.json")
    return tmp_path


def test_a_report_has_text_and_figure_and_equal_tables_give_equal_files(folder):
    report.write(folder)
    first = {file: file.read_bytes() for file in sorted(folder.rglob("*.*"))}
    text = first[folder / "README.md"].decode()
    assert text.startswith("# How time and memory grow\n\nMade by `python -m benchmark.scaling`")
    for heading in (
        "Laws",
        "Memory",
        "Overhead of the loop",
        "Jobs",
        "Parts alone",
        "What was changed",
        "A plan for a",
    ):
        assert f"\n## {heading}" in text
    assert "| expensive (`dear`) | 500.0 | 1000.0 | 2.00 | 1.50 | 1.56 | 1.33 to 3.00 |" in text
    assert "| 400x100 | 8.0 | 0.1 | 0.0 | 0.2 | 3.8 % | yes |" in text
    assert "met at 400x100 and is missed at 100x100, 200x100" in text.replace("\n", " ")
    prose = [line for line in text.splitlines() if not line.startswith("|")]
    assert max(len(line) for line in prose) <= 100
    assert first[folder / "figures" / "scaling.pdf"].startswith(b"%PDF")
    report.write(folder)
    assert {file: file.read_bytes() for file in first} == first


def test_nothing_is_said_of_changes_without_what_was_before(folder):
    (folder / "before.csv").unlink()
    report.write(folder)
    assert "What was changed" not in (folder / "README.md").read_text(encoding="utf-8")


def test_two_jobs_are_compared_by_the_best_of_their_turns():
    table = curves().speedups().set_index("cost")
    assert table["scoring"].tolist() == pytest.approx([2.0, 2.0])
    dear = table.loc["dear"]
    assert dear["predictions"] == pytest.approx((10 + 2) / (5 + 3))
    assert dear["whole"] == pytest.approx(14 / 9)
    assert (dear["lowest"], dear["highest"], dear["turns"]) == pytest.approx((4 / 3, 3.0, 2))
    assert table["start"].tolist() == pytest.approx([2.0, 2.0])


def test_a_ratio_above_two_is_explained():
    assert "a ratio above 2 is chance" in jobs.section(curves())
    once = runs().query("repeat == 0")
    slower = once.assign(amount=once["amount"] * (1 + (once["jobs"] == 2)))
    text = jobs.section(Curves(slower, parts()))
    assert "chance" not in text
    assert "measured once each" in text


def test_jobs_take_three_turns_each():
    turns = [run.jobs for run in full() if run.axis == "jobs"]
    assert turns == [1, 2, 1, 2, 1, 2]


def test_memory_that_does_not_grow_is_said_so():
    def text(peaks):
        table = runs()
        rows = (table["axis"] == "images") & (table["quantity"] == "peak")
        return report._memory(
            Curves(table.assign(amount=table["amount"].mask(rows, peaks)), parts())
        )

    at = runs()["images"]
    assert "peak: no growth measurable." in text(9e8 + 5e7 * np.cos(at))
    assert "peak: 20.0 kB for each image more" in text(9e8 + 2e4 * at)


def test_exponents_that_were_not_fitted_are_not_printed():
    straight = linear_law([1, 2, 4], [2.0, 3.0, 5.0])
    assert report._of_law(straight, 4, 1) == ("1.00", "1000.00", "–", "0 %")
    assert report._of_law(linear_law([1, 2], [2.0, 3.0]), 2, 1) == ("–", "–", "–", "–")
    bound = power_law([1, 2, 4, 8, 16], [1.5, 1.7, 6.2, 1.6, 1.8])
    assert report._of_law(bound, 16, 1)[:3] == ("–", "–", "–")
    flat = power_law([50, 100, 200, 400], [3.9, 3.6, 3.5, 3.7])
    assert report._of_law(flat, 400, 1)[1:3] == ("no growth", "–")


@pytest.mark.parametrize("runs_of", [full, quick])
def test_what_curves_share_is_measured_once(runs_of, monkeypatch):
    ran = []

    def measure(run):
        ran.append(run)
        return runs().iloc[:1].assign(**run.settings)

    monkeypatch.setattr(curves_module, "measure", measure)
    tables = list(measured(runs_of()))
    assert [t["axis"].iloc[0] for t in tables] == [run.axis for run in runs_of()]
    assert len(ran) == len(runs_of()) - 2  # subjects and models begin where images do

    assert len(list(measured(runs_of(), pd.concat(tables)))) == len(runs_of())
    assert len(ran) == len(runs_of()) - 2


def test_paragraphs_and_items_are_filled():
    text = wrapped("# A\n\n" + "word " * 50 + "\n\n1. " + "item " * 40 + "\n2. two\n\n| a |\n| b |")
    assert max(map(len, text.splitlines())) <= 100
    assert "\n   item" in text
    assert "\n2. two\n\n| a |\n| b |\n" in text
