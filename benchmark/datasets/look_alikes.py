"""Which images look the same, found without comparing all pairs.

Thumbnails count as alike if they differ by less than one grey level on average. The means of their
blocks then differ by no more, so that a tree of these means finds every pair that can be alike, and
few others; each is then compared in full.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree

#: Sides of a thumbnail, and of the blocks whose sums are searched for.
SIDE, BLOCK = 16, 4
#: The sum of differences below which thumbnails are alike: one grey level a cell.
BOUND = SIDE * SIDE
#: Thumbnails that are looked up at a time, and pairs that are compared at a time.
_AT_ONCE, _PAIRS = 4096, 2**16


def first_alike(thumbnails: NDArray[np.uint8], sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Index of the first image that each is linked to, through however many others; (images,).

    Args:
        thumbnails: grey levels, (images, SIDE, SIDE).
        sizes: of the images, (images, 2); only images of one size are compared.
    """
    groups = np.arange(len(thumbnails))
    _, kind = np.unique(sizes, axis=0, return_inverse=True)
    kind = kind.ravel()
    order = np.argsort(kind, kind="stable")
    for members in np.split(order, np.flatnonzero(np.diff(kind[order])) + 1):
        if len(members) > 1:
            flat = thumbnails[members].reshape(len(members), -1)
            groups[members] = members[_first_linked(flat)]
    return groups


def _first_linked(flat: NDArray[np.uint8]) -> NDArray[np.int64]:
    """The same for thumbnails (images, cells) of one size."""
    # equal thumbnails would make pairs without number
    rows = np.ascontiguousarray(flat).view(f"V{flat.shape[1]}").ravel()
    _, first, which = np.unique(rows, return_index=True, return_inverse=True)
    different = flat[first]
    one, other = _alike(different)
    links = coo_array((np.ones(len(one), dtype=bool), (one, other)), shape=(len(first),) * 2)
    count, label = connected_components(links, directed=False)
    lowest = np.full(count, len(flat))
    np.minimum.at(lowest, label, first)
    return lowest[label[which.ravel()]]


def _alike(different: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """All pairs of alike thumbnails (images, cells), each once."""
    blocks = SIDE // BLOCK
    cells = different.reshape(-1, blocks, BLOCK, blocks, BLOCK)
    sums = cells.sum(axis=(2, 4), dtype=np.int64).reshape(len(different), -1).astype(np.float64)
    tree = KDTree(sums)
    found: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
    for start in range(0, len(sums), _AT_ONCE):
        near = tree.query_ball_point(sums[start : start + _AT_ONCE], BOUND - 1, p=1)
        one = np.repeat(np.arange(start, start + len(near)), [len(each) for each in near])
        other = np.concatenate([np.asarray(each, dtype=np.int64) for each in near])
        one, other = one[other < one], other[other < one]
        for first in range(0, len(one), _PAIRS):
            a, b = one[first : first + _PAIRS], other[first : first + _PAIRS]
            difference = np.abs(different[a].astype(np.int16) - different[b]).sum(axis=1)
            found.append((a[difference < BOUND], b[difference < BOUND]))
    if not found:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    return np.concatenate([a for a, _ in found]), np.concatenate([b for _, b in found])
