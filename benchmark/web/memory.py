"""Freed memory, given back to the system."""

from __future__ import annotations

import ctypes
from functools import lru_cache
from typing import Any


def give_back() -> None:
    """Let the C library return what was freed but lies scattered; glibc keeps it otherwise.

    A service that draws and predicts for hours would hold the more of it the longer it runs. Does
    nothing where the library has no ``malloc_trim``.
    """
    trim = _malloc_trim()
    if trim is not None:
        trim(0)


@lru_cache
def _malloc_trim() -> Any:
    try:
        return ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # not glibc
        return None
