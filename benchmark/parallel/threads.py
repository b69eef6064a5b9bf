"""How many threads libraries use: one for linear algebra, so that sums have one order."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from joblib import cpu_count
from threadpoolctl import ThreadpoolController

#: The libraries of linear algebra that were found, and how many modules were imported then.
_known: tuple[int, ThreadpoolController] | None = None


def in_a_worker() -> None:
    """From now on, linear algebra in this process takes one thread.

    The limit is the process's, so one of several threads that compute in it must not lift it.
    """
    one_thread()


def one_thread() -> Any:
    """Linear algebra takes one thread from now on; as a context, until its end."""
    return _libraries().limit(limits=1)


def _libraries() -> ThreadpoolController:
    """Those that are loaded. A search takes milliseconds, so only an import is followed by one."""
    global _known
    imported = len(sys.modules)
    if _known is None or _known[0] != imported:
        _known = imported, ThreadpoolController().select(user_api="blas")
    return _known[1]


@contextmanager
def side_by_side(count: int) -> Iterator[None]:
    """``count`` threads compute at a time: one each for linear algebra, a share for PyTorch."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(max(1, cpu_count() // count))
    try:
        with one_thread():
            yield
    finally:
        torch.set_num_threads(before)
