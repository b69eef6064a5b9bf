"""Runs from start to end: resumed ones equal uninterrupted ones, and nothing computed is lost."""

from __future__ import annotations

import csv
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from benchmark import provenance, registry
from benchmark.cli import main
from benchmark.datasets.locate import load
from benchmark.datasets.simulated import simulate, true_information_gain
from benchmark.errors import BenchmarkError
from benchmark.evaluate import Evaluation
from benchmark.run import Options, _folder_name, fit_models, output_folder, run
from models.centerbias import CenterBias
from models.uniform import Uniform
from tests.benchmark.tiny import Blob, FaultyBlob, Interrupted, tiny, without_fixations

REPOSITORY = Path(__file__).resolve().parents[2]
TABLES = {"scores.csv", "summary.csv", "differences.csv", "run.json"}
#: A baseline, a ceiling, and a model whose shuffled baseline takes all its predictions.
MODELS = ("uniform", "gold", "simulated-truth")
METRICS = ("IG", "AUC", "sAUC", "CC")


def options(out, **changes):
    given = {"models": MODELS, "metrics": METRICS, "draws": 200, "kernel_size": 4.0, "out": out}
    return Options(dataset="tiny", **{**given, **changes})


def content(folder):
    """Bytes of all files of a results folder but the store."""
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file() and not file.name.startswith("scores.sqlite")
    }


def record(folder):
    return json.loads((folder / "run.json").read_text(encoding="utf-8"))


def invoke(*arguments):
    return CliRunner().invoke(main, ["run", "--draws", "200", *map(str, arguments)])


# From start to end


def own_rows():
    rng = np.random.default_rng(2)
    return [
        (f"{image}.png", subject, x, y)
        for image in "ab"
        for subject in ("amy", "bob", "cy")
        for x, y in rng.uniform((0, 0), (40, 30), (3, 2))
    ]


def test_a_folder_is_scored(make_folder, tmp_path, quick, no_figures):
    from benchmark.datasets import locate

    quick.setattr("benchmark.run.load", locate.load)
    root, out = make_folder(own_rows()), tmp_path / "out"
    names = ("IG", "AUC", "NSS")
    outcome = run(Options(dataset=str(root), metrics=names, draws=200, out=out))
    assert outcome.failures == []
    assert set(content(out)) >= TABLES | {"summary.md", "summary.tex"}

    scores = pd.read_csv(out / "scores.csv")
    dataset = locate.load(root)
    fitted = fit_models(dataset)
    assert list(dict.fromkeys(scores["model"])) == list(fitted)
    assert "simulated-truth" not in fitted  # it does not apply to measured data
    variants = registry.protocols()["tuebingen"].load()()
    evaluation = Evaluation(
        dataset, fitted, fitted["centerbias"], {n: variants[n] for n in names}, range(3)
    )
    expected = {
        (dataset.image_names[image], s.model, s.metric): (s.value, s.n_fixations)
        for image in range(3)
        for s in evaluation.score(image, list(fitted))
    }
    assert len(scores) == len(expected) == 3 * len(fitted) * 3
    for row in scores.itertuples():
        value, count = expected[row.image, row.model, row.metric]
        assert row.value == pytest.approx(value, rel=1e-9, nan_ok=True)
        assert row.n_fixations == count
    assert scores[scores["image"] == "c.png"]["value"].isna().all()  # nobody looked at it

    means = (
        scores[scores["metric"] == "IG"]
        .groupby("model")
        .apply(lambda rows: np.average(rows["value"].dropna(), weights=rows["n_fixations"][:2]))
    )
    summary = pd.read_csv(out / "summary.csv").set_index(["model", "metric"])
    assert summary.loc["gold", "IG"]["mean"] == pytest.approx(means["gold"], rel=1e-8)
    shares = summary.xs("IG", level="metric")["explained"]
    assert shares["uniform"] == pytest.approx(means["uniform"] / means["gold"], rel=1e-8)
    assert shares["gold"] == 1
    assert (summary["n_images"] == 2).all()
    assert (summary["n_fixations"] == 18).all()

    written = record(out)
    assert written["complete"] is True
    assert written["dataset"]["content_hash"] == dataset.content_hash
    assert written["dataset"]["simulated"] is False
    assert (written["dataset"]["n_images"], written["dataset"]["n_subjects"]) == (3, 3)
    assert list(written["models"]) == list(fitted)
    assert written["models"]["centerbias"]["parameters"] == fitted["centerbias"].parameters
    assert written["source"] == {"commit": "0" * 40, "dirty": False}
    assert "truth" not in written
    best = pd.read_csv(out / "differences.csv")
    ranked = {name for name, model in fitted.items() if type(model).spec.kind != "ceiling"}
    assert {"uniform", "centerbias", "deepgaze2"} <= ranked  # ceilings are not ranked
    assert set(best["model"]) == ranked


def test_simulated_photographs_are_scored_against_the_truth(tmp_path, quick, no_report):
    dataset = simulate(4, 5.0, photographs=["page", "coins"])
    quick.setattr("benchmark.run.load", lambda name, root: dataset)
    out = tmp_path / "out"
    assert run(options(out, metrics=("IG", "AUC"))).failures == []
    written = record(out)
    assert written["dataset"]["simulated"] is True
    centerbias = fit_models(dataset, ["uniform"])["centerbias"]
    gains = true_information_gain(
        dataset.extras["truth"], lambda n: centerbias.log_density(dataset.stimuli[n])
    )
    counts = np.bincount(dataset.fixations.n)
    assert written["truth"]["information_gain_image"] == pytest.approx(gains.mean(), rel=1e-9)
    expected = np.average(gains, weights=counts)
    assert written["truth"]["information_gain"] == pytest.approx(expected, rel=1e-9)
    assert set(pd.read_csv(out / "scores.csv")["image"]) == {"page.png", "coins.png"}


# Interrupted and started again


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """What a run that was never interrupted writes."""
    folder = tmp_path_factory.mktemp("uninterrupted") / "out"
    known: dict = {}

    def written(quick):
        if not known:
            run(options(folder))
            known.update(content(folder))
        return known

    return written


def test_a_resumed_run_writes_the_same_bytes(tmp_path, quick, uninterrupted):
    expected = uninterrupted(quick)
    assert set(expected) >= TABLES | {"summary.md", "summary.tex"}
    assert {name for name in expected if name.startswith("figures/")} >= {
        f"figures/{figure}.{ending}"
        for figure in ("information", "overview")
        for ending in ("pdf", "png")
    }
    out = tmp_path / "out"
    with pytest.MonkeyPatch.context() as patch:
        interrupted = Interrupted(patch, at=2)
        with pytest.raises(KeyboardInterrupt):
            run(options(out))
        assert interrupted.images == [0, 1]
        assert content(out) == {}
    with pytest.MonkeyPatch.context() as patch:
        resumed = Interrupted(patch)
        run(options(out))
        assert resumed.images == [2, 3]
    assert content(out) == expected


@pytest.mark.parametrize("backend", ["loky", "threading", "dask"])
def test_all_backends_write_the_same_bytes(backend, tmp_path, quick, uninterrupted, monkeypatch):
    expected = uninterrupted(quick)
    monkeypatch.setattr("benchmark.report.writer.write_figures", lambda results, folder: [])
    out = tmp_path / "out"
    run(options(out, jobs=2, backend=backend))
    written = content(out)
    assert set(written) == TABLES | {"summary.md", "summary.tex"}
    assert written == {name: expected[name] for name in written}


def test_nothing_is_computed_twice(tmp_path, quick, no_report):
    out = tmp_path / "out"
    run(options(out))
    before = content(out)

    def unexpected(*arguments):
        raise AssertionError("this was computed before")

    quick.setattr(Evaluation, "score", unexpected)
    quick.setattr(Evaluation, "density", unexpected)  # the mean prediction
    run(options(out))
    assert content(out) == before
    # fewer models and metrics, other intervals, fewer images: all is there
    run(options(out, models=("uniform",), metrics=("IG",), draws=300, images=2))
    assert len(pd.read_csv(out / "scores.csv")) == 2


def test_only_what_is_new_is_computed(tmp_path, quick, no_report):
    out = tmp_path / "out"
    run(options(out, models=("uniform",), metrics=("IG",), images=2))
    with pytest.MonkeyPatch.context() as patch:
        more = Interrupted(patch)
        run(options(out, models=("uniform",), metrics=("IG",)))
        assert more.images == [2, 3]
    with pytest.MonkeyPatch.context() as patch:
        calls = []
        score = Evaluation.score
        patch.setattr(
            Evaluation, "score", lambda self, i, names: calls.append(names) or score(self, i, names)
        )
        run(options(out, models=("uniform", "gold"), metrics=("IG",)))
        assert calls == [["gold"]] * 4


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"protocol": "mit2014", "kernel_size": None},
        {"maps": "naive"},
        {"kernel_size": 5.0},
    ],
    ids=str,
)
def test_a_change_of_settings_meets_no_stale_score(tmp_path, quick, no_report, change):
    out = tmp_path / "out"
    chosen = {"models": ("uniform", "gold"), "metrics": ("AUC", "CC")}
    run(options(out, **chosen))
    first = content(out)["scores.csv"]
    with pytest.MonkeyPatch.context() as patch:
        again = Interrupted(patch)
        run(options(out, **{**chosen, **change}))
        assert again.images == [0, 1, 2, 3]
    fresh = tmp_path / "fresh"
    run(options(fresh, **chosen, **change))
    assert content(out) == content(fresh)
    with pytest.MonkeyPatch.context() as patch:
        back = Interrupted(patch)
        run(options(out, **chosen))
        assert back.images == []  # the first scores are still there
    assert content(out)["scores.csv"] == first


def test_a_change_of_a_model_or_the_data_meets_no_stale_score(tmp_path, quick, no_report, dataset):
    out = tmp_path / "out"
    chosen = {"models": ("uniform",), "metrics": ("AUC",)}
    counts = []
    for step in ("first", "another centre bias", "other data", "other source"):
        if step == "another centre bias":  # every score is relative to it
            quick.setattr(CenterBias, "fit", classmethod(lambda kind, data: kind(data, 0.2, 0.05)))
        if step == "other data":
            quick.setattr("benchmark.run.load", lambda *_: dataset.subset([0, 1, 2], dataset.name))
        if step == "other source":
            quick.setattr(provenance, "source_hash", lambda *packages: "changed")
        with pytest.MonkeyPatch.context() as patch:
            calls = Interrupted(patch)
            run(options(out, **chosen))
            counts.append(len(calls.images))
    assert counts == [4, 4, 3, 3]


def with_models(monkeypatch, **added):
    """Runs score these models, too, after the centre bias."""

    def fitted(dataset, names=(), say=None, phases=None):
        return {**fit_models(dataset, ["centerbias"]), **added}

    monkeypatch.setattr("benchmark.run.fit_models", fitted)


def raise_error(log_density):
    raise RuntimeError("out of memory")


def test_a_mean_prediction_without_a_failed_image_is_not_that_with_it(tmp_path, quick, no_report):
    """Shuffled AUC on other images depends on the failed prediction, too."""
    everything = {"models": (), "metrics": ("AUC", "sAUC")}
    with_models(quick, blob=FaultyBlob(raise_error))
    out, fresh = tmp_path / "out", tmp_path / "fresh"
    assert len(run(options(out, **everything)).failures) == 1
    incomplete = content(out)["scores.csv"]
    with_models(quick, blob=FaultyBlob(lambda log_density: log_density))  # now there is memory
    assert run(options(out, **everything)).failures == []
    run(options(fresh, **everything))
    assert content(out) == content(fresh)
    assert content(out)["scores.csv"] != incomplete


def test_failures_of_one_model_do_not_spoil_anothers_mean_prediction(tmp_path, quick, no_report):
    everything = {"models": (), "metrics": ("sAUC",)}
    scores = {}
    for name, models in {
        "alone": {"blob": Blob()},
        "after": {"bad": FaultyBlob(raise_error, image=None), "blob": Blob()},
    }.items():
        with_models(quick, **models)
        run(options(tmp_path / name, **everything))
        frame = pd.read_csv(tmp_path / name / "scores.csv")
        scores[name] = frame[frame["model"] == "blob"]["value"].tolist()
    assert scores["alone"] == scores["after"]
    assert len(scores["alone"]) == 4


KILLED = """
import os, signal
from benchmark.cli import main
from benchmark.evaluate import Evaluation

score, done = Evaluation.score, []

def killed(self, image, names):
    if len(done) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    done.append(image)
    return score(self, image, names)

Evaluation.score = killed
main()
"""


def test_a_killed_run_goes_on(tmp_path, monkeypatch, no_figures):
    arguments = [
        "run", "--images", "4", "--draws", "200", "--models", "uniform,simulated-truth",
        "--metrics", "IG,sAUC", "--out", "out",
    ]  # fmt: skip
    for name in ("killed", "uninterrupted"):
        (tmp_path / name).mkdir()
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        [sys.executable, "-c", KILLED, *arguments],
        cwd=tmp_path / "killed", env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done.stderr
    monkeypatch.setattr(sys, "argv", ["benchmark", *arguments])
    monkeypatch.setattr(provenance, "commit", lambda: {"commit": None, "dirty": None})
    fit, known = CenterBias.fit, {}  # the second fit of this process would be the same

    def fit_once(data):
        if not known:
            known["fit"] = fit(data)
        return known["fit"]

    monkeypatch.setattr(CenterBias, "fit", staticmethod(fit_once))
    written, images = {}, {}
    for name in ("killed", "uninterrupted"):
        monkeypatch.chdir(tmp_path / name)
        with pytest.MonkeyPatch.context() as patch:
            counter = Interrupted(patch)
            result = CliRunner().invoke(main, arguments)
            assert result.exit_code == 0, result.output
            images[name] = counter.images
        written[name] = content(tmp_path / name / "out")
    assert images == {"killed": [2, 3], "uninterrupted": [0, 1, 2, 3]}
    assert written["killed"] == written["uninterrupted"]
    assert set(written["killed"]) > TABLES
    # and what is simulated says so
    assert b"simulated observers" in written["killed"]["summary.md"]
    assert b"simulated observers" in written["killed"]["summary.tex"]


# Where results go


@pytest.mark.parametrize(
    ("changes", "folder"),
    [
        ({}, "tiny"),
        ({"jobs": 2}, "tiny"),
        ({"seed": 1, "draws": 100, "kernel_size": 30.0}, "tiny-kernel30-seed1-draws100"),
        ({"images": 10}, "tiny-first10"),
        ({"models": ("uniform",)}, "tiny-selection"),
        ({"metrics": ("IG",)}, "tiny-selection"),
        ({"images": 3, "metrics": ("IG",)}, "tiny-first3-selection"),
        ({"protocol": "mit2014"}, "tiny-mit2014"),
        ({"maps": "naive"}, "tiny-naive"),
        ({"protocol": "mit2014", "maps": "naive", "images": 3}, "tiny-mit2014-naive-first3"),
    ],
    ids=str,
)
def test_a_run_of_another_scope_has_a_folder_of_its_own(changes, folder):
    assert output_folder(Options(**changes), "tiny") == Path("results") / folder
    assert output_folder(Options(**changes, out=Path("x")), "tiny") == Path("x")


def test_a_folder_called_like_a_registered_data_set_has_another_name(make_folder):
    own = load(str(make_folder(name="photographs")))
    assert own.name == "photographs"
    assert _folder_name(own) == "photographs-folder"
    assert _folder_name(load("photographs")) == "photographs"


def test_a_partial_run_leaves_full_results_alone(tmp_path, quick, no_report):
    quick.chdir(tmp_path)
    full = {"models": (), "metrics": (), "out": None}
    folder = run(options(**full)).folder
    assert folder == Path("results/scenes-kernel4-draws200")
    before = content(folder)
    for change in ({"images": 2}, {"models": ("uniform",)}, {"metrics": ("IG",)}):
        assert run(options(**{**full, **change})).folder != folder
        assert content(folder) == before


# Incomplete


def test_an_incomplete_run_says_so_and_ranks_nobody(tmp_path, quick, no_figures):
    with_models(quick, blob=Blob(), faulty=FaultyBlob(raise_error))
    out = tmp_path / "out"
    result = invoke("--metrics", "IG,AUC", "--out", out)
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert "faulty, image 1: RuntimeError: out of memory" in result.output
    assert "1 predictions could not be scored" in result.output
    assert str(out / "run.json") in result.output.replace("\n", "")
    written = record(out)
    assert written["complete"] is False
    assert written["failures"] == [
        {"model": "faulty", "image": "scene-00001", "reason": "RuntimeError: out of memory"}
    ]
    scores = pd.read_csv(out / "scores.csv")
    assert Counter(scores["model"]) == {"centerbias": 8, "blob": 8, "faulty": 6}
    summary = pd.read_csv(out / "summary.csv").set_index(["model", "metric"])
    assert summary.loc["faulty", "AUC"]["n_images"] == 3
    assert summary.loc["blob", "AUC"]["n_images"] == 4
    with (out / "differences.csv").open(newline="") as file:
        assert len(list(csv.reader(file))) == 1  # the header
    text = (out / "summary.md").read_text(encoding="utf-8")
    assert "incomplete run, not ranked" in text
    assert not [line for line in text.splitlines() if line.startswith("| ") and "**" in line]


def test_where_nothing_can_be_scored_nothing_is_overwritten(tmp_path, quick, no_report):
    out = tmp_path / "out"
    with_models(quick, blob=Blob())
    run(options(out, models=()))
    before = content(out)
    quick.setattr(CenterBias, "log_density", lambda self, stimulus: np.zeros((3, 3)))
    quick.setattr("benchmark.run.fit_models", lambda *_: {"centerbias": bad_centerbias()})
    with pytest.raises(BenchmarkError, match=r"no model could be scored\. centerbias: .*shape"):
        run(options(out, models=(), metrics=("AUC",)))
    assert content(out) == before


def bad_centerbias():
    model = Blob()
    model.log_density = lambda stimulus: np.zeros((3, 3))
    model.shuffled_log_density = model.log_density
    return model


def test_with_one_subject_there_are_no_ceilings(tmp_path, quick, no_report):
    quick.setattr("benchmark.run.load", lambda *_: tiny(1))
    said = []
    given = {"metrics": ("IG",), "external": ("tests.benchmark.tiny:Blob",)}
    outcome = run(options(tmp_path / "out", models=(), **given), said.append)
    assert set(outcome.summary["model"]) == {"centerbias", "uniform", "simulated-truth", "blob"}
    assert outcome.summary["explained"].isna().all()
    reason = "the gold standard needs two subjects on an image"
    for name in ("gold", "gold-insample"):
        assert any(text.startswith(f"without {name}: {reason}") for text in said)
    with pytest.raises(BenchmarkError, match=f"gold: {reason}"):
        run(options(tmp_path / "named", models=("gold",), metrics=("IG",)))


def test_the_protocol_with_its_own_gaussian_takes_no_other(tmp_path, quick, no_report):
    given = {"models": ("uniform",), "metrics": ("CC",), "protocol": "mit2014"}
    with pytest.raises(BenchmarkError, match=r"--kernel-size: the protocol 'mit2014' has a Gauss"):
        run(options(tmp_path / "out", **given))
    run(options(tmp_path / "out", **given, kernel_size=None))
    assert record(tmp_path / "out")["protocol"]["kernel_size"] is None


# What goes wrong outside


class FullDisk(sqlite3.Connection):
    """Fails as SQLite does on a full disk, from the third image on."""

    written = 0

    def executemany(self, *arguments):
        if self.written == 2:
            raise sqlite3.OperationalError("database or disk is full")
        self.written += 1
        return super().executemany(*arguments)


def test_a_full_disk_stops_the_run_and_loses_nothing(tmp_path, quick, no_report):
    out, fresh = tmp_path / "out", tmp_path / "fresh"
    connect = sqlite3.connect
    arguments = ("--models", ",".join(MODELS), "--metrics", "IG,sAUC", "--out")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            sqlite3, "connect", lambda *args, **kw: connect(*args, **kw, factory=FullDisk)
        )
        result = invoke(*arguments, out)
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert f"cannot use the score store {out / 'scores.sqlite'}: database or disk is full" in (
        result.output
    )
    assert "run the same command again" in result.output
    assert content(out) == {}
    chosen = {"metrics": ("IG", "sAUC")}
    with pytest.MonkeyPatch.context() as patch:
        resumed = Interrupted(patch)
        run(options(out, **chosen, kernel_size=None))
        assert resumed.images == [2, 3]
    run(options(fresh, **chosen, kernel_size=None))
    assert content(out) == content(fresh)


def test_an_error_ends_the_workers_at_once(tmp_path, quick, no_report):
    """Left to the garbage collector, they would end with tracebacks while Python exits."""
    from benchmark import run as module

    ended = []

    def noted(function, items, workers, shared):
        try:
            for index, item in enumerate(items):
                yield index, function(shared, item)
        finally:
            ended.append(len(items))

    connect = sqlite3.connect
    quick.setattr(module, "unordered_map", noted)
    quick.setattr(sqlite3, "connect", lambda *args, **kw: connect(*args, **kw, factory=FullDisk))
    with pytest.raises(BenchmarkError) as caught:
        run(options(tmp_path / "out", models=("uniform",)))
    assert caught.tb is not None  # it keeps everything alive that is not closed
    assert ended == [4]


def test_results_in_any_order_give_the_same_bytes(tmp_path, quick, no_report, dataset):
    """Whichever worker is the fastest; sums have their order, and so have failures."""
    from benchmark import run as module

    def odd(self, stimulus):
        if stimulus.index in (1, 3):
            raise ValueError(f"odd image {stimulus.index}")
        return log_density(self, stimulus)

    def backwards(function, items, workers, shared):
        for index in reversed(range(len(items))):
            given.append(index)
            yield index, function(shared, items[index])

    given: list[int] = []
    log_density = Uniform.log_density
    quick.setattr(module, "BLOCK", 2)
    quick.setattr(Uniform, "log_density", odd)
    expected = run(options(tmp_path / "expected"))
    assert [failure.image for failure in expected.failures] == [1, 3]
    quick.setattr(module, "unordered_map", backwards)
    assert run(options(tmp_path / "out")).failures == expected.failures
    assert content(tmp_path / "out") == content(tmp_path / "expected")
    assert given == [1, 0, 3, 2, 1, 0]


def test_a_score_is_stored_before_slower_ones_are_there(tmp_path, quick, no_report):
    """A run that is killed while it waits for the slowest image keeps all others."""
    from benchmark import run as module

    def without_the_first(function, items, workers, shared):
        for index in range(1, len(items)):
            yield index, function(shared, items[index])
        raise KeyboardInterrupt

    out = tmp_path / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "unordered_map", without_the_first)
        with pytest.raises(KeyboardInterrupt):
            run(options(out, models=("uniform",)))
    with pytest.MonkeyPatch.context() as patch:
        resumed = Interrupted(patch)
        run(options(out, models=("uniform",)))
        assert resumed.images == [0]


def test_a_full_disk_while_writing_tables_loses_no_score(tmp_path, quick, no_report):
    out = tmp_path / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "replace", raise_full)
        with pytest.raises(BenchmarkError, match=r"scores\.csv cannot be written: No space left"):
            run(options(out))
    assert content(out) == {}
    with pytest.MonkeyPatch.context() as patch:
        again = Interrupted(patch)
        run(options(out))
        assert again.images == []
    assert set(content(out)) == TABLES


def raise_full(*arguments):
    raise OSError(28, "No space left on device")


def test_a_folder_that_cannot_be_written_is_found_before_anything_is_fitted(tmp_path, quick):
    def unexpected(*arguments):
        raise AssertionError("the folder was to be tried first")

    quick.setattr("benchmark.run.fit_models", unexpected)
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    result = invoke("--out", tmp_path / "file" / "out")
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert str(tmp_path / "file" / "out") in result.output
    assert "choose another folder with --out" in result.output
    assert (tmp_path / "file").read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize("damage", [lambda c: b"not a database " * 99, lambda c: c[: len(c) // 2]])
def test_a_damaged_store_is_told_and_results_are_the_same(tmp_path, quick, no_report, damage):
    out = tmp_path / "out"
    run(options(out))
    before = content(out)
    store = out / "scores.sqlite"
    damaged = damage(store.read_bytes())
    store.write_bytes(damaged)
    said = []
    assert run(options(out), said.append).failures == []
    assert any(str(store) in each and "was damaged" in each for each in said)
    assert store.with_name("scores.sqlite.damaged").read_bytes() == damaged
    assert content(out) == before


# Options that cannot be used


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"metrics": ("AUC_Borji",)}, "the protocol 'tuebingen' does not define 'AUC_Borji'"),
        ({"images": 0}, "--images must be at least 1, not 0"),
        ({"jobs": 0}, "--jobs must be a number of processes"),
        ({"models": ("nobody",)}, "unknown model 'nobody'"),
        ({"subset": "11x12"}, r"no image is 11x12; there are 40x30 \(2\)"),
    ],
    ids=str,
)
def test_options_that_cannot_be_used(tmp_path, quick, changes, message):
    with pytest.raises(BenchmarkError, match=message):
        run(options(tmp_path / "out", **changes))
    assert not (tmp_path / "out").exists()


def test_a_model_that_does_not_apply_says_what_it_needs(tmp_path, quick, dataset):
    from dataclasses import replace

    measured = replace(dataset, extras={})
    quick.setattr("benchmark.run.load", lambda name, root: measured)
    with pytest.raises(BenchmarkError, match=r"'simulated-truth' needs 'truth'.*'scenes'"):
        run(options(tmp_path / "out"))


def test_a_model_named_twice_is_scored_once(tmp_path, quick, no_report):
    out = tmp_path / "out"
    run(options(out, models=("uniform", "uniform"), metrics=("IG", "IG")))
    assert len(pd.read_csv(out / "scores.csv")) == 4


def test_images_without_any_fixation_cannot_be_scored(tmp_path, quick, dataset):
    bare = dataset
    for image in range(4):
        bare = without_fixations(bare, image)
    quick.setattr("benchmark.run.load", lambda name, root: bare)
    with pytest.raises(BenchmarkError, match="scenes: there is no fixation"):
        run(options(tmp_path / "out"))


def test_a_damaged_image_is_named(make_folder, tmp_path, truncate):
    root = make_folder(own_rows())
    truncate(root / "images" / "b.png")
    result = invoke("--dataset", root, "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert f"{root / 'images' / 'b.png'}: cannot be read as an image" in result.output
