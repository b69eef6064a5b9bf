"""Images are chosen by what the scores say of them."""

from __future__ import annotations

import pandas as pd
import pytest

from benchmark.errors import BenchmarkError
from benchmark.report.examples import choices, contrasted_model, leading_model
from benchmark.report.results import Results
from tests.benchmark.report.conftest import make_folder

GAINS = {  # gold, one, two
    "a": (2.0, 1.8, 0.2),
    "b": (1.0, 0.1, 0.9),
    "c": (1.0, 0.5, 0.4),
    "d": (0.01, 0.5, 0.5),  # next to nothing can be explained here
    "e": (1.0, 0.95, 0.9),
}


@pytest.fixture
def results(tmp_path):
    folder = make_folder(tmp_path / "results", n_models=2, names=("one", "two"), n_images=5)
    names = sorted(folder.scores["image"].unique())
    scores = folder.scores.set_index(["model", "metric", "image"])
    for name, values in zip(names, GAINS.values()):
        for model, value in zip(("gold", "one", "two"), values):
            scores.loc[(model, "IG", name), "value"] = value
    folder.scores = scores.reset_index()
    return Results.read(folder.write())


def letters(results, choice):
    names = sorted(results.scores["image"].unique())
    return "".join("abcde"[names.index(image)] for image in choice.images)


def test_the_paper_s_four_figures(results):
    found = {choice.name: choice for choice in choices(results, "one", "two", 2)}
    assert {name: letters(results, choice) for name, choice in found.items()} == {
        "fig5-best-explained": "ea",
        "fig6-worst-explained": "bc",
        "fig8-gains-most": "ac",
        "fig9-loses-most": "bd",
    }
    assert all(choice.models == ("gold", "one", "two") for choice in found.values())


def test_without_a_second_model_or_gold_standard_there_are_fewer(results):
    names = [choice.name for choice in choices(results, "one", None, 1)]
    assert names == ["fig5-best-explained", "fig6-worst-explained"]
    object.__setattr__(results, "scores", results.scores[results.scores["model"] != "gold"])
    names = [choice.name for choice in choices(results, "one", "two", 1)]
    assert names == ["fig8-gains-most", "fig9-loses-most"]


def test_a_gold_standard_that_gains_nothing_chooses_no_images(results):
    results.summary.loc[results.summary["model"] == "one", "explained"] = float("nan")
    names = [choice.name for choice in choices(results, "one", "two", 1)]
    assert names == ["fig8-gains-most", "fig9-loses-most"]


def test_deepgaze_leads_where_it_was_scored(tmp_path):
    names = ("deepgaze2", "icf", "deepgaze1", "best")
    results = Results.read(make_folder(tmp_path / "r", n_models=4, names=names).write())
    assert leading_model(results) == "deepgaze2"
    assert leading_model(results, "icf") == "icf"
    assert contrasted_model(results, "deepgaze2") == "deepgaze1"
    assert contrasted_model(results, "deepgaze1") == "icf"
    assert contrasted_model(results, "deepgaze2", "best") == "best"
    with pytest.raises(BenchmarkError, match="no scores of a model 'gold'"):
        leading_model(results, "gold")


def test_else_the_best_one_leads(results):
    last = [model.name for model in results.models if model.kind == "model"][-1]
    assert leading_model(results) == last
    baselines = pd.Series(["uniform", "centerbias", "gold"])
    kept = tuple(model for model in results.models if model.name in set(baselines))
    object.__setattr__(results, "models", kept)
    with pytest.raises(BenchmarkError, match="baselines and ceilings only"):
        leading_model(results)


def test_without_information_gain_the_metric_is_named(results):
    object.__setattr__(results, "scores", results.scores[results.scores["metric"] != "IG"])
    with pytest.raises(BenchmarkError, match=r"no information gain .* run with the metric IG"):
        choices(results, "one", "two", 1)


def test_figures_without_an_image_are_left_out(results):
    gold = (results.scores["model"] == "gold") & (results.scores["metric"] == "IG")
    results.scores.loc[gold, "value"] = float("nan")  # as of one subject
    found = choices(results, "one", "two", 1)
    assert [choice.name for choice in found] == ["fig8-gains-most", "fig9-loses-most"]
    assert all(choice.images and choice.models == ("one", "two") for choice in found)


def test_a_model_is_not_compared_with_itself(results):
    names = [choice.name for choice in choices(results, "one", "one", 1)]
    assert names == ["fig5-best-explained", "fig6-worst-explained"]
