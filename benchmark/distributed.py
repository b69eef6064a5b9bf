"""One command in the processes that torchrun starts: who does which part, and who writes.

Items are dealt out by rank, results return to rank 0. Without torchrun there is one process, which
does everything, and torch is not imported.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from benchmark.errors import BenchmarkError

Item = TypeVar("Item")

#: How long a process waits for the others. One may train for days while another has nothing left to
#: do; a process that fails is noticed by torchrun at once, which then ends all the others.
PATIENCE = timedelta(days=14)


@dataclass(frozen=True)
class Ranks:
    """This process among those of a command.

    Attributes:
        rank, world: its number among all processes, and how many there are.
        local_rank, local_world: the same among those on this machine.
        launched: torchrun started it.
        group: connects them, of torch.distributed.
    """

    rank: int = 0
    world: int = 1
    local_rank: int = 0
    local_world: int = 1
    launched: bool = False
    group: Any = field(default=None, compare=False, repr=False)

    @classmethod
    def here(cls) -> Ranks:
        """What torchrun's environment variables say; one process without them."""
        if "TORCHELASTIC_RUN_ID" not in os.environ:
            return cls()
        names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
        rank, world, local_rank, local_world = (int(os.environ[name]) for name in names)
        return cls(rank, world, local_rank, local_world, launched=True)

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    @property
    def launcher(self) -> list[str]:
        """The beginning of the command that starts these processes, up to the name of a module."""
        if not self.launched:
            return ["python", "-m"]
        machines = -(-self.world // self.local_world)
        several = ["--nnodes", str(machines)] if machines > 1 else []
        return ["torchrun", *several, "--nproc-per-node", str(self.local_world), "-m"]

    @property
    def attempt(self) -> str:
        """Tells addresses of this start from those before torchrun's restarts, which it keeps.

        Machines count restarts each for itself, so that several cannot tell.
        """
        one_machine = self.world == self.local_world
        return os.environ.get("TORCHELASTIC_RESTART_COUNT", "") if one_machine else ""

    def share(self, items: Sequence[Item]) -> list[Item]:
        """This process's part of the items: every world-th one."""
        return list(items[self.rank :: self.world])

    def share_here(self, items: Sequence[Item]) -> list[Item]:
        """The same if each machine does all items by itself."""
        return list(items[self.local_rank :: self.local_world])

    def gather(self, results: Sequence[Item]) -> list[Item] | None:
        """Results of everybody's share, in the order of the items; None but in the first process.

        Raises:
            BenchmarkError: another process has ended early.
        """
        if self.world == 1:
            return list(results)
        import torch.distributed as dist

        parts: list[list[Item]] | None = [[] for _ in range(self.world)] if self.is_first else None
        with _told():
            dist.gather_object(list(results), parts, group=self.group)
            dist.barrier(self.group)  # nobody leaves while others still receive
        if parts is None:
            return None
        count = sum(map(len, parts))
        return [parts[n % self.world][n // self.world] for n in range(count)]

    def wait(self) -> None:
        """Until every process is here.

        Raises:
            BenchmarkError: another process has ended early.
        """
        if self.world > 1:
            import torch.distributed as dist

            with _told():
                dist.barrier(self.group)

    def sees(self, folder: Path) -> bool:
        """Whether all processes read and write the same folder under this name.

        Raises:
            BenchmarkError: another process has ended early.
        """
        if self.world == self.local_world:
            return True
        import torch.distributed as dist

        folder.mkdir(parents=True, exist_ok=True)
        name = [f".{uuid.uuid4().hex}.shared" if self.is_first else ""]
        with _told():
            dist.broadcast_object_list(name, group=self.group)
            if self.is_first:
                (folder / name[0]).touch()
            dist.barrier(self.group)
            seen: list[bool] = [False] * self.world
            dist.all_gather_object(seen, (folder / name[0]).exists(), group=self.group)
        if self.is_first:
            (folder / name[0]).unlink()
        return all(seen)


@contextmanager
def joined() -> Iterator[Ranks]:
    """This process, connected to the others for as long as the block lasts.

    Processes end with the torchrun that started them, even if that was killed outright.

    Raises:
        BenchmarkError: another process has ended early.
    """
    ranks = Ranks.here()
    if ranks.world == 1:
        yield ranks
        return
    import torch.distributed as dist

    from benchmark.parallel.following import follow

    follow(os.getppid())
    with _told():
        # to meet takes less patience than to train
        store, rank, world = next(dist.rendezvous("env://"))
        store = dist.PrefixStore(ranks.attempt, store)
        dist.init_process_group("gloo", store=store, rank=rank, world_size=world)
        group = dist.new_group(timeout=PATIENCE)
    try:
        yield replace(ranks, group=group)
    finally:
        dist.destroy_process_group()


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:  # connections closed, of whatever kind
        raise BenchmarkError(
            f"process {os.environ['RANK']} lost the others of this training: one of them has ended "
            "early, and its own message says why. What is in checkpoints is not trained again."
        ) from error
