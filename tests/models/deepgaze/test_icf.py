"""Intensity and contrast features beside their definition, written out."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, map_coordinates

from models.deepgaze import backbones
from models.deepgaze.backbones import WeightsError
from models.deepgaze.features import FeatureSet, extract, loaded

ALL = FeatureSet("icf", backbones.known()["icf"].default_layers, 1.0)


def smooth(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Random blobs, as natural images have, uint8 (height, width, 3)."""
    noise = np.random.default_rng(seed).normal(size=(height, width, 3))
    waves = gaussian_filter(noise, (4, 4, 0))
    return np.clip(127 + 60 * waves / waves.std(), 0, 255).astype(np.uint8)


def explicit(rgb: np.ndarray, scale: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation under a Gaussian around every pixel, (height, width, 3) each."""
    red, green, blue = np.moveaxis(rgb / 255.0, 2, 0)
    channels = ((red + green + blue) / 3, (red - blue) / 2, (2 * green - red - blue) / 4)
    options = {"sigma": scale, "mode": "nearest", "truncate": 5}
    mean = np.stack([gaussian_filter(c, **options) for c in channels], axis=2)
    square = np.stack([gaussian_filter(c**2, **options) for c in channels], axis=2)
    return mean, np.sqrt(np.maximum(square - mean**2, 0))


@pytest.mark.parametrize("scale", [5, 10, 20])
def test_features_are_local_mean_and_deviation(scale):
    rgb = smooth(256, 320)
    found = extract(rgb, ALL)
    margin = 3 * scale
    for kind, expected in zip(("intensity", "contrast"), explicit(rgb, scale)):
        feature = found[f"{kind}{scale}"]
        rows, columns = feature.rows.positions, feature.columns.positions
        at = np.meshgrid(rows, columns, indexing="ij")
        inside = np.ix_(
            (rows > margin) & (rows < 256 - margin), (columns > margin) & (columns < 320 - margin)
        )
        for channel in range(3):
            there = map_coordinates(expected[:, :, channel], at, order=1)[inside]
            got = feature.values[:, :, channel].numpy()[inside]
            assert got.size > 50
            np.testing.assert_allclose(got, there, atol=0.05 * there.std() + 1e-3)
            assert np.corrcoef(got.ravel(), there.ravel())[0, 1] > 0.995


def test_a_uniform_image_has_its_intensity_and_no_contrast():
    found = extract(np.full((97, 130, 3), (200, 100, 50), np.uint8), ALL)
    for name, feature in found.items():
        expected = (350 / 765, 150 / 510, -50 / 1020) if name.startswith("intensity") else 0.0
        values = feature.values.numpy()
        np.testing.assert_allclose(values, np.broadcast_to(expected, values.shape), atol=1e-3)


def test_the_mirror_image_has_the_mirrored_features():
    rgb = smooth(96, 128)  # whose sides are multiples of the squares: no padding on one side
    for name, feature in extract(rgb[:, ::-1].copy(), ALL).items():
        expected = extract(rgb, ALL)[name].values.flip(1)
        np.testing.assert_allclose(feature.values.numpy(), expected.numpy(), atol=1e-5)


def test_grey_images_have_no_colour():
    grey = np.repeat(smooth(64, 64)[:, :, :1], 3, axis=2)
    for feature in extract(grey, ALL).values():
        assert feature.values[:, :, 1:].abs().max() < 1e-3
        assert feature.values[:, :, 0].abs().max() > 0.01


@pytest.mark.parametrize("shape", [(1, 1, 3), (7, 300, 3), (33, 31, 3)])
def test_every_size(shape):
    rgb = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    for feature in extract(rgb, ALL).values():
        assert feature.values.shape[2] == 3
        assert np.isfinite(feature.values.numpy()).all()


def test_the_precision_of_a_model_leaves_the_features_alone():
    rgb = smooth(64, 96)
    for name, feature in extract(rgb, ALL, precision="bfloat16").items():
        assert (feature.values == extract(rgb, ALL)[name].values).all()


def test_it_has_no_weights_but_a_hash(tmp_path):
    assert len(loaded("icf").weights_hash) == 64
    with pytest.raises(WeightsError, match="reads no weights"):
        backbones.load("icf", tmp_path / "weights.pt")
