"""Reading a results folder: display order, exact values, errors that name the file."""

from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest

from benchmark.errors import BenchmarkError, UnknownNameError
from benchmark.report.results import Results


def names(results: Results) -> list[str]:
    return [model.name for model in results.models]


def test_models_come_baselines_then_by_information_gain_then_ceilings(make):
    folder = make(n_models=4, simulated=True)
    gains = folder.summary.query("metric == 'IG'").set_index("model")["mean"]
    ascending = sorted((n for n, kind in folder.kinds.items() if kind == "model"), key=gains.get)
    results = Results.read(folder.write())
    ceilings = ["gold", "gold-insample", "simulated-truth"]
    # the folder lists ceilings first, and the centre bias before the uniform model
    assert next(iter(folder.run["models"])) == "gold"
    assert list(folder.run["models"])[-2:] == ["centerbias", "uniform"]
    assert names(results) == ["uniform", "centerbias", *ascending, *ceilings]
    assert ascending != sorted(ascending)  # the order is not that of the names by accident


def test_undefined_information_gain_sorts_before_the_models_it_is_defined_for(make):
    folder = make(n_models=4)
    best = names(Results.read(folder.write()))[5]
    folder.summary.loc[folder.summary["model"] == best, "mean"] = np.nan
    assert names(Results.read(folder.write()))[2] == best


def test_an_incomplete_run_keeps_the_given_order_within_kinds(make):
    results = Results.read(make(n_models=4, complete=False).write())
    given = [f"model-{i}" for i in range(4)]
    assert names(results) == ["centerbias", "uniform", *given, "gold", "gold-insample"]


def test_values_are_those_of_the_file_to_the_last_bit(make):
    folder = make(n_models=3)
    results = Results.read(folder.write())
    rows = folder.summary.to_dict("records")
    assert len(rows) == 7 * 10  # models x (metrics + second averages)
    for row in rows:
        found = results.estimate(row["model"], row["metric"])
        expected = (row["mean"], row["ci_low"], row["ci_high"])
        np.testing.assert_array_equal(found, expected)
    assert results.explained("gold").value == 1.0
    assert (
        results.n_fixations
        == folder.scores.query("model == 'gold' and metric == 'IG'")["n_fixations"].sum()
    )


def test_per_image_scores_are_paired_by_image(make):
    folder = make(n_models=2)
    table = Results.read(folder.write()).per_image("IG")
    raw = folder.scores.query("metric == 'IG' and model == 'model-1'").set_index("image")["value"]
    pd.testing.assert_series_equal(table["model-1"], raw, check_names=False)


def test_names_are_taken_literally(make):
    results = Results.read(make(n_models=2, names=("NA", "007")).write())
    assert {"NA", "007"} <= set(names(results))
    assert results.estimate("NA", "AUC").defined
    assert "0000" in results.per_image("AUC").index


def test_models_of_one_title_stay_distinct(make):
    folder = make(n_models=2)
    for name in ("model-0", "model-1"):
        folder.run["models"][name]["title"] = "Same"
    titles = {model.title for model in Results.read(folder.write()).models}
    assert {"Same (model-0)", "Same (model-1)"} <= titles


def test_second_averages_are_shown_only_when_asked_for(make):
    results = Results.read(make().write())
    shown = [metric.name for metric in results.choose(None)]
    assert shown == ["IG", "LL", "AUC", "sAUC", "NSS", "CC", "KL", "SIM"]
    (metric,) = results.choose(["IG_image"])
    assert (metric.label, metric.per, metric.unit) == (
        "IG per image",
        "image",
        "bits per fixation",
    )


def test_an_unknown_metric_lists_the_known_and_suggests_the_nearest(make):
    results = Results.read(make().write())
    with pytest.raises(UnknownNameError, match=r"'NSSS'.*Did you mean 'NSS'.*sAUC"):
        results.choose(["NSSS"])


def test_images_without_a_score_are_counted(make):
    folder = make(n_models=2)
    rows = (folder.summary["model"] == "model-0") & (folder.summary["metric"] == "CC")
    folder.summary.loc[rows, "n_images"] = 57
    results = Results.read(folder.write())
    assert results.undefined_images("CC") == 3  # the gold standard has none at all: not counted
    assert results.undefined_images("AUC") == 0


@pytest.mark.parametrize("name", ["run.json", "scores.csv", "summary.csv", "differences.csv"])
def test_a_missing_file_is_named_with_the_remedy(make, name):
    path = make().write()
    (path / name).unlink()
    with pytest.raises(BenchmarkError, match=rf"{name} is missing.*benchmark run"):
        Results.read(path)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(BenchmarkError, match=r"nowhere is not a folder"):
        Results.read(tmp_path / "nowhere")


@pytest.mark.parametrize(
    "keys",
    [
        ("complete",),
        ("dataset",),
        ("dataset", "simulated"),
        ("protocol", "kernel_size"),
        ("models", "gold", "kind"),
        ("metrics", "IG"),
        ("metrics", "AUC", "higher_is_better"),
    ],
)
def test_a_missing_key_is_named_in_full(make, keys):
    folder = make()
    section = folder.run
    for key in keys[:-1]:
        section = section[key]
    del section[keys[-1]]
    with pytest.raises(BenchmarkError, match=rf"run\.json lacks the key '{'.'.join(keys)}'"):
        Results.read(folder.write())


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        (("complete",), "no"),
        (("dataset", "n_images"), True),
        (("dataset", "n_images"), "60"),
        (("metrics", "IG", "chance"), "0"),
        (("models", "gold", "kind"), "celling"),
        (("models", "gold"), "Gold"),
    ],
)
def test_a_malformed_value_is_named(make, keys, value):
    folder = make()
    section = folder.run
    for key in keys[:-1]:
        section = section[key]
    section[keys[-1]] = value
    with pytest.raises(BenchmarkError, match=rf"run\.json.*'{'.'.join(keys)}'.*{value}"):
        Results.read(folder.write())


@pytest.mark.parametrize("content", ["{", "[]", ""])
def test_a_broken_run_json_is_named(make, content):
    path = make().write()
    (path / "run.json").write_text(content)
    with pytest.raises(BenchmarkError, match=r"run\.json.*JSON"):
        Results.read(path)


def test_a_missing_column_is_named(make):
    folder = make()
    folder.summary = folder.summary.drop(columns=["ci_low", "explained"])
    with pytest.raises(BenchmarkError, match=r"summary\.csv lacks.*ci_low, explained"):
        Results.read(folder.write())


def test_text_for_a_number_is_an_error(make):
    folder = make()
    folder.scores["value"] = folder.scores["value"].astype(object)
    folder.scores.iloc[3, folder.scores.columns.get_loc("value")] = "good"
    with pytest.raises(
        BenchmarkError, match=r"scores\.csv, line 5: value is 'good', expected a number"
    ):
        Results.read(folder.write())


@pytest.mark.parametrize("name", ["summary", "differences", "scores"])
@pytest.mark.parametrize("column", ["dataset", "protocol"])
def test_rows_of_another_run_are_an_error(make, name, column):
    folder = make()
    frame = getattr(folder, name)
    frame[column] = frame[column].where(frame["model"] != "uniform", "other")
    with pytest.raises(BenchmarkError, match=rf"{name}\.csv has rows of the {column} 'other'"):
        Results.read(folder.write())


def test_an_undescribed_model_is_an_error(make):
    folder = make()
    del folder.run["models"]["model-2"]
    with pytest.raises(BenchmarkError, match=r"run\.json does not describe.*model-2"):
        Results.read(folder.write())


def test_two_rows_of_one_model_and_metric_are_an_error(make):
    folder = make()
    folder.summary = pd.concat([folder.summary, folder.summary.iloc[:1]])
    with pytest.raises(BenchmarkError, match="several rows"):
        Results.read(folder.write())


def test_a_summary_without_scores_is_an_error(make):
    folder = make()
    folder.summary = folder.summary.iloc[:0]
    with pytest.raises(BenchmarkError, match="holds no scores"):
        Results.read(folder.write())


def test_a_model_that_is_not_scored_yet_is_undefined_everywhere(make):
    folder = make(n_models=2, complete=False)
    folder.summary = folder.summary[folder.summary["model"] != "model-1"]
    results = Results.read(folder.write())
    assert "model-1" in names(results)
    assert math.isnan(results.estimate("model-1", "IG").value)


def test_run_json_may_say_more_than_reports_need(make):
    folder = make()
    folder.run["versions"] = {"numpy": "2"}
    path = folder.write()
    assert json.loads((path / "run.json").read_text())["versions"]
    assert Results.read(path).dataset.name == "toy"
