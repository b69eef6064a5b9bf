"""An image has one fold in all data sets that hold it, and what is not shared keeps its fold."""

from __future__ import annotations

import io
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from benchmark.datasets import locate
from benchmark.datasets.base import Dataset
from benchmark.shared_images import with_one_fold_each
from models.deepgaze.corpus import Corpus
from models.deepgaze.images import COPY_BITS
from models.deepgaze.model import FOLDER
from models.deepgaze.weights import Weights
from tests.models.deepgaze.bright import looked_at, picture, trained_on

N_FOLDS = 4
PICTURES = [picture(n) for n in range(12)]


def held(images, folds=None) -> tuple[Corpus, Dataset]:
    """A data set of these images, in folds 0, 1, 2, ... if none are given."""
    data = looked_at(images)
    names = [str(n) for n in range(len(images))]
    folds = np.arange(len(images)) % N_FOLDS if folds is None else np.array(folds)
    dataset = Dataset(None, data.stimuli, data.fixations, names, ["amy"])
    return Corpus.of("some", replace(data, groups=dataset.groups), "hash", folds), dataset


def shared(*pairs) -> list[list[int]]:
    corpora, datasets = zip(*pairs)
    found = with_one_fold_each(corpora, datasets)
    for before, after in zip(corpora, found):
        assert after.image_hashes == before.image_hashes
        assert after.data is before.data
    return [corpus.folds.tolist() for corpus in found]


def hexadecimal(hashes) -> tuple[str, ...]:
    return tuple(bytes(row).hex() for row in hashes)


def encoded(image, quality: int = 80, size=None) -> np.ndarray:
    """The image as a JPEG file has it, of another size if one is given."""
    file = io.BytesIO()
    picture = Image.fromarray(image)
    (picture.resize(size) if size else picture).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def test_data_sets_that_share_nothing_keep_their_folds():
    first, second = held(PICTURES[:5]), held(PICTURES[5:])
    assert shared(first, second) == [[0, 1, 2, 3, 0], [0, 1, 2, 3, 0, 1, 2]]
    assert shared(first) == [[0, 1, 2, 3, 0]]


@pytest.mark.parametrize(
    "change",
    [lambda image: image, encoded, lambda image: encoded(image, size=(96, 72))],
    ids=["copied", "encoded", "resized"],
)
def test_a_copy_takes_the_fold_of_the_original(change):
    first = held(PICTURES[:5])
    copies = [PICTURES[6], PICTURES[7], change(PICTURES[1]), PICTURES[8], change(PICTURES[3])]
    assert shared(first, held(copies)) == [[0, 1, 2, 3, 0], [0, 1, 1, 3, 3]]


def test_a_copy_of_a_copy_and_of_a_later_data_set():
    sets = (
        held(PICTURES[:3]),
        held([PICTURES[5], PICTURES[6], PICTURES[0]]),
        held([PICTURES[6], PICTURES[2], PICTURES[7], PICTURES[0]]),
    )
    assert shared(*sets) == [[0, 1, 2], [0, 1, 0], [1, 2, 2, 0]]


def test_copies_within_the_later_data_set_come_along():
    """They share a fold there, and so take the one of the first data set together."""
    later = held([PICTURES[5], PICTURES[2], PICTURES[6], PICTURES[2]], [0, 1, 3, 1])
    assert shared(held(PICTURES[:3]), later) == [[0, 1, 2], [0, 2, 3, 2]]


def test_images_that_a_later_data_set_links_get_the_fold_of_the_first():
    """The outer ones are not alike, the one between is like both: no fold is right but one."""
    brighter = [picture(20) for _ in range(3)]
    for image, columns in zip(brighter, (0, 24, 48)):
        image[:, :columns] += 2  # 0.75 grey levels on average from one to the next
    outer, between = [brighter[0], PICTURES[0], brighter[2]], [PICTURES[1], brighter[1]]
    assert shared(held(outer)) == [[0, 1, 2]]
    assert shared(held(outer), held(between, [3, 3])) == [[0, 1, 0], [3, 0]]


def test_plain_images_are_not_all_the_same():
    """Their looks tell nothing: what has the pixels of another joins it, and keeps others apart."""
    plain = [np.full((40 + n, 50, 3), 30 * n + 30, np.uint8) for n in range(6)]
    found = shared(held(plain[:3]), held([plain[4], plain[1], plain[5]], [1, 3, 2]))
    assert found == [[0, 1, 2], [1, 1, 2]]


@given(st.lists(st.lists(st.integers(0, 11), min_size=1, max_size=6), min_size=2, max_size=4))
def test_every_image_has_one_fold(which):
    sets = []
    for n, chosen in enumerate(which):
        corpus, dataset = held([PICTURES[k] for k in chosen])
        folds = (corpus.data.groups + n) % N_FOLDS  # copies share one
        sets.append((replace(corpus, folds=folds), dataset))
    found = shared(*sets)
    assert found[0] == sets[0][0].folds.tolist()
    known: dict[int, int] = {}
    for chosen, folds, (corpus, _) in zip(which, found, sets):
        for image, fold, own in zip(chosen, folds, corpus.folds):
            assert fold == known.setdefault(image, int(own))


def test_weights_know_a_shared_image_by_one_fold():
    """Whatever data set it is taken for: the readout of its fold learned from no copy."""
    first, second = held(PICTURES[:5]), held([encoded(PICTURES[n]) for n in (3, 1, 4)])
    folds = shared(first, second)
    images = [PICTURES[:5], [encoded(PICTURES[n]) for n in (3, 1, 4)]]
    known = {str(n): trained_on(*pair) for n, pair in enumerate(zip(images, folds))}
    weights = Weights(None, {}, [], known, "0")
    for n in (1, 3, 4):
        for image in (PICTURES[n], encoded(PICTURES[n])):
            assert weights.known_as(image)[1] == n % N_FOLDS


def test_the_weights_that_ship_keep_their_folds(data_root, real_folder):
    """MIT1003 and OSIE share no image."""
    for name in ("FixaTons", "OSIE"):
        real_folder(name)
    shipped = Weights.load(FOLDER / "deepgaze2.safetensors").corpora
    datasets = [locate.load(name, data_root) for name in shipped]
    corpora = [
        Corpus(name, None, "", known.folds.astype(np.int64), hexadecimal(known.hashes), known.looks)
        for name, known in shipped.items()
    ]
    found = with_one_fold_each(corpora, datasets)
    assert [corpus.name for corpus in found] == ["mit1003", "osie"]
    for corpus, known in zip(found, shipped.values()):
        assert corpus.folds.tolist() == known.folds.tolist()
        assert corpus.folds.dtype == np.int64


def test_the_pictures_of_these_tests_differ():
    corpus, dataset = held(PICTURES)
    assert len(set(dataset.groups)) == len(PICTURES)
    looks = np.unpackbits(corpus.looks, axis=1)
    assert all((one != other).sum() > COPY_BITS for one, other in pairwise(looks))
