"""Threads that do the work of requests, a bounded number at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any

from benchmark.web.memory import give_back

#: Works after which a thread has freed memory given back.
TRIMMED_AFTER = 16
#: What becomes of a function, and the function itself, in a list from which it can be taken.
_Work = tuple[Future[Any], list[Callable[[], Any]]]


class Workers:
    """Threads that take work in the order of its coming.

    Unlike those of an executor they are not waited for when the program ends, so that work which
    nobody waits for any more does not hold it up.
    """

    def __init__(self, threads: int, name: str):
        self.threads = threads
        self.name = name
        self._work: SimpleQueue[_Work | None] = SimpleQueue()
        self._started = False

    def submit(self, function: Callable[[], Any]) -> Future[Any]:
        """Have a function called by a thread; until it is, the future can be cancelled."""
        if not self._started:
            self._started = True
            for _ in range(self.threads):
                threading.Thread(
                    target=_take, args=(self._work,), name=self.name, daemon=True
                ).start()
        future: Future[Any] = Future()
        held = [function]
        future.add_done_callback(lambda _: held.clear())  # what is cancelled lets go of its data
        self._work.put((future, held))
        return future

    def close(self) -> None:
        """Let the threads end after what was submitted; what is submitted later starts new ones."""
        if self._started:
            self._started = False
            for _ in range(self.threads):
                self._work.put(None)
            self._work = SimpleQueue()


def _take(queue: SimpleQueue[_Work | None]) -> None:
    done = 0
    while (work := queue.get()) is not None:
        _do(*work)
        del work  # what was made is not kept until the next work comes
        done += 1
        if done % TRIMMED_AFTER == 0:
            give_back()


def _do(future: Future[Any], held: list[Callable[[], Any]]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    function = held.pop()
    try:
        future.set_result(function())
    except Exception as error:
        future.set_exception(error)
    except BaseException as error:  # SystemExit of a model's does not end the service
        told = RuntimeError(f"{type(error).__name__} in a thread")
        future.set_exception(told.with_traceback(error.__traceback__))
