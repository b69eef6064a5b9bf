"""Sign-flip tests and Holm's correction against scipy, enumeration and definitions."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kstest, permutation_test

from benchmark import scores as suite
from benchmark.scores import Column
from benchmark.statistics.paired import (
    can_separate,
    contributions,
    difference,
    enough_flips,
    holm,
    paired_tests,
    sign_flip_p,
    smallest_p,
)


def random_columns(n_images=12, n_models=3, seed=0):
    """Scores of some models, IG per fixation and AUC per image, as a run stores them."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(5, 60, n_images)
    rows = []
    for model in range(n_models):
        for metric in ("IG", "AUC"):
            values = rng.normal(0.2 * model, 0.5, n_images)
            rows += [
                (f"m{model}", f"{image:03d}", metric, value, count)
                for image, (value, count) in enumerate(zip(values, counts))
            ]
    return pd.DataFrame(rows, columns=["model", "image", "metric", "value", "n_fixations"])


@pytest.mark.parametrize("n", [1, 2, 5, 9])
def test_p_values_are_those_of_all_sign_patterns(n):
    values = np.random.default_rng(n).normal(0.4, 1, (n, 4))
    patterns = np.array(list(product([-1, 1], repeat=n)))
    sums = np.abs(patterns @ values)
    expected = (sums >= np.abs(values.sum(axis=0)) * (1 - 1e-12)).mean(axis=0)
    assert sign_flip_p(values, flips=1000) == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize("weighted", [False, True])
def test_p_values_are_those_of_scipy(weighted):
    rng = np.random.default_rng(3)
    values = rng.normal(0.5, 1, 10)
    weights = rng.integers(1, 30, 10).astype(float) if weighted else np.ones(10)
    ours = sign_flip_p(contributions([Column(values, weights)]), flips=10_000)[0]
    # scipy flips the signs of a single sample; whole images are exchanged, with their weights
    theirs = permutation_test(
        (values * weights / weights.sum(),), np.sum, permutation_type="samples", vectorized=False,
        n_resamples=np.inf, alternative="two-sided",
    ).pvalue  # fmt: skip
    assert 0.01 < ours < 0.99
    assert ours == pytest.approx(theirs, abs=1e-12)


def test_drawn_p_values_approach_the_exact_ones():
    values = np.random.default_rng(5).normal(0.3, 1, (14, 6))
    exact = sign_flip_p(values, flips=2**13)
    drawn = sign_flip_p(values, flips=2**13 - 1)
    assert (drawn != exact).any()
    assert drawn == pytest.approx(exact, abs=4 * np.sqrt(0.25 / 2**13))


def test_degenerate_columns():
    values = np.array([[0.0, 1.0, np.inf], [0.0, 1.0, 1.0], [0.0, -2.0, 1.0]])
    p = sign_flip_p(values)
    assert p[0] == 1
    assert p[1] == 1  # a sum of 0 is reached by every pattern
    assert np.isnan(p[2])
    assert sign_flip_p(np.zeros((5, 2))).tolist() == [1, 1]


def test_p_depends_neither_on_direction_nor_on_scale_nor_on_equal_images():
    values = np.random.default_rng(2).normal(0.3, 1, (30, 1))
    p = sign_flip_p(values, flips=500)
    assert p == sign_flip_p(-7 * values, flips=500)
    assert p == sign_flip_p(np.concatenate([values, np.zeros((5, 1))]), flips=500)


def test_no_more_false_findings_than_allowed():
    """p-values are uniform if models are exchangeable, whatever weights and tails of images."""
    rng = np.random.default_rng(0)
    n_images, n_tests = 25, 400
    weights = rng.integers(1, 200, (n_images, 1))
    spread = rng.exponential(1, (n_images, 1))
    values = rng.standard_t(2, (n_images, n_tests)) * spread * weights
    # tests must not share their flips, or their p-values would depend on each other
    p = np.array([sign_flip_p(values[:, [k]], flips=499, seed=k)[0] for k in range(n_tests)])
    assert kstest(p, "uniform").pvalue > 0.05
    assert abs((p <= 0.05).mean() - 0.05) < 3 * np.sqrt(0.05 * 0.95 / n_tests)
    shifted = values + 0.5 * np.abs(values).mean(axis=1, keepdims=True)
    wrong = np.array([sign_flip_p(shifted[:, [k]], flips=499, seed=k)[0] for k in range(n_tests)])
    assert kstest(wrong, "uniform").pvalue < 1e-6  # the test would notice


def test_the_smallest_p_is_that_of_models_that_always_differ():
    for n_images in (1, 2, 6, 9):
        assert sign_flip_p(np.ones((n_images, 1)), flips=300)[0] == smallest_p(n_images, 300)
    assert sign_flip_p(np.ones((40, 1)), flips=300)[0] == smallest_p(40, 300) == 1 / 301


def test_more_flips_are_drawn_where_so_few_could_separate_nothing():
    assert enough_flips(91, 20_000) == 20_000
    assert enough_flips(91, 1819) == 1819  # 91 / 1820 is 5 %
    assert enough_flips(91, 1818) == 18_200
    assert enough_flips(1035, 20_000) == 207_000


@pytest.mark.parametrize(("n_images", "possible"), [(6, False), (9, True), (20, True)])
def test_pairs_that_always_differ_are_separated_if_any_can_be(n_images, possible):
    """Six pairs, which 6 / 32 cannot separate, and 99 flips, which are too few for any."""
    frame = pd.concat(
        pd.DataFrame(
            {"model": f"m{k}", "image": range(n_images), "metric": "AUC", "value": float(k),
             "n_fixations": 1}
        )
        for k in range(4)
    )  # fmt: skip
    tests = paired_tests(suite.columns(frame), "AUC", ["m3", "m2", "m1", "m0"], flips=99)
    assert can_separate(tests, 99) == possible
    assert (tests["p_holm"] <= 0.05).all() == possible
    assert can_separate(tests.iloc[:0], 99)


def test_models_that_do_not_differ_are_not_a_matter_of_few_images():
    frame = pd.concat(
        pd.DataFrame(
            {"model": name, "image": range(60), "metric": "AUC", "value": 0.5, "n_fixations": 1}
        )
        for name in ("one", "two")
    )
    tests = paired_tests(suite.columns(frame), "AUC", ["one", "two"])
    assert tests["p"].tolist() == [1.0]
    assert can_separate(tests)


def rejected_stepwise(p, alpha):
    """Holm's procedure as he defines it: step down until one is not small enough."""
    rejected = np.zeros(len(p), dtype=bool)
    for step, index in enumerate(np.argsort(p, kind="stable")):
        if p[index] > alpha / (len(p) - step):
            break
        rejected[index] = True
    return rejected


@pytest.mark.parametrize("seed", range(5))
def test_holm_rejects_what_the_stepwise_procedure_rejects(seed):
    p = np.random.default_rng(seed).beta(0.3, 2, 12)
    adjusted = holm(p)
    decisions = set()
    for alpha in np.linspace(0.001, 0.999, 97):
        expected = rejected_stepwise(p, alpha)
        decisions.add(int(expected.sum()))
        assert ((adjusted <= alpha) == expected).all()
    assert len(decisions) > 3


def test_holm_by_hand():
    # the example of statsmodels' multipletests(method="holm"): sorted p times 4, 3, 2, 1
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]).tolist() == [1, 1]
    with_gap = holm([0.02, np.nan, 0.03])
    assert with_gap[[0, 2]] == pytest.approx([0.04, 0.04])
    assert np.isnan(with_gap[1])
    assert len(holm([])) == 0


def test_differences_and_intervals_are_those_of_the_suite():
    frame = random_columns()
    frame.loc[(frame["model"] == "m1") & (frame["image"] == "004"), "value"] = np.nan
    table = suite.columns(frame)
    names = ["m2", "m1", "m0"]
    expected = suite.differences(frame, names, {"IG": True, "AUC": True}, draws=300, seed=4)
    for metric in ("IG", "AUC"):
        tests = paired_tests(table, metric, names, draws=300, flips=200, seed=4)
        assert len(tests) == 3
        rows = expected[(expected["metric"] == metric) & (expected["model"] != expected["best"])]
        assert len(rows) == 2
        for row in rows.itertuples():
            chosen = tests[
                ((tests["model"] == row.model) & (tests["other"] == row.best))
                | ((tests["model"] == row.best) & (tests["other"] == row.model))
            ].iloc[0]
            sign = 1 if chosen["model"] == row.model else -1
            assert sign * chosen["difference"] == pytest.approx(row.difference, abs=1e-12)
            ends = sorted((sign * chosen["ci_low"], sign * chosen["ci_high"]))
            assert ends == pytest.approx([row.ci_low, row.ci_high], abs=1e-12)
            assert chosen["n_images"] == row.n_images == 12 - ("m1" in (row.model, row.best))


def test_a_metric_over_fixations_is_tested_by_that_mean():
    """One image with most of the fixations decides; the same values alone would not."""
    frame = random_columns(n_images=9, n_models=2, seed=1)
    frame = frame[frame["metric"] == "IG"]
    values = np.array([1.0] + [-0.2] * 8)
    frame["value"] = np.concatenate([np.zeros(9), values])
    frame["n_fixations"] = np.tile([1000] + [1] * 8, 2)
    table = suite.columns(frame)
    per_fixation = paired_tests(table, "IG", ["m1", "m0"])
    per_image = paired_tests(table, "IG_image", ["m1", "m0"])
    assert per_fixation["difference"].iloc[0] == pytest.approx((1000 - 1.6) / 1008)
    assert per_image["difference"].iloc[0] == pytest.approx(-0.6 / 9)
    assert per_fixation["p"].iloc[0] == pytest.approx(1.0)  # one image: both signs reach it
    assert per_fixation["better"].iloc[0] == 1
    assert per_fixation["worse"].iloc[0] == 8


def test_infinite_values_are_equal_to_each_other_alone():
    first = Column(np.array([-np.inf, -np.inf, 1.0]), np.ones(3))
    second = Column(np.array([-np.inf, 0.0, 1.0]), np.ones(3))
    assert difference(first, second).values.tolist() == [0, np.inf, 0]
    assert difference(second, first).values.tolist() == [0, -np.inf, 0]


def test_images_without_both_values_count_for_neither():
    first = Column(np.array([1.0, np.nan, 3.0]), np.array([2.0, 2.0, 4.0]))
    second = Column(np.array([2.0, 5.0, np.nan]), np.array([2.0, 2.0, 4.0]))
    column = difference(first, second)
    assert column.defined.tolist() == [True, False, False]
    assert column.mean == 1
    assert contributions([column]).ravel().tolist() == [1, 0, 0]
