"""How work is cut into pieces."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

Item = TypeVar("Item")

SHARD = 16


def shards(items: Sequence[Item], workers: int) -> list[list[Item]]:
    """Consecutive pieces of at most SHARD items, enough of them to keep ``workers`` busy.

    Args:
        workers: how many compute at a time; one alone gets single items, so that each of its
            results is known at once.
    """
    size = 1 if workers == 1 else max(1, min(SHARD, len(items) // (4 * workers)))
    return [list(items[start : start + size]) for start in range(0, len(items), size)]
