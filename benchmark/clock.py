"""Where time goes: seconds by label, each second counted once."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

#: How labels of what is asked of models and metrics begin.
MODEL, METRIC = "model ", "metric "


class Clock:
    """Time by label; what runs inside something else is not counted there.

    Attributes:
        timer: tells the time.
        seconds: by label. calls: how often a label's time began.
    """

    timer = staticmethod(time.perf_counter)

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.calls: Counter[str] = Counter()
        self._running: list[str] = []
        self._since = 0.0

    @contextmanager
    def running(self, label: str) -> Iterator[None]:
        """Count the time of the block for ``label``."""
        self._charge()
        self._running.append(label)
        self.calls[label] += 1
        try:
            yield
        finally:
            self._charge()
            self._running.pop()

    def _charge(self) -> None:
        now = self.timer()
        if self._running:
            self.seconds[self._running[-1]] += now - self._since
        self._since = now

    def add(self, other: Clock) -> None:
        """Add what another clock counted."""
        for label, seconds in other.seconds.items():
            self.seconds[label] += seconds
        self.calls.update(other.calls)
