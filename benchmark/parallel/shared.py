"""What all calls need: made known to each worker once, not with every piece of work."""

from __future__ import annotations

import mmap
import pickle
import tempfile
import threading
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cloudpickle

from benchmark.parallel.backend import Workers

#: Arrays of so many bytes are mapped from the file, so that processes share their memory.
LARGE = 2**20
ALIGNMENT = 64
#: The last value that this process read.
_read: dict[str, Any] = {}
_lock = threading.Lock()


class Shared:
    """A value for workers: itself for threads, a file for processes of this machine, and for Dask
    what is pickled (it sends that to each worker).

    Use it as a context: the file is gone afterwards. Processes must not write to large arrays.
    """

    def __init__(self, value: Any, workers: Workers):
        self._value = value
        self._by_file = workers.backend.name == "loky" and value is not None
        self._token = uuid.uuid4().hex
        self._folder: tempfile.TemporaryDirectory | None = None

    def __enter__(self) -> Shared:
        if self._by_file:
            self._folder = tempfile.TemporaryDirectory(prefix="benchmark-")
            _write(self._value, Path(self._folder.name))
        return self

    def __exit__(self, *exception: Any) -> None:
        if self._folder is not None:
            self._folder.cleanup()

    def __reduce__(self) -> tuple[Any, ...]:
        if self._folder is not None:
            return _FromFile, (self._folder.name,)
        return _FromBytes, (self._token, cloudpickle.dumps(self._value))

    @property
    def value(self) -> Any:
        return self._value


class _FromFile:
    """A shared value in another process of this machine."""

    def __init__(self, folder: str):
        self._folder = folder

    @property
    def value(self) -> Any:
        return _once(self._folder, lambda: _load(Path(self._folder)))


class _FromBytes:
    """A shared value on another machine; what only passes it on does not unpickle it."""

    def __init__(self, token: str, pickled: bytes):
        self._token, self._pickled = token, pickled

    @property
    def value(self) -> Any:
        return _once(self._token, lambda: cloudpickle.loads(self._pickled))


def _once(token: str, read: Callable[[], Any]) -> Any:
    """What ``read`` returned when it was first called for a token; the last token's is kept."""
    with _lock:
        if token not in _read:
            _read.clear()
            _read[token] = read()
        return _read[token]


def _write(value: Any, folder: Path) -> None:
    large: list[memoryview] = []

    def is_small(buffer: pickle.PickleBuffer) -> bool:
        raw = buffer.raw()
        if raw.nbytes < LARGE:
            return True
        large.append(raw)
        return False

    pickled = cloudpickle.dumps(value, protocol=5, buffer_callback=is_small)
    with (folder / "arrays").open("wb") as file:
        places = []
        for raw in large:
            file.write(bytes(-file.tell() % ALIGNMENT))
            places.append((file.tell(), raw.nbytes))
            file.write(raw)
    (folder / "value").write_bytes(pickle.dumps((pickled, places)))


def _load(folder: Path) -> Any:
    pickled, places = pickle.loads((folder / "value").read_bytes())
    buffers: list[memoryview] = []
    if places:
        with (folder / "arrays").open("rb") as file:
            mapped = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        buffers = [mapped[start : start + size] for start, size in places]
    return pickle.loads(pickled, buffers=buffers)
