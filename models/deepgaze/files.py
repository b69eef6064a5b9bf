"""Files that appear whole or not at all, and arrays in them with a checksum."""

from __future__ import annotations

import io
import mmap
import os
import uuid
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

#: Names a folder that keeps features, so that an image is seen by a backbone only once.
VARIABLE = "BENCHMARK_FEATURES"


def folder_in(variable: str) -> Path | None:
    """The folder that an environment variable names, "~" being the user's; None if it is unset."""
    named = os.environ.get(variable)
    return Path(named).expanduser() if named else None


@contextmanager
def whole(file: Path) -> Iterator[BinaryIO]:
    """A stream whose content becomes ``file`` when the block ends without an error."""
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".{file.name}.{uuid.uuid4().hex}.part")
    try:
        with temporary.open("xb") as stream:
            yield stream
        temporary.replace(file)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


#: Bytes of the checksum (CRC-32, little endian) behind an array's npy file.
CHECKSUM = 4


def save_array(file: Path, values: NDArray) -> None:
    """Write an array as npy, followed by a checksum, which other readers of npy do not mind."""
    content = io.BytesIO()
    np.save(content, values, allow_pickle=False)
    with whole(file) as stream:
        stream.write(content.getbuffer())
        stream.write(zlib.crc32(content.getbuffer()).to_bytes(CHECKSUM, "little"))


def load_array(file: Path) -> NDArray | None:
    """An array that :func:`save_array` wrote, memory-mapped; None if it is missing or damaged."""
    try:
        with file.open("rb") as stream:
            if not _is_sound(stream):
                return None
        # copy-on-write, since torch wants writable memory; nothing writes to it
        values = np.load(file, mmap_mode="c", allow_pickle=False)
    except (ValueError, OSError, EOFError):
        return None
    return values if isinstance(values, np.ndarray) else None


def _is_sound(stream: BinaryIO) -> bool:
    with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
        stated = int.from_bytes(content[-CHECKSUM:], "little")
        with memoryview(content) as view, view[:-CHECKSUM] as array:
            return zlib.crc32(array) == stated
