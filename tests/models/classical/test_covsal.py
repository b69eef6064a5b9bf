"""CovSal: agreement with its definition, and what the paper says of it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from models.classical.covsal import CovSal, descriptors, features
from tests.models.classical.displays import AnyImage, at, bar, clouds, search_display


@pytest.fixture(scope="module")
def model():
    return CovSal()


class TestAnyImage(AnyImage):
    @pytest.fixture
    def model(self):
        return CovSal(side=128, sizes=(8, 16, 32))


def explicit_saliency(described, size, fraction=0.1, ridge=1e-3):
    """Saliency of each region before scaling, by its definition."""
    count, height, width = described.shape
    points, centres = [], []
    for top in range(0, height, size):
        for left in range(0, width, size):
            samples = described[:, top : top + size, left : left + size].reshape(count, -1)
            root = np.linalg.cholesky(np.cov(samples, bias=True) + ridge * np.eye(count))
            mean = samples.mean(axis=1)
            mean[-2:] = 0
            reach = np.sqrt(2) * np.sqrt(count)
            plus = [mean + reach * root[:, i] for i in range(count)]
            minus = [mean - reach * root[:, i] for i in range(count)]
            points.append(np.concatenate([mean, *plus, *minus]))
            centres.append(np.array([top, left]))
    saliency = []
    for i in range(len(points)):
        differences = sorted(
            np.linalg.norm(points[i] - points[j]) / (1 + np.linalg.norm(centres[i] - centres[j]))
            for j in range(len(points))
            if j != i
        )
        saliency.append(np.mean(differences[: max(1, round(fraction * (len(points) - 1)))]))
    return np.reshape(saliency, (height // size, width // size))


def planes_of(image):
    return np.moveaxis(image / np.float32(255), 2, 0)


@pytest.mark.parametrize("size", [4, 8, 16])
def test_saliency_is_the_difference_from_the_regions_most_alike(size):
    described = features(planes_of(clouds((48, 48))))
    found = CovSal(side=48, sizes=(size,)).saliency(descriptors(described, size, 1e-3))
    expected = explicit_saliency(described, size)
    expected = (expected - expected.min()) / np.ptp(expected)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_map_is_the_smoothed_product_of_the_scales():
    image = clouds((64, 64), seed=1)
    described = features(planes_of(image))
    model = CovSal(side=64, sizes=(4, 8), smoothing=6.0)
    fine, coarse = (model.saliency(descriptors(described, size, 1e-3)) for size in (4, 8))
    found = model.map_of(image)
    assert found.shape == (16, 16)
    # linear interpolation to twice the cells: 3/4 of the nearest and 1/4 of the next
    padded = np.pad(coarse, 1, mode="edge")
    rows = np.stack([0.75 * padded[1:-1] + 0.25 * padded[k:][:8] for k in (0, 2)], 1)
    rows = rows.reshape(16, 10)
    both = np.stack([0.75 * rows[:, 1:-1] + 0.25 * rows[:, k:][:, :8] for k in (0, 2)], 2)
    product = fine * both.reshape(16, 16)
    np.testing.assert_allclose(found, gaussian_filter(product, 1.5, mode="reflect"), atol=1e-6)


def test_features_are_colour_derivatives_and_position():
    image = np.full((8, 16, 3), 40, np.uint8)
    image[:, 8:] = (250, 90, 90)
    found = features(planes_of(image))
    assert found.shape == (7, 8, 16)
    lightness, a, _, horizontal, vertical, x, y = found
    assert lightness.max() == a.max() == horizontal.max() == 1
    assert a[:, :8].max() < 0.001
    np.testing.assert_array_equal(horizontal[:, [3, 12]], 0)
    np.testing.assert_array_equal(horizontal[:, 7:9], 1)
    np.testing.assert_array_equal(vertical, 0)
    np.testing.assert_allclose(x[3], np.arange(16) / 16)
    np.testing.assert_allclose(y[:, 3], np.arange(8) / 8)


def test_regions_that_differ_only_in_how_features_vary_together_are_found():
    """Means and variances of all features are alike; in one region two are anticorrelated."""
    rng = np.random.default_rng(0)
    one, other = rng.permuted(np.tile(np.linspace(-1, 1, 64), (2, 8, 8, 1)), axis=3)
    sign = np.ones((8, 8, 1))
    sign[5, 2] = -1
    second = sign * (0.9 * one + np.sqrt(1 - 0.9**2) * other)

    def as_image(values):
        return values.reshape(8, 8, 8, 8).transpose(0, 2, 1, 3).reshape(64, 64)

    described = np.zeros((7, 64, 64))
    described[0], described[1] = 0.5 + 0.3 * as_image(one), 0.5 + 0.3 * as_image(second)
    y, x = np.mgrid[:64, :64] / 64
    described[5:] = x, y
    saliency = CovSal(side=64, sizes=(8,)).saliency(descriptors(described, 8, 1e-3))
    assert np.unravel_index(saliency.argmax(), saliency.shape) == (5, 2)
    assert np.sort(saliency.ravel())[-2] < 0.6


def test_a_patch_of_another_orientation_is_salient(model):
    rows, columns = np.indices((512, 512))
    inside = (abs(rows - 160) < 48) & (abs(columns - 352) < 48)
    stripes = np.where(inside, rows // 4 % 2, columns // 4 % 2)
    image = np.repeat((60 + 140 * stripes).astype(np.uint8)[..., None], 3, axis=2)
    saliency = model.map_of(image)
    peak = np.array(np.unravel_index(saliency.argmax(), saliency.shape)) * 8 + 4
    assert inside[tuple(peak)]
    assert saliency[20, 44] > 5 * saliency[50, 10]


@pytest.mark.parametrize("place", [(1, 4), (3, 1)])
@pytest.mark.parametrize(
    ("item", "odd"),
    [
        (bar(30, 30, (40, 160, 40)), bar(30, 30, (220, 40, 40))),
        (bar(30, 8), bar(8, 30)),
    ],
    ids=["colour", "orientation"],
)
def test_an_odd_item_pops_out(model, item, odd, place):
    image, centres = search_display(item, odd, at=place)
    saliency = at(model.map_of(image), image.shape[:2], centres)
    assert saliency[0] > 1.5 * saliency[1:].max()


@pytest.mark.parametrize("turned", [np.fliplr, np.flipud])
def test_mirroring_the_image_mirrors_the_map(turned):
    """Distances between regions are alike, whatever the sign of the position's covariances."""
    model = CovSal(side=64, sizes=(4, 8, 16))
    image = clouds((64, 64), seed=6)
    described, mirrored = (features(planes_of(np.array(i))) for i in (image, turned(image)))
    for size in model.sizes:
        one, other = (model.saliency(descriptors(f, size, 1e-3)) for f in (described, mirrored))
        np.testing.assert_allclose(other, turned(one), atol=1e-5)
    np.testing.assert_allclose(
        model.map_of(np.array(turned(image))), turned(model.map_of(image)), atol=1e-5
    )


@pytest.mark.parametrize("sizes", [(), (8, 24), (0,), (-8,)])
def test_regions_that_do_not_tile_the_image_are_refused(sizes):
    with pytest.raises(ValueError, match="divide the side, 64 pixels"):
        CovSal(side=64, sizes=sizes)
