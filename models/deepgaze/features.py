"""Features of an image: maps of frozen backbones at chosen scales, and where their cells lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.deepgaze import backbones
from models.deepgaze.geometry import Axis
from models.deepgaze.images import resized

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class FeatureSet:
    """Which layers of which backbone, and at which scale of the image.

    Attributes:
        scale: of the image before the backbone sees it; the paper's is 0.5.
    """

    backbone: str = "vgg19"
    layers: tuple[str, ...] = ("conv5_1", "relu5_1", "relu5_2", "conv5_3", "relu5_4")
    scale: float = 0.5


@dataclass(frozen=True)
class FeatureMap:
    """One layer's features of an image.

    Attributes:
        values: (h, w, channels), half or single precision.
        rows, columns: where the cells lie, in pixels of the original image.
    """

    values: Tensor
    rows: Axis
    columns: Axis


@lru_cache(maxsize=4)
def loaded(name: str, precision: str = "float32", file: str | None = None) -> backbones.Backbone:
    """A backbone with its weights, kept in memory.

    Raises:
        WeightsError: the weights cannot be had or are damaged.
    """
    return backbones.load(name, file).to(PRECISIONS[precision])


def extract(
    rgb: NDArray[np.uint8],
    features: FeatureSet,
    mirrored: bool = False,
    precision: str = "float32",
    layers: Sequence[str] | None = None,
) -> dict[str, FeatureMap]:
    """Features of an image (height, width, 3), in single precision, by layer.

    Args:
        mirrored: show the backbone the mirror image; the maps are mirrored back, so that they
            belong to the image as it is.
        layers: only these of the feature set's layers.
    """
    network = loaded(features.backbone, precision)
    names = features.layers if layers is None else layers
    image = resized(rgb, features.scale)
    maps = network(image.flip(2) if mirrored else image, names)
    found = {}
    for name, values in maps.items():
        values = values.float().flip(2) if mirrored else values.float()
        rows, columns = axes(network, name, features.scale, rgb.shape, values.shape[1:], mirrored)
        found[name] = FeatureMap(values.permute(1, 2, 0).contiguous(), rows, columns)
    return found


def axes(
    network: backbones.Backbone,
    layer: str,
    scale: float,
    shape: Sequence[int],
    cells: Sequence[int],
    mirrored: bool,
) -> tuple[Axis, Axis]:
    """Where a layer's cells lie in an image of ``shape``: rows, columns."""
    found: list[Axis] = []
    for side, count in zip(shape[:2], cells):
        small = side if scale == 1.0 else max(1, round(side * scale))
        axis = network.axis(layer, small, int(count))
        if mirrored and len(found) == 1:
            axis = Axis(
                small - 1.0 - axis.start - axis.step * (axis.cells - 1), axis.step, axis.cells
            )
        found.append(axis.of_resized(small, int(side)))
    return found[0], found[1]
