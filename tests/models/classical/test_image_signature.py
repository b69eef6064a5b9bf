"""Image signature: its formula, the theorem of reconstruction, and what stands out."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.fft import idctn
from scipy.ndimage import gaussian_filter
from skimage.color import rgb2lab

from models.classical.image_signature import ImageSignature, reconstruction
from tests.models.classical.displays import AnyImage, at, bar, clouds, search_display


@pytest.fixture(scope="module")
def model():
    return ImageSignature()


class TestAnyImage(AnyImage):
    pass


def cosines(length):
    """Orthonormal DCT-II, a matrix (frequencies, positions), by its definition."""
    frequency, position = np.indices((length, length))
    matrix = np.cos(np.pi * (position + 0.5) * frequency / length) * np.sqrt(2 / length)
    matrix[0] /= np.sqrt(2)
    return matrix


def written_out(channel):
    down, across = cosines(channel.shape[0]), cosines(channel.shape[1])
    return down.T @ np.sign(down @ channel @ across.T) @ across


def test_reconstruction_by_definition():
    channel = rgb2lab(clouds((48, 64)))[..., 0]
    assert reconstruction(channel) == pytest.approx(written_out(channel), abs=1e-9)


def test_map_is_the_smoothed_mean_over_lab(model):
    image = clouds((48, 64))
    energy = np.mean(
        [written_out(channel) ** 2 for channel in rgb2lab(image).transpose(2, 0, 1)], 0
    )
    assert model.map_of(image) == pytest.approx(gaussian_filter(energy, 0.045 * 64), rel=1e-3)


def sparse_background(shape, components, rng):
    """A sum of few cosines."""
    coefficients = np.zeros(shape)
    chosen = rng.choice(coefficients.size, components, replace=False)
    coefficients.flat[chosen] = rng.normal(0, 300, components)
    return idctn(coefficients, norm="ortho")


def sparse_foreground(shape, rng):
    """Noise in a rectangle of a sixteenth of the area."""
    foreground = np.zeros(shape)
    top, left = rng.integers(0, shape[0] * 3 // 4), rng.integers(0, shape[1] * 3 // 4)
    place = np.s_[top : top + shape[0] // 4, left : left + shape[1] // 4]
    foreground[place] = rng.normal(0, 5, foreground[place].shape)
    return foreground


@pytest.mark.parametrize("seed", range(8))
def test_foreground_shines_through_a_background_of_few_cosines(seed):
    """The paper's proposition: the cosine of both reconstructions is at least 1/2.

    It holds where the foreground covers, and the background is made of, less than a sixth.
    """
    rng = np.random.default_rng(seed)
    shape = (48, 64)
    foreground = sparse_foreground(shape, rng)
    image = foreground + sparse_background(shape, 48 * 64 // 8, rng)
    alone, together = reconstruction(foreground), reconstruction(image)
    cosine = (alone * together).sum() / np.linalg.norm(alone) / np.linalg.norm(together)
    assert cosine >= 0.5
    inside = foreground != 0
    assert (together[inside] ** 2).mean() > 4 * (together[~inside] ** 2).mean()


def test_contrast_does_not_matter():
    channel = rgb2lab(clouds((48, 64)))[..., 0]
    assert reconstruction(0.3 * channel) == pytest.approx(reconstruction(channel), abs=1e-9)


@pytest.mark.parametrize("shape", [(90, 120), (97, 61)])
def test_mirror_image_has_the_mirrored_map(model, shape):
    image = clouds(shape)
    expected = model.map_of(image)
    for mirror in (np.s_[:, ::-1], np.s_[::-1]):
        mirrored = model.map_of(np.ascontiguousarray(image[mirror]))[mirror]
        assert mirrored == pytest.approx(expected, rel=1e-3)


def test_transposed_image_has_the_transposed_map(model):
    image = clouds((90, 120))
    transposed = model.map_of(np.ascontiguousarray(image.transpose(1, 0, 2))).T
    assert transposed == pytest.approx(model.map_of(image), rel=1e-3)


def test_grey_image_has_the_map_of_its_lightness(model):
    image = np.repeat(clouds((61, 77))[..., :1], 3, axis=2)
    small = ImageSignature(longest=77).map_of(image)
    energy = written_out(rgb2lab(image)[..., 0]) ** 2 / 3
    assert small == pytest.approx(gaussian_filter(energy, 0.045 * 77), rel=1e-3)


@pytest.mark.parametrize(
    ("item", "odd"),
    [
        (bar(20, 20, (60, 170, 60)), bar(20, 20, (200, 60, 60))),
        (bar(6, 30), bar(30, 6)),
        (bar(12, 12), bar(28, 28)),
        (bar(20, 20, (150, 150, 150)), bar(20, 20, (250, 250, 250))),
    ],
    ids=["colour", "orientation", "size", "brightness"],
)
def test_odd_item_stands_out(model, item, odd):
    image, centres = search_display(item, odd)
    values = at(model.map_of(image), image.shape[:2], centres)
    assert values[0] > 1.5 * values[1:].max()


def test_image_of_stripes_is_not_made_of_rounding_errors(model):
    """Along the stripes all coefficients but one are 0, and have no sign."""
    stripes = np.repeat(clouds((1, 120)), 90, axis=0)
    saliency = model.map_of(stripes)
    assert np.ptp(saliency, axis=0).max() < 1e-9 * saliency.max()


def test_longer_side_and_blur_are_parameters():
    assert ImageSignature(longest=32).map_of(clouds((90, 120))).shape == (24, 32)
    image = clouds((48, 64))
    rough, smooth = ImageSignature(blur=0.02).map_of(image), ImageSignature(blur=0.1).map_of(image)
    assert rough.std() > smooth.std()
