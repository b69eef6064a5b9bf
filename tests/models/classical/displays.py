"""Search displays, and images of every kind that a saliency map has to take."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

SIZES = ((1, 1), (1, 2), (2, 3), (7, 300), (301, 5), (31, 45))
GREY = 128


def clouds(shape: tuple[int, int], seed: int = 0) -> np.ndarray:
    """Smooth random colours, (height, width, 3)."""
    noise = np.random.default_rng(seed).normal(size=(*shape, 3))
    smooth = gaussian_filter(noise, (2, 2, 0))
    return np.clip(128 + 45 * smooth / smooth.std(), 0, 255).astype(np.uint8)


def search_display(item, odd, rows: int = 5, columns: int = 7, cell: int = 48, at=(1, 4)):
    """Copies of an item (h, w, 3) on grey, one of them replaced, and the centres of all (y, x).

    The centre of the odd item comes first.
    """
    image = np.full((rows * cell, columns * cell, 3), GREY, np.uint8)
    centres = []
    for row in range(rows):
        for column in range(columns):
            shown = odd if (row, column) == at else item
            top, left = row * cell + (cell - len(shown)) // 2, column * cell + cell // 2
            left -= shown.shape[1] // 2
            image[top : top + shown.shape[0], left : left + shown.shape[1]] = shown
            centres.append((row * cell + cell // 2, column * cell + cell // 2))
    centres.insert(0, centres.pop(at[0] * columns + at[1]))
    return image, np.array(centres)


def bar(height: int, width: int, colour=(230, 230, 230)) -> np.ndarray:
    return np.full((height, width, 3), colour, np.uint8)


def disc(shape: tuple[int, int], y: float, x: float, radius: float, figure=220, ground=60):
    """A grey disc on a grey ground, (height, width, 3)."""
    rows, columns = np.indices(shape)
    inside = (rows - y) ** 2 + (columns - x) ** 2 <= radius**2
    return np.repeat(np.where(inside, figure, ground).astype(np.uint8)[..., None], 3, axis=2)


def at(saliency: np.ndarray, shape: tuple[int, int], points: np.ndarray) -> np.ndarray:
    """Values of a map at pixels (n, 2) of an image of ``shape``."""
    rows = points[:, 0] * saliency.shape[0] // shape[0]
    columns = points[:, 1] * saliency.shape[1] // shape[1]
    return saliency[rows, columns]


def check_map(model, image: np.ndarray) -> np.ndarray:
    """The map of an image is finite, repeats, leaves the image alone and is not larger than it."""
    before = image.copy()
    saliency = model.map_of(image)
    assert saliency.ndim == 2
    assert 1 <= saliency.shape[0] <= image.shape[0]
    assert 1 <= saliency.shape[1] <= image.shape[1]
    assert np.issubdtype(saliency.dtype, np.floating)
    assert np.isfinite(saliency).all()
    kept = saliency.copy()
    np.testing.assert_array_equal(model.map_of(image), kept)
    np.testing.assert_array_equal(image, before)
    return kept


@pytest.mark.filterwarnings("error")
class AnyImage:
    """Tests of what holds for every classical model; subclasses define the fixture ``model``."""

    @pytest.mark.parametrize("size", SIZES)
    def test_an_image_of_any_size_has_a_map(self, model, size):
        check_map(model, clouds(size))

    def test_a_large_image_has_a_map_of_bounded_size(self, model):
        image = np.tile(clouds((300, 400)), (10, 10, 1))
        assert max(model.map_of(image).shape) <= 512

    def test_a_grey_image_has_a_map(self, model):
        image = np.repeat(clouds((60, 80))[..., :1], 3, axis=2)
        assert np.ptp(check_map(model, image)) > 0

    @pytest.mark.parametrize(
        ("size", "colour"),
        [
            ((1, 1), (97, 97, 97)),
            ((33, 50), (0, 0, 0)),
            ((33, 50), (97, 97, 97)),
            ((33, 50), (1, 77, 200)),
            ((450, 601), (255, 255, 255)),
        ],
    )
    def test_a_constant_image_has_a_constant_map(self, model, size, colour):
        saliency = check_map(model, np.full((*size, 3), colour, np.uint8))
        assert np.ptp(saliency) <= 1e-4 * max(1.0, saliency.max())
