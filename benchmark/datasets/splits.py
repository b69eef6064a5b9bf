"""Folds of images and of subjects: the same on every machine, whatever the order of the data."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from benchmark.datasets.base import Dataset
from benchmark.errors import BenchmarkError


def _folds(groups: Sequence[Sequence[str]], n_folds: int, seed: int, what: str) -> dict[str, int]:
    """The fold of each member; members of a group share theirs.

    Groups are taken from the largest to the smallest, equal ones in an order drawn by the seed from
    their names, and each goes to the fold that is smallest so far. No two folds then differ by more
    than the largest group.
    """
    if n_folds < 2:
        raise BenchmarkError(f"{n_folds} folds: nothing can be held out; ask for at least 2.")
    if n_folds > len(groups):
        raise BenchmarkError(
            f"{n_folds} folds need at least as many {what}, but there are {len(groups)}; ask for "
            "fewer folds."
        )

    def draw(group: Sequence[str]) -> str:
        return hashlib.sha256(f"{seed}:{min(group)}".encode()).hexdigest()

    sizes = [0] * n_folds
    folds = {}
    for group in sorted(groups, key=lambda group: (-len(group), draw(group))):
        fold = sizes.index(min(sizes))
        sizes[fold] += len(group)
        folds.update(dict.fromkeys(group, fold))
    return folds


def image_folds(dataset: Dataset, n_folds: int = 10, seed: int = 0) -> np.ndarray:
    """The fold of each image, int array (images,) with values below ``n_folds``.

    Folds depend on the images' contents and the seed, not on names or order. Images that look the
    same share a fold. Sizes differ by at most the size of the largest such group.

    Raises:
        BenchmarkError: fewer than 2 folds, or more folds than different images.
    """
    # Copies that are the same to the byte share a hash: the count makes each a member of its own.
    members = [f"{name}:{n}" for name, n in _count_up(dataset.image_hashes)]
    groups = [
        [members[n] for n in np.flatnonzero(dataset.groups == group)]
        for group in np.unique(dataset.groups)
    ]
    folds = _folds(groups, n_folds, seed, "different images")
    return np.array([folds[member] for member in members], dtype=np.int64)


def subject_folds(dataset: Dataset, n_folds: int, seed: int = 0) -> np.ndarray:
    """The fold of each subject, int array (subjects,), by the subjects' names and the seed.

    Raises:
        BenchmarkError: fewer than 2 folds, or more folds than subjects.
    """
    names = list(dataset.subject_names)
    folds = _folds([[name] for name in names], n_folds, seed, "subjects")
    return np.array([folds[name] for name in names], dtype=np.int64)


def _count_up(names: Sequence[str]) -> list[tuple[str, int]]:
    """Each name with how often it has come before."""
    seen: dict[str, int] = {}
    counted = []
    for name in names:
        counted.append((name, seen.get(name, 0)))
        seen[name] = seen.get(name, 0) + 1
    return counted
