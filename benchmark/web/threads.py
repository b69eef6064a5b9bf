"""Threads for work whose length a client decides: few, with a bounded queue and a limit of time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

from benchmark.web.problem import Problem

Result = TypeVar("Result")
#: Seconds after which a refused client is told to try again.
RETRY = 5


class Threads:
    """Runs functions in threads. What was begun cannot be stopped, and counts until it ends.

    Args:
        threads: calls at a time.
        size: calls that may wait or run; more are refused.
        timeout: seconds until a caller is told that it took too long.
    """

    def __init__(self, threads: int, size: int, timeout: float):
        self.size = size
        self.timeout = timeout
        self.pending = 0
        self._pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="decode")

    async def run(self, function: Callable[..., Result], *arguments: object) -> Result:
        """What the function returns.

        Raises:
            Problem: too many calls wait (429) or the time is over (504).
        """
        if self.pending >= self.size:
            raise Problem(
                429,
                f"{self.pending} images are waiting to be read: try again in {RETRY} s.",
                {"Retry-After": str(RETRY)},
            )
        loop = asyncio.get_running_loop()

        def tell(_: Future[Result]) -> None:
            with suppress(RuntimeError):  # the loop has ended: nobody is there to be told
                loop.call_soon_threadsafe(self._ended)

        self.pending += 1
        future = self._pool.submit(function, *arguments)
        future.add_done_callback(tell)
        awaited = asyncio.wrap_future(future)
        awaited.add_done_callback(lambda done: done.cancelled() or done.exception())
        try:
            return await asyncio.wait_for(asyncio.shield(awaited), self.timeout)
        except asyncio.TimeoutError as error:
            raise Problem(
                504, f"reading the image took longer than {self.timeout:g} s: save it anew as PNG."
            ) from error
        finally:
            future.cancel()  # does nothing to a call that has begun

    def _ended(self) -> None:
        self.pending -= 1

    def close(self) -> None:
        """Drop what was not begun."""
        self._pool.shutdown(wait=False, cancel_futures=True)
