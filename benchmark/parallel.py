"""Maps work over shards of images, in this process or in several; results come when ready."""

from __future__ import annotations

import os
import threading
import time
import warnings
from collections.abc import Callable, Generator, Sequence
from typing import TypeVar

from joblib import Parallel, delayed, effective_n_jobs
from threadpoolctl import threadpool_limits

Item = TypeVar("Item")
Result = TypeVar("Result")

SHARD = 16


def shards(items: Sequence[Item], jobs: int) -> list[list[Item]]:
    """Consecutive pieces of at most SHARD items, enough of them to keep ``jobs`` busy.

    Args:
        jobs: number of processes, not 0; negative ones count from the number of cores.
    """
    processes = effective_n_jobs(jobs)
    size = 1 if jobs == 1 else max(1, min(SHARD, len(items) // (4 * processes)))
    return [list(items[start : start + size]) for start in range(0, len(items), size)]


_following = False


def follow(parent: int) -> None:
    """End this process when the one that started it is gone, even if that was killed outright."""
    global _following
    if _following or os.getpid() == parent:
        return
    _following = True

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(2.0)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _single_threaded(function: Callable[[Item], Result], item: Item, parent: int) -> Result:
    follow(parent)
    # One BLAS thread each: sums in a fixed order, so any number of jobs gives the same bytes.
    with threadpool_limits(1, user_api="blas"):
        return function(item)


def ordered_map(
    function: Callable[[Item], Result], items: Sequence[Item], jobs: int
) -> Generator[Result, None, None]:
    """``function`` of each item, in order, computed by ``jobs`` processes (1: this one).

    Close it (``contextlib.closing``) where results may be left unread: the workers then end at
    once. Left to the garbage collector, that may happen while Python exits, with tracebacks.

    Args:
        jobs: number of processes; -1 for one per core.
    """
    if jobs == 1:
        for item in items:
            yield _single_threaded(function, item, os.getpid())
        return
    results = Parallel(n_jobs=jobs, return_as="generator", pre_dispatch="2*n_jobs")(
        delayed(_single_threaded)(function, item, os.getpid()) for item in items
    )
    try:
        # "yield from" would close the results itself, with joblib's warning that some are unused
        for result in results:  # noqa: UP028
            yield result
    finally:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            results.close()
