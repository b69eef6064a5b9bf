"""Where work is computed: processes or threads of this machine, or a Dask cluster's workers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from joblib import effective_n_jobs

from benchmark.errors import BenchmarkError
from benchmark.parallel.attendance import Attendance

BACKENDS = ("loky", "threading", "dask")
#: Seconds to wait for a scheduler to answer.
PATIENCE = 20


@dataclass(frozen=True)
class Backend:
    """A way to compute several things at once.

    Attributes:
        name: "loky" (processes), "threading" or "dask".
        jobs: number of processes or threads; -1 for one per core. A Dask cluster has as many as it
            has.
        scheduler: address of a Dask scheduler, or the file that it wrote; None for a Dask cluster
            of ``jobs`` processes on this machine.

    Raises:
        BenchmarkError: the values do not go together.
    """

    jobs: int = 1
    name: str = "loky"
    scheduler: str | None = None

    def __post_init__(self) -> None:
        if self.jobs == 0:
            raise BenchmarkError(
                "--jobs must be a number of processes, or -1: one per core; not 0."
            )
        if self.name not in BACKENDS:
            raise BenchmarkError(
                f"--backend {self.name!r} is not known; there are {', '.join(BACKENDS)}."
            )
        if self.scheduler and self.name != "dask":
            raise BenchmarkError(
                f"--scheduler is for --backend dask; the backend {self.name} has none."
            )

    @property
    def in_this_thread(self) -> bool:
        """Whether nothing is to be computed at the same time as something else."""
        return self.jobs == 1 and self.name != "dask"

    @contextmanager
    def started(self, say: Callable[[str], None] = lambda text: None) -> Iterator[Workers]:
        """The workers, for as long as the context lasts; of a cluster, one at least is there.

        Args:
            say: told when a cluster has no worker.

        Raises:
            BenchmarkError: the scheduler does not answer, no worker joins, or Dask is not
                installed.
        """
        if self.name != "dask":
            yield Workers(self)
            return
        with _client(self) as client:
            attendance = Attendance(client, say)
            attendance.wait()
            yield Workers(self, client, attendance)


@dataclass(frozen=True)
class Workers:
    """What computes.

    Attributes:
        client: of a Dask cluster, None for others.
        attendance: of its workers.
    """

    backend: Backend
    client: Any = None
    attendance: Any = None

    @property
    def count(self) -> int:
        """How many things are computed at a time; a cluster's number changes."""
        if self.client is None:
            return effective_n_jobs(self.backend.jobs)
        return max(1, self.attendance.cores())

    @property
    def described(self) -> str:
        """What messages call them."""
        return "worker processes" if self.client is None else "all workers of the cluster"

    @property
    def remedy(self) -> str:
        """What to do where their memory is too small."""
        if self.client is None or self.backend.scheduler is None:
            return "Use fewer --jobs."
        return "Start fewer workers on each machine, or ask for more memory."


@contextmanager
def _client(backend: Backend) -> Iterator[Any]:
    try:
        from dask import config
        from distributed import Client
    except ModuleNotFoundError as error:
        raise BenchmarkError(
            "--backend dask needs Dask: `pip install distributed`, here and on every worker."
        ) from error
    where: dict[str, Any]
    if backend.scheduler is None:
        where = {
            "n_workers": effective_n_jobs(backend.jobs),
            "threads_per_worker": 1,
            "dashboard_address": None,
            "local_directory": os.environ.get("TMPDIR"),
        }
    elif Path(backend.scheduler).is_file():
        where = {"scheduler_file": backend.scheduler}
    else:
        where = {"address": backend.scheduler}
    try:
        with config.set({"distributed.comm.timeouts.connect": PATIENCE}):
            client = Client(**where, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise BenchmarkError(
            f"no Dask scheduler answers at {backend.scheduler}: {error}. Expected the address that "
            "`dask scheduler` prints, such as tcp://node1:8786, or the file that it writes with "
            "--scheduler-file."
        ) from error
    with client:
        yield client
