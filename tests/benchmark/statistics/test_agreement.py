"""Agreement of metrics against scipy, model by model and image by image."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kendalltau, spearmanr

from benchmark.scores import Column
from benchmark.statistics.agreement import agreement, correlations_by_row


def table(n_images=20, n_models=5, seed=0):
    rng = np.random.default_rng(seed)
    skill = np.arange(n_models)
    return {
        metric: rng.normal(sign * skill, spread, (n_images, n_models))
        for metric, sign, spread in (("AUC", 1, 1.0), ("KL", -1, 2.0), ("NSS", 1, 4.0))
    }


def columns(values):
    models = [f"m{k}" for k in range(values["AUC"].shape[1])]
    found = {
        (model, metric): Column(table[:, k], np.ones(len(table)))
        for metric, table in values.items()
        for k, model in enumerate(models)
    }
    return found, models


HIGHER = {"AUC": True, "KL": False, "NSS": True}


def test_correlations_are_those_of_scipy():
    values = table()
    found, models = columns(values)
    rows = agreement(found, list(HIGHER), models, HIGHER, draws=200).set_index(["metric", "other"])
    assert len(rows) == 3
    for (one, other), row in rows.iterrows():
        a, b = (values[m] * (1 if HIGHER[m] else -1) for m in (one, other))
        means = a.mean(axis=0), b.mean(axis=0)
        assert row["kendall"] == pytest.approx(kendalltau(*means).statistic)
        assert row["spearman"] == pytest.approx(spearmanr(*means).statistic)
        within = [spearmanr(x, y).statistic for x, y in zip(a, b)]
        assert row["within"] == pytest.approx(np.mean(within))
        assert row["within_low"] < row["within"] < row["within_high"]
        across = [spearmanr(x, y).statistic for x, y in zip(a.T, b.T)]
        assert row["across"] == pytest.approx(np.mean(across))
        assert row["n_models"] == 5


def test_a_metric_agrees_with_a_monotone_map_of_itself_and_with_its_negative_turned():
    values = table()
    values["KL"], values["NSS"] = -np.exp(values["AUC"]), values["AUC"] ** 3
    found, models = columns(values)
    rows = agreement(found, list(HIGHER), models, HIGHER, draws=100)
    assert rows["within"].to_numpy() == pytest.approx(1)
    assert rows["across"].to_numpy() == pytest.approx(1)


def test_ties_and_gaps():
    first = np.array([[1.0, 2, 2, 4], [1, 2, np.nan, 4], [1, np.nan, np.nan, 2], [1, 1, 1, 1]])
    second = np.array([[1.0, 3, 2, 2], [4, 3, 1, 1], [1, 2, 3, 4], [1, 2, 3, 4]])
    found = correlations_by_row(first, second)
    assert found[0] == pytest.approx(spearmanr(first[0], second[0]).statistic)
    assert found[1] == pytest.approx(-1)
    assert np.isnan(found[2:]).all()  # two entries left; nothing varies


def test_two_models_have_no_correlation():
    found, models = columns(table(n_models=2))
    rows = agreement(found, list(HIGHER), models, HIGHER, draws=100)
    assert rows[["kendall", "spearman", "within"]].isna().all(axis=None)
    assert rows["n_models"].tolist() == [2, 2, 2]
