"""Features that training keeps on disk: equal to those computed, or computed anew."""

from __future__ import annotations

import zlib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmark.fuzzing import formats
from benchmark.fuzzing.target import Target
from benchmark.fuzzing.targets.maps import npy
from models.deepgaze.cache import FeatureCache
from models.deepgaze.features import FeatureSet, extract
from models.deepgaze.files import CHECKSUM

_HASH = "0" * 64
_FEATURES = FeatureSet("icf", ("intensity80",), 1.0)
_SHAPE = (33, 47)


def _pixels() -> NDArray[np.uint8]:
    ramp = np.add.outer(np.arange(_SHAPE[0]), 2 * np.arange(_SHAPE[1]))
    return np.repeat(ramp.astype(np.uint8)[:, :, None], 3, axis=2)


@cache
def _reference() -> torch.Tensor:
    return extract(_pixels(), _FEATURES)["intensity80"].values.half()


@cache
def _place() -> str:
    root = Path("cache")
    return FeatureCache(root).file(_HASH, _FEATURES, "intensity80", False).as_posix()


def _run(file: Path) -> Any:
    root = file.parents[len(Path(_place()).parts) - 2]
    return FeatureCache(root).get(_HASH, _pixels, _SHAPE, _FEATURES)["intensity80"]


def _wrong(file: Path, found: Any) -> str | None:
    if found.values.shape != _reference().shape:
        return "features of another size are taken for the image's"
    if not torch.isfinite(found.values).all():
        return "features that are not finite are taken"
    return None if torch.equal(found.values, _reference()) else "other features are taken"


def _with_checksum(content: bytes) -> bytes:
    return content + zlib.crc32(content).to_bytes(CHECKSUM, "little")


TARGETS = (
    Target(
        "features",
        "features kept by training, npy",
        _place(),
        lambda: [_with_checksum(npy(_reference().numpy()))],
        _run,
        _wrong,
        mutators=(formats.npy_header,),
    ),
)
