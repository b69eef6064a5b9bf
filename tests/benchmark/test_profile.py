"""--profile: every second counted once, by model and metric, and the same scores."""

from __future__ import annotations

import time

import pandas as pd
import pytest

from benchmark import registry
from benchmark.clock import Clock
from benchmark.datasets import base, look_alikes
from benchmark.datasets.base import training_data
from benchmark.evaluate import Evaluation
from benchmark.profiled import Profiled, taken
from benchmark.report.profile import SCORING, overhead, overhead_in_words, profile
from benchmark.run import run
from models.centerbias import CenterBias
from tests.benchmark.test_run import content, options
from tests.benchmark.tiny import Blob


def test_time_within_something_else_is_counted_once():
    clock = Clock()
    with clock.running("outer"):
        time.sleep(0.05)
        with clock.running("inner"):
            time.sleep(0.1)
        time.sleep(0.05)
    assert clock.seconds["inner"] == pytest.approx(0.1, abs=0.05)
    assert clock.seconds["outer"] == pytest.approx(0.1, abs=0.05)
    assert clock.calls == {"outer": 1, "inner": 1}


def test_an_error_stops_the_clock():
    clock = Clock()
    with pytest.raises(KeyError), clock.running("outer"), clock.running("inner"):
        raise KeyError
    seconds = dict(clock.seconds)
    time.sleep(0.02)
    with clock.running("later"):
        pass
    assert {name: clock.seconds[name] for name in seconds} == seconds


def test_clocks_add_up():
    one, two = Clock(), Clock()
    for clock, label in ((one, "a"), (two, "a"), (two, "b")):
        clock.seconds[label] += 1.5
        clock.calls[label] += 2
    one.add(two)
    assert (dict(one.seconds), dict(one.calls)) == ({"a": 3.0, "b": 1.5}, {"a": 4, "b": 2})


def test_overhead_is_what_is_neither_models_nor_metrics():
    phases, work = Clock(), Clock()
    phases.seconds[SCORING] = 6.0
    for label, seconds in {"model a": 5.0, "metric AUC": 3.0, "the loop itself": 1.0}.items():
        work.seconds[label], work.calls[label] = seconds, 1
    table = profile(phases, work, 2)
    assert overhead(table) == pytest.approx((1.0 + 3.0) / 8.0)  # 2 x 6 s, 9 of them at work
    assert table.groupby("kind")["share"].sum().tolist() == pytest.approx([1.0, 1.0])
    assert "50.0 %" in overhead_in_words(table)


class Slow(Blob):
    def log_density(self, stimulus):
        time.sleep(0.02)
        return super().log_density(stimulus)


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_profile_names_models_and_metrics_and_changes_no_score(
    jobs, tmp_path, quick, no_report, capsys
):
    told = []
    run(options(tmp_path / "plain"))
    run(options(tmp_path / "profiled", profile=True, jobs=jobs), told.append)
    first, second = content(tmp_path / "plain"), content(tmp_path / "profiled")
    table = pd.read_csv(tmp_path / "profiled" / "profile.csv")
    assert {"scores.csv", "summary.csv"} <= set(first)
    assert first["scores.csv"] == second["scores.csv"]
    assert "profile.csv" not in first
    parts = set(table["part"])
    assert {"model gold", "model uniform", "metric AUC", "metric sAUC", "loading the data"} <= parts
    assert "fitting gold" in parts
    assert "scoring took" in told[-1]


def test_the_clocks_of_an_evaluation_tell_models_apart(dataset):
    centerbias = CenterBias(training_data(dataset), 0.15, 0.05)
    models = {"centerbias": centerbias, "slow": Slow(), "quick": Blob()}
    variants = {n: v for n, v in registry.protocols()["tuebingen"].load()().items() if n == "IG"}
    evaluation = Evaluation(dataset, models, centerbias, variants, range(len(dataset)))
    plain = evaluation.score(0, ["slow", "quick"])
    taken()
    assert Profiled.of(evaluation).score(0, ["slow", "quick"]) == plain
    clock = taken()
    assert clock.seconds["model slow"] >= 0.02
    assert clock.seconds["model quick"] < clock.seconds["model slow"]
    assert clock.calls["metric IG"] == 2
    assert dict(taken().seconds) == {}


def test_comparing_images_is_counted_as_such(monkeypatch, tmp_path, dataset, quick, no_report):
    compared = look_alikes.first_alike

    def slow(*arguments):
        time.sleep(0.5)
        return compared(*arguments)

    monkeypatch.setattr(base, "first_alike", slow)
    monkeypatch.delitem(vars(dataset), "groups", raising=False)  # compared in another test
    run(options(tmp_path / "out", profile=True))
    table = pd.read_csv(tmp_path / "out" / "profile.csv")
    assert table[table["part"] == "comparing images"]["seconds"].sum() >= 0.5
