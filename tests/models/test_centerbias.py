"""The centre bias by definition: relative kernels, leave-one-image-out, fitted by likelihood."""

from __future__ import annotations

import numpy as np
import pysaliency
import pytest

from models.base import TrainingData
from models.centerbias import GRID, CenterBias
from tests.models.synthetic import training_data


@pytest.fixture(scope="module")
def data():
    return training_data()


@pytest.fixture(scope="module")
def fitted(data):
    return CenterBias.fit(data)


def written_out(data, model, shape, left_out):
    """Density for an image of ``shape`` from the fixations on images outside ``left_out``."""
    rows = (np.arange(shape[0]) + 0.5) / shape[0]
    columns = (np.arange(shape[1]) + 0.5) / shape[1]
    total, count = np.zeros(shape), 0
    for x, y, n in zip(data.fixations.x_int, data.fixations.y_int, data.fixations.n):
        if n in left_out:
            continue
        height, width = data.sizes[n]
        u = (np.floor((x + 0.5) / width * GRID) + 0.5) / GRID
        v = (np.floor((y + 0.5) / height * GRID) + 0.5) / GRID
        kernel = np.exp(-0.5 * ((rows[:, None] - v) ** 2 + (columns - u) ** 2) / model.bandwidth**2)
        total += kernel / kernel.sum()
        count += 1
    w = model.uniform_weight
    return (1 - w) * total / count + w / np.prod(shape)


def test_density_by_definition(data, fitted):
    for n in (0, 1):
        expected = written_out(data, fitted, tuple(data.sizes[n]), {n})
        assert np.exp(fitted.log_density(data.stimuli[n])) == pytest.approx(expected, rel=1e-9)
    unknown = np.full((33, 47), 200, dtype=np.uint8)
    expected = written_out(data, fitted, (33, 47), set())
    assert np.exp(fitted.log_density(unknown)) == pytest.approx(expected, rel=1e-9)


def test_density_sums_to_one(data, fitted):
    for shape in ((1, 1), (7, 300), (300, 7)):
        total = np.exp(fitted.log_density(np.zeros(shape, np.uint8))).sum()
        assert total == pytest.approx(1, abs=1e-12)


def test_known_image_is_recognised_by_its_pixels(data, fitted):
    by_index = fitted.log_density(data.stimuli[2])
    assert (fitted.log_density(np.full((60, 80), 2, dtype=np.uint8)) == by_index).all()
    other = fitted.log_density(np.full((60, 80), 99, dtype=np.uint8))
    assert (other != by_index).any()


def test_own_fixations_do_not_matter(data, fitted):
    """Poisoning an image's fixations leaves its own density as it was, and changes others."""
    x = data.fixations.x.copy()
    x[data.fixations.n == 1] = 0
    poisoned = TrainingData(
        data.stimuli,
        pysaliency.Fixations.create_without_history(
            x, data.fixations.y, data.fixations.n, data.fixations.subjects
        ),
        data.groups,
    )
    model = CenterBias(poisoned, fitted.bandwidth, fitted.uniform_weight)
    assert (model.log_density(data.stimuli[1]) == fitted.log_density(data.stimuli[1])).all()
    assert (model.log_density(data.stimuli[0]) != fitted.log_density(data.stimuli[0])).any()


def test_duplicates_are_left_out_together(data, fitted):
    groups = np.array([0, 1, 0, 3, 4])
    model = CenterBias(
        TrainingData(data.stimuli, data.fixations, groups),
        fitted.bandwidth,
        fitted.uniform_weight,
    )
    expected = written_out(data, fitted, (60, 80), {0, 2})
    assert np.exp(model.log_density(data.stimuli[0])) == pytest.approx(expected, rel=1e-9)


def test_values_at_points_are_those_of_the_map(data, fitted):
    x, y = np.array([0, 79, 40]), np.array([59, 0, 30])
    expected = fitted.log_density(data.stimuli[0])[y, x]
    assert fitted.log_density_at((60, 80), x, y, 0) == pytest.approx(expected, abs=1e-12)


def held_out_likelihood(data, bandwidth, weight):
    model = CenterBias(data, bandwidth, weight)
    gains = [
        model.log_density(data.stimuli[n])[y, x] + np.log(data.sizes[n].prod())
        for x, y, n in zip(data.fixations.x_int, data.fixations.y_int, data.fixations.n)
    ]
    return np.mean(gains)


def test_fit_maximises_the_likelihood_of_the_density_that_is_scored():
    # one size a hundred pixels and more, so that the grid of the fit resolves what is scored
    data = training_data(seed=4, shapes=[(100, 120)] * 4, per_trial=4)
    fitted = CenterBias.fit(data)
    best = held_out_likelihood(data, fitted.bandwidth, fitted.uniform_weight)
    for factor in (0.9, 1.1):
        assert held_out_likelihood(data, fitted.bandwidth * factor, fitted.uniform_weight) < best
    for weight in (fitted.uniform_weight + 0.05, max(fitted.uniform_weight - 0.05, 0)):
        if weight != fitted.uniform_weight:
            assert held_out_likelihood(data, fitted.bandwidth, weight) < best + 1e-6


def test_single_image_has_nothing_to_learn_from():
    model = CenterBias.fit(training_data(shapes=[(20, 30)]))
    assert model.log_density(model.data.stimuli[0]) == pytest.approx(-np.log(600))


def test_shuffled_baseline_is_itself(data, fitted):
    stimulus = data.stimuli[3]
    assert (fitted.shuffled_log_density(stimulus) == fitted.log_density(stimulus)).all()
