"""Table 1: measured values beside printed ones, never mixed."""

from __future__ import annotations

import shutil
import subprocess

import pandas as pd
import pytest

from benchmark.errors import BenchmarkError
from benchmark.report.holdout import PRINTED, holdout, write_holdout
from tests.benchmark.report.conftest import make_folder


@pytest.fixture
def folders(tmp_path):
    made = []
    for name in ("with", "without"):
        folder = make_folder(tmp_path / name, n_models=2, names=("R&D_1", "two"))
        if name == "without":  # this run scored one model more, and another AUC
            folder.summary.loc[folder.summary["metric"] == "AUC", "mean"] = 0.123
        else:
            folder.summary.loc[folder.summary["metric"] == "sAUC", "mean"] = 0.123
        made.append(folder.write())
    return made


def test_auc_is_of_the_one_and_shuffled_auc_of_the_other(folders):
    table = holdout(*folders)
    measured = table[table["source"] == "measured"].set_index("model")
    for folder, metric in zip(folders, ("AUC", "sAUC")):
        summary = pd.read_csv(folder / "summary.csv").set_index(["model", "metric"])
        for name in measured.index:
            assert measured.loc[name, metric] == summary.loc[(name, metric), "mean"]
            assert measured.loc[name, f"{metric}_low"] == summary.loc[(name, metric), "ci_low"]
    assert set(measured.index) == {"R&D_1", "two"}
    assert list(measured["AUC"]) == sorted(measured["AUC"], reverse=True)


def test_printed_values_stand_apart_with_their_source(folders, tmp_path):
    table = holdout(*folders)
    printed = table[table["source"] != "measured"]
    assert list(table["source"])[: len(table) - len(printed)] == ["measured"] * 2
    assert set(printed["model"]) == set(PRINTED)
    assert printed["source"].str.contains("1610.01563").all()
    assert printed[["AUC_low", "sAUC_high"]].isna().all(axis=None)
    files = write_holdout(*folders, tmp_path / "out")
    first = [file.read_bytes() for file in files]
    assert [file.read_bytes() for file in write_holdout(*folders, tmp_path / "out")] == first
    text = (tmp_path / "out" / "table1-holdout.md").read_text(encoding="utf-8")
    assert "| *MIT300, printed* | DeepGaze II | 0.88 | 0.77 |" in text


def test_runs_that_do_not_belong_together_are_refused(folders, tmp_path):
    other = make_folder(tmp_path / "other", n_models=1)
    other.run["dataset"]["title"] = "Another set"
    with pytest.raises(BenchmarkError, match="two runs on"):
        holdout(folders[0], other.write())
    strangers = make_folder(tmp_path / "strangers", n_models=1, names=("unheard-of",)).write()
    with pytest.raises(BenchmarkError, match="no model in common"):
        holdout(folders[0], strangers)
    summary = pd.read_csv(folders[1] / "summary.csv")
    summary[summary["metric"] != "sAUC"].to_csv(folders[1] / "summary.csv", index=False)
    with pytest.raises(BenchmarkError, match="no scores of sAUC"):
        holdout(*folders)


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="pdflatex is not installed")
def test_the_latex_compiles(folders, tmp_path):
    write_holdout(*folders, tmp_path)
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "table1-holdout.tex"],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Overfull" not in done.stdout
