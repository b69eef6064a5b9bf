"""Saliency maps that were made before: the last ones in memory, all in $BENCHMARK_FEATURES."""

from __future__ import annotations

import hashlib
import importlib.util
from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.deepgaze.files import VARIABLE, folder_in, load_array, save_array

#: Memory for the maps made last, in bytes.
KEPT_BYTES = 2**28

Map = NDArray[np.float32]
_kept: OrderedDict[tuple[str, str], Map] = OrderedDict()


def kept(identity: str, image_hash: str, module: str, make: Callable[[], Map]) -> Map:
    """The map of a model for an image, made if it is not at hand.

    Only maps of models in this package are kept on disk, since it is known what they depend on:
    the files beside their module. A change of any of these makes them stale.

    Args:
        identity: tells apart models that make different maps of the same image.
        module: where the model is defined.
    """
    key = identity, image_hash
    if key not in _kept:
        _kept[key] = _from_disk(identity, image_hash, module, make)
        while len(_kept) > 1 and sum(each.nbytes for each in _kept.values()) > KEPT_BYTES:
            _kept.popitem(last=False)
    _kept.move_to_end(key)
    return _kept[key]


def forget() -> None:
    """Empty the memory, not the disk."""
    _kept.clear()


def _from_disk(identity: str, image_hash: str, module: str, make: Callable[[], Map]) -> Map:
    folder, source = folder_in(VARIABLE), _source_hash(module)
    if folder is None or source is None:
        return make()
    content = hashlib.sha256(f"{identity} {source}".encode()).hexdigest()[:16]
    name = f"{module.rpartition('.')[2]}-{content}"
    file = folder / "maps" / name / image_hash[:2] / f"{image_hash}.npy"
    values = load_array(file)
    if values is not None and values.dtype == np.float32 and values.ndim == 2 and values.size:
        return np.array(values)
    made = make()
    save_array(file, made)
    return made


@lru_cache
def _source_hash(module: str) -> str | None:
    """SHA-256 of a module of this package and all that lies beside it; None for another module."""
    if module.partition(".")[0] != __package__:
        return None
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        return None
    folder, digest = Path(spec.origin).parent, hashlib.sha256()
    for file in sorted((*folder.glob("*.py"), *folder.glob("*/*.npz"))):
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()
