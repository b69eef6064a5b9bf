"""How work is cut into pieces."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

Item = TypeVar("Item")

SHARD = 16
#: Shards at least, where there is so much work: workers may yet come, and none is to wait for one.
SHARDS = 1024


def shards(items: Sequence[Item], most: int = SHARD) -> list[list[Item]]:
    """Consecutive pieces, the same for any number of workers: a cluster's may join later.

    Args:
        most: items in a piece at most. What is finished is known when its whole piece is.
    """
    size = max(1, min(most, len(items) // SHARDS))
    return [list(items[start : start + size]) for start in range(0, len(items), size)]
