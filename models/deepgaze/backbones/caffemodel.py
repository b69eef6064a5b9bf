"""Reads weights of layers from Caffe's binary files, in both formats that Caffe has written."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.deepgaze.backbones.base import WeightsError

# Numbers of the fields in Caffe's definitions, as (layer in the net, its name, its blobs).
_FORMATS = ((100, 1, 7), (2, 4, 6))  # LayerParameter, V1LayerParameter
_DATA, _SHAPE, _SIZES = 5, 7, (1, 2, 3, 4)  # of a BlobProto; sizes: number, channels, rows, columns
_DIMENSION = 1  # of a BlobShape
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # how protobuf writes a value


class _MalformedError(Exception):
    """The bytes are no protobuf message, or not one of Caffe's."""


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """An integer of seven bits a byte, lowest first; and where it ends."""
    value = 0
    for count in range(10):
        if at >= len(message):
            raise _MalformedError("it ends inside a number")
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << (7 * count)
        if byte < 0x80:
            return value, at
    raise _MalformedError("a number has more than ten bytes")


def _fields(message: memoryview) -> Iterator[tuple[int, int, int, memoryview]]:
    """Number, kind, integer value and bytes of every field; what does not apply is 0 or empty."""
    at, nothing = 0, message[:0]
    while at < len(message):
        key, at = _varint(message, at)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, at = _varint(message, at)
            yield number, kind, value, nothing
            continue
        if kind == _BYTES:
            size, at = _varint(message, at)
        elif kind in (_FIXED64, _FIXED32):
            size = 8 if kind == _FIXED64 else 4
        else:
            raise _MalformedError(f"a field is of the unknown kind {kind}")
        if at + size > len(message):
            raise _MalformedError(f"it ends {at + size - len(message)} bytes too early")
        yield number, kind, 0, message[at : at + size]
        at += size


def _integers(kind: int, value: int, content: memoryview) -> Iterator[int]:
    """Values of one field of repeated integers, each on its own or all of them packed."""
    if kind == _VARINT:
        yield value
        return
    at = 0
    while at < len(content):
        value, at = _varint(content, at)
        yield value


def _blob(message: memoryview) -> NDArray[np.float32]:
    shape: list[int] = []
    sizes: dict[int, int] = {}
    data = []
    for number, kind, value, content in _fields(message):
        if number == _DATA and kind in (_BYTES, _FIXED32):
            data.append(bytes(content))
        elif number == _SHAPE and kind == _BYTES:
            for inner, how, size, packed in _fields(content):
                if inner == _DIMENSION:
                    shape.extend(_integers(how, size, packed))
        elif number in _SIZES and kind == _VARINT:
            sizes[number] = value
    joined = b"".join(data)
    shape = shape or [sizes.get(number, 1) for number in _SIZES]
    if len(joined) != 4 * math.prod(shape):
        raise _MalformedError(f"an array of the shape {tuple(shape)} has {len(joined)} bytes")
    return np.frombuffer(joined, "<f4").reshape(shape)


def _layer(message: memoryview, name_field: int) -> str:
    for number, kind, _, content in _fields(message):
        if number == name_field and kind == _BYTES:
            return bytes(content).decode("utf-8", errors="replace")
    return ""


def read_caffemodel(file: Path, names: tuple[str, ...]) -> dict[str, list[NDArray[np.float32]]]:
    """The arrays (weights, then biases) of some layers of a ``.caffemodel``; others are skipped.

    Raises:
        WeightsError: it cannot be read, is damaged, or lacks one of the layers.
    """
    found: dict[str, list[NDArray[np.float32]]] = {}
    try:
        net = memoryview(file.read_bytes())
        for number, kind, _, layer in _fields(net):
            for layer_field, name_field, blobs_field in _FORMATS:
                if (number, kind) != (layer_field, _BYTES):
                    continue
                name = _layer(layer, name_field)
                if name in names:
                    found[name] = [
                        _blob(content)
                        for field, how, _, content in _fields(layer)
                        if (field, how) == (blobs_field, _BYTES)
                    ]
    except OSError as error:
        raise WeightsError(f"{file}: cannot be read ({error.strerror}).") from error
    except _MalformedError as error:
        raise WeightsError(
            f"{file}: is not a caffemodel, or a damaged one: {error}. Download it again."
        ) from error
    missing = [name for name in names if not found.get(name)]
    if missing:
        raise WeightsError(
            f"{file}: holds no weights of the layers {', '.join(missing)}; it is another network."
        )
    return found
