"""A function of many items, computed by several workers, in order; workers may be killed."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import BrokenExecutor, CancelledError
from contextlib import nullcontext
from typing import Any, TypeVar

from joblib import Parallel, delayed, parallel_config
from threadpoolctl import threadpool_limits

from benchmark.errors import BenchmarkError
from benchmark.parallel.backend import Backend, Workers
from benchmark.parallel.environment import Environment
from benchmark.parallel.following import follow
from benchmark.parallel.shared import Shared
from benchmark.parallel.threads import in_a_worker, side_by_side

Item = TypeVar("Item")
Result = TypeVar("Result")

#: How often work is begun again after workers died before any of it was done.
ATTEMPTS = 3


def ordered_map(
    function: Callable[..., Result],
    items: Sequence[Item],
    workers: int | Workers,
    shared: Any = None,
) -> Generator[Result, None, None]:
    """``function`` of each item, in order; any number and kind of workers gives the same bytes.

    Workers that die (out of memory, a machine that is gone) are replaced, and what they had not
    finished is computed again. Close it (``contextlib.closing``) where results may be left unread:
    the workers then end at once. Left to the garbage collector, that may happen while Python exits,
    with tracebacks.

    Args:
        workers: who computes; or a number of processes, 1 for this one, -1 for one per core.
        shared: what every call needs: sent to a worker once. If it is not None, the function gets
            it before the item.

    Raises:
        BenchmarkError: workers died three times over the same work, or run another version of what
            results depend on.
    """
    if isinstance(workers, int):
        with Backend(workers).started() as started:
            yield from ordered_map(function, items, started, shared)
        return
    if workers.backend.in_this_thread:
        for item in items:
            with threadpool_limits(1, user_api="blas"):
                result = _call(function, shared, item)
            yield result
        return
    done, attempts = 0, 0
    while done < len(items):
        before = done
        try:
            for result in _parallel(function, items[done:], workers, shared):
                done += 1
                yield result
        except _deaths() as error:
            attempts = 1 if done > before else attempts + 1
            if attempts >= ATTEMPTS:
                raise BenchmarkError(
                    f"worker processes were killed {attempts} times over the same work: is the "
                    "memory too small for so many? Use fewer --jobs. What was computed is kept; "
                    "the same command goes on."
                ) from error


def _parallel(
    function: Callable[..., Result], items: Sequence[Item], workers: Workers, shared: Any
) -> Iterator[Result]:
    parent = os.getpid() if workers.backend.name == "loky" else None
    threads = workers.backend.name == "threading"
    limits = side_by_side(workers.count) if threads else nullcontext()
    with Shared(shared, workers) as handle, limits:
        results = _joblib(workers, handle)(
            delayed(_call)(function, handle.value, item)
            if threads
            else delayed(_compute)(function, handle, item, _environment(workers), parent)
            for item in items
        )
        try:
            # "yield from" would close the results itself, with joblib's warning that some are
            # unused
            for result in results:  # noqa: UP028
                yield result
        finally:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)
                results.close()


def _joblib(workers: Workers, handle: Shared) -> Parallel:
    if workers.client is None:
        return Parallel(
            workers.backend.jobs,
            backend=workers.backend.name,
            return_as="generator",
            pre_dispatch="2*n_jobs",
        )
    with parallel_config("dask", client=workers.client, scatter=[handle]):
        return Parallel(return_as="generator", pre_dispatch="2*n_jobs")


def _environment(workers: Workers) -> Environment | None:
    """What workers are compared with; those on this machine run what this process runs."""
    return Environment.here() if workers.backend.scheduler else None


def _compute(
    function: Callable[..., Result],
    handle: Shared,
    item: Item,
    environment: Environment | None,
    parent: int | None,
) -> Result:
    """In a worker: one call."""
    if environment is not None:
        environment.check()
    if parent is not None:
        follow(parent)
    in_a_worker()
    return _call(function, handle.value, item)


def _call(function: Callable[..., Result], shared: Any, item: Item) -> Result:
    return function(item) if shared is None else function(shared, item)


def _deaths() -> tuple[type[BaseException], ...]:
    """What the death of a worker is told by."""
    found: tuple[type[BaseException], ...] = (BrokenExecutor, CancelledError)
    if "distributed" in sys.modules:
        from distributed.scheduler import KilledWorker

        found += (KilledWorker,)
    return found
