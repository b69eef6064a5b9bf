"""Means, intervals, explained information gain and differences, by hand and by theory."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm, t

from benchmark import scores as scores_module
from benchmark.scores import (
    Bootstrap,
    Column,
    columns,
    differences,
    explained_share,
    interval,
    summarise,
)

NAN = float("nan")


def frame(counts=None, **models):
    """Scores by model and metric, ``a={"IG": [one value an image]}``."""
    rows = []
    for model, metrics in models.items():
        for metric, values in metrics.items():
            for image, value in enumerate(values):
                n = counts[image] if counts else 1
                rows.append((image, model, metric, value, n))
    return pd.DataFrame(rows, columns=["image", "model", "metric", "value", "n_fixations"])


def summary(scores, **options):
    rows = summarise(scores, {"IG": "bit/fixation"}, **{"draws": 500, **options})
    return {(row["model"], row["metric"]): row for row in rows.to_dict("records")}


# Means


def test_per_fixation_metrics_are_averaged_both_ways():
    scores = frame(counts=[1, 3, 2], a={"IG": [1.0, 2.0, 6.0], "AUC": [0.5, 0.6, 1.0]})
    found = summary(scores)
    assert list(found) == [("a", "IG"), ("a", "IG_image"), ("a", "AUC")]
    assert found["a", "IG"]["mean"] == pytest.approx((1 * 1 + 3 * 2 + 2 * 6) / 6)
    assert found["a", "IG_image"]["mean"] == pytest.approx(3)
    assert found["a", "AUC"]["mean"] == pytest.approx(0.7)
    for row in found.values():
        assert (row["n_images"], row["n_fixations"]) == (3, 6)
    assert [row["unit"] for row in found.values()] == ["bit/fixation", "bit/fixation", ""]


def test_undefined_images_are_left_out_and_counted():
    scores = frame(counts=[1, 3, 0, 2], a={"IG": [1.0, NAN, NAN, 6.0], "CC": [NAN, 1, NAN, 0]})
    found = summary(scores)
    assert found["a", "IG"]["mean"] == pytest.approx((1 * 1 + 2 * 6) / 3)
    assert found["a", "IG_image"]["mean"] == pytest.approx(3.5)
    assert found["a", "CC"]["mean"] == pytest.approx(0.5)
    assert (found["a", "IG"]["n_images"], found["a", "IG"]["n_fixations"]) == (2, 3)
    assert (found["a", "CC"]["n_images"], found["a", "CC"]["n_fixations"]) == (2, 5)


def test_a_value_without_fixations_has_no_weight():
    scores = frame(counts=[2, 0], a={"AUC": [0.5, 0.9]})
    assert summary(scores)["a", "AUC"]["mean"] == 0.5
    assert summary(scores)["a", "AUC"]["n_images"] == 1


def test_what_is_undefined_everywhere_is_undefined():
    row = summary(frame(a={"KL": [NAN, NAN]}))["a", "KL"]
    assert np.isnan([row["mean"], row["ci_low"], row["ci_high"]]).all()
    assert (row["n_images"], row["n_fixations"]) == (0, 0)


def test_columns_are_over_the_same_images_in_the_same_order():
    """A model that lacks an image has NaN there, whatever the order of the rows."""
    scores = frame(a={"AUC": [0.1, 0.2, 0.3]}, b={"AUC": [0.4, 0.5, 0.6]})
    scores = scores.drop(index=4).sample(frac=1, random_state=0)
    found = columns(scores)
    np.testing.assert_array_equal(found["a", "AUC"].values, [0.1, 0.2, 0.3])
    np.testing.assert_array_equal(found["b", "AUC"].values, [0.4, NAN, 0.6])
    np.testing.assert_array_equal(found["b", "AUC"].defined, [True, False, True])


# Explained information gain


def test_explained_information_gain_by_hand():
    scores = frame(
        counts=[1, 3, 2],
        a={"IG": [1.0, 2.0, 6.0], "AUC": [0.5, 0.6, 1.0]},
        bad={"IG": [-1.0, -2.0, -6.0]},
        gold={"IG": [2.0, 4.0, 8.0], "AUC": [0.9, 0.9, 0.9]},
        insample={"IG": [4.0, 8.0, 16.0]},
    )
    found = summary(scores)
    assert found["a", "IG"]["explained"] == pytest.approx((19 / 6) / (30 / 6))
    assert found["a", "IG_image"]["explained"] == pytest.approx(3 / (14 / 3))
    assert np.isnan(found["a", "AUC"]["explained"])
    # never clipped
    assert found["bad", "IG"]["explained"] == pytest.approx(-19 / 30)
    assert found["insample", "IG"]["explained"] == pytest.approx(2)
    gold = found["gold", "IG"]
    assert (gold["explained"], gold["explained_low"], gold["explained_high"]) == (1, 1, 1)


def test_explained_information_gain_is_over_images_that_both_have():
    scores = frame(a={"IG": [1.0, NAN, 3.0]}, gold={"IG": [2.0, 100.0, 4.0]})
    found = summary(scores)
    assert found["a", "IG"]["explained"] == pytest.approx(4 / 6)
    assert found["gold", "IG"]["mean"] == pytest.approx(106 / 3)


def test_the_interval_of_the_ratio_is_paired():
    """Where model and gold standard go together, their ratio does not vary, though both do."""
    gold = np.random.default_rng(1).normal(1.3, 0.4, 40)
    found = summary(frame(a={"IG": 0.6 * gold}, gold={"IG": gold}))["a", "IG"]
    assert found["ci_high"] - found["ci_low"] > 0.1
    assert found["explained_low"] == pytest.approx(0.6, rel=1e-12)
    assert found["explained_high"] == pytest.approx(0.6, rel=1e-12)


def test_without_a_gold_standard_nothing_is_explained():
    row = summary(frame(a={"IG": [1.0, 2.0]}))["a", "IG"]
    assert np.isnan([row["explained"], row["explained_low"], row["explained_high"]]).all()


def test_a_gold_standard_that_gains_nothing_explains_nothing():
    row = summary(frame(a={"IG": [1.0, 2.0]}, gold={"IG": [0.0, 0.0]}))["a", "IG"]
    assert np.isnan([row["explained"], row["explained_low"], row["explained_high"]]).all()


@pytest.mark.parametrize(
    "gold", [[-8e-9, -9e-9, -7e-9], [-1.0, 0.2, 0.1], [-0.5, 0.9, 0.1], [0.1]], ids=str
)
def test_a_share_of_a_gain_that_cannot_be_told_from_none_is_undefined(gold):
    """Uniform's loss over the gold standard's would be billions of per cent, and the best."""
    row = summary(frame(uniform={"IG": [-2.0] * len(gold)}, gold={"IG": gold}))["uniform", "IG"]
    shares = [row["explained"], row["explained_low"], row["explained_high"]]
    if len(gold) == 1:  # without an interval, what is above 0 counts
        assert shares[0] == pytest.approx(-20)
        shares = shares[1:]
    assert np.isnan(shares).all()


def test_an_interval_does_not_run_through_the_pole():
    """In few draws, the image on which the gold standard loses is there too often."""
    gold = np.array([-6.0] + [1.0] * 29)
    found = summary(frame(a={"IG": np.full(30, 0.3)}, gold={"IG": gold}), draws=3000)
    drawn = Bootstrap(30, 3000).means([Column(gold, np.ones(30))])
    assert 0 < (drawn <= 0).mean() < 0.02
    assert found["gold", "IG"]["ci_low"] > 0
    assert found["a", "IG"]["explained"] == pytest.approx(0.3 * 30 / 23)
    assert np.isnan([found["a", "IG"]["explained_low"], found["a", "IG"]["explained_high"]]).all()


def test_explained_shares_are_element_by_element():
    shares = explained_share([1.0, -1.0, 1.0, NAN, -np.inf], [2.0, -2.0, 0.0, 1.0, 4.0])
    np.testing.assert_array_equal(shares, [0.5, NAN, NAN, NAN, -np.inf])


# Bootstrap


def test_draws_of_two_images_have_the_binomial_distribution():
    column = Column(np.array([0.0, 1.0]), np.ones(2))
    drawn = Bootstrap(2, draws=8000).means([column])[:, 0]
    values, counts = np.unique(drawn, return_counts=True)
    assert list(values) == [0, 0.5, 1]
    assert counts / 8000 == pytest.approx([0.25, 0.5, 0.25], abs=0.02)


def test_draws_are_weighted_means_of_defined_images():
    values, weights = np.array([1.0, NAN, 5.0]), np.array([3.0, 9.0, 1.0])
    drawn = Bootstrap(3, draws=3000).means([Column(values, weights)])[:, 0]
    possible = {
        (3 * a + 5 * c) / (3 * a + c)
        for a in range(4)
        for c in range(4 - a)
        if a + c
    }  # fmt: skip
    defined = drawn[~np.isnan(drawn)]
    assert {round(v, 9) for v in defined} == {round(v, 9) for v in possible}
    assert np.isnan(drawn).mean() == pytest.approx(1 / 27, abs=0.02)  # the undefined one, thrice


def test_draws_are_paired_and_repeatable():
    values = np.random.default_rng(0).random(20)
    one, other = Column(values, np.ones(20)), Column(values + 2, np.ones(20))
    # more than are drawn at once
    drawn = Bootstrap(20, draws=1500, seed=3).means([one, other])
    assert drawn.shape == (1500, 2)
    np.testing.assert_allclose(drawn[:, 1] - drawn[:, 0], 2, rtol=1e-12)
    assert len(np.unique(drawn[:, 0])) > 1400
    again = Bootstrap(20, draws=1500, seed=3).means([one])
    np.testing.assert_allclose(again[:, 0], drawn[:, 0], rtol=1e-13)
    another = Bootstrap(20, draws=1500, seed=4).means([one])
    assert not np.allclose(another[:, 0], drawn[:, 0])


def test_many_images_give_the_interval_of_normal_theory():
    values = np.random.default_rng(5).normal(2, 0.7, 500)
    row = summary(frame(a={"NSS": values}), draws=6000)["a", "NSS"]
    half = 1.96 * values.std(ddof=1) / np.sqrt(500)
    assert row["mean"] == pytest.approx(values.mean())
    assert row["ci_low"] == pytest.approx(values.mean() - half, abs=0.06 * half)
    assert row["ci_high"] == pytest.approx(values.mean() + half, abs=0.06 * half)


def test_few_images_give_about_students_interval():
    """Wider than plain percentiles, which are too narrow for few images."""
    values = np.random.default_rng(6).normal(2, 0.7, 8)
    drawn = Bootstrap(8, draws=20_000).means([Column(values, np.ones(8))])[:, 0]
    low, high = interval(drawn, 8)
    plain = np.quantile(drawn, [0.025, 0.975])
    assert low < plain[0]
    assert high > plain[1]
    half = t.ppf(0.975, 7) * values.std(ddof=1) / np.sqrt(8)
    assert high - low == pytest.approx(2 * half, rel=0.12)


def test_percentiles_are_moved_outwards_by_the_rule():
    """On draws that are known to be normal, the ends are those of the expanded level."""
    drawn = norm.ppf((np.arange(20_000) + 0.5) / 20_000)
    low, high = interval(drawn, 10)
    assert high == pytest.approx(np.sqrt(10 / 9) * t.ppf(0.975, 9), rel=0.01)
    assert low == pytest.approx(-high, rel=1e-6)
    assert interval(drawn, 100_000) == pytest.approx((-1.96, 1.96), abs=0.002)


def test_a_single_image_has_no_interval():
    rows = summary(frame(a={"IG": [1.0]}, gold={"IG": [2.0]}))
    row = rows["a", "IG"]
    assert (row["mean"], row["explained"], row["n_images"]) == (1, 0.5, 1)
    ends = ["ci_low", "ci_high", "explained_low", "explained_high"]
    assert np.isnan([row[end] for end in ends]).all()


def test_a_constant_score_has_an_interval_of_no_width():
    row = summary(frame(a={"AUC": [0.5] * 6}))["a", "AUC"]
    assert (row["ci_low"], row["mean"], row["ci_high"]) == (0.5, 0.5, 0.5)


def test_a_density_of_zero_at_a_fixation_costs_everything():
    """-inf is a value, not an undefined one; its interval is undefined, others' stay."""
    rows = summary(frame(a={"IG": [1.0, -np.inf, 2.0]}, b={"IG": [1.0, 2.0, 3.0]},
                         gold={"IG": [2.0, 2.0, 2.0]}))  # fmt: skip
    row = rows["a", "IG"]
    assert (row["mean"], row["explained"], row["n_images"]) == (-np.inf, -np.inf, 3)
    assert np.isnan([row["ci_low"], row["ci_high"], row["explained_low"]]).all()
    assert rows["b", "IG"]["ci_low"] < 2 < rows["b", "IG"]["ci_high"]


def test_summaries_are_the_same_for_the_same_seed():
    values = np.random.default_rng(7).random(12)
    scores = frame(a={"IG": values}, gold={"IG": values**2 + 1})
    first, again = (summarise(scores, {}, 300, seed=1) for _ in range(2))
    pd.testing.assert_frame_equal(first, again, check_exact=True)
    assert not first.equals(summarise(scores, {}, 300, seed=2))


# Differences

HIGHER = {"IG": True, "AUC": True, "KL": False}


def rows_of(found):
    return {(row["metric"], row["model"]): row for row in found.to_dict("records")}


def test_differences_to_the_best_by_hand():
    scores = frame(
        counts=[1, 3],
        a={"IG": [1.0, 3.0], "KL": [0.5, 0.7]},
        b={"IG": [2.0, 1.0], "KL": [0.1, 0.3]},
        gold={"IG": [9.0, 9.0], "KL": [NAN, NAN]},
    )
    found = rows_of(differences(scores, ["a", "b"], HIGHER, draws=300))
    # per fixation a is best (10/4 to 5/4), per image, too (2 to 1.5); in KL lower is better
    assert {key: row["best"] for key, row in found.items()} == {
        ("IG", "a"): "a", ("IG", "b"): "a",
        ("IG_image", "a"): "a", ("IG_image", "b"): "a",
        ("KL", "a"): "b", ("KL", "b"): "b",
    }  # fmt: skip
    assert found["IG", "b"]["difference"] == pytest.approx(5 / 4 - 10 / 4)
    assert found["IG_image", "b"]["difference"] == pytest.approx(-0.5)
    assert found["KL", "a"]["difference"] == pytest.approx(0.4)
    for metric in ("IG", "IG_image", "KL"):
        own = found[metric, found[metric, "a"]["best"]]
        assert (own["difference"], own["ci_low"], own["ci_high"]) == (0, 0, 0)


def test_differences_are_paired():
    values = np.random.default_rng(8).normal(size=30)
    scores = frame(a={"IG": values}, b={"IG": values - 0.1})
    row = rows_of(differences(scores, ["a", "b"], HIGHER, draws=300))["IG", "b"]
    assert [row["difference"], row["ci_low"], row["ci_high"]] == pytest.approx([-0.1] * 3)


def test_differences_are_over_images_where_both_are_defined():
    scores = frame(a={"IG": [1.0, 2.0, 30.0]}, b={"IG": [0.5, 1.0, NAN]})
    row = rows_of(differences(scores, ["a", "b"], HIGHER, draws=300))["IG", "b"]
    assert row["best"] == "a"
    assert row["difference"] == pytest.approx(0.75 - 1.5)
    assert row["n_images"] == 2


def test_what_is_undefined_is_not_compared():
    scores = frame(a={"IG": [1.0, 2.0]}, b={"IG": [NAN, NAN]})
    found = rows_of(differences(scores, ["a", "b", "not scored"], HIGHER, draws=300))
    assert set(found) == {("IG", "a"), ("IG_image", "a")}


@pytest.mark.filterwarnings("error")
def test_infinite_scores_are_compared():
    scores = frame(a={"IG": [1.0, -np.inf]}, b={"IG": [-np.inf, -np.inf]}, c={"IG": [1.0, 2.0]})
    found = rows_of(differences(scores, ["a", "b", "c"], HIGHER, draws=300))
    assert found["IG", "a"]["best"] == "c"
    assert found["IG", "a"]["difference"] == -np.inf
    hopeless = rows_of(differences(scores, ["a", "b"], HIGHER, draws=300))
    assert np.isnan(hopeless["IG", "b"]["difference"])


def test_with_nobody_to_rank_there_is_an_empty_table():
    found = differences(frame(gold={"IG": [1.0, 2.0]}), [], HIGHER)
    assert found.empty
    expected = ["metric", "model", "best", "difference", "ci_low", "ci_high", "n_images"]
    assert list(found.columns) == expected


def test_draws_do_not_depend_on_how_many_are_made_at_once(monkeypatch):
    rng = np.random.default_rng(0)
    column = Column(rng.normal(size=21), rng.integers(0, 3, 21).astype(float))
    whole = Bootstrap(21, draws=100, seed=5).means([column])
    for most in (1, 50, 21 * 7):  # images that are drawn together: one draw, 2 and 7 at a time
        monkeypatch.setattr(scores_module, "DRAWN_AT_ONCE", most)
        np.testing.assert_allclose(
            Bootstrap(21, draws=100, seed=5).means([column]), whole, rtol=1e-13
        )
