"""A function of many items, computed by several workers, which may be killed."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import BrokenExecutor, CancelledError
from contextlib import closing, nullcontext
from typing import Any, TypeVar

from joblib import Parallel, delayed

from benchmark.errors import BenchmarkError
from benchmark.parallel import cluster
from benchmark.parallel.backend import Backend, Workers
from benchmark.parallel.following import follow
from benchmark.parallel.shared import Shared
from benchmark.parallel.threads import in_a_worker, one_thread, side_by_side

Item = TypeVar("Item")
Result = TypeVar("Result")

#: How often work is begun again after workers died before the first piece of it was done.
ATTEMPTS = 3


def ordered_map(
    function: Callable[..., Result],
    items: Sequence[Item],
    workers: int | Workers,
    shared: Any = None,
) -> Generator[Result, None, None]:
    """``function`` of each item, in order: :func:`unordered_map`, early results kept in memory."""
    early: dict[int, Result] = {}
    following = 0
    with closing(unordered_map(function, items, workers, shared)) as results:
        for index, result in results:
            early[index] = result
            while following in early:
                yield early.pop(following)
                following += 1


def unordered_map(
    function: Callable[..., Result],
    items: Sequence[Item],
    workers: int | Workers,
    shared: Any = None,
) -> Generator[tuple[int, Result], None, None]:
    """(index, ``function`` of the item there), each as soon as it is computed.

    Any number and kind of workers gives the same results. Workers that die (out of memory, a
    machine that is gone) are replaced, and what they had not finished is computed again. Close it
    (``contextlib.closing``) where results may be left unread: the workers then end at once. Left to
    the garbage collector, that may happen while Python exits, with tracebacks.

    Args:
        workers: who computes; or a number of processes, 1 for this one, -1 for one per core.
        shared: what every call needs: sent to a worker once. If it is not None, the function gets
            it before the item.

    Raises:
        BenchmarkError: workers died three times over the same work, run another version of what
            results depend on, or stay away; or there is no room for what they share.
    """
    if isinstance(workers, int):
        with Backend(workers).started() as started:
            yield from unordered_map(function, items, started, shared)
        return
    if workers.backend.in_this_thread:
        for index, item in enumerate(items):
            with one_thread():
                result = _call(function, shared, item)
            yield index, result
        return
    undone, attempts = set(range(len(items))), 0
    while undone:
        first = min(undone)
        left = [(index, items[index]) for index in sorted(undone)]
        try:
            for index, result in _parallel(function, left, workers, shared):
                undone.discard(index)
                yield index, result
        except (BrokenExecutor, CancelledError) as error:
            # begun in order, so work that kills its workers is soon the first that is not done
            attempts = attempts + 1 if first in undone else 1
            if attempts >= ATTEMPTS:
                raise BenchmarkError(
                    f"{workers.described} were killed {attempts} times over the same work: is the "
                    f"memory too small for so many? {workers.remedy} What was computed is kept; "
                    "the same command goes on."
                ) from error


def _parallel(
    function: Callable[..., Result],
    items: Sequence[tuple[int, Item]],
    workers: Workers,
    shared: Any,
) -> Iterator[tuple[int, Result]]:
    threads = workers.backend.name == "threading"
    limits = side_by_side(workers.count) if threads else nullcontext()
    with Shared(shared, workers) as handle, limits:
        results: Generator[tuple[int, Result], None, None]
        if workers.client is not None:
            results = cluster.computed(_compute, function, items, handle, workers)
        elif threads:
            results = _joblib(workers, _indexed, function, handle.value, items)
        else:
            results = _joblib(workers, _compute, function, handle, items, os.getpid())
        with closing(results):
            yield from results


def _joblib(
    workers: Workers,
    call: Callable[..., tuple[int, Result]],
    function: Callable[..., Result],
    shared: Any,
    items: Sequence[tuple[int, Item]],
    *further: Any,
) -> Generator[tuple[int, Result], None, None]:
    # loky starts a worker afresh whose caches have grown, which it takes for a leak: no harm
    warnings.filterwarnings("ignore", "A worker stopped while some jobs were given", UserWarning)
    parallel = Parallel(
        workers.backend.jobs,
        backend=workers.backend.name,
        return_as="generator_unordered",
        pre_dispatch="2*n_jobs",
    )
    results = parallel(delayed(call)(function, shared, *item, *further) for item in items)
    try:
        # "yield from" would close the results itself, with joblib's warning that some are unused
        for result in results:  # noqa: UP028
            yield result
    finally:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            results.close()


def _compute(
    function: Callable[..., Result],
    handle: Any,
    index: int,
    item: Item,
    parent: int | None = None,
) -> tuple[int, Result]:
    """In a worker: one call.

    Args:
        parent: process with which this one is to end, None for one that others look after.
    """
    if parent is not None:
        follow(parent)
    in_a_worker()
    return _indexed(function, handle.value, index, item)


def _indexed(
    function: Callable[..., Result], shared: Any, index: int, item: Item
) -> tuple[int, Result]:
    return index, _call(function, shared, item)


def _call(function: Callable[..., Result], shared: Any, item: Item) -> Result:
    return function(item) if shared is None else function(shared, item)
