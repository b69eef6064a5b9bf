"""Which images look the same, found without comparing all pairs.

Copies, also re-encoded or rescaled ones, keep the grey levels of a thumbnail nearly everywhere. The
mean over a large block differs no more than its cells do, so that a tree of such means finds every
pair that can be alike, and few others; each is then compared in full.
"""

from __future__ import annotations

from hashlib import sha256

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree

#: Sides of a thumbnail in pixels, and cells and blocks along it.
SIDE, CELLS, BLOCKS = 64, 16, 4
#: Differences of alike thumbnails in grey levels: of cells on average, and of any pixel, both less.
MEAN, LARGEST = 1.25, 12
#: The variance of the difference is less than this share of the thumbnails' own, which differences
#: of unrelated patterns exceed however faint these are, plus what rounding and compression add.
SHARE, NOISE = 0.5, 0.25
#: Thumbnails that are looked up at a time, and pairs that are compared at a time.
_AT_ONCE, _PAIRS, _FINE_PAIRS = 512, 2**16, 2**10
_BOUND = MEAN * SIDE * SIDE

Pairs = tuple[NDArray[np.int64], NDArray[np.int64]]


def first_alike(thumbnails: NDArray[np.uint8], sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Index of the first image that each is linked to, through however many others; (images,).

    Thumbnails are alike if, in grey levels, the means of their 16x16 cells differ by less than MEAN
    on average, no pixel by LARGEST or more, and the variance of their difference is less than
    SHARE of their mean variance, plus NOISE.

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
            groups[members] = members[_first_linked(thumbnails[members])]
    return groups


def _first_linked(thumbnails: NDArray[np.uint8]) -> NDArray[np.int64]:
    """The same for thumbnails of one size."""
    rows = np.ascontiguousarray(thumbnails).reshape(len(thumbnails), -1)
    # equal thumbnails would make pairs without number
    seen: dict[bytes, int] = {}
    digests = [sha256(row.tobytes()).digest() for row in rows]
    equal = np.array([seen.setdefault(digest, n) for n, digest in enumerate(digests)])
    first, which = np.unique(equal, return_inverse=True)
    one, other = _alike(rows[first])
    links = coo_array((np.ones(len(one), dtype=bool), (one, other)), shape=(len(first),) * 2)
    count, label = connected_components(links, directed=False)
    lowest = np.full(count, len(rows))
    np.minimum.at(lowest, label, first)
    return lowest[label[which.ravel()]]


def _sums(values: NDArray, sides: int) -> NDArray[np.uint16]:
    """Sums over ``sides`` x ``sides`` blocks of square maps, (maps, sides, sides)."""
    step = values.shape[1] // sides
    rows = np.zeros((len(values), sides, values.shape[2]), dtype=np.uint16)
    sums = np.zeros((len(values), sides, sides), dtype=np.uint16)
    for n in range(step):
        rows += values[:, n::step]
    for n in range(step):
        sums += rows[:, :, n::step]
    return sums


def _alike(different: NDArray[np.uint8]) -> Pairs:
    """All pairs of alike thumbnails (images, pixels), each once."""
    cells = _sums(different.reshape(-1, SIDE, SIDE), CELLS)
    blocks = _sums(cells, BLOCKS).reshape(len(different), -1).astype(np.float64)
    cells = cells.reshape(len(different), -1).astype(np.int16)
    tree = KDTree(blocks)
    found = [(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))]
    for start in range(0, len(blocks), _AT_ONCE):
        near = tree.query_ball_point(blocks[start : start + _AT_ONCE], _BOUND, p=1)
        one = np.repeat(np.arange(start, start + len(near)), [len(each) for each in near])
        other = np.concatenate([np.asarray(each, dtype=np.int64) for each in near])
        one, other = _near_extremes(different, one[other < one], other[other < one])
        for a, b in _portions(one, other, _PAIRS):
            sums = np.abs(cells[a] - cells[b]).sum(axis=1, dtype=np.int64)
            for c, d in _portions(a[sums < _BOUND], b[sums < _BOUND], _FINE_PAIRS):
                same = _same(different[c], different[d])
                found.append((c[same], d[same]))
    return np.concatenate([a for a, _ in found]), np.concatenate([b for _, b in found])


def _near_extremes(
    different: NDArray[np.uint8], one: NDArray[np.int64], other: NDArray[np.int64]
) -> Pairs:
    """The pairs that differ by less than LARGEST where one of the two is brightest or darkest.

    That leaves few pairs of displays whose sparse items lie elsewhere.
    """
    for pixels in (different.argmax(axis=1), different.argmin(axis=1)):
        for owner in (0, 1):
            pixel = pixels[(one, other)[owner]]
            a, b = different[one, pixel].astype(np.int16), different[other, pixel]
            near = np.abs(a - b) < LARGEST
            one, other = one[near], other[near]
    return one, other


def _same(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which thumbnails (pairs, pixels) are alike in their pixels."""
    difference = a.astype(np.int16) - b
    own = (a.var(axis=1, dtype=np.float32) + b.var(axis=1, dtype=np.float32)) / 2
    alike = difference.var(axis=1, dtype=np.float32) < SHARE * own + NOISE
    alike &= np.abs(difference).max(axis=1) < LARGEST
    return alike


def _portions(one: NDArray[np.int64], other: NDArray[np.int64], size: int) -> list[Pairs]:
    return [(one[n : n + size], other[n : n + size]) for n in range(0, len(one), size)]


def tell_copies(groups: NDArray[np.int64]) -> list[str]:
    """What to say of images that look alike; the last line warns if one group holds many.

    Args:
        groups: index of the first image that each looks like, (images,).
    """
    copies = int((groups != np.arange(len(groups))).sum())
    if not copies:
        return []
    said = [f"{copies} images look like another one: none predicts its copies"]
    largest = int(np.bincount(groups).max())
    if largest > 2 and largest > len(groups) / 10:
        said.append(
            f"WARNING: {largest} of {len(groups)} images look alike and count as copies of one, so "
            "the centre bias and fitted models learn nothing from them for each other; `check` "
            "names them. If they do differ, make the difference visible at "
            f"{SIDE}x{SIDE} pixels, or keep one of each."
        )
    return said
