"""Cached features whose files are damaged: found, computed again, and equal to what they were."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmark.survival.bench import Finding
from models.deepgaze.cache import FeatureCache
from models.deepgaze.features import FeatureSet
from models.deepgaze.images import pixel_hash

#: The smallest backbone that ships.
FEATURES = FeatureSet("efficientnet-lite0", ("stem", "block2"), 0.5)
SHAPE = (96, 128)


def features_damaged(folder: Path, times: int, rng: np.random.Generator) -> Finding:
    """Change bytes of random files of a feature cache, or cut them off; then ask for all of them.

    ``lost`` counts maps that came back with other values, ``untold`` files that were not mended.
    """
    finding = Finding("bytes of a cached feature map changed, or its end cut off")
    cache = FeatureCache(folder)
    pictures = [rng.integers(0, 256, (*SHAPE, 3), dtype=np.uint8) for _ in range(4)]
    expected = [_values(cache, picture) for picture in pictures]
    files = sorted(folder.rglob("*.npy"))
    sound = {file: file.read_bytes() for file in files}
    for _ in range(times):
        file = files[rng.integers(len(files))]
        file.write_bytes(damaged(sound[file], rng))
        for picture, values in zip(pictures, expected):
            found = _values(cache, picture)
            finding.lost += sum(not np.array_equal(found[name], values[name]) for name in values)
        finding.stored += len(files)
        finding.untold += file.read_bytes() != sound[file]
        finding.times += 1
    return finding


def damaged(data: bytes, rng: np.random.Generator, cut: bool = True) -> bytes:
    """The same with 1 to 19 other bytes, a quarter of the time cut off somewhere."""
    changed = bytearray(data)
    for place in rng.integers(0, len(changed), rng.integers(1, 20)):
        changed[place] ^= int(rng.integers(1, 256))
    if cut and rng.integers(4) == 0:
        del changed[int(rng.integers(len(changed))) :]
    return bytes(changed)


def _values(cache: FeatureCache, picture: np.ndarray) -> dict[str, np.ndarray]:
    found = cache.get(pixel_hash(picture), lambda: picture, SHAPE, FEATURES)
    return {layer: np.array(each.values.numpy()) for layer, each in found.items()}
