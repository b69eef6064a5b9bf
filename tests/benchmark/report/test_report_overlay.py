"""The picture of a prediction: its size, its contours, and where it is bright."""

from __future__ import annotations

import io
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from matplotlib.axes import Axes
from PIL import Image

from benchmark.report.plots.overlay import REGIONS, contour_levels, grey, on_white, overlay

DENSITIES = arrays.arrays(
    np.float64,
    arrays.array_shapes(min_dims=2, max_dims=2, max_side=12),
    elements=st.sampled_from([0.0, 1e-9, 0.1, 0.2, 0.7, 1.0, 5.0]) | st.floats(1e-6, 10.0),
).filter(lambda values: values.sum() > 0)


def opened(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).astype(float)


def gaussian(height: int, width: int, y: float, x: float, sigma: float = 6.0) -> np.ndarray:
    """Log density of a Gaussian."""
    rows, columns = np.mgrid[:height, :width]
    exponent = -0.5 * ((rows - y) ** 2 + (columns - x) ** 2) / sigma**2
    return exponent - np.log(np.exp(exponent).sum())


# Contours


@given(DENSITIES, st.integers(2, 6))
def test_contours_enclose_the_probability_that_they_state(density, regions):
    """The region above a level falls short of its share; the level's own pixels make it up."""
    levels = contour_levels(density, regions)
    assert 1 <= len(levels) <= regions - 1
    assert levels == sorted(set(levels))
    total, rounding = density.sum(), 1e-9 * density.sum()

    def encloses(level, region):
        share = region / regions * total
        above, within = density[density > level].sum(), density[density >= level].sum()
        return above < share + rounding and within >= share - rounding

    for region in range(1, regions):
        assert any(encloses(level, region) for level in levels)
    for level in levels:
        assert any(encloses(level, region) for region in range(1, regions))


def test_contours_of_a_fine_density_cut_it_into_equal_parts():
    density = np.exp(gaussian(101, 151, 50, 75, 9.0))
    levels = contour_levels(density)
    assert len(levels) == REGIONS - 1 == 3
    edges = [np.inf, *levels[::-1], 0.0]
    masses = [
        density[(density < above) & (density >= below)].sum() for above, below in pairwise(edges)
    ]
    np.testing.assert_allclose(masses, 0.25, atol=0.01)
    # Of a Gaussian, exp(-r^2 / 2 sigma^2) of the probability lies beyond r, at that level.
    np.testing.assert_allclose(levels / density.max(), [0.25, 0.5, 0.75], atol=0.02)


@pytest.mark.parametrize("seed", range(3))
def test_on_an_image_each_region_holds_a_quarter_to_half_a_per_cent(seed):
    rng = np.random.default_rng(seed)
    places = rng.uniform((0, 0), (384, 512), (12, 2))
    weights, widths = rng.dirichlet(np.ones(12)), rng.uniform(6, 60, 12)
    density = sum(
        weight * np.exp(gaussian(384, 512, *place, width)) / width**2
        for weight, place, width in zip(weights, places, widths)
    )
    density /= density.sum()
    edges = [np.inf, *contour_levels(density)[::-1], 0.0]
    masses = [density[(density < high) & (density >= low)].sum() for high, low in pairwise(edges)]
    np.testing.assert_allclose(masses, 0.25, atol=0.005)


def test_a_uniform_density_has_one_level():
    assert contour_levels(np.full((4, 5), 0.05)) == [0.05]


def test_contours_do_not_depend_on_the_scale():
    density = np.random.default_rng(0).random((20, 30))
    np.testing.assert_allclose(
        contour_levels(1e-7 * density), 1e-7 * np.array(contour_levels(density))
    )


def test_the_lines_drawn_are_those_levels(monkeypatch):
    drawn = []
    original = Axes.contour

    def contour(axes, values, levels, **options):
        drawn.append((values, levels))
        return original(axes, values, levels, **options)

    monkeypatch.setattr(Axes, "contour", contour)
    log_density = gaussian(60, 80, 30, 40)
    overlay(np.zeros((60, 80, 3), np.uint8), log_density)
    ((values, levels),) = drawn
    np.testing.assert_allclose(values, np.exp(log_density))
    assert levels == contour_levels(np.exp(log_density))


# The picture


@settings(max_examples=25)
@given(st.integers(1, 150), st.integers(1, 150))
def test_the_picture_has_the_size_of_the_image(height, width):
    log_density = gaussian(height, width, height / 2, width / 3)
    content = overlay(np.full((height, width, 3), 90, np.uint8), log_density)
    assert Image.open(io.BytesIO(content)).size == (width, height)


@pytest.mark.parametrize("size", [(57, 29), (115, 58), (257, 129)])  # where 100 w / 100 < w
def test_no_pixel_is_lost_in_rounding(size):
    width, height = size
    content = overlay(np.zeros((height, width), np.uint8), np.full((height, width), 0.0))
    assert Image.open(io.BytesIO(content)).size == size


@pytest.mark.parametrize("at", [(12, 20), (12, 60), (48, 20)])
def test_it_is_brightest_where_the_density_is(at):
    """Seen from afar, so that contour lines do not count."""
    found = opened(overlay(np.full((60, 80, 3), 60, np.uint8), gaussian(60, 80, *at, 4.0)))
    rest = found.copy()
    rest[at[0] - 12 : at[0] + 13, at[1] - 12 : at[1] + 13] = np.nan
    near = found[at[0] - 1 : at[0] + 2, at[1] - 1 : at[1] + 2].mean()
    assert near > np.nanmean(rest) + 40
    assert np.nanstd(rest) < 8  # nothing else is marked


def test_the_image_shows_where_the_density_is_low():
    """Pixel by pixel: the picture is neither shifted nor smoothed."""
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (50, 70, 3), dtype=np.uint8)
    found = opened(overlay(pixels, gaussian(50, 70, 25, 12, 3.0)))
    far = np.s_[:, 40:]
    grey = pixels.mean(axis=2)
    shown = found.mean(axis=2)
    np.testing.assert_allclose(shown[far], 0.75 * grey[far], atol=2)
    assert np.ptp(found[far], axis=2).max() <= 3  # grey, but for the darkest heat


def test_a_uniform_density_has_no_contours():
    pixels = np.full((30, 40, 3), 100, np.uint8)
    found = opened(overlay(pixels, np.full((30, 40), -np.log(1200))))
    assert np.ptp(found.reshape(-1, 3), axis=0).max() == 0


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (2, 2)])
def test_the_smallest_images(shape):
    pixels = np.full(shape, 100, np.uint8)
    log_density = np.log(np.arange(1.0, 1 + pixels.size).reshape(shape))
    assert opened(overlay(pixels, log_density)).shape == (*shape, 3)


def test_zero_probability_is_drawn():
    log_density = np.full((30, 40), -np.inf)
    log_density[10:20, 10:20] = -np.log(100)
    found = opened(overlay(np.full((30, 40), 100, np.uint8), log_density))
    np.testing.assert_allclose(found[25:, 30:], 75, atol=1)
    assert found[13:17, 13:17].mean() > 120


def test_images_of_every_kind_look_the_same():
    grey = np.random.default_rng(1).integers(0, 256, (40, 50), dtype=np.uint8)
    log_density = gaussian(40, 50, 20, 25)
    expected = overlay(grey, log_density)
    opaque = np.full_like(grey, 255)
    kinds = [
        grey[:, :, None],
        np.dstack([grey] * 3),
        np.dstack([grey] * 3 + [opaque]),
        np.dstack([grey, opaque]),
        grey.astype(np.uint16) * 257,
        grey.astype(float),
    ]
    for kind in kinds:
        assert np.abs(opened(overlay(kind, log_density)) - opened(expected)).max() <= 1
    two = grey > 127
    assert overlay(two, log_density) == overlay(two.astype(np.uint8) * 255, log_density)


def test_the_same_prediction_gives_the_same_bytes():
    pixels = np.random.default_rng(2).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    log_density = gaussian(40, 50, 20, 25)
    content = overlay(pixels, log_density)
    assert content == overlay(pixels, log_density)
    assert content != overlay(pixels, gaussian(40, 50, 21, 25))


# Transparency


@pytest.mark.parametrize("channels", [2, 4])
def test_what_is_transparent_is_drawn_as_white(channels):
    pixels = np.zeros((20, 30, channels), np.uint8)
    pixels[:10, :, -1], pixels[10:15, :, -1] = 255, 51
    found = grey(pixels)
    np.testing.assert_array_equal(found[:, 0], [0] * 10 + [204] * 5 + [255] * 5)
    colours = on_white(pixels)
    assert colours.dtype == np.uint8
    assert colours.shape == (20, 30, channels - 1)
    np.testing.assert_array_equal(grey(colours), found)


def test_opaque_images_are_drawn_as_they_are():
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3)).astype(np.uint8)
    assert on_white(pixels) is pixels
    assert on_white(pixels[..., 0]).ndim == 2
