"""README and figure are made from the tables alone, and state what is in them."""

from __future__ import annotations

import pandas as pd
import pytest

from benchmark.files import write_csv, write_json
from benchmark.scaling import curves as curves_module
from benchmark.scaling import machine, report
from benchmark.scaling.curves import full, measured, quick
from benchmark.scaling.markdown import wrapped
from benchmark.scaling.measure import COLUMNS
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
    for heading in ("Laws", "Memory", "Jobs", "Parts alone", "What was changed", "A plan for a"):
        assert f"\n## {heading}" in text
    assert "| cheap | 50.0 | 100.0 | 2.00 |" in text
    prose = [line for line in text.splitlines() if not line.startswith("|")]
    assert max(len(line) for line in prose) <= 100
    assert first[folder / "figures" / "scaling.pdf"].startswith(b"%PDF")
    report.write(folder)
    assert {file: file.read_bytes() for file in first} == first


def test_nothing_is_said_of_changes_without_what_was_before(folder):
    (folder / "before.csv").unlink()
    report.write(folder)
    assert "What was changed" not in (folder / "README.md").read_text(encoding="utf-8")


def test_two_jobs_are_compared_by_images_a_second():
    table = curves().speedups()
    assert table["ratio"].tolist() == pytest.approx([2.0, 2.0])
    assert table["start"].tolist() == pytest.approx([2.0, 2.0])


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
