"""Whether a cluster has workers: they come late, and end before the work does."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from benchmark.errors import BenchmarkError

#: Seconds between looks.
LOOK = 2.0
#: Seconds without any worker after which that is told, again and again; and after which all ends.
TELL, PATIENCE = 60.0, 24 * 3600.0


class Attendance:
    """Looks now and then which workers there are.

    Args:
        client: of a Dask cluster.
        say: told when there is no worker.
    """

    def __init__(self, client: Any, say: Callable[[str], None]):
        self._client, self._say = client, say
        self._address = client.scheduler.address
        self._cores, self._looked = 0, float("-inf")
        self._absent_since: float | None = None
        self._told = 0

    def cores(self) -> int:
        """How many things the workers compute at a time, as of a moment ago.

        Raises:
            BenchmarkError: the scheduler is gone, or there has been no worker for very long.
        """
        now = time.monotonic()
        if now - self._looked >= LOOK:
            self._cores, self._looked = self._count(), now
            self._tell(now)
        return self._cores

    def wait(self) -> None:
        """Until there is a worker.

        Raises:
            BenchmarkError: as :meth:`cores` does.
        """
        self._looked = float("-inf")
        while not self.cores():
            time.sleep(LOOK / 10)

    def _count(self) -> int:
        try:
            return sum(self._client.ncores().values())
        except (OSError, TimeoutError, ValueError) as error:
            raise self.gone() from error

    def _tell(self, now: float) -> None:
        if self._cores:
            if self._told:
                self._say(f"a worker has joined the scheduler at {self._address}: going on")
            self._absent_since, self._told = None, 0
            return
        if self._absent_since is None:
            self._absent_since = now
        absent = now - self._absent_since
        if absent >= PATIENCE:
            raise BenchmarkError(
                f"the scheduler at {self._address} has had no worker for {_duration(absent)}. "
                "Start some (`dask worker ADDRESS`), then run the same command again: what was "
                "computed is kept."
            )
        if absent >= TELL * (self._told + 1):
            self._told += 1
            self._say(
                f"the scheduler at {self._address} has had no worker for {_duration(absent)}: "
                "waiting for one (`dask worker ADDRESS`)"
            )

    def gone(self) -> BenchmarkError:
        """What to raise when the scheduler is gone."""
        return BenchmarkError(
            f"the scheduler at {self._address} does not answer any more. Start it and its workers "
            "again, then run the same command: what was computed is kept."
        )


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
