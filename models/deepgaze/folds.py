"""Trains the readouts of a cross-validation: which images each may learn from, and nothing else."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from models.deepgaze.backbones import Backbone
from models.deepgaze.cache import FeatureCache
from models.deepgaze.corpus import Corpus, Example, Examples
from models.deepgaze.device import PROCESSOR, placed, placed_backbones, placed_examples
from models.deepgaze.features import FeatureSet, loaded
from models.deepgaze.prior import prior_table
from models.deepgaze.readout import Readout
from models.deepgaze.training import (
    DivergedError,
    Epoch,
    Recipe,
    Stage,
    Training,
    fit_normalisation,
    log_densities,
    mean_gain,
)
from models.deepgaze.weights import Member

SCHEMES = ("8-1-1", "9-1")
#: Bytes around the numbers of a feature map's file: its head and checksum.
_AROUND = 132


@dataclass(frozen=True)
class Split:
    """Images of a data set for training, stopping and testing; int arrays of indices."""

    training: NDArray[np.int64]
    stopping: NDArray[np.int64]
    test: NDArray[np.int64]

    @classmethod
    def of(cls, folds: NDArray[np.int64], fold: int, n_folds: int, scheme: str) -> Split:
        """Fold ``fold`` is for testing, and the next one for stopping.

        Under "9-1", the paper's scheme, training is stopped by the test images themselves.
        """
        stop = fold if scheme == "9-1" else (fold + 1) % n_folds
        return cls(
            np.flatnonzero((folds != fold) & (folds != stop)),
            np.flatnonzero(folds == stop),
            np.flatnonzero(folds == fold),
        )


@dataclass(frozen=True)
class Plan:
    """A cross-validation.

    Attributes:
        corpora: data sets that are learned from together; the first decides when to stop.
        pretraining: data sets that are learned from before.
        scheme: "8-1-1" or "9-1", see :meth:`Split.of`.
        training_images: of the first data set, learn from so many; None for all.

    Raises:
        ValueError: two data sets have the same name.
    """

    recipe: Recipe
    corpora: tuple[Corpus, ...]
    pretraining: tuple[Corpus, ...] = ()
    n_folds: int = 10
    scheme: str = "8-1-1"
    training_images: int | None = None

    def __post_init__(self) -> None:
        for corpus in (*self.corpora, *self.pretraining):
            if self.all_corpora[corpus.name] is not corpus:
                raise ValueError(f"two data sets are called {corpus.name!r}: rename one of them.")

    @property
    def views(self) -> tuple[bool, ...]:
        """Whether an image is mirrored when its features are read: not, or both."""
        return (False, True) if self.recipe.mirrored or self.recipe.both_views else (False,)

    @property
    def all_corpora(self) -> dict[str, Corpus]:
        """By name, without duplicates, the first one first."""
        return {corpus.name: corpus for corpus in (*self.corpora, *self.pretraining)}

    def fingerprint(self, fold: int, seed: int, precision: str) -> str:
        """Hash of everything that the readout of a fold depends on."""
        content = {
            "recipe": asdict(self.recipe),
            "backbones": {
                f.backbone: loaded(f.backbone, precision).weights_hash for f in self.recipe.features
            },
            "corpora": [_content(corpus) for corpus in self.corpora],
            "pretraining": [_content(corpus) for corpus in self.pretraining],
            "plan": [self.n_folds, self.scheme, self.training_images, fold, seed, precision],
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _content(corpus: Corpus) -> list[Any]:
    density = corpus.data.pixels_per_degree
    return [corpus.name, corpus.content_hash, corpus.folds.tolist(), density]


def fill_cache(
    plan: Plan,
    cache: FeatureCache,
    progress: Callable[[Sequence, str], Iterable] = lambda items, label: items,
    share: Callable[[Sequence[Any]], Sequence[Any]] = lambda items: items,
    device: torch.device = PROCESSOR,
) -> None:
    """Compute the features that the plan reads and the cache does not hold.

    Args:
        share: the part of the features that this process sees to. It is taken from all of them,
            missing or not, so that processes which begin at different times share alike.
    """
    recipe = plan.recipe
    for corpus in plan.all_corpora.values():
        needed = [
            (index, features, mirrored)
            for features in recipe.features
            for mirrored in plan.views
            for index in range(len(corpus.image_hashes))
        ]
        missing = [
            (index, features, mirrored)
            for index, features, mirrored in share(needed)
            if not cache.has(corpus.image_hashes[index], features, mirrored)
        ]
        if not missing:
            continue
        names = [features.backbone for features in recipe.features]
        with placed_backbones(names, cache.precision, device):
            for index, features, mirrored in progress(missing, f"features of {corpus.name}"):
                read = partial(corpus.read, index)
                cache.get(corpus.image_hashes[index], read, corpus.shape(index), features, mirrored)


def missing_bytes(plans: Iterable[Plan], cache: FeatureCache) -> int:
    """About how many bytes :func:`fill_cache` will write for all of these plans together.

    Raises:
        WeightsError: the weights of a backbone cannot be had.
    """
    total = 0
    seen: set[tuple[str, FeatureSet, bool]] = set()
    for plan in plans:
        for features in plan.recipe.features:
            network = loaded(features.backbone, cache.precision)
            layers = [replace(features, layers=(layer,)) for layer in features.layers]
            for corpus in plan.all_corpora.values():
                for (index, digest), mirrored, layer in product(
                    enumerate(corpus.image_hashes), plan.views, layers
                ):
                    key = digest, layer, mirrored
                    if key not in seen:
                        seen.add(key)
                        if not cache.has(*key):
                            total += map_bytes(network, layer, corpus.shape(index))
    return total


def map_bytes(network: Backbone, features: FeatureSet, shape: Sequence[int]) -> int:
    """About how many bytes the files of an image's features take; ``shape``: height, width.

    Raises:
        ValueError: a layer is unknown.
    """
    network.check_layers(features.layers)
    cells = 0.0
    for layer in features.layers:
        known = network.layers[layer]
        sides = (max(1, round(side * features.scale)) + network.padding for side in shape[:2])
        padded = (-(-side // network.multiple) * network.multiple for side in sides)
        cells += known.channels * math.prod(side / known.stride for side in padded)
    return round(2 * cells) + _AROUND * len(features.layers)


@dataclass(frozen=True)
class Trained:
    """A readout and how it does on the test images of the first data set.

    Both measures are taken on the lattice of the training; scores of the benchmark are exact.

    Attributes:
        test: information gain over the prior, bits per fixation.
        log_densities: natural log of the density per pixel at each image's fixations, by index.
    """

    member: Member
    curve: list[Epoch]
    test: float
    log_densities: dict[int, NDArray[np.float32]]


def train_fold(
    plan: Plan,
    fold: int,
    seed: int,
    cache: FeatureCache,
    checkpoint: Path | None = None,
    report: Callable[[Epoch], None] = lambda epoch: None,
    device: torch.device = PROCESSOR,
) -> Trained:
    """Train the readout that never sees the images of a fold.

    Everything that is fitted (readout, Gaussian, prior, statistics of the features) is fitted on
    the training images; the stopping images choose the epoch. One thread is used, so that the
    result is the same whatever else the machine does; another device has other last digits.

    Raises:
        ValueError: the checkpoint belongs to another training, or is damaged; or (a DivergedError)
            the training has diverged.
    """
    recipe = plan.recipe
    names = [features.backbone for features in recipe.features]
    with one_thread(), placed_backbones(names, cache.precision, device):
        sources = {
            name: _Source(plan, corpus, fold, cache) for name, corpus in plan.all_corpora.items()
        }
        first = sources[plan.corpora[0].name]
        channels = [
            int(m.values.shape[2]) for m in first.examples.maps(int(first.part.training[0]))
        ]
        torch.manual_seed(seed * 1000 + fold)  # only now: loading a backbone draws numbers too
        readout = Readout(channels, recipe.readout)
        joint = [sources[corpus.name] for corpus in plan.corpora]
        if checkpoint is None or not checkpoint.is_file():  # which holds it
            fit_normalisation(
                readout, (s.examples.maps(int(n)) for s in joint for n in s.part.training)
            )
        readout = placed(readout, device)
        stopping = placed_examples(first.examples.make(first.part.stopping), device)
        stages = []
        if plan.pretraining:
            learned = [e for c in plan.pretraining for e in sources[c.name].training()]
            learned = placed_examples(learned, device)
            stages.append(
                Stage(
                    "pretraining",
                    learned,
                    stopping,
                    recipe.pretraining_epochs,
                    recipe.learning_rate,
                )
            )
        rate = recipe.finetuning_rate if plan.pretraining else recipe.learning_rate
        learned = placed_examples((e for s in joint for e in s.training()), device)
        stages.append(Stage("training", learned, stopping, recipe.epochs, rate))
        entropy = [seed, fold]
        training = Training(
            readout, stages, recipe, entropy, plan.fingerprint(fold, seed, cache.precision)
        )
        try:
            training.run(checkpoint, report, time.monotonic)
        except DivergedError as error:
            raise DivergedError(
                f"fold {fold}, seed {seed}: {error} Lower the recipe's learning_rate (after "
                "pretraining, its finetuning_rate), and look at the features if that does not help."
            ) from error
        readout = placed(readout, PROCESSOR).eval().requires_grad_(False)
        priors = {
            name: torch.from_numpy(prior_table(source.examples.centerbias))
            for name, source in sources.items()
        }
        tested = first.examples.make(first.part.test)
        values = log_densities(readout, tested)
        return Trained(
            Member(fold, seed, readout, priors),
            training.curve,
            mean_gain(values, tested),
            {e.index: value.cpu().numpy() for e, value in zip(tested, values)},
        )


class _Source:
    """A data set in one fold: its parts, and examples with a prior from the training part."""

    def __init__(self, plan: Plan, corpus: Corpus, fold: int, cache: FeatureCache):
        part = Split.of(corpus.folds, fold, plan.n_folds, plan.scheme)
        if plan.training_images is not None and corpus is plan.corpora[0]:
            drawn = np.random.default_rng(fold).permutation(part.training)
            part = replace(part, training=np.sort(drawn[: plan.training_images]))
        if not len(part.training):
            raise ValueError(
                f"fold {fold} has no image of {corpus.name} to learn from: take fewer folds, or "
                "another seed, or leave this data set out."
            )
        self.part = part
        self.examples = Examples(
            corpus,
            part.training,
            corpus.centerbias(part.training),
            plan.recipe.features,
            cache,
            plan.recipe.step,
            corpus.zoom(plan.corpora[0]),
        )

    def training(self) -> list[Example]:
        return self.examples.make(self.part.training)


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute in one thread, so that sums are taken in the same order everywhere."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
