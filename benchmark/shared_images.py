"""Images that several data sets share: each has one fold, so that no readout learns from its copy.

Folds are drawn for each data set by itself. A readout that never saw an image of one data set would
learn from the same image in another one, where it is in another fold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from benchmark.datasets.base import Dataset
from benchmark.datasets.look_alikes import first_alike
from models.deepgaze.corpus import Corpus
from models.deepgaze.images import nearest_copy


def with_one_fold_each(corpora: Sequence[Corpus], datasets: Sequence[Dataset]) -> list[Corpus]:
    """The corpora with one fold for each image, in whichever of them it is.

    Images are the same if those of one data set would share a fold (their thumbnails are alike), or
    if weights would take one for the other (equal pixels, or else the nearest look). Whatever is
    linked so, through however many others, takes the fold of the first one. Images that no other
    data set holds keep their folds.

    Args:
        datasets: those that the corpora were made of, in the same order.
    """
    if len(corpora) < 2:
        return list(corpora)
    ends = np.cumsum([len(corpus.folds) for corpus in corpora])
    alike = first_alike(
        np.concatenate([dataset.thumbnails() for dataset in datasets]),
        np.concatenate([dataset.sizes for dataset in datasets]),
    )
    links = [*enumerate(alike.tolist()), *_known_before(corpora)]
    one, other = np.array(links).T
    graph = coo_array((np.ones(len(links), dtype=bool), (one, other)), shape=(ends[-1],) * 2)
    _, label = connected_components(graph, directed=False)
    _, first = np.unique(label, return_index=True)
    folds: NDArray[np.int64] = np.concatenate([corpus.folds for corpus in corpora])[first[label]]
    return [replace(corpus, folds=own) for corpus, own in zip(corpora, np.split(folds, ends[:-1]))]


def _known_before(corpora: Sequence[Corpus]) -> list[tuple[int, int]]:
    """Pairs of an image and an earlier corpus's that it would be taken for, numbered in one row."""
    pairs: list[tuple[int, int]] = []
    by_pixels: dict[str, int] = {}
    earlier = np.empty((0, 32), dtype=np.uint8)
    for corpus in corpora:
        start = len(earlier)
        if start:
            for n, (pixels, look) in enumerate(zip(corpus.image_hashes, corpus.looks), start):
                if pixels in by_pixels:
                    pairs.append((n, by_pixels[pixels]))
                elif (found := nearest_copy(look, earlier)) is not None:
                    pairs.append((n, found[1]))
        for n, pixels in enumerate(corpus.image_hashes, start):
            by_pixels.setdefault(pixels, n)
        earlier = np.concatenate([earlier, corpus.looks])
    return pairs
