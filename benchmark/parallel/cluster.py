"""Work on a Dask cluster: given to whatever workers there are, results as they are ready.

Its own client is used, not joblib's adapter: that computes in the caller's process where one core
has joined, gives no more work than the workers of the first moment can take, and waits for ever
for work whose workers were killed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from functools import partial
from itertools import islice
from queue import Empty, Queue
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

from benchmark.errors import BenchmarkError
from benchmark.parallel.attendance import LOOK

if TYPE_CHECKING:
    from benchmark.parallel.backend import Workers

Item = TypeVar("Item")
Result = TypeVar("Result")

#: Pieces of work that the scheduler holds at least: workers that join late find some, a cluster
#: that adapts sees how much there is, and the memory for them stays small.
AHEAD = 1000
#: What a call raises whose scheduler or worker is gone.
LOST = (OSError, TimeoutError, asyncio.TimeoutError)


def computed(
    call: Callable[..., tuple[int, Result]],
    function: Callable[..., Result],
    items: Sequence[tuple[int, Item]],
    shared: Any,
    workers: Workers,
) -> Generator[tuple[int, Result], None, None]:
    """``call(function, shared, index, item)`` of each (index, item), as soon as each is computed.

    Args:
        shared: sent to the workers once.

    Raises:
        BenchmarkError: the scheduler is gone, there has been no worker for very long, or workers
            were killed over the same work as often as the scheduler allows.
        concurrent.futures.CancelledError: all workers that had what is shared are gone.
    """
    from distributed.scheduler import KilledWorker

    client, attendance = workers.client, workers.attendance
    attendance.wait()
    held = _scattered(client, shared)
    name = f"benchmark-{uuid4().hex}"
    waiting = iter(items)
    running: dict[int, Any] = {}
    ready: Queue[int] = Queue()
    try:
        while True:
            room = max(AHEAD, 2 * attendance.cores()) - len(running)
            for index, item in islice(waiting, max(0, room)):
                key = f"{name}-{index}"
                running[index] = client.submit(call, function, held, index, item, key=key)
                running[index].add_done_callback(partial(_done, ready, index))
            if not running:
                return
            try:
                index = ready.get(timeout=LOOK)
                result = _result(running[index])
            except Empty:
                continue
            except _Late:
                ready.put(index)
                continue
            except KilledWorker as error:
                raise BenchmarkError(
                    f"workers of the cluster were killed {error.allowed_failures + 1} times over "
                    f"the same work, the last of them {error.last_worker.address}: is their memory "
                    f"too small? {workers.remedy} What was computed is kept; the same command goes "
                    "on."
                ) from error
            del running[index]
            yield result
    finally:
        with suppress(*LOST):
            client.cancel(list(running.values()))


class _Late(Exception):
    """A result was lost on its way, with its worker; it is computed again."""


def _scattered(client: Any, shared: Any) -> Any:
    try:
        return client.scatter(shared, broadcast=True, hash=False)
    except LOST as error:
        raise CancelledError("the workers were gone before they had what they share") from error


def _done(ready: Queue[int], index: int, future: Any) -> None:
    ready.put(index)


def _result(future: Any) -> Any:
    if future.status == "error":
        return future.result()  # raises it
    try:
        return future.result(timeout=LOOK)
    except (TimeoutError, asyncio.TimeoutError) as error:
        raise _Late from error
