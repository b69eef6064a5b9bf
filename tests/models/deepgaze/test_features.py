"""Features of an image and of its mirror image lie where they belong."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models.deepgaze.features import FeatureSet, extract, loaded
from models.deepgaze.geometry import Axis
from tests.models.deepgaze.bright import CHANNELS, FEATURES, picture

SETS = [
    FEATURES,
    FeatureSet("efficientnet-lite0", ("block1", "block4"), 0.75),
    FeatureSet("vgg19", ("conv2_1", "relu3_1"), 1.0),
    FeatureSet("vgg19", ("conv2_1", "relu3_1"), 0.5),
]
SHAPES = [(48, 64), (45, 67), (61, 33)]


def test_values_are_those_of_the_backbone():
    rgb = picture(0)
    maps = extract(rgb, FEATURES)
    assert list(maps) == list(FEATURES.layers)
    network = loaded(FEATURES.backbone)
    plain = network(torch.tensor(rgb).permute(2, 0, 1).float(), FEATURES.layers)
    for (name, found), channels in zip(maps.items(), CHANNELS):
        assert found.values.dtype == torch.float32
        assert found.values.shape == (found.rows.cells, found.columns.cells, channels)
        assert torch.equal(found.values, plain[name].permute(1, 2, 0))


def test_backbones_stay_in_memory():
    assert loaded(FEATURES.backbone) is loaded(FEATURES.backbone)
    assert loaded(FEATURES.backbone, "bfloat16") is not loaded(FEATURES.backbone)


def test_some_layers_only():
    rgb = picture(0)
    some = extract(rgb, FEATURES, layers=["block2"])
    assert list(some) == ["block2"]
    assert torch.equal(some["block2"].values, extract(rgb, FEATURES)["block2"].values)


def test_half_precision_is_near():
    rgb = picture(0)
    exact, near = extract(rgb, FEATURES), extract(rgb, FEATURES, precision="bfloat16")
    for name, found in near.items():
        assert found.values.dtype == torch.float32
        difference = (found.values - exact[name].values).square().mean().sqrt()
        assert 0 < difference < 0.05 * exact[name].values.std()


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("features", SETS, ids=lambda f: f"{f.backbone}-{f.scale}")
def test_a_mirrored_view_is_the_mirror_image_mirrored_back(features, shape):
    rgb = picture(3, *shape)
    found = extract(rgb, features, mirrored=True)
    other = extract(np.ascontiguousarray(rgb[:, ::-1]), features)
    direct = extract(rgb, features)
    for name in features.layers:
        torch.testing.assert_close(
            found[name].values, other[name].values.flip(1), atol=1e-3, rtol=1e-3
        )
        assert found[name].rows == other[name].rows
        np.testing.assert_allclose(
            found[name].columns.positions, shape[1] - 1 - other[name].columns.positions[::-1]
        )
        assert not torch.equal(found[name].values, direct[name].values)


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("features", SETS, ids=lambda f: f"{f.backbone}-{f.scale}")
def test_a_change_shows_where_it_is(features, mirrored):
    """The features that a spot changes are, on average, at the spot."""
    height, width = 93, 131
    grey = np.full((height, width, 3), 110, np.uint8)
    for y, x in ((40, 40), (47, 97), (58, 71)):
        spot = grey.copy()
        spot[y - 2 : y + 3, x - 2 : x + 3] = 220
        with_spot, without = extract(spot, features, mirrored), extract(grey, features, mirrored)
        for name, found in with_spot.items():
            change = (found.values - without[name].values).abs().sum(2).double().numpy()
            # Half a stride of EfficientNet's asymmetric padding, at most, remains.
            tolerance = 0.5 * found.rows.step + 1.0
            down, across = change.sum(1), change.sum(0)
            assert abs(down @ found.rows.positions / down.sum() - y) <= tolerance
            assert abs(across @ found.columns.positions / across.sum() - x) <= tolerance


def test_cells_of_a_scaled_image_lie_in_the_original():
    shape = (64, 96)
    half = extract(picture(0, *shape), FeatureSet("vgg19", ("conv3_1",), 0.5))["conv3_1"]
    # Stride 4 of the half-size image: cells of 8 pixels, which cover the image.
    assert half.rows == Axis(3.5, 8.0, 8)
    assert half.columns == Axis(3.5, 8.0, 12)
