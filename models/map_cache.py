"""Saliency maps that were made before: the last ones in memory, all in $BENCHMARK_FEATURES."""

from __future__ import annotations

import hashlib
import importlib.util
import threading
from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.best_effort import save_if_possible
from models.deepgaze.files import VARIABLE, folder_in, load_array

#: Memory for the maps made last, in bytes.
KEPT_BYTES = 2**28

Map = NDArray[np.float32]
Key = tuple[str, str]


class Memory:
    """The values that were used last, of KEPT_BYTES together or a single one; threads share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._maps: OrderedDict[Key, Map] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._maps)

    def get(self, key: Key) -> Map | None:
        with self._lock:
            found = self._maps.get(key)
            if found is not None:
                self._maps.move_to_end(key)
            return found

    def add(self, key: Key, values: Map) -> None:
        with self._lock:
            replaced = self._maps.pop(key, None)  # another thread may have made the same
            self._bytes += values.nbytes - (0 if replaced is None else replaced.nbytes)
            self._maps[key] = values
            while len(self._maps) > 1 and self._bytes > KEPT_BYTES:
                self._bytes -= self._maps.popitem(last=False)[1].nbytes

    def clear(self) -> None:
        with self._lock:
            self._maps.clear()
            self._bytes = 0


_kept = Memory()


def kept(identity: str, image_hash: str, module: str, make: Callable[[], Map]) -> Map:
    """The map of a model for an image, made if it is not at hand.

    Only maps of models in this package are kept on disk, since it is known what they depend on:
    the files beside their module. A change of any of these makes them stale.

    Args:
        identity: tells apart models that make different maps of the same image.
        module: where the model is defined.
    """
    key = identity, image_hash
    found = _kept.get(key)
    if found is None:
        # threads that want the same map at once make it twice, rather than wait for each other
        found = _from_disk(identity, image_hash, module, make)
        _kept.add(key, found)
    return found


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
    save_if_possible(Path(folder), file, made)
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
