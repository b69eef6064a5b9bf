"""The validation's two claims on small simulations, and that it would notice if they were false."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from benchmark import scores as suite
from benchmark.datasets.simulated import random_scene, simulate
from benchmark.validation import convergence, coverage
from benchmark.validation.__main__ import main
from benchmark.validation.convergence import Convergence, held_out_log_likelihoods
from benchmark.validation.coverage import IMAGES, IMAGES_AND_OBSERVERS, Coverage
from models.base import TrainingData
from models.centerbias import CenterBias
from models.gold_standard import GoldStandard
from models.kde import Points

OBSERVERS = Convergence(observers=(2, 8), repeats=6, scenes=10, shape=(90, 120))
IMAGE_SETS = Coverage(
    n_images=(50,),
    repeats=500,
    fresh_repeats=100,
    draws=1000,
    panel=6,
    panels=2,
    pool=300,
    shape=(90, 120),
)


@pytest.fixture(scope="module")
def gains():
    return convergence.measure(OBSERVERS)


@pytest.fixture(scope="module")
def pool():
    return coverage.make_pool(IMAGE_SETS)


@pytest.fixture(scope="module")
def covered(pool):
    return coverage.measure(pool, IMAGE_SETS)


def mean_and_error(values):
    return values.mean(), values.std() / np.sqrt(len(values))


# Convergence


@pytest.mark.parametrize("name", ["gold", "gold_elsewhere"])
@pytest.mark.parametrize("observers", OBSERVERS.observers)
def test_the_gold_standard_is_below_the_truth_in_expectation(gains, name, observers):
    rows = gains[gains["observers"] == observers]
    assert len(rows) == OBSERVERS.repeats
    paired, error = mean_and_error(rows[name] - rows["truth_sample"])
    assert paired + 3 * error < 0
    exact, error = mean_and_error(rows[name] - rows["truth"])
    assert exact < 2 * error


def test_the_gold_standard_approaches_the_truth(gains):
    few, many = convergence.summarise(gains).itertuples()
    assert few.gold_minus_truth < 1.5 * many.gold_minus_truth < 0
    assert 0 < few.explained < many.explained < 1
    assert many.bandwidth < few.bandwidth


def test_the_comparison_would_notice_an_excess(gains):
    """The in-sample bound is above the truth by much more than the error of the comparison."""
    rows = gains[gains["observers"] == 8]
    excess, error = mean_and_error(rows["in_sample"] - rows["truth_sample"])
    assert excess - 3 * error > 0


def test_fixations_have_the_exact_information_gain_on_average(gains):
    difference, error = mean_and_error(gains["truth_sample"] - gains["truth"])
    assert abs(difference) < 3 * error
    assert error < 0.1


def test_parameters_from_elsewhere_are_not_those_fitted(gains):
    assert (gains["gold_elsewhere"] != gains["gold"]).all()


def test_likelihoods_without_maps_are_those_of_the_gold_standard():
    dataset = simulate(4, 3.0, scenes=[random_scene(k, 45, 60) for k in range(3)])
    data = TrainingData(dataset.stimuli, dataset.fixations, dataset.groups)
    gold = GoldStandard.fit(data, CenterBias(data, 0.1, 0.01))
    fixations = data.fixations
    points = Points.sorted_by_image(
        fixations.x_int, fixations.y_int, fixations.n, fixations.subjects, data.sizes
    )
    at = partial(zip, fixations.n[points.order], points.x, points.y)
    prior = [np.exp(gold.centerbias.log_density(data.stimuli[int(n)])[y, x]) for n, x, y in at()]
    values = held_out_log_likelihoods(points, gold.mixture, np.array(prior))
    expected = gold.log_likelihoods(data.stimuli, fixations)[points.order]
    assert values == pytest.approx(expected, abs=1e-10)
    assert values.mean() == pytest.approx(gold.mixture.log_likelihood, abs=1e-10)


# Coverage


def test_intervals_cover_as_often_as_they_claim(covered):
    rows = covered[(covered["population"] == IMAGES) & (covered["interval"] == "expanded")]
    assert len(rows) == 13
    noise = np.sqrt(0.95 * 0.05 / IMAGE_SETS.repeats)
    assert rows["coverage"].between(0.95 - 3.5 * noise, 0.95 + 3.5 * noise).all(), rows


def test_too_narrow_intervals_are_noticed(pool, monkeypatch):
    monkeypatch.setattr(coverage, "interval", partial(suite.interval, level=0.85))
    plan = replace(IMAGE_SETS, repeats=200, fresh_repeats=0)
    rows = coverage.measure(pool, plan)
    rows = rows[rows["interval"] == "expanded"]
    noise = np.sqrt(0.95 * 0.05 / plan.repeats)
    assert (rows["coverage"] < 0.95 - 3.5 * noise).all(), rows


def test_intervals_over_images_do_not_cover_other_observers(covered):
    coverages = covered.set_index(["population", "interval", "quantity"])["coverage"]
    same = coverages[IMAGES, "expanded", "IG truth"]
    other = coverages[IMAGES_AND_OBSERVERS, "expanded", "IG truth"]
    assert other < same - 0.15


def test_true_values_are_means_over_the_pool(pool, covered):
    rows = covered.set_index(["population", "interval", "quantity"])["true"]
    everything = (pool.models["blurred"] - pool.baseline).mean() / np.log(2)
    for population in (IMAGES, IMAGES_AND_OBSERVERS):  # the counts of panels differ a little
        assert rows[population, "expanded", "IG blurred"] == pytest.approx(everything, abs=2e-3)
    panel = pool.observer >= IMAGE_SETS.panel
    one = coverage.quantities(pool.scores(np.arange(IMAGE_SETS.panel, 2 * IMAGE_SETS.panel)))
    expected = (pool.models["wrong"] - pool.baseline)[panel].mean() / np.log(2)
    assert one["IG wrong"] == pytest.approx(expected, abs=1e-12)
    assert one["IG truth"] > max(one["IG blurred"], one["IG gold"]) > 0 > one["IG wrong"]


def test_scores_of_some_images_are_those_of_all(pool):
    observers, images = np.array([1, 4, 7]), np.array([5, 2, 5, 40])
    part, whole = pool.scores(observers, images), pool.scores(observers)
    assert part.drawn(images).gains == pytest.approx(whole.drawn(images).gains, abs=1e-12)
    assert np.isfinite(whole.gains).all()


def test_intervals_are_those_of_the_suite(pool):
    """The same draws through the tables that a run writes give the same intervals."""
    scores = pool.scores(np.arange(IMAGE_SETS.panel)).drawn(np.arange(30))
    table = pd.DataFrame(
        [
            (model, image, "IG", scores.gains[image, k], scores.counts[image])
            for k, model in enumerate(coverage.MODELS)
            for image in range(30)
        ],
        columns=["model", "image", "metric", "value", "n_fixations"],
    )
    summary = suite.summarise(table, {"IG": "bit"}, draws=500, seed=3)
    summary = summary.set_index(["model", "metric"])
    intervals = {
        name: ends
        for name, kind, *ends in coverage._intervals(scores, 500, seed=3)
        if kind == "expanded"
    }
    for model in coverage.MODELS:
        row, image_row = summary.loc[(model, "IG")], summary.loc[(model, "IG_image")]
        assert intervals[f"IG {model}"] == pytest.approx([row.ci_low, row.ci_high])
        expected = [image_row.ci_low, image_row.ci_high]
        assert intervals[f"IG per image {model}"] == pytest.approx(expected)
        if model != "gold":
            expected = [row.explained_low, row.explained_high]
            assert intervals[f"explained {model}"] == pytest.approx(expected)
    differences = suite.differences(table, ["truth", "blurred"], {"IG": True}, draws=500, seed=3)
    row = differences.set_index(["metric", "model"]).loc[("IG", "blurred")]
    expected = [row.ci_low, row.ci_high]
    assert intervals["difference blurred - truth"] == pytest.approx(expected)


def test_another_seed_makes_other_scenes_and_observers(pool):
    small = replace(IMAGE_SETS, pool=5)
    ones, others = coverage.make_pool(small, seed=1), coverage.make_pool(small, seed=2)
    assert len({len(p.x) for p in (pool, ones, others)}) == 3
    assert not np.isin(ones.baseline, others.baseline).any()


# The command


def test_command_writes_the_same_files_again(tmp_path, monkeypatch):
    monkeypatch.setattr(CenterBias, "fit", lambda data: CenterBias(data, 0.08, 0.001))
    observers = Convergence(observers=(2, 3, 4), repeats=2, scenes=3, shape=(45, 60))
    monkeypatch.setattr(convergence, "QUICK", observers)
    few = replace(IMAGE_SETS, n_images=(5, 9), repeats=4, fresh_repeats=4, pool=12, draws=100)
    monkeypatch.setattr(coverage, "QUICK", few)
    names = {"README.md", "convergence.csv", "coverage.csv"}
    names |= {f"{name}.{kind}" for name in ("convergence", "coverage") for kind in ("pdf", "png")}
    for folder in "ab":
        arguments = ["--quick", "--seed", "1", "--out", str(tmp_path / folder)]
        result = CliRunner().invoke(main, arguments, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        assert {file.name for file in (tmp_path / folder).iterdir()} == names
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name
    readme = (tmp_path / "a" / "README.md").read_text(encoding="utf-8")
    assert "python -m benchmark.validation --quick --seed 1" in readme
    assert "nan" not in readme


def test_without_an_interval_nothing_is_covered():
    """A gold standard that gains nothing in a draw leaves the share without an interval."""
    counts = np.ones(12)
    gains = np.tile([0.5, 0.4, 0.3, 0.2], (12, 1))
    gains[0, coverage.MODELS.index("gold")] = -1.5
    scores = coverage.Scores(gains, counts)
    found = {(name, kind): ends for name, kind, *ends in coverage._intervals(scores, 500, seed=0)}
    assert np.isnan(found["explained truth", "expanded"]).all()
    assert np.isfinite(found["IG gold", "expanded"]).all()
    rows = pd.DataFrame(
        [(IMAGES, 12, name, kind, *ends, 0.5) for (name, kind), ends in found.items()],
        columns=["population", "n_images", "quantity", "interval", "low", "high", "true"],
    )
    tallied = coverage._tallied(rows).set_index(["quantity", "interval"])["coverage"]
    assert tallied["explained truth", "expanded"] == 0
    assert tallied["IG truth", "expanded"] == 1
