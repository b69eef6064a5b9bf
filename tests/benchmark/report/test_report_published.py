"""Published scores: whole, with a source each, and found by name."""

from __future__ import annotations

import pandas as pd
import pytest
from click.testing import CliRunner

from benchmark.cli import main
from benchmark.errors import BenchmarkError, UnknownNameError
from benchmark.report import published as module
from benchmark.report.published import find, markdown, of_dataset, published, section


def test_values_that_are_known():
    assert len(published()) == 1599
    rows = find("MIT300", "DeepGaze II", "IG")
    assert rows.loc[rows["model"] == "DeepGaze II", "value"].tolist() == ["0.9247"]
    rows = find("mit1003 subset", "deepgaze ii", "ig explained")
    assert rows[["value", "unit"]].values.tolist() == [["87", "% of gold standard IG"]]
    assert rows["source"].tolist() == ["arXiv:1610.01563"]


def test_names_of_data_sets_have_a_space_before_a_bracket():
    assert not published()["dataset"].str.contains(r"[^ ]\(").any()


def test_every_score_has_a_source_and_says_how_it_was_read():
    rows = published()
    assert (rows[["dataset", "model", "metric", "value", "source"]] != "").all(axis=None)
    assert set(rows["seen"]) == {"verbatim", "secondhand"}


def test_what_nobody_published_is_an_error_that_helps():
    with pytest.raises(UnknownNameError, match=r"'nobody'.*MIT300"):
        find(model="nobody")


def test_of_our_data_sets():
    assert of_dataset("osie")["dataset"].str.startswith("OSIE").all()
    assert len(of_dataset("mit1003-1024x768")) == len(of_dataset("mit1003")) > 20
    assert of_dataset("my_experiment").empty
    assert section("my_experiment") == ""
    assert "not to be ranked" in section("mit1003")


def test_each_list_is_of_one_data_set_protocol_and_source():
    text = markdown(find("MIT1003", "DeepGaze IIE"))
    assert text.count("**") == 2
    assert "- DeepGaze IIE: IG explained 93 % of gold standard IG" in text
    assert "(second-hand)" in markdown(published()[published()["seen"] == "secondhand"])


@pytest.mark.parametrize("damage", ["twice", "no-source"])
def test_damaged_files_are_refused(tmp_path, monkeypatch, damage):
    values = pd.read_csv(module.FOLDER / "values.csv", dtype=str, keep_default_na=False)[:4]
    if damage == "twice":
        values = pd.concat([values, values[:1]])
    else:
        values.loc[0, "source"] = "99"
    values.to_csv(tmp_path / "values.csv", index=False)
    (tmp_path / "sources.csv").write_bytes((module.FOLDER / "sources.csv").read_bytes())
    monkeypatch.setattr(module, "FOLDER", tmp_path)
    with pytest.raises(BenchmarkError, match="twice" if damage == "twice" else "lacks the source"):
        published.__wrapped__()


def test_the_command():
    done = CliRunner().invoke(main, ["published", "--dataset", "MIT300", "--model", "ICF"])
    assert done.exit_code == 0
    assert "IG 0.414" in done.output
    assert CliRunner().invoke(main, ["published", "--model", "nobody"]).exit_code == 1
