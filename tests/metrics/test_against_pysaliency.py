"""Where definitions coincide, values agree with pysaliency's to 1e-9 on the same maps."""

from __future__ import annotations

import numpy as np
import pysaliency
import pytest
from pysaliency.metrics import MIT_KLDiv
from scipy.ndimage import gaussian_filter

from metrics.auc import auc, rescale_fixations, shuffled_auc
from metrics.cc import correlation
from metrics.gaussian import filtered_map, filtered_points
from metrics.information_gain import information_gain, log_likelihood
from metrics.kl import kl_divergence
from metrics.nss import nss
from metrics.sim import similarity

REL = 1e-9


class Stored(pysaliency.Model):
    """Returns the density that belongs to an image."""

    def __init__(self, log_densities):
        super().__init__(caching=False)
        self.log_densities = log_densities

    def _log_density(self, stimulus):
        return self.log_densities[int(stimulus[0, 0])]


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(8)
    shapes = [(60, 80), (80, 60), (50, 90), (60, 80)]
    images, densities, x, y, n = [], [], [], [], []
    for index, (height, width) in enumerate(shapes):
        image = np.zeros((height, width), dtype=np.uint8)
        image[0, 0] = index
        images.append(image)
        density = gaussian_filter(rng.random((height, width)) ** 8, 4) + 1e-6
        density = np.round(density / density.sum(), 6) + 1e-7  # ties
        densities.append(np.log(density / density.sum()))
        count = 25 + index
        x += list(rng.uniform(0, width, count))
        y += list(rng.uniform(0, height, count))
        n += [index] * count
    fixations = pysaliency.Fixations.create_without_history(
        np.array(x), np.array(y), np.array(n), np.zeros(len(n), int)
    )
    return pysaliency.Stimuli(images), fixations, densities


def per_image(data):
    _stimuli, fixations, densities = data
    for index, log_density in enumerate(densities):
        here = fixations.n == index
        yield index, log_density, fixations.x[here], fixations.y[here]


def test_log_likelihood_and_information_gain(data):
    stimuli, fixations, densities = data
    model, baseline = Stored(densities), Stored([np.roll(d, 7, axis=1) for d in densities])
    gains = np.concatenate(
        [information_gain(d, np.roll(d, 7, axis=1), x, y) for _, d, x, y in per_image(data)]
    )
    likelihoods = np.concatenate([log_likelihood(d, x, y) for _, d, x, y in per_image(data)])
    expected = model.information_gains(stimuli, fixations, baseline_model=baseline)
    assert gains == pytest.approx(expected, rel=REL)
    expected = model.information_gains(stimuli, fixations)  # over uniform
    assert likelihoods == pytest.approx(expected, rel=REL)


def test_auc(data):
    stimuli, fixations, densities = data
    maps = pysaliency.DensitySaliencyMapModel(Stored(densities))
    values = [auc(np.exp(d), x, y) for _, d, x, y in per_image(data)]
    assert np.concatenate(values) == pytest.approx(maps.AUCs(stimuli, fixations), rel=REL)
    means = [v.mean() for v in values]
    assert means == pytest.approx(maps.AUC_per_image(stimuli, fixations), rel=REL)


def test_shuffled_auc(data):
    stimuli, fixations, densities = data
    maps = pysaliency.DensitySaliencyMapModel(Stored(densities))
    values, sizes = [], np.array(list(stimuli.sizes))
    for index, log_density, x, y in per_image(data):
        other = fixations.n != index
        other_x, other_y = rescale_fixations(
            fixations.x[other], fixations.y[other], sizes[fixations.n[other]], log_density.shape
        )
        values.append(shuffled_auc(np.exp(log_density), x, y, other_x, other_y))
    expected = maps.AUCs(stimuli, fixations, nonfixations="shuffled")
    assert np.concatenate(values) == pytest.approx(expected, rel=REL)


def test_nss(data):
    stimuli, fixations, densities = data
    maps = pysaliency.DensitySaliencyMapModel(Stored(densities))
    values = np.concatenate([nss(np.exp(d), x, y) for _, d, x, y in per_image(data)])
    assert values == pytest.approx(maps.NSSs(stimuli, fixations), rel=REL)


def test_image_metrics_with_empirical_maps(data):
    stimuli, fixations, densities = data
    sigma = 6.0
    empirical = pysaliency.FixationMap(stimuli, fixations, kernel_size=sigma)
    maps = pysaliency.DensitySaliencyMapModel(Stored(densities))
    blurred = pysaliency.BluringSaliencyMapModel(maps, sigma, mode="constant")
    for index, log_density, x, y in per_image(data):
        ours = filtered_points(x.astype(int), y.astype(int), log_density.shape, sigma)
        theirs = empirical.saliency_map(stimuli[index])
        assert ours == pytest.approx(theirs, rel=REL, abs=1e-15)
        smooth = filtered_map(np.exp(log_density), sigma)
        assert smooth == pytest.approx(blurred.saliency_map(stimuli[index]), rel=REL)
        for saliency_map in (smooth, np.exp(log_density)):
            assert correlation(saliency_map, ours) == pytest.approx(
                pysaliency.metrics.CC(saliency_map, theirs), rel=REL
            )
            assert similarity(saliency_map, ours) == pytest.approx(
                pysaliency.metrics.SIM(saliency_map, theirs), rel=REL
            )
            assert kl_divergence(saliency_map, ours) == pytest.approx(
                MIT_KLDiv(saliency_map, theirs), rel=REL
            )
