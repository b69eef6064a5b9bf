"""What all calls need: made known to each worker once, not with every piece of work."""

from __future__ import annotations

import io
import mmap
import pickle
import threading
import types
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cloudpickle

from benchmark.parallel.backend import Workers
from benchmark.parallel.environment import Environment, unreadable
from benchmark.parallel.folder import TemporaryFolder, no_room

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

    Raises:
        BenchmarkError: there is no room for the file.
    """

    def __init__(self, value: Any, workers: Workers):
        self._value = value
        self._by_file = workers.backend.name == "loky" and value is not None
        self._elsewhere = workers.backend.scheduler is not None
        self._token = uuid.uuid4().hex
        self._folder: TemporaryFolder | None = None

    def __enter__(self) -> Shared:
        if self._by_file:
            self._folder = TemporaryFolder()
            try:
                _write(self._value, self._folder.path)
            except OSError as error:
                self._folder.remove()
                raise no_room(error) from error
            except BaseException:
                self._folder.remove()
                raise
        return self

    def __exit__(self, *exception: Any) -> None:
        if self._folder is not None:
            self._folder.remove()

    def __reduce__(self) -> tuple[Any, ...]:
        if self._folder is not None:
            return _FromFile, (str(self._folder.path),)
        buffer = io.BytesIO()
        pickler = _Pickler(buffer)
        pickler.dump(self._value)
        environment = None
        if self._elsewhere:  # workers on this machine run what this process runs
            environment = Environment.here().and_sources_of(pickler.modules)
        return _FromBytes, (self._token, buffer.getvalue(), environment)

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
    """A shared value on another machine; what only passes it on does not unpickle it.

    Args:
        environment: what this process is to have, too, before it computes; None if it is the same.
    """

    def __init__(self, token: str, pickled: bytes, environment: Environment | None):
        self._token, self._pickled, self._environment = token, pickled, environment

    @property
    def value(self) -> Any:
        return _once(self._token, self._read)

    def _read(self) -> Any:
        if self._environment is None:
            return cloudpickle.loads(self._pickled)
        self._environment.check()
        unpickler = _Unpickler(io.BytesIO(self._pickled))
        try:
            value = unpickler.load()
        except (ImportError, AttributeError) as error:
            raise unreadable(error) from error
        self._environment.check_sources(unpickler.modules)
        return value


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    """Notes the modules of all classes and functions that it meets."""

    def __init__(self, file: io.BytesIO):
        super().__init__(file)
        self.modules: set[str] = set()

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, (type, types.FunctionType)) and obj.__module__:
            self.modules.add(obj.__module__)
        return super().reducer_override(obj)


class _Unpickler(pickle.Unpickler):
    """Notes the modules of all that it takes from this process's own files."""

    def __init__(self, file: io.BytesIO):
        super().__init__(file)
        self.modules: set[str] = set()

    def find_class(self, module_name: str, global_name: str) -> Any:
        self.modules.add(module_name)
        return super().find_class(module_name, global_name)


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
