"""The tree finds the same groups as comparing all pairs."""

from __future__ import annotations

import numpy as np
import pytest

from benchmark.datasets import look_alikes
from benchmark.datasets.look_alikes import BOUND, SIDE, first_alike

CELLS = SIDE * SIDE


def pairwise(thumbnails, sizes):
    """The definition: all pairs of one size, linked through however many others."""
    grey = thumbnails.astype(float)
    groups = np.arange(len(grey))
    for n in range(1, len(grey)):
        for m in range(n):
            if (sizes[n] == sizes[m]).all() and np.abs(grey[n] - grey[m]).mean() < 1.0:
                first, other = sorted((groups[n], groups[m]))
                groups[groups == other] = first
    return groups


def some(rng, n):
    return rng.integers(0, 256, (n, SIDE, SIDE), dtype=np.uint8)


def moved(rng, thumbnail, total):
    """The thumbnail with a sum of differences of exactly ``total``."""
    result = thumbnail.astype(int).ravel()
    up = result < 128
    for cell in rng.integers(0, CELLS, total):
        result[cell] += 1 if up[cell] else -1
    return result.reshape(SIDE, SIDE).astype(np.uint8)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", ["random", "duplicated", "near the bound", "flat", "chains"])
def test_groups_are_those_of_all_pairs(kind, seed, monkeypatch):
    monkeypatch.setattr(look_alikes, "_AT_ONCE", 7)  # several portions
    monkeypatch.setattr(look_alikes, "_PAIRS", 5)
    rng = np.random.default_rng(seed)
    base = some(rng, 20)
    if kind == "random":
        thumbnails = some(rng, 60)
    elif kind == "duplicated":
        thumbnails = base[rng.integers(0, 20, 60)]
    elif kind == "near the bound":
        totals = BOUND + rng.integers(-3, 4, 60)
        thumbnails = np.array([moved(rng, base[n % 20], t) for n, t in enumerate(totals)])
    elif kind == "flat":  # all block means are near, most images are not alike
        thumbnails = (128 + rng.integers(-1, 2, (60, SIDE, SIDE))).astype(np.uint8)
        thumbnails += rng.integers(0, 4, (60, 1, 1), dtype=np.uint8)
    else:
        steps = [base[0]]
        for _ in range(59):
            steps.append(moved(rng, steps[-1], int(rng.choice([200, BOUND - 1, BOUND]))))
        thumbnails = np.array(steps)
    sizes = rng.integers(1, 3, (len(thumbnails), 2))
    for these in (sizes, np.ones_like(sizes)):
        expected = pairwise(thumbnails, these)
        np.testing.assert_array_equal(first_alike(thumbnails, these), expected)
        order = rng.permutation(len(thumbnails))
        np.testing.assert_array_equal(
            first_alike(thumbnails[order], these[order]), pairwise(thumbnails[order], these[order])
        )


def test_the_bound_itself_is_not_alike():
    rng = np.random.default_rng(0)
    base = some(rng, 1)[0]
    thumbnails = np.array([base, moved(rng, base, BOUND), moved(rng, base, BOUND - 1)])
    assert np.abs(thumbnails[1].astype(int) - base).sum() == BOUND
    first = first_alike(thumbnails, np.ones((3, 2), dtype=int))
    assert first[2] == 0
    assert first_alike(thumbnails[:2], np.ones((2, 2), dtype=int)).tolist() == [0, 1]


def test_few_or_no_images():
    assert first_alike(np.empty((0, SIDE, SIDE), np.uint8), np.empty((0, 2), int)).tolist() == []
    assert first_alike(np.zeros((1, SIDE, SIDE), np.uint8), np.ones((1, 2), int)).tolist() == [0]
