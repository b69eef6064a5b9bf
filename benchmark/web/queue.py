"""Bounded queues before threads: of predictions, where equal questions share one answer, and of
what surrounds them."""

from __future__ import annotations

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from benchmark.web.problem import Problem
from benchmark.web.workers import Workers

#: Seconds that a prediction is thought to take before one was timed.
FIRST_GUESS = 2.0


@dataclass(frozen=True)
class Progress:
    """How far a request is.

    Attributes:
        state: "reading" the upload, "waiting", "predicting", or "answering" what is computed.
        ahead: computations before its own, the running one included.
        seconds: expected until its own is done, from how long the last ones took.
    """

    state: str
    ahead: int = 0
    seconds: float = 0.0


class Queue:
    """Computes answers one after the other, since each computation uses all cores by itself.

    Features of several images in one batch are not the same to the last bit at every size, and gain
    little where they are; see results/speed-batching.

    Args:
        size: computations that may wait or run; more are refused. A computation that nobody waits
            for any more is dropped, unless it has begun.
        kept_bytes: memory for the answers given last.

    Attributes:
        timed_out: requests that were given up.
        left: requests whose clients left before they were answered.
    """

    def __init__(self, size: int, kept_bytes: int):
        self.size = size
        self.kept_bytes = kept_bytes
        self.computed = self.shared = self.repeated = self.refused = 0
        self.timed_out = self.left = 0
        self.seconds = FIRST_GUESS
        self._thread = Workers(1, "predict")
        self._running: dict[str, Future[NDArray]] = {}
        self._waiting: dict[str, int] = {}
        self._kept: OrderedDict[str, NDArray] = OrderedDict()
        self._began = 0.0
        self._tickets: dict[str, str] = {}  # to the key of what is computed, or ""

    @property
    def pending(self) -> int:
        """Computations that wait or run."""
        return len(self._running)

    @contextmanager
    def follow(self, ticket: str) -> Iterator[None]:
        """Let a request be asked for by a name of its sender's while it is answered.

        Raises:
            Problem: another request in flight has that name (409).
        """
        if not ticket:
            yield
            return
        if ticket in self._tickets:
            raise Problem(409, "a request with this ticket is in flight: choose another ticket.")
        self._tickets[ticket] = ""
        try:
            yield
        finally:
            del self._tickets[ticket]

    def progress(self, ticket: str) -> Progress:
        """How far the request of that name is.

        Raises:
            Problem: there is none in flight (404).
        """
        if ticket not in self._tickets:
            raise Problem(404, "no request with this ticket is in flight.")
        key = self._tickets[ticket]
        if not key:
            return Progress("reading")
        if key not in self._running:
            return Progress("answering")
        ahead = list(self._running).index(key)  # one thread takes them in order
        left = max(0.0, self.seconds - (time.monotonic() - self._began))
        seconds = round(ahead * self.seconds + left, 1)
        return Progress("waiting" if ahead else "predicting", ahead, seconds)

    async def answer(self, key: str, compute: Callable[[], NDArray], ticket: str = "") -> NDArray:
        """The answer of ``compute``, or of a computation with the same key.

        Args:
            ticket: a name that is followed, see :meth:`follow`.

        Raises:
            Problem: the queue is full (429).
        """
        if ticket:
            self._tickets[ticket] = key
        if key in self._kept:
            self.repeated += 1
            self._kept.move_to_end(key)
            return self._kept[key]
        future = self._running.get(key)
        if future is not None and not future.cancelled():
            self.shared += 1
        elif self.pending >= self.size:
            self.refused += 1
            seconds = max(1, math.ceil(self.seconds * self.pending))
            raise Problem(
                429,
                f"{self.pending} predictions are waiting already: try again in {seconds} s.",
                {"Retry-After": str(seconds)},
            )
        else:
            future = self._start(key, compute)
        self._waiting[key] = self._waiting.get(key, 0) + 1
        awaited = asyncio.wrap_future(future)
        awaited.add_done_callback(lambda done: done.cancelled() or done.exception())
        try:
            return await asyncio.shield(awaited)
        finally:
            self._waiting[key] -= 1
            if not self._waiting[key]:
                del self._waiting[key]
                future.cancel()  # does nothing to a computation that has begun

    def _start(self, key: str, compute: Callable[[], NDArray]) -> Future[NDArray]:
        loop = asyncio.get_running_loop()

        def timed() -> NDArray:
            self._began = time.monotonic()
            found = compute()
            self.seconds += 0.2 * (time.monotonic() - self._began - self.seconds)
            return found

        def tell(future: Future[NDArray]) -> None:
            try:
                loop.call_soon_threadsafe(self._finished, key, future)
            except RuntimeError:  # the loop has ended: nobody else keeps these books
                self._finished(key, future)

        future = self._thread.submit(timed)
        self._running[key] = future
        future.add_done_callback(tell)
        return future

    def _finished(self, key: str, future: Future[NDArray]) -> None:
        if self._running.get(key) is future:
            del self._running[key]
        if future.cancelled() or future.exception():
            return
        self.computed += 1
        self._kept[key] = future.result()
        while self._kept and sum(each.nbytes for each in self._kept.values()) > self.kept_bytes:
            self._kept.popitem(last=False)

    def close(self) -> None:
        """Drop what nobody waits for: requests are answered, or given up, before."""
        for future in list(self._running.values()):
            future.cancel()
        self._thread.close()


class Desk:
    """Does what surrounds predictions, decoding and drawing, in a few threads.

    Args:
        threads: that work at a time.
        size: works that may wait or run before new requests are refused.
    """

    def __init__(self, threads: int, size: int):
        self.size = size
        self.pending = 0
        self._threads = Workers(threads, "desk")

    def admit(self) -> None:
        """Let a new request in: later work of one that was let in is never refused.

        Raises:
            Problem: too much waits already (429).
        """
        if self.pending >= self.size:
            raise Problem(
                429, "too many requests wait already: try again in 2 s.", {"Retry-After": "2"}
            )

    async def do(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """What a function returns; it is not called if nobody waits for it when its turn comes."""
        loop = asyncio.get_running_loop()

        def tell(_: Future[Any]) -> None:
            try:
                loop.call_soon_threadsafe(self._finished)
            except RuntimeError:  # the loop has ended
                self._finished()

        self.pending += 1
        future = self._threads.submit(lambda: function(*arguments))
        future.add_done_callback(tell)
        return await asyncio.wrap_future(future)

    def _finished(self) -> None:
        self.pending -= 1

    def close(self) -> None:
        """Take no more work."""
        self._threads.close()
