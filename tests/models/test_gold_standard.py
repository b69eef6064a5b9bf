"""The gold standard by definition: no subject helps to predict itself, and the fit is a maximum."""

from __future__ import annotations

import numpy as np
import pysaliency
import pytest

from models.base import TrainingData, UnavailableError
from models.centerbias import CenterBias
from models.gold_standard import GoldStandard, InSampleGoldStandard
from models.mixture_fit import MixtureFit
from tests.models.synthetic import training_data
from tests.models.test_kde import written_out


@pytest.fixture(scope="module")
def data():
    return training_data()


@pytest.fixture(scope="module")
def gold(data):
    return GoldStandard.fit(data, CenterBias.fit(data))


def expected_density(data, gold, n, subject):
    """The mixture for one image from all subjects but one, written out."""
    fixations = data.fixations
    chosen = (fixations.n == n) & (fixations.subjects != subject)
    shape = tuple(data.sizes[n])
    kernel = written_out(
        fixations.x_int[chosen], fixations.y_int[chosen], shape, gold.mixture.bandwidth
    )
    w = gold.mixture.weights
    prior = np.exp(gold.centerbias.log_density(data.stimuli[n]))
    return w[0] * kernel + w[1] * prior + w[2] / np.prod(shape)


def test_held_out_densities_by_definition(data, gold):
    for n in (0, 3):
        subjects = []
        for subject, density in gold.held_out_densities(data.stimuli[n]):
            subjects.append(subject)
            assert density == pytest.approx(expected_density(data, gold, n, subject), rel=1e-9)
            assert density.sum() == pytest.approx(1, abs=1e-12)
        assert subjects == [0, 1, 2, 3]


def test_leave_one_out_by_subtraction_is_the_explicit_average(data, gold):
    """The mean over the other subjects, added up one by one, equals total minus own."""
    n, left_out = 2, 1
    fixations, shape = data.fixations, tuple(data.sizes[2])
    kernels, count = np.zeros(shape), 0
    for subject in (0, 2, 3):
        own = (fixations.n == n) & (fixations.subjects == subject)
        part = written_out(
            fixations.x_int[own], fixations.y_int[own], shape, gold.mixture.bandwidth
        )
        kernels += part * own.sum()
        count += own.sum()
    w = gold.mixture.weights
    prior = np.exp(gold.centerbias.log_density(data.stimuli[n]))
    expected = w[0] * kernels / count + w[1] * prior + w[2] / np.prod(shape)
    density = dict(gold.held_out_densities(data.stimuli[n]))[left_out]
    assert density == pytest.approx(expected, rel=1e-9)


def test_own_fixations_do_not_matter(data, gold):
    """A subject's density is the same wherever that subject looked."""
    x = data.fixations.x.copy()
    own = (data.fixations.n == 0) & (data.fixations.subjects == 2)
    x[own] = 1.0
    poisoned = TrainingData(
        data.stimuli,
        pysaliency.Fixations.create_without_history(
            x, data.fixations.y, data.fixations.n, data.fixations.subjects
        ),
        data.groups,
    )
    moved = GoldStandard(poisoned, gold.centerbias, gold.mixture)
    before = dict(gold.held_out_densities(data.stimuli[0]))
    after = dict(moved.held_out_densities(poisoned.stimuli[0]))
    assert after[2] == pytest.approx(before[2], rel=1e-12)
    assert np.abs(after[1] - before[1]).max() > 1e-6


def test_log_likelihoods_are_held_out(data, gold):
    values = gold.log_likelihoods(data.stimuli, data.fixations)
    for i in range(0, len(values), 11):
        n, subject = data.fixations.n[i], data.fixations.subjects[i]
        density = expected_density(data, gold, n, subject)
        expected = np.log(density[data.fixations.y_int[i], data.fixations.x_int[i]])
        assert values[i] == pytest.approx(expected, rel=1e-9)
    assert values.mean() == pytest.approx(gold.mixture.log_likelihood, rel=1e-9)


def test_pysaliency_scores_it_held_out(data, gold):
    gain = gold.information_gain(data.stimuli, data.fixations, baseline_model=gold.centerbias)
    prior = gold.centerbias.log_likelihoods(data.stimuli, data.fixations)
    expected = (gold.mixture.log_likelihood - prior.mean()) / np.log(2)
    assert gain == pytest.approx(expected, rel=1e-9)
    single = gold.conditional_log_density_for_fixation(data.stimuli, data.fixations, 5)
    subject = data.fixations.subjects[5]
    assert np.exp(single) == pytest.approx(expected_density(data, gold, 0, subject), rel=1e-9)


def test_fit_is_a_maximum(data, gold):
    def likelihood(bandwidth, weights):
        model = GoldStandard(data, gold.centerbias, MixtureFit(bandwidth, weights, 0.0, 0))
        return model.log_likelihoods(data.stimuli, data.fixations).mean()

    w, bandwidth = gold.mixture.weights, gold.mixture.bandwidth
    best = likelihood(bandwidth, w)
    assert likelihood(bandwidth * 0.95, w) < best
    assert likelihood(bandwidth * 1.05, w) < best
    step = 0.02
    for a, b in ((0, 1), (1, 0), (0, 2), (1, 2)):
        moved = list(w)
        if moved[a] > step:
            moved[a] -= step
            moved[b] += step
            assert likelihood(bandwidth, tuple(moved)) < best


def test_a_lone_subject_has_no_gold_standard():
    data = training_data(n_subjects=3)
    fixations = data.fixations
    keep = (fixations.n != 1) | (fixations.subjects == 0)  # image 1: one subject
    keep &= fixations.n != 4  # image 4: nobody
    few = TrainingData(data.stimuli, fixations[keep], data.groups)
    gold = GoldStandard.fit(few, CenterBias.fit(few))
    ((subject, density),) = gold.held_out_densities(few.stimuli[1])
    assert subject == 0
    assert density.shape == (90, 60)
    assert np.isnan(density).all()
    values = gold.log_likelihoods(few.stimuli, few.fixations)
    np.testing.assert_array_equal(np.isnan(values), few.fixations.n == 1)
    assert list(gold.held_out_densities(few.stimuli[4])) == []
    assert np.exp(gold.log_density(few.stimuli[4])).sum() == pytest.approx(1)


def test_where_no_image_has_two_subjects_there_is_none():
    data = training_data(n_subjects=5)
    own = data.fixations.subjects == data.fixations.n  # each image has one subject of its own
    lone = TrainingData(data.stimuli, data.fixations[own], data.groups)
    with pytest.raises(UnavailableError, match="needs two subjects on an image"):
        GoldStandard.fit(lone, CenterBias(lone, 0.1, 0.05))


def test_in_sample_bound_is_optimistic(data, gold):
    bound = InSampleGoldStandard.fit(data, gold)
    optimistic = bound.log_likelihoods(data.stimuli, data.fixations).mean()
    assert optimistic > gold.mixture.log_likelihood + 0.05
    assert np.exp(bound.log_density(data.stimuli[0])).sum() == pytest.approx(1, abs=1e-12)


def test_unknown_images_are_refused(gold):
    with pytest.raises(ValueError, match="knows only images that it has fixations for"):
        gold.log_density(np.full((60, 80), 77, dtype=np.uint8))
    with pytest.raises(ValueError, match="give attributes"):
        gold.conditional_log_density(gold.data.stimuli[0])
