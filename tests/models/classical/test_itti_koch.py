"""Itti and Koch's model: beside a version written out, and what its paper says of it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import convolve

from models.classical.itti_koch import IttiKoch, normalised, opponency
from tests.models.classical.displays import AnyImage, at, bar, clouds, disc, search_display


@pytest.fixture(scope="module")
def model():
    return IttiKoch()


class TestAnyImage(AnyImage):
    pass


# The model written out in double precision, for images whose sides are multiples of 256.


def reduced(plane, factor):
    """Each axis by a triangle of width 2 * factor, cut off at the border and renormalised."""
    for axis in (0, 1):
        old = np.arange(plane.shape[axis]) + 0.5
        new = (np.arange(plane.shape[axis] // factor) + 0.5) * factor
        weights = np.maximum(0, 1 - abs(old - new[:, None]) / factor)
        weights /= weights.sum(axis=1, keepdims=True)
        plane = np.moveaxis(np.tensordot(weights, plane, (1, axis)), 0, axis)
    return plane


def enlarged(plane, shape):
    for axis, length in enumerate(shape):
        old = (np.arange(plane.shape[axis]) + 0.5) / plane.shape[axis]
        new = (np.arange(length) + 0.5) / length
        plane = np.apply_along_axis(
            lambda line, new=new, old=old: np.interp(new, old, line), axis, plane
        )
    return plane


def opponents_of(pixel, largest):
    """The paper's equations for one pixel: intensity, red-green, blue-yellow."""
    intensity = pixel.mean()
    if intensity <= largest / 10:
        return intensity, 0.0, 0.0
    r, g, b = pixel / intensity
    red, green, blue = r - (g + b) / 2, g - (r + b) / 2, b - (r + g) / 2
    yellow = (r + g) / 2 - abs(r - g) / 2 - b
    red, green, blue, yellow = (max(channel, 0) for channel in (red, green, blue, yellow))
    return intensity, red - green, blue - yellow


def gabor_energy(plane, theta):
    reach = np.ceil(2 * 7 / 3 * max(abs(np.cos(theta)), abs(np.sin(theta))))
    offset = np.arange(-reach, reach + 1)
    y, x = np.meshgrid(offset, offset, indexing="ij")
    envelope = np.exp(-(x**2 + y**2) / (2 * (7 / 3) ** 2))
    wave = np.exp(2j * np.pi / 7 * (x * np.cos(theta) + y * np.sin(theta)))
    kernel = envelope * wave
    kernel -= envelope * kernel.sum() / envelope.sum()
    kernel /= 2 * np.pi * (7 / 3) ** 2
    return np.hypot(convolve(plane, kernel.real), convolve(plane, kernel.imag))


def promoted(plane):
    """N, peak by peak."""
    if np.ptp(plane) < 1e-5:
        return np.zeros_like(plane)
    plane = (plane - plane.min()) / np.ptp(plane)
    peaks = []
    for row in range(plane.shape[0]):
        for column in range(plane.shape[1]):
            near = plane[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]
            if plane[row, column] == near.max() and plane[row, column] > 0.1:
                peaks.append(plane[row, column])
    peaks.remove(1.0)
    return plane * (1 - (np.mean(peaks) if peaks else 0)) ** 2


def written_out(image):
    pixels = image / 255
    largest = pixels.mean(axis=2).max()
    planes = np.apply_along_axis(opponents_of, 2, pixels, largest).transpose(2, 0, 1)
    levels = [list(planes)]
    for _ in range(8):
        levels.append([reduced(plane, 2) for plane in levels[-1]])
    conspicuity = {"intensity": 0, "colour": 0, "orientation": 0}
    number_of_maps = 0
    for channel, name in enumerate(["intensity", "colour", "colour"]):
        for centre in (2, 3, 4):
            for surround in (centre + 3, centre + 4):
                fine, coarse = levels[centre][channel], levels[surround][channel]
                contrast = promoted(abs(fine - enlarged(coarse, fine.shape)))
                conspicuity[name] += reduced(contrast, 2 ** (4 - centre))
                number_of_maps += 1
    for theta in np.pi / 4 * np.arange(4):
        total = 0
        energies = [gabor_energy(level[0], theta) for level in levels]
        for centre in (2, 3, 4):
            for surround in (centre + 3, centre + 4):
                fine = energies[centre]
                contrast = promoted(abs(fine - enlarged(energies[surround], fine.shape)))
                total += reduced(contrast, 2 ** (4 - centre))
                number_of_maps += 1
        conspicuity["orientation"] += promoted(total)
    assert number_of_maps == 42
    return sum(promoted(plane) for plane in conspicuity.values()) / 3


def test_map_beside_the_model_written_out(model):
    image = clouds((256, 512))
    assert model.map_of(image) == pytest.approx(written_out(image), abs=1e-4)


def test_opponency_by_definition():
    image = np.random.default_rng(0).integers(0, 256, (20, 30, 3)) / 255
    expected = np.apply_along_axis(opponents_of, 2, image, image.mean(axis=2).max())
    found = opponency(image.transpose(2, 0, 1).astype(np.float32))
    assert found == pytest.approx(expected.transpose(2, 0, 1), abs=1e-5)


@pytest.mark.parametrize(
    ("colour", "opponent"),
    [
        ((1, 0, 0), (1 / 3, 3, 0)),
        ((0, 1, 0), (1 / 3, -3, 0)),
        ((0, 0, 1), (1 / 3, 0, 3)),
        ((1, 1, 0), (2 / 3, 0, -1.5)),
        ((0.4, 0.4, 0.4), (0.4, 0, 0)),
        ((0, 0, 0), (0, 0, 0)),
    ],
)
def test_pure_colours(colour, opponent):
    plane = np.array(colour, dtype=np.float32)[:, None, None]
    assert opponency(plane)[:, 0, 0] == pytest.approx(opponent, abs=1e-6)


def test_colour_is_independent_of_brightness_and_absent_in_the_dark():
    """Hue is decoupled from intensity; below a tenth of the maximum there is none."""
    planes = clouds((20, 30)).transpose(2, 0, 1).astype(np.float32) / 255
    assert opponency(planes / 3)[1:] == pytest.approx(opponency(planes)[1:], abs=1e-5)
    dark = np.array([[[1, 0.05]], [[1, 0]], [[1, 0]]], dtype=np.float32)
    assert (opponency(dark)[1:] == 0).all()


def peaks(*heights):
    plane = np.zeros((1, 11, 11), dtype=np.float32)
    for height, (row, column) in zip(heights, [(2, 2), (2, 8), (8, 2), (8, 8)]):
        plane[0, row, column] = height
    return plane


@pytest.mark.parametrize(
    ("heights", "factor"),
    [
        ((5,), 1),
        ((4, 4), 0),
        ((4, 2), 0.25),
        ((4, 2, 3), 0.375**2),
        ((4, 0.3), 1),
        ((2, 2, 2, 2), 0),
    ],
)
def test_normalisation_promotes_lonely_peaks(heights, factor):
    found = normalised(peaks(*heights))
    assert found == pytest.approx(peaks(*heights) / max(heights) * factor, abs=1e-6)


def test_normalisation_takes_each_map_by_itself_and_ignores_its_range():
    stack = np.concatenate([peaks(4, 2), 100 * peaks(4, 2) - 7, np.full((1, 11, 11), 3.0)])
    found = normalised(stack.astype(np.float32))
    assert found[0] == pytest.approx(found[1], abs=1e-6)
    assert (found[2] == 0).all()


@pytest.mark.parametrize(
    ("item", "odd"),
    [
        (bar(20, 20, (100, 100, 100)), bar(20, 20, (180, 60, 60))),
        (bar(6, 30), bar(30, 6)),
        (bar(12, 12), bar(28, 28)),
        (bar(20, 20, (150, 150, 150)), bar(20, 20, (250, 250, 250))),
    ],
    ids=["colour", "orientation", "size", "brightness"],
)
def test_odd_item_stands_out(model, item, odd):
    image, centres = search_display(item, odd, cell=64)
    values = at(model.map_of(image), image.shape[:2], centres)
    assert values[0] > 1.5 * values[1:].max()


def test_lonely_object_is_most_salient(model):
    saliency = model.map_of(disc((480, 640), 200, 420, 20))
    row, column = np.unravel_index(saliency.argmax(), saliency.shape)
    assert np.hypot(16 * row + 8 - 200, 16 * column + 8 - 420) < 24


def test_grey_image_has_no_colour():
    grey = np.repeat(clouds((60, 80))[..., :1], 3, axis=2).transpose(2, 0, 1)
    assert (opponency(grey.astype(np.float32) / 255)[1:] == 0).all()


def test_image_of_half_the_brightness_has_the_same_map(model):
    image = clouds((256, 320)) // 2 * 2
    assert model.map_of(image // 2) == pytest.approx(model.map_of(image), abs=1e-3)


@pytest.mark.parametrize("shape", [(256, 320), (197, 261)])
def test_mirror_image_has_the_mirrored_map(model, shape):
    image = clouds(shape)
    expected = model.map_of(image)
    for mirror in (np.s_[:, ::-1], np.s_[::-1]):
        mirrored = model.map_of(np.ascontiguousarray(image[mirror]))[mirror]
        assert mirrored.shape == (-(-shape[0] // 16), -(-shape[1] // 16))
        assert mirrored == pytest.approx(expected, abs=2e-3)
