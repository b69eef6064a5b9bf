"""Per-image scores agree with pysaliency's and with loops written here; failures stay local."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pysaliency
import pytest

import models.kde
from benchmark import registry
from benchmark.errors import BenchmarkError
from benchmark.evaluate import Evaluation, Failure, Score, checked, model_hash
from benchmark.run import fit_models
from benchmark.scores import summarise
from benchmark.shuffled import MeanPrediction, reduced
from models.centerbias import CenterBias
from models.uniform import Uniform
from tests.benchmark.tiny import Blob, FaultyBlob, tiny, with_images, without_fixations

REL = 1e-9
TUEBINGEN = registry.protocols()["tuebingen"].load()()


@pytest.fixture(scope="module", autouse=True)
def _no_fit():
    """Fitting the centre bias takes seconds, and is not what is tested here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CenterBias, "fit", classmethod(lambda kind, data: kind(data, 0.12, 0.04)))
        yield


@pytest.fixture(scope="module")
def dataset():
    return tiny(n_subjects=4)


@pytest.fixture(scope="module")
def fitted(dataset, _no_fit):
    return fit_models(dataset)


@pytest.fixture(scope="module")
def evaluation(dataset, fitted):
    return make(dataset, fitted)


def make(dataset, models, metrics=("LL", "IG", "AUC", "sAUC", "NSS", "KL", "CC"), **options):
    centerbias = models["centerbias"]
    variants = {metric: TUEBINGEN[metric] for metric in metrics}
    options = {"kernel_size": 5.0, **options}
    return Evaluation(dataset, models, centerbias, variants, range(len(dataset)), **options)


def values(evaluation, name, metric):
    """Value of one metric on each image."""
    return [
        score.value
        for image in evaluation.images
        for score in evaluation.score(image, [name])
        if score.metric == metric
    ]


def means_by_image(per_fixation, fixations):
    return [per_fixation[fixations.n == n].mean() for n in np.unique(fixations.n)]


class Minus(pysaliency.SaliencyMapModel):
    """The map for shuffled AUC: one log density minus another."""

    def __init__(self, model, baseline):
        super().__init__(caching=False)
        self.parts = model, baseline
        self.images = {}

    def saliency_map(self, stimulus):
        return self.parts[0].log_density(stimulus) - self.parts[1].log_density(stimulus)

    def _saliency_map(self, stimulus):
        return self.saliency_map(stimulus)


# Against pysaliency


@pytest.mark.parametrize("name", ["uniform", "centerbias", "gold-insample"])
class TestAgainstPysaliency:
    def test_log_likelihood_and_information_gain(self, name, dataset, fitted, evaluation):
        stimuli, fixations, model = dataset.stimuli, dataset.fixations, fitted[name]
        gains = model.information_gains(stimuli, fixations, fitted["centerbias"])
        expected = means_by_image(gains, fixations)
        assert values(evaluation, name, "IG") == pytest.approx(expected, rel=REL, abs=1e-12)
        likelihoods = model.information_gains(stimuli, fixations)  # over uniform
        expected = means_by_image(likelihoods, fixations)
        assert values(evaluation, name, "LL") == pytest.approx(expected, rel=REL, abs=1e-12)

    def test_auc_per_image(self, name, dataset, fitted, evaluation):
        maps = pysaliency.DensitySaliencyMapModel(fitted[name])
        expected = maps.AUC_per_image(dataset.stimuli, dataset.fixations)
        assert values(evaluation, name, "AUC") == pytest.approx(expected, rel=REL)

    def test_shuffled_auc(self, name, dataset, fitted, evaluation):
        baseline = fitted["uniform" if name == "uniform" else "centerbias"]
        maps = Minus(fitted[name], baseline)
        aucs = maps.AUCs(dataset.stimuli, dataset.fixations, nonfixations="shuffled")
        expected = means_by_image(aucs, dataset.fixations)
        assert values(evaluation, name, "sAUC") == pytest.approx(expected, rel=REL)

    def test_nss(self, name, dataset, fitted, evaluation):
        if name == "uniform":  # pysaliency's is undefined for constant maps
            assert values(evaluation, name, "NSS") == [0.0] * len(dataset)
            return
        maps = pysaliency.DensitySaliencyMapModel(fitted[name])
        expected = means_by_image(maps.NSSs(dataset.stimuli, dataset.fixations), dataset.fixations)
        assert values(evaluation, name, "NSS") == pytest.approx(expected, rel=REL)

    def test_correlation(self, name, dataset, fitted, evaluation):
        maps = pysaliency.DensitySaliencyMapModel(fitted[name])
        blurred = pysaliency.BluringSaliencyMapModel(maps, 5.0, mode="constant")
        empirical = pysaliency.FixationMap(dataset.stimuli, dataset.fixations, kernel_size=5.0)
        expected = [
            pysaliency.metrics.CC(blurred.saliency_map(s), empirical.saliency_map(s))
            for s in dataset.stimuli
        ]
        assert values(evaluation, name, "CC") == pytest.approx(expected, rel=REL)


# Invariants


def test_the_centre_bias_gains_nothing_over_itself(evaluation):
    assert values(evaluation, "centerbias", "IG") == [0.0] * 4


def test_the_uniform_model_is_at_chance(evaluation):
    for metric, chance in {"LL": 0.0, "AUC": 0.5, "sAUC": 0.5, "NSS": 0.0}.items():
        assert values(evaluation, "uniform", metric) == pytest.approx([chance] * 4, abs=1e-12)


def test_scores_do_not_depend_on_other_models_or_images(dataset, fitted, evaluation):
    names = ["uniform", "centerbias", "gold", "gold-insample"]
    together = evaluation.score(2, names)
    assert [score.model for score in together[:: len(evaluation.variants)]] == names
    for name in names:
        alone = make(dataset, fitted).score(2, [name])
        for one in alone:
            (same,) = [s for s in together if (s.model, s.metric) == (one.model, one.metric)]
            np.testing.assert_equal(one.value, same.value)


def test_naive_maps_feed_the_density_to_every_metric(dataset, fitted):
    naive = make(dataset, fitted, metrics=("CC", "sAUC", "IG"), maps="naive")
    right = make(dataset, fitted, metrics=("CC", "sAUC", "IG"))
    for image in naive.images:
        target, _ = naive.target(image)
        density = np.exp(fitted["gold-insample"].log_density(dataset.stimuli[image]))
        expected = pysaliency.metrics.CC(density, target.empirical)
        assert values(naive, "gold-insample", "CC")[image] == pytest.approx(expected, rel=REL)
    maps = pysaliency.DensitySaliencyMapModel(fitted["gold-insample"])
    aucs = maps.AUCs(dataset.stimuli, dataset.fixations, nonfixations="shuffled")
    expected = means_by_image(aucs, dataset.fixations)
    assert values(naive, "gold-insample", "sAUC") == pytest.approx(expected, rel=REL)
    assert values(naive, "gold-insample", "IG") == values(right, "gold-insample", "IG")
    assert values(naive, "gold-insample", "CC") != values(right, "gold-insample", "CC")


# The gold standard: each subject scored with the density from the others


def brute_auc(density, x, y):
    at = density[int(y), int(x)]
    return np.mean(density < at) + np.mean(density == at) / 2


def test_the_gold_standard_is_scored_subject_by_subject(dataset, fitted, evaluation):
    gold, centerbias, fixations = fitted["gold"], fitted["centerbias"], dataset.fixations
    for image in range(len(dataset)):
        stimulus = dataset.stimuli[image]
        baseline = centerbias.log_density(stimulus)
        found = {"IG": [], "AUC": [], "NSS": []}
        for subject in np.unique(fixations.subjects[fixations.n == image]):
            log_density = gold.conditional_log_density(stimulus, attributes={"subjects": subject})
            density = np.exp(log_density)
            for i in np.flatnonzero((fixations.n == image) & (fixations.subjects == subject)):
                x, y = int(fixations.x[i]), int(fixations.y[i])
                found["IG"].append((log_density[y, x] - baseline[y, x]) / np.log(2))
                found["AUC"].append(brute_auc(density, x, y))
                found["NSS"].append((density[y, x] - density.mean()) / density.std())
        scores = {s.metric: s for s in evaluation.score(image, ["gold"])}
        for metric, expected in found.items():
            assert scores[metric].value == pytest.approx(np.mean(expected), rel=REL)
            assert scores[metric].n_fixations == len(expected) == sum(fixations.n == image)


def test_the_gold_standard_agrees_with_its_own_log_likelihoods(dataset, fitted, evaluation):
    gold, centerbias = fitted["gold"], fitted["centerbias"]
    gains = gold.information_gains(dataset.stimuli, dataset.fixations, centerbias)
    expected = means_by_image(gains, dataset.fixations)
    assert values(evaluation, "gold", "IG") == pytest.approx(expected, rel=REL)


def test_the_gold_standard_has_no_score_that_compares_with_all_subjects(evaluation):
    for metric in ("KL", "CC"):
        assert np.isnan(values(evaluation, "gold", metric)).all()


def test_the_gold_standard_is_undefined_where_one_subject_looked(dataset, fitted):
    fixations = dataset.fixations
    kept = fixations[(fixations.n != 1) | (fixations.subjects == 0)]
    lone = replace(dataset, fixations=kept)
    models = fit_models(lone, ("uniform", "gold", "gold-insample"))
    made = make(lone, models, metrics=("IG", "AUC", "sAUC", "CC"))
    for score in made.score(1, ["gold"]):
        assert np.isnan(score.value)
        assert score.n_fixations == np.sum(kept.n == 1)
    assert np.isfinite(values(made, "gold", "IG"))[[0, 2, 3]].all()
    assert np.isfinite(values(made, "gold-insample", "IG")).all()


# Shuffled baselines


def test_a_model_without_a_shuffled_baseline_is_given_its_mean_prediction(dataset, fitted):
    models = {**fitted, "blob": Blob(), "truth": fitted["simulated-truth"]}
    evaluation = make(dataset, models)
    assert evaluation.needs_mean("blob")
    assert not evaluation.needs_mean("uniform")
    assert not evaluation.needs_mean("gold")
    assert not make(dataset, models, metrics=("IG", "AUC")).needs_mean("blob")
    assert not make(dataset, models, maps="naive").needs_mean("blob")
    densities = [evaluation.density("truth", image) for image in range(4)]
    total = sum(reduced(density) for density in densities)
    evaluation.means["truth"] = MeanPrediction(total, 4)
    mean = evaluation.means["truth"].log_density_without(densities[2])
    target, _ = evaluation.target(2)
    ratio = np.log(densities[2]) - mean
    positives = ratio[target.y.astype(int), target.x.astype(int)]
    negatives = ratio[target.other_y, target.other_x]
    expected = [np.mean(negatives < p) + np.mean(negatives == p) / 2 for p in positives]
    found = values(evaluation, "truth", "sAUC")[2]
    assert found == pytest.approx(np.mean(expected), rel=REL)


# What was measured


def test_negatives_are_the_fixations_on_all_other_images(dataset, evaluation):
    fixations = dataset.fixations
    for image in range(4):
        target, subjects = evaluation.target(image)
        own = fixations.n == image
        np.testing.assert_array_equal(target.x, fixations.x[own])
        np.testing.assert_array_equal(subjects, fixations.subjects[own])
        assert target.shape == tuple(dataset.sizes[image])
        height, width = target.shape
        heights, widths = dataset.sizes[fixations.n[~own]].T
        expected = np.floor(fixations.x[~own] / widths * width + 1e-9)
        np.testing.assert_array_equal(target.other_x, expected)
        expected = np.floor(fixations.y[~own] / heights * height + 1e-9)
        np.testing.assert_array_equal(target.other_y, expected)


def test_fixations_on_copies_of_an_image_are_no_negatives(dataset, fitted):
    images = [np.asarray(image) for image in dataset.stimuli.stimuli]
    copies = with_images(dataset, [images[0], images[1], images[0].copy(), images[3]])
    assert copies.groups.tolist() == [0, 1, 0, 3]
    evaluation = make(copies, fitted)
    counts = np.bincount(dataset.fixations.n)
    for image, others in {0: (1, 3), 2: (1, 3), 1: (0, 2, 3), 3: (0, 1, 2)}.items():
        target, _ = evaluation.target(image)
        expected = sum(counts[other] for other in others)
        assert len(target.other_x) == len(target.other_y) == expected
        assert len(target.ten_x) == expected  # there are fewer than ten others


def test_ten_other_images_are_drawn_by_seed():
    dataset = tiny(n_subjects=2, sizes=((20, 24),) * 15, per_trial=2.0)
    counts = np.bincount(dataset.fixations.n, minlength=15)
    models = {"centerbias": Blob()}

    def drawn(seed, image=0):
        target, _ = make(dataset, models, seed=seed).target(image)
        return target.ten_x, target.ten_y

    first, again, other = drawn(1), drawn(1), drawn(2)
    np.testing.assert_array_equal(first, again)
    assert len(first[0]) != len(other[0]) or (first[0] != other[0]).any()
    assert counts[1:].sum() > len(first[0]) >= np.sort(counts[1:])[:10].sum()


def test_a_data_set_of_one_image_has_no_negatives():
    dataset = tiny(sizes=((30, 40),))
    models = fit_models(dataset, ["uniform", "gold"])
    scores = make(dataset, models).score(0, ["uniform", "gold"])
    undefined = {(s.model, s.metric) for s in scores if np.isnan(s.value)}
    assert undefined == {
        ("uniform", "sAUC"), ("gold", "sAUC"), ("gold", "KL"), ("gold", "CC"),
    }  # fmt: skip


def test_an_image_without_fixations_is_undefined_and_weighs_nothing(dataset):
    bare = without_fixations(dataset, 1)
    models = fit_models(bare)
    evaluation = make(bare, models)
    for name in models:
        if name == "simulated-truth" or evaluation.needs_mean(name):
            continue
        scores = evaluation.score(1, [name])
        assert [s.metric for s in scores] == list(evaluation.variants)
        assert all(np.isnan(s.value) and s.n_fixations == 0 for s in scores)
        assert not np.isnan(values(evaluation, name, "IG")[0])


def test_means_over_fixations_and_over_images(dataset, fitted, evaluation):
    import pandas as pd

    scores = pd.DataFrame(
        [s for image in evaluation.images for s in evaluation.score(image, ["gold-insample"])]
    )
    rows = summarise(scores, {}, draws=100).set_index("metric")
    gains = fitted["gold-insample"].information_gains(
        dataset.stimuli, dataset.fixations, fitted["centerbias"]
    )
    assert rows.loc["IG", "mean"] == pytest.approx(gains.mean(), rel=REL)
    per_image = np.mean(means_by_image(gains, dataset.fixations))
    assert rows.loc["IG_image", "mean"] == pytest.approx(per_image, rel=REL)
    assert abs(gains.mean() - per_image) > 1e-6  # the images differ in their fixations
    assert rows.loc["IG", "n_fixations"] == len(dataset.fixations.x)


# Failures


def raise_error(log_density):
    raise RuntimeError("out of memory")


def nan_somewhere(log_density):
    log_density[0, 0] = np.nan
    return log_density


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (raise_error, "RuntimeError: out of memory"),
        (lambda d: d[:-1], r"shape \(40, 27\), the image \(height, width\) \(41, 27\)"),
        (lambda d: None, r"shape \(\)"),
        (nan_somewhere, "contains NaN"),
        (lambda d: d + np.log(0.97), "sums to 0.97 instead of 1"),
        (lambda d: np.exp(d), "instead of 1"),
        (lambda d: np.where(d == d.max(), np.inf, d), "sums to inf"),
        (lambda d: np.full(d.shape, -np.inf), "sums to 0 instead"),
    ],
)
def test_a_model_that_fails_on_an_image_fails_alone(dataset, fitted, fault, reason):
    faulty = FaultyBlob(fault, image=1)
    faulty.shuffled_log_density = fitted["centerbias"].log_density
    evaluation = make(dataset, {**fitted, "faulty": faulty})
    for image in range(4):
        results = evaluation.score(image, ["uniform", "faulty", "gold"])
        failures = [result for result in results if isinstance(result, Failure)]
        assert len(failures) == (image == 1)
        for failure in failures:
            assert (failure.model, failure.image) == ("faulty", 1)
            assert re.search(reason, failure.reason)
        scored = {(r.model, r.metric) for r in results if isinstance(r, Score)}
        names = ("uniform", "gold") if image == 1 else ("uniform", "faulty", "gold")
        assert scored == {(name, metric) for name in names for metric in evaluation.variants}


def test_rounding_of_single_precision_is_no_failure():
    log_density = Blob().log_density(np.zeros((300, 400))).astype(np.float32)
    values, density = checked(log_density, (300, 400))
    assert values.dtype == density.dtype == np.float64
    assert density.sum() == pytest.approx(1, abs=1e-5)


def test_a_density_may_be_zero_somewhere():
    density = np.zeros((4, 5))
    density[1, 2] = 1
    with np.errstate(divide="ignore"):
        _, found = checked(np.log(density), (4, 5))
    np.testing.assert_array_equal(found, density)


def test_a_density_of_zero_at_a_fixation_scores_minus_infinity(dataset, fitted):
    def zero_at_fixations(log_density):
        own = dataset.fixations.n == 1
        log_density[dataset.fixations.y_int[own], dataset.fixations.x_int[own]] = -np.inf
        return log_density - np.log(np.exp(log_density).sum())

    model = FaultyBlob(zero_at_fixations, image=1)
    model.shuffled_log_density = fitted["centerbias"].log_density
    evaluation = make(dataset, {**fitted, "zero": model})
    assert values(evaluation, "zero", "IG")[1] == -np.inf
    assert values(evaluation, "zero", "LL")[1] == -np.inf
    assert 0 <= values(evaluation, "zero", "AUC")[1] < 0.1
    assert np.isfinite(np.array(values(evaluation, "zero", "IG"))[[0, 2, 3]]).all()


@pytest.mark.parametrize("shape", [(4,), (4, 5, 1), (5, 4)])
def test_a_prediction_of_another_shape_is_told_with_both_shapes(shape):
    with pytest.raises(BenchmarkError, match=r"\(4, 5\): predict at the image's own size"):
        checked(np.zeros(shape), (4, 5))


# What a model's predictions depend on


def test_the_hash_of_a_model_follows_parameters_and_data(dataset, fitted):
    blob = model_hash(Blob(), dataset)
    assert blob == model_hash(Blob(), dataset)
    assert blob != model_hash(Blob(sigma=0.3), dataset)
    other = tiny(n_subjects=4, seed=1)
    assert blob == model_hash(Blob(), other)  # trained on nothing
    data = fitted["centerbias"].data
    one, two = CenterBias(data, 0.1, 0.01), CenterBias(data, 0.1, 0.02)
    assert model_hash(one, dataset) != model_hash(two, dataset)
    assert model_hash(one, dataset) != model_hash(one, other)  # trained on the data scored
    assert model_hash(Uniform(), dataset) == model_hash(Uniform(), other)


def test_the_hash_of_a_model_follows_version_and_weights(dataset):
    hashes = {model_hash(Blob(), dataset)}

    class Newer(Blob):
        spec = replace(Blob.spec, version=2)

    weighted = Blob()
    weighted.content_hash = "0" * 64
    hashes |= {model_hash(Newer(), dataset), model_hash(weighted, dataset)}
    assert len(hashes) == 3


def test_the_hash_of_a_model_follows_the_source_that_it_imports(dataset, fitted, monkeypatch):
    """The gold standard is what models/kde.py makes of it."""
    from benchmark import evaluate

    before = {name: model_hash(model, dataset) for name, model in fitted.items()}
    sources = evaluate._sources_with_imports

    def changed(module):
        found = dict(sources(module))
        if "models.kde" in found:
            found["models.kde"] += "\n# changed"
        return found

    assert {"models.kde", "models.centerbias"} <= set(sources("models.gold_standard"))
    assert models.kde.__name__ not in sources("models.uniform")
    monkeypatch.setattr(evaluate, "_sources_with_imports", changed)
    after = {name: model_hash(model, dataset) for name, model in fitted.items()}
    stale = {name for name in fitted if before[name] != after[name]}
    with_prior = {name for name in fitted if "centerbias" in fitted[name].spec.needs}
    assert stale == {"centerbias", "gold", "gold-insample"} | with_prior
