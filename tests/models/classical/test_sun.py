"""SUN: agreement with its definition, and what the paper says of it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import gennorm

from models.classical import ica
from models.classical.sun import SUN
from tests.models.classical.displays import AnyImage, clouds, disc


@pytest.fixture(scope="module")
def model():
    return SUN()


class TestAnyImage(AnyImage):
    pass


def test_the_map_is_the_sum_of_powers_of_responses(model):
    image = clouds((15, 22), seed=5)
    saliency = model.map_of(image)
    assert saliency.shape == (15, 22)
    basis = ica.load("sun")
    padded = np.pad(image / 255.0, ((5, 5), (5, 5), (0, 0)), mode="symmetric")
    for y, x in ((0, 0), (14, 21), (7, 9), (3, 20)):
        patch = padded[y : y + 11, x : x + 11]
        expected = 0.0
        for w, scale, exponent in zip(basis.filters, basis.scale, basis.exponent, strict=True):
            response = (w.astype(np.float64) * (patch - basis.mean)).sum()
            expected += abs(response / scale) ** exponent
        assert saliency[y, x] == pytest.approx(expected, rel=1e-3)


def test_it_is_minus_the_log_of_the_density_of_the_responses(model):
    """Two patches differ in saliency as their densities under generalised Gaussians do."""
    image = clouds((15, 22), seed=5)
    basis = ica.load("sun")
    maps = np.moveaxis(image / np.float32(255), 2, 0)
    shift = (basis.filters * basis.mean).sum(axis=(1, 2, 3))
    responses = ica.responses(maps, basis) - shift[:, None, None]
    densities = gennorm.logpdf(
        responses, basis.exponent[:, None, None], scale=basis.scale[:, None, None]
    )
    expected = -densities.sum(axis=0)
    saliency = model.map_of(image)
    np.testing.assert_allclose(
        saliency - saliency[0, 0], expected - expected[0, 0], atol=1e-3 * saliency.max()
    )


def test_the_rest_of_the_image_does_not_matter(model):
    image = clouds((120, 160))
    changed = image.copy()
    changed[:, 70:] = clouds((120, 90), seed=1)
    np.testing.assert_array_equal(model.map_of(changed)[:, :65], model.map_of(image)[:, :65])
    assert not np.array_equal(model.map_of(changed)[:, 65:70], model.map_of(image)[:, 65:70])


def test_a_shift_of_the_image_shifts_the_map(model):
    image = clouds((90, 120))
    whole, part = model.map_of(image), model.map_of(image[13:, 8:])
    np.testing.assert_allclose(whole[18:-5, 13:-5], part[5:-5, 5:-5], rtol=1e-4)


def test_edges_and_spots_are_salient_and_surfaces_are_not(model):
    image = disc((100, 100), 50, 50, 20)
    saliency = model.map_of(image)
    assert saliency[50, 30] > 3 * saliency[50, 50]
    assert saliency[50, 30] > 3 * saliency[5, 5]


def test_contrast_is_salient(model):
    def at_edge(figure):
        return model.map_of(disc((60, 60), 30, 30, 12, figure, 60))[30, 18]

    values = [at_edge(figure) for figure in (70, 100, 150, 250)]
    assert values == sorted(values)


def test_an_unusual_colour_is_more_salient_than_grey_of_its_lightness(model):
    grey, magenta = (np.full((20, 20, 3), c, np.uint8) for c in (105, (200, 30, 200)))
    assert model.map_of(magenta).min() > model.map_of(grey).max()
