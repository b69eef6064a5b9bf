"""Threads that do the work of requests, a bounded number at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any


class Workers:
    """Threads that take work in the order of its coming.

    Unlike those of an executor they are not waited for when the program ends, so that work which
    nobody waits for any more does not hold it up.
    """

    def __init__(self, threads: int, name: str):
        self.threads = threads
        self.name = name
        self._work: SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = SimpleQueue()
        self._started = False

    def submit(self, function: Callable[[], Any]) -> Future[Any]:
        """Have a function called by a thread; until it is, the future can be cancelled."""
        if not self._started:
            self._started = True
            for _ in range(self.threads):
                threading.Thread(target=self._take, name=self.name, daemon=True).start()
        future: Future[Any] = Future()
        self._work.put((future, function))
        return future

    def close(self) -> None:
        """Let the threads end after what was submitted; what is submitted later starts new ones."""
        if self._started:
            self._started = False
            for _ in range(self.threads):
                self._work.put(None)

    def _take(self) -> None:
        while (work := self._work.get()) is not None:
            _do(*work)
            del work  # what was made is not kept until the next work comes


def _do(future: Future[Any], function: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(function())
    except Exception as error:
        future.set_exception(error)
    except BaseException as error:  # SystemExit of a model's does not end the service
        future.set_exception(RuntimeError(f"{type(error).__name__} in a thread"))
