"""Spectral residual: its formula, what it is invariant to, and what stands out."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from models.classical.spectral_residual import SpectralResidual, residual
from tests.models.classical.displays import AnyImage, at, bar, clouds, disc, search_display


@pytest.fixture(scope="module")
def model():
    return SpectralResidual()


class TestAnyImage(AnyImage):
    pass


@pytest.fixture(scope="module")
def grey():
    return clouds((48, 64))[..., 0] / 255


def written_out(grey):
    """The paper's equations before smoothing, frequency by frequency."""
    height, width = grey.shape
    spectrum = np.fft.fft2(grey)
    log_amplitude, phase = np.log(np.abs(spectrum)), np.angle(spectrum)
    average = np.zeros_like(grey)
    for row in range(height):
        for column in range(width):
            for down in (-1, 0, 1):
                for across in (-1, 0, 1):
                    near = np.clip([row + down, column + across], 0, [height - 1, width - 1])
                    average[row, column] += log_amplitude[tuple(near)] / 9
    return np.abs(np.fft.ifft2(np.exp(log_amplitude - average + 1j * phase))) ** 2


def test_residual_by_definition(grey):
    assert residual(grey, 3) == pytest.approx(written_out(grey), rel=1e-9)


def test_map_is_the_smoothed_residual_of_the_grey_image(model):
    image = clouds((40, 64))
    grey = image @ np.array([0.2125, 0.7154, 0.0721]) / 255
    expected = gaussian_filter(written_out(grey), 2.5)
    assert model.map_of(image) == pytest.approx(expected, rel=1e-3)


def test_brightness_and_contrast_do_not_matter(grey):
    assert residual(3 * grey, 3) == pytest.approx(residual(grey, 3), rel=1e-9)


def test_image_of_half_the_brightness_has_the_same_map(model):
    image = clouds((90, 120)) // 2 * 2
    assert model.map_of(image // 2) == pytest.approx(model.map_of(image), rel=1e-3)


def test_moving_the_image_around_moves_the_residual(grey):
    moved = np.roll(grey, (5, -9), axis=(0, 1))
    expected = np.roll(residual(grey, 3), (5, -9), axis=(0, 1))
    assert residual(moved, 3) == pytest.approx(expected, rel=1e-9)


def test_mirror_image_has_nearly_the_mirrored_map(model):
    """Not exactly: the spectrum's mean is taken with other neighbours at its two ends."""
    image = clouds((90, 120))
    mirrored = model.map_of(np.ascontiguousarray(image[:, ::-1]))[:, ::-1]
    assert np.corrcoef(mirrored.ravel(), model.map_of(image).ravel())[0, 1] > 0.98


def test_transposed_image_has_the_transposed_map(model):
    image = clouds((90, 120))
    transposed = model.map_of(np.ascontiguousarray(image.transpose(1, 0, 2))).T
    assert transposed == pytest.approx(model.map_of(image), rel=1e-3)


@pytest.mark.parametrize(
    ("item", "odd"),
    [
        (bar(12, 12), bar(28, 28)),
        (bar(20, 20, (150, 150, 150)), bar(20, 20, (250, 250, 250))),
        (bar(6, 30), bar(30, 6)),
    ],
    ids=["size", "brightness", "orientation"],
)
def test_odd_item_stands_out(model, item, odd):
    image, centres = search_display(item, odd)
    values = at(model.map_of(image), image.shape[:2], centres)
    assert np.argmax(values) == 0


def test_small_object_on_a_plain_ground_is_found(model):
    saliency = model.map_of(disc((96, 128), 60, 90, 8))
    row, column = np.unravel_index(saliency.argmax(), saliency.shape)
    assert np.hypot(2 * row + 0.5 - 60, 2 * column + 0.5 - 90) < 10


def test_spectrum_without_all_but_few_frequencies_is_not_made_of_rounding_errors():
    """A grating has three frequencies; that others are 0 but for rounding does not show."""
    grating = 0.5 + 0.4 * np.cos(2 * np.pi * np.arange(64) / 8)[None, :].repeat(48, axis=0)
    found = residual(grating, 3)
    noise = np.random.default_rng(0).normal(0, 1e-12, grating.shape)
    assert residual(grating + noise, 3) == pytest.approx(found, rel=1e-6)
    assert found == pytest.approx(np.roll(found, 8, axis=1), rel=1e-6)


def test_longer_side_and_smoothing_are_parameters():
    assert SpectralResidual(longest=32).map_of(clouds((90, 120))).shape == (24, 32)
    image = clouds((48, 64))
    rough, smooth = SpectralResidual(sigma=1).map_of(image), SpectralResidual(sigma=4).map_of(image)
    assert rough.std() > smooth.std()
