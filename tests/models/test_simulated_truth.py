"""The true density as a model: the right density for the right image, and none for others."""

import ast
import inspect

import numpy as np
import pysaliency
import pytest

import models.simulated_truth
from benchmark import registry
from benchmark.datasets.simulated import random_scene, simulate, true_information_gain
from models.base import TrainingData
from models.simulated_truth import SimulatedTruthModel


def training_data(dataset):
    return TrainingData(dataset.stimuli, dataset.fixations, np.arange(len(dataset)))


@pytest.fixture(scope="module")
def scenes():
    return simulate(n_subjects=12, scenes=[random_scene(i, 60, 60 + i) for i in range(5)])


@pytest.fixture(scope="module")
def fitted(scenes):
    return SimulatedTruthModel.fit(training_data(scenes), truth=scenes.extras["truth"])


def test_it_is_registered_as_a_ceiling_that_needs_the_truth():
    entry = registry.models()["simulated-truth"]
    assert entry.metadata["kind"] == "ceiling"
    assert entry.metadata["needs"] == ("truth",)
    assert entry.load() is SimulatedTruthModel
    assert issubclass(SimulatedTruthModel, pysaliency.Model)


def test_an_image_of_the_stimuli_is_known_by_index(scenes, fitted, monkeypatch):
    def unexpected(image):
        raise AssertionError("the image need not be read")

    monkeypatch.setattr(pysaliency.datasets, "get_image_hash", unexpected)
    for n in range(len(scenes)):
        np.testing.assert_array_equal(
            fitted.log_density(scenes.stimuli[n]), scenes.extras["truth"].log_density(n)
        )


def test_any_other_image_is_known_by_its_pixels(scenes, fitted):
    expected = scenes.extras["truth"].log_density(3)
    image = scenes.stimuli.stimuli[3].copy()
    np.testing.assert_array_equal(fitted.log_density(image), expected)
    np.testing.assert_array_equal(fitted.log_density(pysaliency.Stimuli([image])[0]), expected)
    reordered = scenes.stimuli[[4, 3]]
    np.testing.assert_array_equal(fitted.log_density(reordered[1]), expected)


def test_photographs_are_known_by_index_and_by_pixels():
    dataset = simulate(n_subjects=2, photographs=["page", "coins"])
    model = SimulatedTruthModel.fit(training_data(dataset), truth=dataset.extras["truth"])
    expected = dataset.extras["truth"].log_density(1)
    np.testing.assert_array_equal(model.log_density(dataset.stimuli[1]), expected)
    np.testing.assert_array_equal(model.log_density(dataset.stimuli.stimuli[1]), expected)
    with pytest.raises(ValueError, match=r"page\.png, coins\.png\.$"):
        model.log_density(np.zeros((191, 384), dtype=np.uint8))


def test_an_unknown_image_is_an_error_that_lists_the_known(fitted):
    with pytest.raises(ValueError, match=r"not known.*image 0, image 1.*image 4\.$"):
        fitted.log_density(np.zeros((60, 60), dtype=np.uint8))


def test_a_long_list_of_known_images_is_cut():
    dataset = simulate(n_subjects=1, scenes=[random_scene(i, 20, 20) for i in range(23)])
    model = SimulatedTruthModel.fit(training_data(dataset), truth=dataset.extras["truth"])
    with pytest.raises(ValueError, match=r"image 19 and 3 more\.$"):
        model.log_density(np.zeros((60, 60), dtype=np.uint8))


def test_the_truth_of_other_images_is_an_error(scenes):
    truth = scenes.extras["truth"]
    with pytest.raises(ValueError, match="truth is that of 2 images, but there are 5"):
        SimulatedTruthModel.fit(training_data(scenes), truth=truth.subset([0, 1]))
    wrong_order = SimulatedTruthModel.fit(
        training_data(scenes), truth=truth.subset([4, 3, 2, 1, 0])
    )
    with pytest.raises(ValueError, match=r"image 0: .*\(60, 64\), the image \(60, 60\)"):
        wrong_order.log_density(scenes.stimuli[0])


def test_the_truth_needs_no_more_than_a_log_density(scenes):
    class Uniform:
        def log_density(self, n):
            return np.full((60, 60 + n), -np.log(60 * (60 + n)))

    model = SimulatedTruthModel.fit(training_data(scenes), truth=Uniform())
    assert model.log_density(scenes.stimuli[2])[0, 0] == -np.log(60 * 62)


def test_log_likelihoods_agree_with_the_true_information_gain(scenes, fitted):
    """Measured on the fixations, the model gains over uniform what it must in expectation."""
    gain = fitted.information_gain(
        scenes.stimuli, scenes.fixations, pysaliency.UniformModel(), average="image"
    )
    assert gain == pytest.approx(true_information_gain(scenes.extras["truth"]).mean(), abs=0.35)


def test_the_module_imports_nothing_of_the_benchmark():
    tree = ast.parse(inspect.getsource(models.simulated_truth))
    imported = [
        name
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for name in ([a.name for a in node.names] + [getattr(node, "module", None) or ""])
    ]
    assert "models.base" in imported
    assert not [name for name in imported if name.split(".")[0] in ("benchmark", "metrics")]
