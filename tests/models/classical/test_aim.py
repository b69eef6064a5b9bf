"""AIM: agreement with its definition, and what the paper shows of it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from models.classical import ica
from models.classical.aim import AIM, self_information
from tests.models.classical.displays import AnyImage, at, bar, clouds, search_display


@pytest.fixture(scope="module")
def model():
    return AIM()


class TestAnyImage(AnyImage):
    pass


def explicit_information(image, bins):
    """Self-information before smoothing, pixel by pixel."""
    filters = ica.load("aim").filters.astype(np.float64)
    pixels = image / 255.0
    pixels = pixels - pixels.mean(axis=(0, 1))
    padded = np.pad(pixels, ((10, 10), (10, 10), (0, 0)), mode="symmetric")
    height, width = image.shape[:2]
    responses = np.zeros((len(filters), height, width))
    for y in range(height):
        for x in range(width):
            patch = padded[y : y + 21, x : x + 21]
            responses[:, y, x] = [(w * patch).sum() for w in filters]
    bin_width = (responses.max() - responses.min()) / (bins - 1)
    information = np.zeros((height, width))
    for response in responses:
        edges = np.arange(
            np.rint(response.min() / bin_width), np.rint(response.max() / bin_width) + 2
        )
        counts, edges = np.histogram(response, bins=(edges - 0.5) * bin_width)
        for y in range(height):
            for x in range(width):
                own = np.searchsorted(edges, response[y, x], side="right") - 1
                information[y, x] -= np.log(counts[min(own, len(counts) - 1)] / response.size)
    return information


def test_the_map_is_smoothed_self_information():
    image = clouds((19, 24), seed=4)
    expected = gaussian_filter(explicit_information(image, 256), 8, mode="reflect", truncate=15 / 8)
    # a response on the edge of two bins may fall into the other in single precision
    np.testing.assert_allclose(AIM().map_of(image), expected, rtol=0.01)


def test_self_information_of_known_responses():
    responses = np.array([[[0.0, 0.0, 0.0, 1.0]], [[5.0, 5.0, 0.0, 0.0]]])
    rare, half, common = -np.log([1 / 4, 1 / 2, 3 / 4])
    expected = [[common + half, common + half, common + half, rare + half]]
    np.testing.assert_allclose(self_information(responses, 6), expected)


def test_responses_too_alike_to_differ_hold_no_information():
    responses = np.full((3, 4, 5), 2.0) + np.random.default_rng(0).normal(0, 1e-6, (3, 4, 5))
    np.testing.assert_array_equal(self_information(responses, 256), 0)


def test_it_follows_its_pixels_around():
    responses = np.random.default_rng(1).normal(size=(4, 6, 7))
    order = np.random.default_rng(2).permutation(42)
    shuffled = responses.reshape(4, 42)[:, order].reshape(4, 6, 7)
    expected = self_information(responses, 32).ravel()[order].reshape(6, 7)
    np.testing.assert_allclose(self_information(shuffled, 32), expected)


@pytest.mark.parametrize(
    ("item", "odd"),
    [
        (bar(26, 6), bar(6, 26)),
        (bar(6, 26), bar(26, 6)),
        (bar(26, 6, (40, 160, 40)), bar(26, 6, (220, 40, 40))),
    ],
    ids=["horizontal", "vertical", "red among green"],
)
@pytest.mark.parametrize("place", [(1, 4), (3, 2)])
def test_an_odd_item_pops_out(model, item, odd, place):
    image, centres = search_display(item, odd, at=place)
    saliency = at(model.map_of(image), image.shape[:2], centres)
    assert saliency[0] > 1.1 * saliency[1:].max()


def test_an_item_is_less_salient_among_copies(model):
    red, green = bar(26, 6, (220, 40, 40)), bar(26, 6, (40, 160, 40))
    among_others, centres = search_display(green, red)
    among_copies, _ = search_display(red, red)
    shape = among_others.shape[:2]
    single, one_of_many = (
        at(model.map_of(image), shape, centres[:1])[0] for image in (among_others, among_copies)
    )
    assert single > 1.1 * one_of_many


def test_a_repeated_texture_is_less_salient_than_what_interrupts_it(model):
    rows, columns = np.indices((240, 320))
    texture = np.where((rows // 4 + columns // 4) % 2, 200, 60)
    hole = np.where((columns // 4) % 2, 200, 60)
    inside = (abs(rows - 90) < 20) & (abs(columns - 200) < 20)
    image = np.repeat(np.where(inside, hole, texture).astype(np.uint8)[..., None], 3, axis=2)
    saliency = model.map_of(image)
    away = (abs(rows - 120) < 90) & (abs(columns - 90) < 60)
    assert saliency[inside].min() > 1.5 * saliency[away].max()
