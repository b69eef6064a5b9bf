"""Shuffled AUC of models with the scored data set's centre bias: no side knows the fixations."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pysaliency
import pytest

from benchmark import registry, run
from benchmark.datasets.base import training_data
from benchmark.evaluate import Evaluation
from benchmark.shuffled import GRID, MeanPrediction, reduced
from models.base import ModelSpec, centerbias_exponent
from models.centerbias import CenterBias
from models.saliency_map import FOLDS, MapFit, SaliencyMap
from tests.benchmark.tiny import Blob, tiny

TUEBINGEN = registry.protocols()["tuebingen"].load()()
SPEC = ModelSpec(name="mapped", title="Mapped", summary="a map", trained_on=("scored",))


class Flat(SaliencyMap):
    """Knows nothing about any image."""

    spec = SPEC

    def map_of(self, rgb):
        return np.zeros((4, 4))


class Bright(SaliencyMap):
    spec = SPEC

    def map_of(self, rgb):
        return rgb.mean(axis=2)


def with_fits(model, data, centerbias, weights):
    """The model with a range-scaled map, f from 1 to e**2, and a prior weight for each fold."""
    made = type(model)()
    made.data, made.centerbias = data, centerbias
    made.folds = np.arange(len(data.groups)) % FOLDS
    made.fits = tuple(MapFit("range", 0.0, (0.0, 1.0), (0.0, 2.0), w) for w in weights)
    return made


def evaluated(dataset, model, centerbias, images=None):
    images = range(len(dataset)) if images is None else images
    models = {"centerbias": centerbias, "model": model}
    variants = {"sAUC": TUEBINGEN["sAUC"]}
    made = Evaluation(dataset, models, centerbias, variants, images, kernel_size=5.0)
    if made.needs_mean("model"):
        total, failures = run._block_sum("model", made, list(images))
        assert not failures
        with_prior = total[1:] if len(total) > 1 else None
        made.means["model"] = MeanPrediction(total[0], len(images), with_prior)
    return made


def values(evaluation):
    return np.array([evaluation.score(n, ["model"])[0].value for n in evaluation.images])


def without_correction(monkeypatch):
    monkeypatch.setattr(SaliencyMap, "centerbias_exponent", lambda *_: 0.0)


@pytest.mark.parametrize("count", [2, 3, 40])
def test_a_model_that_knows_nothing_is_at_chance(count, monkeypatch):
    dataset = tiny(3, sizes=(((30, 40), (41, 27), (24, 35), (30, 40)) * 10)[:count])
    data = training_data(dataset)
    centerbias = CenterBias(data, 0.1, 0.05)
    model = Flat.fit(data, centerbias)
    assert (values(evaluated(dataset, model, centerbias)) == 0.5).all()
    if count == 40:
        without_correction(monkeypatch)
        assert values(evaluated(dataset, model, centerbias)).mean() < 0.42


def test_weights_that_differ_between_folds_do_not_tell_the_image():
    """A fold's weight is fitted on the fixations of others, which must not come back by it."""
    dataset = tiny(3, sizes=((30, 40), (41, 27)) * 4)
    data = training_data(dataset)
    centerbias = CenterBias(data, 0.1, 0.05)
    model = with_fits(Flat(), data, centerbias, (0.7, 0.8, 0.9, 1.0, 1.1, 0.9))
    assert (values(evaluated(dataset, model, centerbias)) == 0.5).all()


def test_it_is_the_mean_of_what_others_are_predicted_with_the_images_own_centre_bias(monkeypatch):
    """Every pair (i, j) on its own: what image j is predicted without the fixations on image i."""
    dataset = tiny(3, sizes=((GRID, GRID),) * 12)  # on the common grid, nothing is resampled
    data = training_data(dataset)
    centerbias = CenterBias(data, 0.08, 0.05)
    weight = 0.9
    model = with_fits(Bright(), data, centerbias, (weight,) * (FOLDS + 1))

    plain = with_fits(Bright(), data, centerbias, (0.0,) * (FOLDS + 1))
    contents = [plain.log_density(stimulus) for stimulus in dataset.stimuli]

    def predicted(j, log_prior):
        density = np.exp(contents[j]) * np.exp(log_prior) ** weight
        return density / density.sum()

    def brute(i):
        own = centerbias.log_density_without((GRID, GRID), i)
        mean = np.mean([predicted(j, own) for j in range(len(dataset)) if j != i], axis=0)
        ratio = np.log(predicted(i, own)) - np.log(mean)
        fixations = dataset.fixations
        at = ratio[fixations.y_int, fixations.x_int]
        negatives = at[fixations.n != i]
        return np.mean([np.mean(negatives < v) + np.mean(negatives == v) / 2
                        for v in at[fixations.n == i]])  # fmt: skip

    expected = np.array([brute(i) for i in range(len(dataset))])
    found = values(evaluated(dataset, model, centerbias))
    assert abs(found.mean() - expected.mean()) < 1e-3
    assert np.abs(found - expected).max() < 5e-3
    without_correction(monkeypatch)
    uncorrected = values(evaluated(dataset, model, centerbias))
    assert expected.mean() - uncorrected.mean() > 0.02


def test_copies_of_an_image_are_left_out_of_the_mean(monkeypatch):
    dataset = tiny(3, sizes=((30, 40),) * 5)
    pixels = [dataset.stimuli[n].stimulus_data for n in (0, 1, 2, 3, 1)]
    dataset = replace(dataset, stimuli=pysaliency.Stimuli(pixels))
    assert dataset.groups[1] == dataset.groups[4]
    data = training_data(dataset)
    centerbias = CenterBias(data, 0.1, 0.05)
    model = with_fits(Bright(), data, centerbias, (0.9,) * (FOLDS + 1))
    made = evaluated(dataset, model, centerbias)
    prediction = model.log_density(dataset.stimuli[1])
    baseline = centerbias.log_density(dataset.stimuli[1])
    found = made._shuffled("model", np.exp(prediction), prediction, baseline, dataset.stimuli[1])
    parts = [made.reduced("model", n) for n in (0, 1, 2, 3)]  # as if there were no copy
    alone = MeanPrediction(sum(part[0] for part in parts), 4, sum(part[1:] for part in parts))
    factor = made._prior_factor("model", 1)
    expected = alone.log_density_without(np.exp(prediction), factor)
    np.testing.assert_allclose(found, expected, atol=1e-9)
    with_copy = made.means["model"].log_density_without(np.exp(prediction), factor)
    assert np.abs(found - with_copy).max() > 0.05


def test_a_copy_that_failed_is_not_subtracted():
    own = np.full((4, 4), 1 / 16)
    total = reduced(own) * 2
    # of three images, the copy failed: the other one is left
    found = MeanPrediction(total, 2, failed=frozenset({2})).log_density_without(own)
    np.testing.assert_allclose(found, np.log(own), atol=1e-9)
    nothing_left = MeanPrediction(total, 2).log_density_without(own, copies=[reduced(own)[None]])
    np.testing.assert_allclose(nothing_left, np.log(own), atol=1e-9)


def test_only_predictions_with_the_centre_bias_get_that_of_the_scored_image():
    """The definition, for images of which some are predicted with another prior."""
    rng = np.random.default_rng(0)
    densities = [d / d.sum() for d in rng.uniform(0.5, 1.0, (4, GRID, GRID))]
    factors = [None, *rng.uniform(0.5, 2.0, (3, GRID, GRID))]
    with_prior = np.stack(
        [sum(densities[1:]), sum(d / f for d, f in zip(densities[1:], factors[1:]))]
    )
    mean = MeanPrediction(sum(densities), 4, with_prior)
    expected = densities[0] + (densities[2] / factors[2] + densities[3] / factors[3]) * factors[1]
    found = mean.log_density_without(densities[1], factors[1])
    np.testing.assert_allclose(found, np.log(expected / expected.sum()), atol=1e-9)
    found = mean.log_density_without(densities[0])
    np.testing.assert_allclose(found, np.log(sum(densities[1:]) / 3), atol=1e-9)


def test_the_exponent_is_that_of_this_centre_bias_only():
    dataset = tiny(2)
    data = training_data(dataset)
    centerbias, other = CenterBias(data, 0.1, 0.05), CenterBias(data, 0.1, 0.05)
    model = with_fits(Flat(), data, centerbias, (0.1, 0.2, 0.3, 0.4, 0.5, 0.6))
    exponents = [centerbias_exponent(model, centerbias, s) for s in dataset.stimuli]
    assert exponents == [0.1, 0.2, 0.3, 0.4]
    unknown = np.zeros((9, 9, 3), np.uint8)
    assert centerbias_exponent(model, centerbias, unknown) == 0.6
    assert centerbias_exponent(model, other, unknown) == 0
    assert centerbias_exponent(model.as_plain(), centerbias, unknown) == 0
    assert centerbias_exponent(Blob(), centerbias, unknown) == 0


@pytest.mark.parametrize("changes", [{"jobs": 2}, {"jobs": 2, "backend": "threading"}])
def test_the_bytes_are_the_same_with_other_jobs_and_after_an_interruption(
    tmp_path, changes, monkeypatch
):
    monkeypatch.setattr(run, "BLOCK", 1)
    monkeypatch.setattr(run, "load", lambda *_: tiny())
    monkeypatch.setattr("benchmark.report.writer.write_figures", lambda results, folder: [])
    monkeypatch.setattr(CenterBias, "fit", classmethod(lambda kind, data: kind(data, 0.12, 0.04)))
    given = {
        "dataset": "tiny", "models": ("image-signature",), "metrics": ("sAUC",), "draws": 200,
        "kernel_size": 4.0,
    }  # fmt: skip
    run.run(run.Options(**given, out=tmp_path / "one"))
    run.run(run.Options(**given, **changes, out=tmp_path / "other"))

    class StoppedError(Exception):
        pass

    kept = run.Store.add_sum

    def once(store, key, block, total):
        if block == 2:
            raise StoppedError
        kept(store, key, block, total)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run.Store, "add_sum", once)
        with pytest.raises(StoppedError):
            run.run(run.Options(**given, out=tmp_path / "resumed"))
    run.run(run.Options(**given, out=tmp_path / "resumed"))
    expected = (tmp_path / "one" / "scores.csv").read_bytes()
    for name in ("other", "resumed"):
        assert (tmp_path / name / "scores.csv").read_bytes() == expected
