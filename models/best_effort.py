"""Caches that speed work up but that no result needs: what cannot be written is told once."""

from __future__ import annotations

import threading
import warnings
from pathlib import Path

from numpy.typing import NDArray

from models.deepgaze.files import save_array

_told: set[Path] = set()
_lock = threading.Lock()


def save_if_possible(folder: Path, file: Path, values: NDArray) -> bool:
    """Keep an array in a cache, as :func:`models.deepgaze.files.save_array` does.

    Args:
        folder: the cache, which ``file`` is in.

    Returns:
        Whether it was written. If not, a warning names the folder and the reason, once a process.
    """
    try:
        save_array(file, values)
    except OSError as error:
        with _lock:
            new = folder not in _told
            _told.add(folder)
        if new:
            warnings.warn(
                f"nothing can be kept in the cache {folder}: {error.strerror or error}. Results "
                "are the same, but computed again each time: free some space, or name a folder "
                "that you may write to in BENCHMARK_FEATURES.",
                stacklevel=2,
            )
        return False
    return True
