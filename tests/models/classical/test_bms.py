"""BMS: agreement with flood filling of every Boolean map, and what the paper says of it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, label, maximum_filter

from models.classical.bms import BMS, border_levels, lab, levels, whitened
from tests.models.classical.displays import AnyImage, at, bar, clouds, disc, search_display


@pytest.fixture(scope="module")
def model():
    return BMS()


class TestAnyImage(AnyImage):
    pass


def surrounded_regions(boolean):
    """Regions of a Boolean map, connected by sides and corners, that do not touch the border."""
    regions, _ = label(boolean, np.ones((3, 3)))
    border = np.unique([*regions[0], *regions[-1], *regions[:, 0], *regions[:, -1]])
    return boolean & ~np.isin(regions, border)


def flooded_attention(channels, step=8, dilation=7):
    """Mean attention map of channels by labelling each Boolean map."""
    maps = []
    for channel in channels:
        for threshold in range(channel.min(), channel.max(), step):
            total = np.zeros(channel.shape)
            for boolean in (channel > threshold, channel <= threshold):
                dilated = maximum_filter(surrounded_regions(boolean).astype(float), dilation)
                total += dilated / max(1e-9, np.linalg.norm(dilated))
            maps.append(total)
    return np.mean(maps, axis=0)


@pytest.mark.parametrize("seed", range(3))
def test_attention_is_that_of_flood_filled_boolean_maps(model, seed):
    channels = np.moveaxis(clouds((45, 60), seed), 2, 0)
    channels[1] //= 3  # fewer thresholds
    expected = flooded_attention(channels)
    assert expected.max() > 0
    np.testing.assert_allclose(model.mean_attention(channels), expected, atol=1e-12)


def test_the_map_is_the_dilated_and_smoothed_mean_over_channels(model):
    image = clouds((45, 60), seed=3)
    channels = levels(whitened(lab(np.moveaxis(image / np.float32(255), 2, 0)), 50.0))
    dilated = maximum_filter(flooded_attention(channels), 9)
    expected = gaussian_filter(dilated, 9, mode="mirror", radius=18)
    np.testing.assert_allclose(model.map_of(image), expected, rtol=1e-9)


def test_border_levels_are_the_best_way_out():
    channel = np.array(
        [
            [1, 1, 1, 1, 1],
            [1, 9, 9, 9, 1],
            [1, 9, 4, 9, 3],
            [1, 9, 9, 9, 1],
            [1, 1, 1, 1, 1],
        ],
        np.uint8,
    )
    expected = np.where(channel == 1, 1, 3)
    np.testing.assert_array_equal(border_levels(channel), expected)


def test_a_surrounded_figure_is_salient_and_its_ground_is_not(model):
    saliency = model.map_of(disc((120, 160), 60, 70, 15))
    assert np.unravel_index(saliency.argmax(), saliency.shape) == (60, 70)
    assert saliency[60, 70] > 0
    assert saliency[[0, 0, -1, -1], [0, -1, 0, -1]].max() == 0


def test_a_figure_at_the_border_is_not_salient(model):
    for y, x in ((0, 70), (60, 150), (119, 0)):
        np.testing.assert_array_equal(model.map_of(disc((120, 160), y, x, 15)), 0)


def test_what_a_ring_surrounds_is_salient_too(model):
    image = disc((120, 160), 60, 80, 30)
    image[disc((120, 160), 60, 80, 24)[..., 0] == 220] = 60
    saliency = model.map_of(image)
    assert saliency[60, 80] > 0.5 * saliency.max()
    assert saliency[60, 5] == 0


def test_a_small_region_counts_more_than_a_large_one(model):
    small, large = (model.map_of(disc((200, 200), 100, 100, radius)) for radius in (15, 60))
    assert small.max() > 1.5 * large.max()


def test_a_figure_of_any_contrast_and_sign_has_the_same_map(model):
    expected = model.map_of(disc((120, 160), 50, 70, 20, 255, 0))
    for figure, ground in ((200, 60), (60, 200), (131, 130), (0, 255)):
        found = model.map_of(disc((120, 160), 50, 70, 20, figure, ground))
        np.testing.assert_allclose(found, expected, atol=1e-12)


def test_levels_are_invariant_to_affine_changes_of_a_channel():
    channels = np.random.default_rng(0).normal(size=(3, 20, 30))
    expected = levels(channels)
    assert expected.dtype == np.uint8
    np.testing.assert_array_equal(levels(channels * 40 + 7), expected)


def test_with_all_thresholds_a_channel_that_is_stretched_monotonically_keeps_its_regions():
    """Each Boolean map then occurs as often as grey levels lie between two that are taken."""
    model = BMS(step=1)
    channels = np.moveaxis(clouds((40, 50), seed=2), 2, 0) // 40
    steps = np.array([0, 3, 4, 9, 12, 20, 21], np.uint8)
    once, stretched = model.mean_attention(channels), model.mean_attention(steps[channels])
    assert 0 < (once > 0).sum() < once.size
    np.testing.assert_array_equal(once > 0, stretched > 0)


def test_whitened_channels_are_uncorrelated_and_of_like_variance():
    channels = np.moveaxis(clouds((60, 80)), 2, 0).astype(np.float64)
    channels[1] += 0.8 * channels[0]
    covariance = np.cov(whitened(channels, 0.0).reshape(3, -1), bias=True)
    np.testing.assert_allclose(covariance, np.eye(3), atol=1e-9)


@pytest.mark.parametrize("turned", [np.fliplr, np.flipud, lambda a: np.swapaxes(a, 0, 1)])
def test_mirroring_the_image_mirrors_the_map(model, turned):
    image = clouds((60, 90), seed=6)
    found = model.map_of(np.ascontiguousarray(turned(image)))
    np.testing.assert_allclose(found, turned(model.map_of(image)), rtol=1e-9, atol=1e-15)


def test_an_odd_colour_pops_out(model):
    image, centres = search_display(bar(20, 20, (40, 160, 40)), bar(20, 20, (220, 40, 40)))
    saliency = at(model.map_of(image), image.shape[:2], centres)
    assert saliency[0] > 1.5 * saliency[1:].max()
