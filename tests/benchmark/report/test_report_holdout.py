"""Table 1: measured values beside printed ones, never mixed."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

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
            folder.run["protocol"]["maps"] = "naive"
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
    other.run["protocol"]["maps"] = "naive"
    with pytest.raises(BenchmarkError, match="two runs on"):
        holdout(folders[0], other.write())
    strangers = make_folder(tmp_path / "strangers", n_models=1, names=("unheard-of",))
    strangers.run["protocol"]["maps"] = "naive"
    with pytest.raises(BenchmarkError, match="no model in common"):
        holdout(folders[0], strangers.write())
    summary = pd.read_csv(folders[1] / "summary.csv")
    summary[summary["metric"] != "sAUC"].to_csv(folders[1] / "summary.csv", index=False)
    with pytest.raises(BenchmarkError, match="no scores of sAUC"):
        holdout(*folders)


@pytest.mark.parametrize(
    ("which", "change", "words"),
    [
        (0, {"complete": False}, "with/run.json says that the run is incomplete"),
        (1, {"complete": False}, "without/run.json says that the run is incomplete"),
        (1, {"dataset": {"n_images": 2}}, "has 60 images, .*without/run.json has 2 images"),
        (1, {"dataset": {"content_hash": "other"}}, "content hash 0123.* content hash other"),
        (0, {"protocol": {"maps": "naive"}}, "with/run.json says maps: naive, expected right"),
        (1, {"protocol": {"maps": "right"}}, "without/run.json says maps: right, expected naive"),
    ],
)
def test_runs_that_must_not_be_ranked_are_refused(folders, which, change, words):
    edit(folders[which], **change)
    with pytest.raises(BenchmarkError, match=words):
        holdout(*folders)


def test_swapped_runs_are_refused(folders):
    with pytest.raises(BenchmarkError, match=r"expected right.*centre bias first.*second"):
        holdout(*reversed(folders))


@pytest.mark.parametrize("which", [0, 1])
def test_contaminated_models_come_last_and_the_dagger_is_explained(folders, tmp_path, which):
    best = holdout(*folders)["model"][0]
    write_holdout(*folders, tmp_path)
    assert "†" not in (tmp_path / "table1-holdout.md").read_text(encoding="utf-8")
    edit(folders[which], models={best: {"contaminated": True}})
    assert holdout(*folders)["model"][1] == f"{best}†"
    write_holdout(*folders, tmp_path)
    assert "† Trained on" in (tmp_path / "table1-holdout.md").read_text(encoding="utf-8")
    assert r"$^\dagger$ Trained on" in (tmp_path / "table1-holdout.tex").read_text(encoding="utf-8")


def test_the_published_table_is_that_of_the_published_runs(tmp_path):
    published = Path(__file__).parents[3] / "results"
    runs = (published / "eight-bit" / f"{name}-centre-bias" for name in ("with", "without"))
    for file in write_holdout(*runs, tmp_path):
        assert file.read_bytes() == (published / "mit1003" / "paper" / file.name).read_bytes()


def edit(folder, **changes):
    """Change keys of a folder's run.json, in objects down to two levels."""
    run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    for key, change in changes.items():
        if not isinstance(change, dict):
            run[key] = change
            continue
        for name, value in change.items():
            if isinstance(value, dict):
                run[key][name].update(value)
            else:
                run[key][name] = value
    (folder / "run.json").write_text(json.dumps(run), encoding="utf-8")


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="pdflatex is not installed")
@pytest.mark.parametrize("title", ["two", "[a] & <b>", "*star", "Δ"])
def test_the_latex_compiles(folders, tmp_path, title):
    for folder in folders:
        edit(folder, models={"two": {"title": title}, "R&D_1": {"contaminated": True}})
    write_holdout(*folders, tmp_path)
    text = (tmp_path / "table1-holdout.tex").read_text(encoding="utf-8")
    assert not re.search(r"^\s*[\[*]", text, re.M)
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "table1-holdout.tex"],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Overfull" not in done.stdout
