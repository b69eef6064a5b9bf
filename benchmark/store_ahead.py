"""SQLite's write-ahead file: whether what a killed run had written to it is all there.

SQLite takes the first changed byte for the end of the file, and rows behind it for never written.
The formats are those of https://www.sqlite.org/walformat.html.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_HEADER, _FRAME, _INDEX = 32, 24, 48
_MAGIC = (0x377F0682, 0x377F0683)


def is_damaged(store: Path) -> bool:
    """Whether transactions in the write-ahead file of ``store`` are changed or cut off.

    Nothing is changed or opened by SQLite, which would clear away what it does not understand.
    """
    ahead = store.with_name(f"{store.name}-wal")
    content = ahead.read_bytes() if ahead.exists() else b""
    salts, frames = _indexed(store.with_name(f"{store.name}-shm"))
    if not content:
        return frames > 0
    if len(content) < _HEADER or int.from_bytes(content[:4], "big") not in _MAGIC:
        return True
    size = int.from_bytes(content[8:12], "big")
    words = ">u4" if content[3] & 1 else "<u4"
    sums = _sums(np.zeros(2, np.uint32), np.frombuffer(content[:24], words))
    if not _is_page_size(size) or sums.tobytes() != _native(content[24:32]):
        return True
    if frames and salts != content[16:24]:
        return True
    found = np.frombuffer(content[_HEADER:], np.uint8)
    table = found[: len(found) // (_FRAME + size) * (_FRAME + size)].reshape(-1, _FRAME + size)
    # frames of earlier rounds, which are written over, have other salts
    own = (table[:, 8:16] == np.frombuffer(content[16:24], np.uint8)).all(axis=1)
    sound = _sound(table, words, sums)
    return frames > sound or bool(own[sound:].any())


def _sound(table: NDArray[np.uint8], words: str, sums: NDArray[np.uint32]) -> int:
    """How many frames have the checksum that continues that of the frame before."""
    for number, frame in enumerate(table):
        content = np.concatenate([frame[:8], frame[_FRAME:]]).view(words)
        sums = _sums(sums, content)
        if sums.tobytes() != _native(frame[16:24].tobytes()):
            return number
    return len(table)


def _sums(start: NDArray[np.uint32], words: NDArray) -> NDArray[np.uint32]:
    """SQLite's checksum: ``s += x[i] + t; t += x[i + 1] + s`` for each pair, modulo 2**32.

    That is ``(s, t) -> M (s, t) + (x[i], x[i] + x[i + 1])`` with ``M = ((1, 1), (1, 2))``, whose
    powers are Fibonacci numbers, so that all pairs are added at once.
    """
    first, second = words.astype(np.uint32).reshape(-1, 2).T
    second = first + second
    fibonacci = _fibonacci(2 * len(first) + 2)
    low, middle, high = fibonacci[0::2], fibonacci[1::2], fibonacci[2::2]  # F(2k-1), F(2k), F(2k+1)
    back = slice(len(first) - 1, None, -1)
    power = len(first)
    s = (low[:power][back] * first + middle[:power][back] * second).sum(dtype=np.uint32)
    t = (middle[:power][back] * first + high[:power][back] * second).sum(dtype=np.uint32)
    ahead = np.array([[low[power], middle[power]], [middle[power], high[power]]], np.uint32)
    return (ahead * start).sum(axis=1, dtype=np.uint32) + np.array([s, t], np.uint32)


def _fibonacci(count: int) -> NDArray[np.uint32]:
    """F(-1), F(0), F(1) and so on, modulo 2**32; at least ``count`` of them."""
    values = [1, 0]
    while len(values) < count + 2:
        values.append((values[-1] + values[-2]) % 2**32)
    return np.array(values, np.uint32)


def _indexed(index: Path) -> tuple[bytes, int]:
    """Salts of the write-ahead file and number of its frames, as the file beside it has them.

    That file needs no repair: it serves only those who have the store open. No frames if it is
    missing or makes no sense.
    """
    content = index.read_bytes()[: 2 * _INDEX] if index.exists() else b""
    first, second = content[:_INDEX], content[_INDEX:]
    if len(second) < _INDEX or first != second or not first[12]:
        return b"", 0
    words = np.frombuffer(first, "=u4")
    if _sums(np.zeros(2, np.uint32), words[:10]).tobytes() != first[40:48]:
        return b"", 0
    return first[32:40], int(words[4])


def _is_page_size(size: int) -> bool:
    return 512 <= size <= 65536 and size & (size - 1) == 0


def _native(stored: bytes) -> bytes:
    """Two big-endian words in the order of this machine."""
    return np.frombuffer(stored, ">u4").astype(np.uint32).tobytes()
