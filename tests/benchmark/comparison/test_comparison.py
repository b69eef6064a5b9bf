"""Comparisons of runs and models, on synthetic results folders."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from benchmark import scores as suite
from benchmark.cli import main
from benchmark.comparison.core import CompareOptions, compare
from benchmark.comparison.provenance import changes, flattened
from benchmark.comparison.report import text
from benchmark.comparison.report import write as write_comparison
from benchmark.errors import BenchmarkError, UnknownNameError
from tests.benchmark.report.conftest import make_folder

DATASET = {"content_hash": "a" * 64}


def write(path, change=None, run=None, **options):
    """A results folder of few images; ``change`` edits its scores, ``run`` its record."""
    folder = make_folder(path, n_models=2, n_images=20, **options)
    folder.run["dataset"].update(DATASET)
    folder.run["seed"] = 0
    if run:
        run(folder.run)
    if change:
        folder.scores = change(folder.scores.copy())
    return folder.write()


def shifted(model, metric, by):
    def change(scores):
        chosen = (scores["model"] == model) & (scores["metric"] == metric)
        scores.loc[chosen, "value"] += by
        return scores

    return change


@pytest.fixture
def before(tmp_path):
    return write(tmp_path / "before")


def test_two_models_are_compared_as_the_suite_compares_them(before):
    found = compare(CompareOptions(before, models=("model-0", "model-1"), draws=400, seed=2))
    frame = pd.read_csv(before / "scores.csv", dtype={"image": str})
    higher = {m.name: m.higher_is_better for m in found.metrics}
    expected = suite.differences(frame, ["model-0", "model-1"], {**higher}, draws=400, seed=2)
    assert [m.name for m in found.metrics][:2] == ["IG", "LL"]
    assert len(found.table) == len(found.metrics) == 8
    for row in found.table.itertuples():
        one = expected[(expected["metric"] == row.metric)]
        one = one[one["model"] != one["best"]].iloc[0]
        sign = 1 if one["model"] == "model-1" else -1
        assert row.difference == pytest.approx(sign * one["difference"], abs=1e-9)
        ends = sorted((sign * one["ci_low"], sign * one["ci_high"]))
        assert [row.ci_low, row.ci_high] == pytest.approx(ends, abs=1e-9)
        assert row.mean_b - row.mean_a == pytest.approx(row.difference, abs=1e-9)
        assert row.better + row.worse + row.equal == row.n_images == 20
        assert 0 < row.p <= 1
        assert row.p_holm == row.p  # a family of one


def test_better_follows_the_metric(tmp_path, before):
    after = write(tmp_path / "after", shifted("model-0", "KL", 0.1))
    found = compare(CompareOptions(before, after, models=("model-0",), draws=100))
    row = found.table.set_index("metric").loc["KL"]
    assert row["difference"] == pytest.approx(0.1)
    assert (row["better"], row["worse"]) == (0, 20)
    assert row["p"] == pytest.approx(1 / 10_001)
    others = found.table[found.table["metric"] != "KL"]
    assert (others["equal"] == 20).all()
    assert (others["p"] == 1).all()


def test_images_that_moved_most_are_named(tmp_path, before):
    def change(scores):
        chosen = (scores["model"] == "model-1") & (scores["metric"] == "IG")
        for image, by in (("0003", -2.0), ("0011", 1.0), ("0017", 0.5)):
            scores.loc[chosen & (scores["image"] == image), "value"] += by
        return scores

    found = compare(CompareOptions(before, write(tmp_path / "after", change), draws=100))
    moved = found.moved(("model-1", "model-1"), "IG", 2)
    assert moved["image"].tolist() == ["0003", "0011"]
    assert moved["difference"].to_numpy() == pytest.approx([-2, 1])
    assert (moved["b"] - moved["a"]).to_numpy() == pytest.approx([-2, 1])
    assert len(found.moved(("model-1", "model-1"), "IG", 10)) == 3
    assert len(found.unchanged()) == len(found.pairs) - 1
    told = text(found, top=2)
    assert "0003" in told
    assert "0017" not in told
    assert "Identical on every image and metric: Uniform, Centre bias, model-0" in told


def test_rounding_is_no_difference(tmp_path, before):
    after = write(tmp_path / "after", shifted("model-0", "NSS", 1e-11))
    assert len(compare(CompareOptions(before, after)).unchanged()) == 6
    after = write(tmp_path / "more", shifted("model-0", "NSS", 1e-7))
    assert len(compare(CompareOptions(before, after)).unchanged()) == 5


def without_support(scores, images, models=("model-0",)):
    """Scores of models whose density is 0 at a fixation of these images."""
    chosen = scores["model"].isin(models) & scores["metric"].isin(["IG", "LL"])
    scores.loc[chosen & scores["image"].isin(images), "value"] = -np.inf
    return scores


@pytest.mark.parametrize("count", [1, 20])
def test_an_infinite_difference_is_no_rounding(tmp_path, count):
    images = [f"{n:04d}" for n in range(count)]
    folder = write(tmp_path / "run", lambda scores: without_support(scores, images))
    found = compare(CompareOptions(folder, models=("model-0", "model-1"), draws=100))
    row = found.table.set_index("metric").loc["IG"]
    assert (row["mean_a"], row["difference"]) == (-np.inf, np.inf)
    assert row["equal"] == 0
    assert row["better"] >= count
    assert np.isnan([row["p"], row["p_holm"], row["ci_low"], row["ci_high"]]).all()
    assert not found.unchanged()
    told = text(found)
    assert "Identical" not in told
    assert "+∞" in told
    assert "neither a p nor an interval" in told
    found = compare(CompareOptions(folder, models=("model-0", "model-1"), metrics=("IG",)))
    assert len(found.moved(("model-0", "model-1"), "IG", 30)) == 20
    files = write_comparison(found, tmp_path / "out")
    assert any(file.suffix == ".png" for file in files)
    assert pd.read_csv(tmp_path / "out" / "differences.csv")["difference"].tolist() == [np.inf]


def test_infinite_on_both_sides_is_equal(tmp_path):
    images, both = ["0003", "0004"], ("model-0", "model-1")
    folder = write(tmp_path / "run", lambda scores: without_support(scores, images, both))
    found = compare(CompareOptions(folder, models=both, metrics=("IG",), draws=100))
    row = found.table.iloc[0]
    assert (row["n_images"], row["equal"], row["better"] + row["worse"]) == (20, 2, 18)
    assert np.isfinite([row["difference"], row["p"], row["ci_low"], row["ci_high"]]).all()
    other = write(tmp_path / "other", lambda scores: without_support(scores, images, both))
    assert len(compare(CompareOptions(folder, other)).unchanged()) == 6


def test_infinite_differences_of_both_signs_have_no_mean(tmp_path):
    def change(scores):
        without_support(scores, ["0003"], ("model-0",))
        return without_support(scores, ["0004"], ("model-1",))

    folder = write(tmp_path / "run", change)
    found = compare(CompareOptions(folder, models=("model-0", "model-1"), metrics=("IG",)))
    row = found.table.iloc[0]
    assert np.isnan([row["difference"], row["p"]]).all()
    assert row["equal"] == 0
    assert "neither a p nor an interval" in text(found)
    assert write_comparison(found, tmp_path / "out")


def test_the_holm_family_is_the_models_of_a_metric(tmp_path, before):
    def change(scores):
        rng = np.random.default_rng(0)
        chosen = (scores["metric"] == "AUC") & scores["model"].isin(["model-0", "model-1"])
        scores.loc[chosen, "value"] += rng.normal(0.01, 0.02, chosen.sum())
        return scores

    found = compare(CompareOptions(before, write(tmp_path / "after", change), draws=100))
    rows = found.table[found.table["metric"] == "AUC"].set_index("model_a")
    p = rows.loc[["model-0", "model-1"], "p"].to_numpy()
    low, high = np.sort(p)
    expected = [min(1, 2 * low), max(min(1, 2 * low), high)]
    corrected = np.sort(rows.loc[["model-0", "model-1"], "p_holm"])
    assert corrected == pytest.approx(expected)
    assert rows["p_holm"].isna().sum() == 4


# What is not comparable


def other_hash(run):
    run["dataset"]["content_hash"] = "b" * 64


def other_protocol(run):
    run["protocol"]["maps"] = "naive"


@pytest.mark.parametrize(
    ("run", "message"),
    [(other_hash, "data sets differ"), (other_protocol, "maps fed to the metrics differ")],
)
def test_runs_that_are_not_comparable_are_refused(tmp_path, before, run, message):
    after = write(tmp_path / "after", run=run)
    with pytest.raises(BenchmarkError, match=message) as raised:
        compare(CompareOptions(before, after))
    assert "--force" in str(raised.value)
    found = compare(CompareOptions(before, after, force=True, draws=100))
    assert any(message in warning for warning in found.warnings)
    assert "Warning: Not comparable" in text(found)


def test_another_kernel_leaves_out_the_metrics_that_need_it(tmp_path, before):
    after = write(tmp_path / "after", run=lambda run: run["protocol"].update(kernel_size=12.0))
    found = compare(CompareOptions(before, after, draws=100))
    assert [m.name for m in found.metrics] == ["IG", "LL", "AUC", "sAUC", "NSS"]
    assert any("CC, KL, SIM are left out" in warning for warning in found.warnings)
    with pytest.raises(BenchmarkError, match=r"CC: .* different kernels"):
        compare(CompareOptions(before, after, metrics=("CC",)))
    forced = compare(CompareOptions(before, after, force=True, metrics=("CC",), draws=100))
    assert [m.name for m in forced.metrics] == ["CC"]


def test_images_are_intersected_and_that_is_said(tmp_path, before):
    kept = ["0001", "0004", "0005", "0006", "0010", "0019"]
    after = write(tmp_path / "after", lambda scores: scores[scores["image"].isin(kept)])
    found = compare(CompareOptions(before, after, draws=100))
    assert found.n_images == 6
    assert any("on the 6 images that both have" in warning for warning in found.warnings)
    assert sorted(found.images["image"].unique()) == kept
    row = found.table.iloc[0]
    assert row["n_images"] == 6
    frame = pd.read_csv(after / "scores.csv", dtype={"image": str})
    chosen = frame[(frame["model"] == row["model_a"]) & (frame["metric"] == "IG")]
    assert row["mean_a"] == pytest.approx(
        np.average(chosen["value"], weights=chosen["n_fixations"])
    )


def test_other_fixations_are_refused_even_by_force(tmp_path, before):
    def change(scores):
        scores.loc[scores["image"] == "0002", "n_fixations"] += 1
        return scores

    after = write(tmp_path / "after", change)
    with pytest.raises(BenchmarkError, match="not scored on the same fixations: on 0002"):
        compare(CompareOptions(before, after, force=True))


def test_nothing_in_common(tmp_path, before):
    after = write(tmp_path / "after", lambda s: s.assign(image="x" + s["image"]))
    with pytest.raises(BenchmarkError, match="no image in common"):
        compare(CompareOptions(before, after))


def test_models_are_named_with_care(tmp_path, before):
    with pytest.raises(UnknownNameError, match="Did you mean 'model-0'"):
        compare(CompareOptions(before, models=("model-00", "model-1")))
    with pytest.raises(BenchmarkError, match="takes two of them"):
        compare(CompareOptions(before))
    after = write(tmp_path / "after")
    found = compare(CompareOptions(before, after, models=("model-0=model-1",), draws=100))
    assert found.pairs == [("model-0", "model-1")]
    same = compare(CompareOptions(before, models=("model-0", "model-1"), draws=100))
    assert found.table["difference"].to_numpy() == pytest.approx(
        same.table["difference"].to_numpy()
    )


def test_undefined_scores_are_left_out(tmp_path, before):
    found = compare(CompareOptions(before, models=("model-0", "gold"), draws=100))
    row = found.table.set_index("metric").loc["CC"]
    assert row["n_images"] == row["better"] == row["worse"] == 0
    assert np.isnan(row["difference"])
    assert np.isnan(row["p"])


# Provenance


def test_records_are_compared_key_by_key():
    first = {"a": {"x": 1, "same": [1, 2]}, "b": "text", "gone": {}}
    second = {"a": {"x": 2, "same": [1, 2]}, "b": "other", "new": True}
    assert dict(flattened(first)) == {"a.x": "1", "a.same": "[1, 2]", "b": "text", "gone": "{}"}
    assert [tuple(change) for change in changes(first, second)] == [
        ("a.x", "1", "2"), ("b", "text", "other"), ("gone", "{}", "–"), ("new", "–", "true"),
    ]  # fmt: skip


def test_versions_and_models_that_changed_are_told(tmp_path, before):
    def run(record):
        record["versions"] = {"numpy": "9.9"}
        record["models"]["model-1"]["version"] = 2

    found = compare(CompareOptions(before, write(tmp_path / "after", run=run), draws=100))
    assert ("versions.numpy", "–", "9.9") in [tuple(change) for change in found.changes]
    assert ("model-1: version", "–", "2") in [tuple(change) for change in found.changes]
    one = compare(CompareOptions(before, tmp_path / "after", models=("model-0",), draws=100))
    assert not any("model-1" in change.what for change in one.changes)


# The command


def test_the_command_writes_the_same_files_again(tmp_path, before):
    after = write(tmp_path / "after", shifted("model-0", "IG", 0.2))
    for name in "ab":
        arguments = ["compare", before, after, "--draws", 200, "--out", tmp_path / name]
        result = CliRunner().invoke(main, [str(one) for one in arguments], catch_exceptions=False)
        assert result.exit_code == 0, result.output
    files = {f.relative_to(tmp_path / "a") for f in (tmp_path / "a").rglob("*") if f.is_file()}
    assert {str(file) for file in files} == {
        "comparison.md", "differences.csv", "images.csv", "provenance.csv",
        "figures/model-0.pdf", "figures/model-0.png",
    }  # fmt: skip
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes(), file
    assert (tmp_path / "a" / "comparison.md").read_text(encoding="utf-8") in result.output
    images = pd.read_csv(tmp_path / "a" / "images.csv", dtype={"image": str})
    chosen = images[(images["model_a"] == "model-0") & (images["metric"] == "IG")]
    assert len(chosen) == 20
    assert (chosen["b"] - chosen["a"]).to_numpy() == pytest.approx(0.2)


def test_errors_come_without_a_traceback(tmp_path, before):
    record = json.loads((before / "run.json").read_text())
    assert record["dataset"]["content_hash"] == "a" * 64
    other = write(tmp_path / "other", run=other_hash)
    result = CliRunner().invoke(main, ["compare", str(before), str(other)])
    assert result.exit_code == 1
    assert "not comparable" in result.output
