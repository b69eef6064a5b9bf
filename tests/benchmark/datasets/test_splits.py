"""Folds depend on content and seed alone, keep copies together, and are balanced."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from benchmark.datasets import locate, splits
from benchmark.errors import BenchmarkError


def fake(groups, subjects=()):
    """What splits need of a data set; images of one value in ``groups`` are copies."""
    first = {value: n for n, value in reversed(list(enumerate(groups)))}
    return SimpleNamespace(
        image_hashes=tuple(f"{value}-{n}" for n, value in enumerate(groups)),
        groups=np.array([first[value] for value in groups]),
        subject_names=list(subjects),
    )


def reorder(dataset, order):
    """The same images in another order."""
    groups = [int(dataset.groups[n]) for n in order]
    return SimpleNamespace(
        image_hashes=tuple(dataset.image_hashes[n] for n in order),
        groups=np.array([groups.index(group) for group in groups]),
    )


# Stored weights belong to these folds: a change would make models see their test images.
IMAGE_FOLDS = [1, 1, 2, 2, 1, 0, 0, 0, 2, 2, 0, 1]
SUBJECT_FOLDS = [0, 3, 2, 3, 4, 1, 2, 0, 1, 4]

GROUPS = st.lists(st.integers(0, 30), min_size=2, max_size=80)


@given(GROUPS, st.integers(2, 10), st.integers(0, 3))
def test_copies_share_a_fold_and_sizes_are_balanced(groups, n_folds, seed):
    assume(len(set(groups)) >= n_folds)
    folds = splits.image_folds(fake(groups), n_folds, seed)
    assert folds.shape == (len(groups),)
    sizes = np.bincount(folds, minlength=n_folds)
    assert len(sizes) == n_folds
    largest = max(groups.count(value) for value in groups)
    assert sizes.min() > 0
    assert sizes.max() - sizes.min() <= largest
    for value in set(groups):
        assert len({fold for fold, group in zip(folds, groups) if group == value}) == 1


@given(GROUPS, st.integers(2, 5), st.randoms())
def test_order_does_not_matter(groups, n_folds, random):
    assume(len(set(groups)) >= n_folds)
    dataset = fake(groups)
    order = list(range(len(groups)))
    random.shuffle(order)
    folds = splits.image_folds(dataset, n_folds)
    shuffled = splits.image_folds(reorder(dataset, order), n_folds)
    assert shuffled.tolist() == [folds[n] for n in order]


def test_the_seed_matters_and_results_stay_as_they_are():
    dataset = fake("abcdefghijkl", "abcdefghij")
    assert splits.image_folds(dataset, 3).tolist() == IMAGE_FOLDS
    assert splits.image_folds(dataset, 3, seed=1).tolist() != IMAGE_FOLDS
    assert splits.subject_folds(dataset, 5).tolist() == SUBJECT_FOLDS
    assert splits.subject_folds(dataset, 5, seed=1).tolist() != SUBJECT_FOLDS


def test_copies_that_are_equal_to_the_byte():
    dataset = fake([0, 1, 2])
    dataset.image_hashes = ("same", "same", "other")
    dataset.groups = np.array([0, 0, 2])
    folds = splits.image_folds(dataset, 2)
    assert folds[0] == folds[1] != folds[2]


@given(st.sets(st.text(min_size=1), min_size=2, max_size=30), st.integers(2, 5), st.randoms())
def test_subject_folds(names, n_folds, random):
    assume(len(names) >= n_folds)
    names = sorted(names)
    folds = dict(zip(names, splits.subject_folds(fake([], names), n_folds)))
    sizes = np.bincount(list(folds.values()), minlength=n_folds)
    assert sizes.max() - sizes.min() <= 1
    random.shuffle(names)
    assert splits.subject_folds(fake([], names), n_folds).tolist() == [folds[n] for n in names]


def test_impossible_numbers_of_folds():
    dataset = fake([0, 0, 1], "ab")
    with pytest.raises(BenchmarkError, match="3 folds need at least as many different images"):
        splits.image_folds(dataset, 3)
    with pytest.raises(BenchmarkError, match="3 folds need at least as many subjects"):
        splits.subject_folds(dataset, 3)
    for n_folds in (1, 0, -1):
        with pytest.raises(BenchmarkError, match="ask for at least 2"):
            splits.image_folds(dataset, n_folds)


def test_groups_of_look_alikes_do_not_depend_on_the_order(tmp_path):
    from PIL import Image

    # a-b and b-c differ by 0.75 grey levels on average, a-c by 1.5: b links them, coming last.
    for n, columns in enumerate({"a": 0, "c": 24, "b": 12}.values()):
        grey = np.random.default_rng(0).integers(20, 200, (32, 32), np.uint8)
        grey[:, :columns] += 2
        Image.fromarray(grey).save(tmp_path / f"{n}.png")
    Image.new("L", (32, 32), 200).save(tmp_path / "3.png")
    (tmp_path / "f.csv").write_text("image,subject,x,y\n0.png,s,1,1\n1.png,s,1,1\n")
    assert locate.load(tmp_path).groups.tolist() == [0, 0, 0, 3]
    folds = splits.image_folds(locate.load(tmp_path), 2)
    assert len(set(folds[:3])) == 1
    assert folds[3] != folds[0]


def test_osie_keeps_its_copies_together(data_root, real_folder):
    real_folder("OSIE")
    dataset = locate.load("osie", data_root)
    folds = splits.image_folds(dataset, 10)
    assert (
        folds[list(dataset.image_names).index("1279.jpg")]
        == (folds[list(dataset.image_names).index("1374.jpg")])
    )
    assert set(np.bincount(folds)) <= {69, 70, 71}
