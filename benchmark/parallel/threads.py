"""How many threads libraries use: one for linear algebra, so that sums have one order."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from joblib import cpu_count
from threadpoolctl import threadpool_limits


def in_a_worker() -> None:
    """From now on, linear algebra in this process takes one thread.

    The limit is the process's, so one of several threads that compute in it must not lift it.
    """
    threadpool_limits(1, user_api="blas")


@contextmanager
def side_by_side(count: int) -> Iterator[None]:
    """``count`` threads compute at a time: one each for linear algebra, a share for PyTorch."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(max(1, cpu_count() // count))
    try:
        with threadpool_limits(1, user_api="blas"):
            yield
    finally:
        torch.set_num_threads(before)
