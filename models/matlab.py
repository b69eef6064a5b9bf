"""Matlab files from outside: what they hold is weighed before scipy reads them.

scipy takes the sizes and numbers in a file on trust: damaged ones end the process, or fill the
memory. Here every element of a file of version 4 to 7 is walked through first, and must have the
bytes that it declares.
"""

from __future__ import annotations

import io
import math
import struct
import zlib
from typing import Any

#: Bytes of numbers by how Matlab stores them, and of characters at least.
_SIZES = {1: 1, 2: 1, 3: 2, 4: 2, 5: 4, 6: 4, 7: 4, 9: 8, 12: 8, 13: 8, 16: 1, 17: 2, 18: 4}
_MATRIX, _COMPRESSED = 14, 15
_CELL, _STRUCT, _OBJECT, _CHAR, _SPARSE, _NUMBERS = 1, 2, 3, 4, 5, range(6, 16)
_COMPLEX = 0x800
_OLD_SIZES = (8, 4, 4, 2, 2, 1)  # of version 4, by its number of a type
#: How deep cells and structs may lie, and how much a compressed variable may unpack to.
_DEPTH, _BYTES, _RATIO = 32, 2**30, 200


class _Walk:
    """Goes through the elements of a file of version 5 or later."""

    def __init__(self, content: bytes, order: str):
        self.content, self.order = content, order

    def header(self, at: int, end: int) -> tuple[int, int, int, int]:
        """Type of the element at a place; where its content begins, ends, and what follows."""
        if at + 8 > end:
            raise ValueError("it ends inside an element")
        kind, size = struct.unpack_from(f"{self.order}II", self.content, at)
        if kind >> 16:  # a small element: size, type and content in eight bytes
            start, size, kind = at + 4, kind >> 16, kind & 0xFFFF
            following = at + 8
            if size > 4:
                raise ValueError(f"a small element has {size} bytes")
        else:
            start = at + 8
            following = start + size + (-size % 8 if kind != _COMPRESSED else 0)
        if start + size > end:
            raise ValueError(f"it ends {start + size - end} bytes too early")
        return kind, start, start + size, min(following, end)

    def numbers(self, at: int, end: int, count: int | None = None) -> tuple[int, int, int]:
        """An element of ``count`` numbers or characters: where they begin and end, what follows."""
        kind, start, stop, following = self.header(at, end)
        if kind not in _SIZES:
            raise ValueError(f"an element has the type {kind}, expected numbers")
        if count is not None and stop - start != count * _SIZES[kind]:
            raise ValueError(f"{count} values take {stop - start} bytes")
        return start, stop, following

    def integers(self, at: int, end: int) -> tuple[tuple[int, ...], int]:
        start, stop, following = self.numbers(at, end)
        count = (stop - start) // 4
        return struct.unpack_from(f"{self.order}{count}i", self.content, start), following

    def matrices(self, at: int, end: int, count: int, depth: int) -> int:
        if 8 * count > end - at:
            raise ValueError(f"{count} elements take {end - at} bytes")
        for _ in range(count):
            kind, start, stop, following = self.header(at, end)
            if kind != _MATRIX:
                raise ValueError(f"an element has the type {kind}, expected an array")
            if start < stop:  # an array without any content is empty
                self.matrix(start, stop, depth + 1)
            at = following
        return at

    def matrix(self, at: int, end: int, depth: int = 0) -> None:
        """An array between two places, whatever it holds; all of the bytes have to be its own."""
        if depth > _DEPTH:
            raise ValueError(f"its cells lie deeper than {_DEPTH} levels")
        flags, at = self.integers(at, end)
        shape, at = self.integers(at, end)
        if len(flags) != 2 or not 2 <= len(shape) <= 32 or min(shape) < 0:
            raise ValueError("an array has no shape")
        _, _, at = self.numbers(at, end)  # its name
        kind, count = flags[0] & 0xFF, math.prod(shape)
        if kind == _CELL:
            at = self.matrices(at, end, count, depth)
        elif kind in (_STRUCT, _OBJECT):
            if kind == _OBJECT:
                _, _, at = self.numbers(at, end)  # the name of its class
            lengths, at = self.integers(at, end)
            start, stop, at = self.numbers(at, end)
            if len(lengths) != 1 or lengths[0] < 1 or (stop - start) % lengths[0]:
                raise ValueError("a struct has no list of its fields")
            if 8 * count > end - at + 8:
                raise ValueError(f"{count} structs take {end - at} bytes")
            at = self.matrices(at, end, count * ((stop - start) // lengths[0]), depth)
        elif kind == _CHAR:
            start, stop, at = self.numbers(at, end)
            if count > max(stop - start, 1):
                raise ValueError(f"{count} characters take {stop - start} bytes")
        elif kind in _NUMBERS:
            for _ in range(2 if flags[0] & _COMPLEX else 1):
                _, _, at = self.numbers(at, end, count)
        else:
            what = "a sparse array" if kind == _SPARSE else f"an array of the class {kind}"
            raise ValueError(f"holds {what}; expected full arrays, cells and structs")
        if not at <= end < at + 8:
            raise ValueError("an array is shorter than it says")


def check(content: bytes) -> None:
    """Go through a Matlab file without reading its values.

    Raises:
        ValueError: it is damaged, of version 7.3, or holds sparse arrays or objects.
    """
    if len(content) < 20:
        raise ValueError(f"{len(content)} bytes are no Matlab file")
    if 0 in content[:4]:
        _check_old(content)
        return
    marks = {b"IM": "<", b"MI": ">"}
    if content[126:128] not in marks:
        raise ValueError("it has no header of a Matlab file")
    order = marks[content[126:128]]
    version = content[125 if order == "<" else 124]
    if version != 1:
        raise ValueError(
            "is a Matlab file of version 7.3; save it with -v7"
            if version == 2
            else f"it has the unknown version {version}"
        )
    walk, at = _Walk(content, order), 128
    while at < len(content):
        kind, start, stop, at = walk.header(at, len(content))
        if kind == _COMPRESSED:
            unpacked = _unpacked(content[start:stop], len(content))
            inner = _Walk(unpacked, order)
            kind, start, stop, _ = inner.header(0, len(unpacked))
        else:
            inner = walk
        if kind != _MATRIX:
            raise ValueError(f"an element has the type {kind}, expected an array")
        inner.matrix(start, stop)


def _unpacked(packed: bytes, size: int) -> bytes:
    allowed = min(_BYTES, _RATIO * max(size, 2**20))
    stream = zlib.decompressobj()
    try:
        unpacked = stream.decompress(packed, allowed)
    except zlib.error as error:
        raise ValueError(f"a compressed variable is damaged: {error}") from error
    if not stream.eof:
        what = "is cut off" if len(unpacked) < allowed else f"has more than {allowed} bytes"
        raise ValueError(f"a compressed variable {what}")
    return unpacked


def _check_old(content: bytes) -> None:
    """A file of version 4: arrays of numbers or text one after the other."""
    at = 0
    while at < len(content):
        if at + 20 > len(content):
            raise ValueError("it ends inside a header")
        order = "<" if 0 <= struct.unpack_from("<i", content, at)[0] <= 5000 else ">"
        kind, rows, columns, is_complex, name = struct.unpack_from(f"{order}5i", content, at)
        machine, type_, full = kind // 1000, kind // 10 % 10, kind % 10
        if not (kind >= 0 and machine == "<>".index(order) and kind // 100 % 10 == 0):
            raise ValueError("it has no header of a Matlab file")
        if type_ >= len(_OLD_SIZES) or full > 1 or min(rows, columns) < 0 or name < 1:
            raise ValueError("holds what is no full array")
        if is_complex not in (0, 1):
            raise ValueError("it has no header of a Matlab file")
        at += 20 + name + rows * columns * _OLD_SIZES[type_] * (1 + is_complex)
        if at > len(content):
            raise ValueError(f"it ends {at - len(content)} bytes too early")


def load(content: bytes, **options: Any) -> dict[str, Any]:
    """What :func:`scipy.io.loadmat` makes of a file that :func:`check` finds sound.

    Raises:
        ValueError: see there.
    """
    from scipy.io import loadmat

    check(content)
    return loadmat(io.BytesIO(content), **options)  # type: ignore[no-any-return]


def shapes(content: bytes) -> list[tuple[str, tuple[int, ...], str]]:
    """Name, shape and type of the variables, see :func:`scipy.io.whosmat`.

    Raises:
        ValueError: see :func:`check`.
    """
    from scipy.io import whosmat

    check(content)
    return whosmat(io.BytesIO(content))  # type: ignore[no-any-return]
