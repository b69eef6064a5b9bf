"""What each part of DeepGaze II contributes: trains and scores variations of its recipe."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark import provenance, registry
from benchmark.datasets.base import training_data
from benchmark.datasets.locate import load
from benchmark.errors import BenchmarkError
from benchmark.files import disk_errors, writable, write_csv, write_json
from benchmark.parallel import ordered_map
from benchmark.scores import Bootstrap, Column, explained_mean, interval
from benchmark.train import (
    TrainOptions,
    check_room,
    data_sets,
    feature_cache,
    progress,
    read,
    warn_of_slowness,
)
from models.centerbias import CenterBias
from models.deepgaze.backbones import WeightsError
from models.deepgaze.cache import FeatureCache
from models.deepgaze.corpus import Corpus
from models.deepgaze.device import PROCESSOR
from models.deepgaze.features import FeatureSet, loaded
from models.deepgaze.folds import Plan, fill_cache, train_fold
from models.deepgaze.recipes import RECIPES
from models.deepgaze.training import Recipe
from models.gold_standard import GoldStandard

COLUMNS = [
    "group", "variation", "description", "gain", "ci_low", "ci_high", "explained", "difference",
    "difference_low", "difference_high", "n_images", "n_fixations", "unit",
]  # fmt: skip
REFERENCE = "reference"
EFFICIENTNET = FeatureSet(
    "efficientnet-lite0", ("block4", "block7", "block10", "block14", "block15", "head"), 0.75
)


@dataclass(frozen=True)
class Variation:
    """A recipe that differs from the reference in what its description says.

    Attributes:
        recipes: their densities are mixed, if there are several.
        pretrain: names of data sets to learn from before.
        together: names of data sets to learn from at the same time.
        seeds: readouts of each recipe that are mixed.
    """

    name: str
    group: str
    description: str
    recipes: tuple[Recipe, ...]
    pretrain: tuple[str, ...] = ()
    together: tuple[str, ...] = ()
    training_images: int | None = None
    seeds: int = 1


def variations(pretrain: tuple[str, ...] = ("osie",)) -> list[Variation]:
    """All variations; the group "paper" is Fig. 7's, from DeepGaze I to DeepGaze II."""
    ours = RECIPES["deepgaze2"]
    paper = RECIPES["deepgaze2-paper"]
    first = RECIPES["deepgaze1"]
    linear = replace(paper, readout=replace(paper.readout, widths=(1,)))
    pointwise = replace(first, readout=replace(first.readout, widths=paper.readout.widths))
    found = []
    for name, what, recipe in (
        ("alexnet-linear", "AlexNet, linear readout (DeepGaze I)", first),
        ("alexnet-pointwise", "AlexNet, pointwise readout", pointwise),
        ("vgg19-linear", "VGG-19, linear readout", linear),
        ("vgg19-pointwise", "VGG-19, pointwise readout (DeepGaze II)", paper),
    ):
        found.append(Variation(name, "paper", what, (recipe,)))
        if pretrain:
            text = f"{what}, pretrained on {_titles(pretrain)}"
            found.append(Variation(f"{name}-pretrained", "paper", text, (recipe,), pretrain))

    def vary(name: str, group: str, description: str, **changes: Any) -> None:
        readout = replace(ours.readout, **changes.pop("readout", {}))
        recipe = replace(ours, readout=readout, **changes)
        found.append(Variation(name, group, description, (recipe,)))

    vary(REFERENCE, REFERENCE, "the recipe that ships, learned from this data set alone")
    if pretrain:
        others = _titles(pretrain)
        text = f"learned from {others} at the same time, as the model that ships"
        found.append(Variation("together", "training", text, (ours,), together=pretrain))
        text = f"pretrained on {others}"
        found.append(Variation("pretrained", "training", text, (ours,), pretrain))
    for layer in ("conv5_1", "conv5_3", "relu5_4"):
        features = tuple(replace(f, layers=(layer,)) for f in ours.features)
        vary(f"only-{layer}", "layers", f"only {layer}", features=features)
    for scale in (0.25, 0.5):
        features = (FeatureSet(scale=scale),)
        vary(f"scale-{scale:g}", "scale", f"only scale {scale:g}", features=features)
    for blur in (12.0, 48.0):
        readout = {"blur": blur, "learn_blur": False}
        vary(f"blur-{blur:g}", "blur", f"Gaussian fixed at {blur:g} pixels", readout=readout)
    fixed = {"prior_weight": 1.0, "learn_prior_weight": False}
    vary("prior-weight-1", "prior", "prior weight fixed at 1", readout=fixed)
    narrow = {"widths": (16, 32, 2, 1)}
    vary("narrow", "readout", "readout of 16, 32, 2 and 1 channels", readout=narrow)
    vary("relu", "readout", "rectified instead of softplus", readout={"nonlinearity": "relu"})
    vary("no-dropout", "training", "no channel dropout", channel_dropout=0.0)
    vary("not-mirrored", "training", "no mirror images", mirrored=False, both_views=False)
    other = "fixation" if ours.loss == "image" else "image"
    vary(f"loss-{other}", "training", f"loss averaged per {other}", loss=other)
    for count in (100, 200, 400):
        text = f"learned from {count} images"
        found.append(Variation(f"images-{count}", "images", text, (ours,), training_images=count))
    efficient = replace(ours, features=(EFFICIENTNET,), mirrored=False, both_views=False)
    both = replace(ours, features=(*ours.features, EFFICIENTNET), mirrored=False, both_views=False)
    lite0 = "EfficientNet-Lite0"
    found += [
        Variation(
            "efficientnet", "backbones", f"{lite0}, one scale, no mirror images", (efficient,)
        ),
        Variation(
            "both-backbones",
            "backbones",
            f"one readout of VGG-19 and {lite0}, no mirror images",
            (both,),
        ),
        Variation("mixture", "backbones", "mixture of one readout each", (ours, efficient)),
        Variation("two-seeds", "backbones", "mixture of two seeds", (ours,), seeds=2),
    ]
    return found


@dataclass(frozen=True)
class AblationOptions:
    """What to train; see :class:`benchmark.train.TrainOptions` for the fields of the same name.

    Attributes:
        only: names of variations, empty for all.
        test_folds: train and score only these folds.
    """

    dataset: str = "mit1003"
    pretrain: tuple[str, ...] = ("osie",)
    only: tuple[str, ...] = ()
    test_folds: tuple[int, ...] = (0,)
    n_folds: int = 10
    seed: int = 0
    data_root: Path | None = None
    features: Path | None = None
    cache: bool = True
    precision: str = "float32"
    jobs: int = 1
    out: Path | None = None


def _titles(datasets: Sequence[str]) -> str:
    known = registry.datasets()
    return " and ".join(
        known[name].metadata["title"] if name in known else name for name in datasets
    )


@dataclass
class Outcome:
    """The table, and which variations could not be trained and why."""

    folder: Path
    table: pd.DataFrame
    skipped: dict[str, str] = field(default_factory=dict)


def ablation(options: AblationOptions, say: Callable[[str], None] = lambda text: None) -> Outcome:
    """Train and score the variations; those that were trained before are not trained again.

    Variations whose backbone has no weights on this machine are skipped, and named.

    Raises:
        BenchmarkError: a variation or a fold is unknown, a data set or a checkpoint cannot be used,
            a training has diverged, or the disk is full or cannot be written to.
    """
    try:
        with disk_errors(options.out or Path("results"), "--out or --features"):
            return _ablation(options, say)
    except ValueError as error:  # a checkpoint is damaged or of another training
        raise BenchmarkError(str(error)) from error


def _ablation(options: AblationOptions, say: Callable[[str], None]) -> Outcome:
    chosen = variations(options.pretrain)
    known = {variation.name: variation for variation in chosen}
    for name in options.only:
        if name not in known:
            raise BenchmarkError(f"unknown variation {name!r}. Known: {', '.join(known)}.")
    if options.only:
        chosen = [known[name] for name in dict.fromkeys((REFERENCE, *options.only))]
    test_folds = tuple(dict.fromkeys(options.test_folds))
    if not test_folds or not set(test_folds) <= set(range(options.n_folds)):
        raise BenchmarkError(
            f"--test-folds: expected at least one of the folds 0 to {options.n_folds - 1}, such as "
            f"0,3; not {','.join(map(str, test_folds)) or 'none'}."
        )
    options = replace(options, test_folds=test_folds)
    warn_of_slowness(options.precision, PROCESSOR, say)
    training = TrainOptions(
        dataset=options.dataset, pretrain=options.pretrain, n_folds=options.n_folds,
        seed=options.seed, features=options.features, cache=options.cache,
        precision=options.precision,
    )  # fmt: skip
    datasets = data_sets(training.roles, options.data_root)
    folder = options.out or Path("results") / f"ablation-{datasets[options.dataset].name}"
    writable(folder, "--out")
    corpora = read(datasets, training, say)
    cache = feature_cache(training)
    skipped = _without_weights(chosen, options.precision)
    for name, reason in skipped.items():
        say(f"skipped {name}: {reason}")
    kept = [variation for variation in chosen if variation.name not in skipped]
    if not kept:
        raise BenchmarkError(
            "no variation can be trained: the weights of their backbones are missing."
        )
    if cache.folder is not None:
        plans = [plan for variation in kept for plan in _plans(variation, corpora, options)]
        check_room(plans, cache, say)
        with disk_errors(cache.folder, "--features"):
            for plan in plans:
                fill_cache(plan, cache, progress)
    work = [(variation, fold) for variation in kept for fold in test_folds]
    score_one = partial(_score, corpora, options, cache, folder)
    values: dict[str, dict[int, NDArray]] = {}
    with closing(ordered_map(score_one, work, options.jobs)) as results:
        for (variation, fold), found in zip(work, results):
            values.setdefault(variation.name, {}).update(found)
            say(f"{variation.name}, fold {fold}: done")
    table = _table(kept, values, options)
    write_csv(table, folder / "ablation.csv", COLUMNS)
    write_json(_record(kept, skipped, options), folder / "ablation.json")
    from benchmark.report.ablation import write_ablation

    write_ablation(folder, table)
    return Outcome(folder, table, skipped)


def _without_weights(chosen: Sequence[Variation], precision: str) -> dict[str, str]:
    """Variations whose backbones cannot be had on this machine, by name, and why."""
    missing = {}
    for variation in chosen:
        try:
            for features in (f for recipe in variation.recipes for f in recipe.features):
                loaded(features.backbone, precision)
        except WeightsError as error:
            missing[variation.name] = str(error)
    return missing


def _plans(
    variation: Variation, corpora: dict[str, Corpus], options: AblationOptions
) -> list[Plan]:
    return [
        Plan(
            recipe,
            tuple(corpora[name] for name in (options.dataset, *variation.together)),
            tuple(corpora[name] for name in variation.pretrain),
            options.n_folds,
            training_images=variation.training_images,
        )
        for recipe in variation.recipes
    ]


def _score(
    corpora: dict[str, Corpus],
    options: AblationOptions,
    cache: FeatureCache,
    folder: Path,
    work: tuple[Variation, int],
) -> dict[int, NDArray]:
    """Log densities at the fixations of a test fold's images, in nats, by image."""
    variation, fold = work
    found = []
    for n, plan in enumerate(_plans(variation, corpora, options)):
        for seed in range(options.seed, options.seed + variation.seeds):
            name = f"{variation.name}-{n}-fold{fold}-seed{seed}.pt"
            trained = train_fold(plan, fold, seed, cache, folder / "checkpoints" / name)
            found.append(trained.log_densities)
    return {
        image: np.logaddexp.reduce([each[image] for each in found], axis=0) - np.log(len(found))
        for image in found[0]
    }


def _table(
    chosen: Sequence[Variation], values: dict[str, dict[int, NDArray]], options: AblationOptions
) -> pd.DataFrame:
    """Information gain of each variation, and its difference from the reference, with intervals."""
    dataset = load(options.dataset, options.data_root)
    data = training_data(dataset)
    centerbias = CenterBias.fit(data)
    gold = GoldStandard.fit(data, centerbias)
    images = sorted(values[chosen[0].name])
    counts = np.array([len(values[chosen[0].name][image]) for image in images], dtype=float)
    baseline, ceiling = [], []
    for image in images:
        own = np.flatnonzero(dataset.fixations.n == image)
        x, y = dataset.fixations.x_int[own], dataset.fixations.y_int[own]
        height, width = (int(side) for side in dataset.sizes[image])
        at = centerbias.log_density_at((height, width), x, y, image)
        baseline.append(at.mean())
        ceiling.append(gold.log_likelihoods(dataset.stimuli, dataset.fixations[own]).mean())
    limit = Column((np.array(ceiling) - baseline) / np.log(2), counts)
    columns = {
        v.name: Column(
            (np.array([values[v.name][image].mean() for image in images]) - baseline) / np.log(2),
            counts,
        )
        for v in chosen
    }
    reference = columns.get(REFERENCE)
    names = list(columns)
    draws = Bootstrap(len(images), seed=options.seed).means([columns[name] for name in names])
    limit_draws = Bootstrap(len(images), seed=options.seed).means([limit])[:, 0]
    rows = []
    for n, variation in enumerate(chosen):
        column = columns[variation.name]
        low, high = interval(draws[:, n], len(images))
        row = {
            "group": variation.group, "variation": variation.name,
            "description": variation.description, "gain": column.mean, "ci_low": low,
            "ci_high": high, "explained": explained_mean(column, limit, limit_draws),
            "n_images": len(images), "n_fixations": int(counts.sum()), "unit": "bit/fixation",
        }  # fmt: skip
        if reference is not None:
            paired = draws[:, n] - draws[:, names.index(REFERENCE)]
            low, high = interval(paired, len(images))
            row.update(
                difference=column.mean - reference.mean, difference_low=low, difference_high=high
            )
        rows.append(row)
    return pd.DataFrame(rows, columns=COLUMNS)


def _record(
    chosen: Sequence[Variation], skipped: dict[str, str], options: AblationOptions
) -> dict[str, Any]:
    return {
        "command": provenance.command_line(),
        "dataset": options.dataset,
        "test_folds": list(options.test_folds),
        "n_folds": options.n_folds,
        "seed": options.seed,
        "precision": options.precision,
        "variations": {v.name: asdict(v) for v in chosen},
        "skipped": skipped,
        "versions": provenance.versions(),
        "source": provenance.commit(),
    }
