"""Trains the readouts of a DeepGaze on data sets, fold by fold; writes weights and curves."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from benchmark import provenance, registry
from benchmark.datasets.base import Dataset, training_data
from benchmark.datasets.locate import load
from benchmark.datasets.splits import image_folds
from benchmark.distributed import Ranks, joined
from benchmark.errors import BenchmarkError
from benchmark.files import disk_errors, writable, write_csv, write_json
from benchmark.parallel import ordered_map
from benchmark.shared_images import with_one_fold_each
from models.deepgaze.cache import FeatureCache, default_folder
from models.deepgaze.corpus import Corpus
from models.deepgaze.features import loaded
from models.deepgaze.folds import Plan, Trained, fill_cache, missing_bytes, train_fold
from models.deepgaze.precision import bfloat16_is_quick
from models.deepgaze.recipes import RECIPES
from models.deepgaze.training import Epoch, Recipe
from models.deepgaze.weights import TrainedOn, Weights, hashes_as_bytes

#: Parts of a recipe that are no single values.
PARTS = ("features", "readout")
CURVES = ["fold", "seed", "stage", "epoch", "training", "stopping", "blur", "prior_weight"]
#: Folds to learn from, to stop and to test; as many as the byte that weights keep can tell apart.
LEAST_FOLDS, MOST_FOLDS = 3, 256


@dataclass(frozen=True)
class TrainOptions:
    """What to train, and on what; the defaults are those of the command line.

    Attributes:
        together: data sets that are learned from together with the first.
        pretrain: data sets that are learned from before.
        seeds: readouts of each fold, which are mixed.
        folds: train only these, None for all.
        changes: fields of the recipe that differ from the model's own.
        backbone: read this one at the recipe's scales; "" for the recipe's own.
        layers: of the backbone; () for the recipe's, or of another backbone its default ones.
        features: folder of the feature cache; None for the user's cache folder.
        cache: keep features on disk.
        device: "cpu", "cuda", or "auto": a GPU for each process that torchrun started, if there are
            any, and the processor otherwise.
    """

    model: str = "deepgaze2"
    dataset: str = "mit1003"
    together: tuple[str, ...] = ()
    pretrain: tuple[str, ...] = ()
    n_folds: int = 10
    scheme: str = "8-1-1"
    folds: tuple[int, ...] | None = None
    seeds: int = 1
    seed: int = 0
    training_images: int | None = None
    changes: tuple[tuple[str, Any], ...] = ()
    backbone: str = ""
    layers: tuple[str, ...] = ()
    data_root: Path | None = None
    features: Path | None = None
    cache: bool = True
    precision: str = "float32"
    device: str = "auto"
    jobs: int = 1
    out: Path | None = None

    @property
    def roles(self) -> list[tuple[str, str]]:
        """Each data set by its option and its name or folder, the first one first."""
        return [
            ("--dataset", self.dataset),
            *(("--with", name) for name in self.together),
            *(("--pretrain", name) for name in self.pretrain),
        ]

    @property
    def called(self) -> str:
        """What the weights are called: the model, and the backbone that was asked for."""
        return "-".join(filter(None, (self.model, self.backbone)))


@dataclass(frozen=True)
class TrainOutcome:
    """Where the weights are, and the gain on the test images of each readout, in bits."""

    folder: Path
    weights: Path
    test: pd.DataFrame


Report = Callable[[str], None]


def parse_changes(model: str, texts: Sequence[str]) -> tuple[tuple[str, Any], ...]:
    """Changes of a recipe from "name=value" texts; "readout.name" is a field of the readout.

    Raises:
        BenchmarkError: a name is unknown, or a value has the wrong type.
    """
    if model not in RECIPES:
        raise BenchmarkError(
            f"{model!r} cannot be trained. There are recipes for {', '.join(RECIPES)}."
        )
    recipe = RECIPES[model]
    for text in texts:
        name, _, value = text.partition("=")
        part, _, inner = name.rpartition(".")
        owner: Any = recipe.readout if part == "readout" else recipe
        known = [f.name for f in fields(owner) if f.name not in PARTS]
        if part not in ("", "readout") or inner not in known:
            raise BenchmarkError(
                f"--set {text}: the recipe has no {name!r}; it has "
                f"{', '.join(f.name for f in fields(recipe) if f.name not in PARTS)} and readout."
                f"{', readout.'.join(f.name for f in fields(recipe.readout))}. What is read out "
                "is chosen by --backbone and --layers."
            )
        try:
            changed = replace(owner, **{inner: _typed(value, getattr(owner, inner), text)})
        except ValueError as error:
            raise BenchmarkError(f"--set {text}: {error}") from error
        recipe = replace(recipe, readout=changed) if part else replace(recipe, **vars(changed))
    return tuple(
        (f.name, getattr(recipe, f.name))
        for f in fields(recipe)
        if getattr(recipe, f.name) != getattr(RECIPES[model], f.name)
    )


def recipe_of(options: TrainOptions) -> Recipe:
    """The model's recipe with the changes, the backbone and the layers that were asked for.

    Raises:
        UnknownNameError: no backbone is called so.
        ValueError: its weights are not on this machine, or it has no such layer.
    """
    recipe = replace(RECIPES[options.model], **dict(options.changes))
    if options.backbone:
        registry.lookup(registry.backbones(), options.backbone, "backbone")
    elif not options.layers:
        return recipe
    changed = []
    for features in recipe.features:
        network = loaded(options.backbone or features.backbone, options.precision)
        network.check_layers(options.layers)
        own = features.backbone == network.spec.name
        layers = options.layers or (features.layers if own else network.default_layers)
        layers = tuple(dict.fromkeys(layers))
        changed.append(replace(features, backbone=network.spec.name, layers=layers))
    return replace(recipe, features=tuple(dict.fromkeys(changed)))


def _typed(value: str, example: Any, text: str) -> Any:
    """A value of the type of ``example``."""
    try:
        if isinstance(example, bool):
            return {"true": True, "false": False}[value.lower()]
        if isinstance(example, tuple):
            return tuple(int(part) for part in value.split(","))
        return type(example)(value)
    except (KeyError, ValueError) as error:
        kind = "true or false" if isinstance(example, bool) else type(example).__name__
        raise BenchmarkError(f"--set {text}: {value!r} is not of the type {kind}.") from error


def train(options: TrainOptions, say: Report = lambda text: None) -> TrainOutcome | None:
    """Train all folds and seeds; what was trained before in the same folder is not trained again.

    Processes that torchrun started share the work. The first of them writes, and gets the outcome;
    the others get None.

    Raises:
        BenchmarkError: an option, a data set, the weights of a backbone or a checkpoint cannot be
            used, a training has diverged, or the disk is full or cannot be written to.
    """
    if options.model not in RECIPES:
        raise BenchmarkError(
            f"{options.model!r} cannot be trained. There are recipes for {', '.join(RECIPES)}."
        )
    if not LEAST_FOLDS <= options.n_folds <= MOST_FOLDS:
        raise BenchmarkError(
            f"{options.n_folds} folds: expected {LEAST_FOLDS} (to learn from, to stop and to test) "
            f"to {MOST_FOLDS} (weights keep the fold of an image in a byte)."
        )
    try:
        with joined() as ranks, disk_errors(options.out or Path("training"), "--out or --features"):
            return _train(options, ranks, say)
    except ValueError as error:  # weights are missing, or a checkpoint is of another training
        raise BenchmarkError(str(error)) from error


def _train(options: TrainOptions, ranks: Ranks, say: Report) -> TrainOutcome | None:
    recipe = recipe_of(options)
    device = chosen_device(options.device, ranks)
    if ranks.is_first:
        warn_of_slowness(options.precision, device, say)
    datasets = data_sets(options.roles, options.data_root)
    folder = options.out or Path("training") / f"{options.called}-{datasets[options.dataset].name}"
    writable(folder, "--out")
    corpora = read(datasets, options, say if ranks.is_first else lambda text: None)
    plan = Plan(
        recipe,
        tuple(corpora[n] for n in (options.dataset, *options.together)),
        tuple(corpora[n] for n in options.pretrain),
        options.n_folds,
        options.scheme,
        options.training_images,
    )
    cache = feature_cache(options)
    if options.cache:
        assert cache.folder is not None
        check_room([plan], cache, say if ranks.is_first else lambda text: None)
        share = ranks.share if ranks.sees(cache.folder) else ranks.share_here
        with disk_errors(cache.folder, "--features"):
            fill_cache(plan, cache, progress, share, device)
        ranks.wait()
        if ranks.is_first:
            say(f"features in {cache.folder}: {cache.size() / 2**30:.2f} GiB")
    trained = train_folds(plan, options, cache, folder, say, ranks, device)
    if trained is None:
        return None
    weights = assemble(plan, trained, options, device)
    file = folder / f"{options.called}.safetensors"
    weights.save(file)
    test = _write_records(folder, plan, trained, weights)
    return TrainOutcome(folder, file, test)


def chosen_device(choice: str, ranks: Ranks) -> torch.device:
    """Where this process computes; see :class:`TrainOptions`.

    Raises:
        BenchmarkError: there is no GPU.
    """
    found = torch.cuda.is_available()
    if choice == "cuda" and not found:
        raise BenchmarkError("--device cuda: PyTorch finds no GPU on this machine.")
    if choice == "cuda" or (choice == "auto" and ranks.launched and found):
        return torch.device("cuda", ranks.local_rank % torch.cuda.device_count())
    return torch.device("cpu")


def warn_of_slowness(precision: str, device: torch.device, say: Report) -> None:
    """Say so if the device has no fast code for a precision."""
    if precision == "bfloat16" and not bfloat16_is_quick(device.type):
        say(
            "This processor has no instructions for bfloat16, so networks may be hundreds of "
            "times slower than in float32: leave out --precision."
        )


def data_sets(
    roles: Sequence[tuple[str, str]], data_root: Path | None = None
) -> dict[str, Dataset]:
    """Data sets by the names or folders that they are asked for with.

    Args:
        roles: option and name or folder of each, in the order in which they count.

    Raises:
        BenchmarkError: one cannot be loaded, or two are called the same, by which weights, priors
            and examples of one would pass for those of the other.
    """
    found: dict[str, Dataset] = {}
    asked: dict[str, str] = {}
    for option, text in roles:
        dataset = load(text, data_root)
        if dataset.name in asked:
            raise BenchmarkError(
                f"{asked[dataset.name]} and {option} {text}: both are called {dataset.name!r}, but "
                f'data sets are told apart by name. Name another for {option}, or none (""); or '
                "rename the folder of one if they are two."
            )
        asked[dataset.name] = f"{option} {text}"
        found[text] = dataset
    return found


def read(datasets: Mapping[str, Dataset], options: TrainOptions, say: Report) -> dict[str, Corpus]:
    """Data sets as training sees them; an image that several hold has one fold in all of them."""
    apart = [corpus(dataset, options) for dataset in datasets.values()]
    together = with_one_fold_each(apart, list(datasets.values()))
    for before, after in zip(apart, together):
        if moved := int((before.folds != after.folds).sum()):
            say(
                f"{moved} images of {after.name} take the folds that they have in another data "
                "set: no readout learns from a copy of an image that it is tested on"
            )
    return dict(zip(datasets, together))


def corpus(dataset: Dataset, options: TrainOptions) -> Corpus:
    """A data set, with folds of its own, as training sees it."""
    return Corpus.of(
        dataset.name,
        training_data(dataset),
        dataset.content_hash,
        image_folds(dataset, options.n_folds, options.seed),
        partial(
            tqdm, desc=f"reading {dataset.name}", unit="image", disable=not Ranks.here().is_first
        ),
    )


def feature_cache(options: TrainOptions) -> FeatureCache:
    """Where features are kept: a folder, or nowhere."""
    folder = (options.features or default_folder()) if options.cache else None
    return FeatureCache(folder, options.precision, required=options.cache)


def check_room(plans: Sequence[Plan], cache: FeatureCache, say: Report) -> None:
    """Say how much the features take that are still to be computed, if any.

    Raises:
        BenchmarkError: they cannot be written, or the disk lacks the room for them.
    """
    assert cache.folder is not None
    needed = missing_bytes(plans, cache)
    if not needed:
        return
    free = shutil.disk_usage(writable(cache.folder, "--features")).free
    text = f"features to compute: about {needed / 2**30:.2f} GiB, in {cache.folder}"
    if needed > free:
        raise BenchmarkError(
            f"{text}; its disk has {free / 2**30:.2f} GiB left. Free some space, choose another "
            "folder with --features, or keep none with --no-cache, which computes them anew in "
            "every epoch."
        )
    say(text)


def progress(items: Sequence, label: str) -> Iterable:
    """A progress bar over images; of several processes, the first has one."""
    return tqdm(items, desc=label, unit="image", disable=not Ranks.here().is_first)


def train_folds(
    plan: Plan,
    options: TrainOptions,
    cache: FeatureCache,
    folder: Path,
    say: Report,
    ranks: Ranks,
    device: torch.device,
) -> list[Trained] | None:
    """Train this process's share of all folds and seeds, several at a time if asked to.

    Returns:
        All of them in the first process, None in the others.
    """
    folds = tuple(dict.fromkeys(range(options.n_folds) if options.folds is None else options.folds))
    if not set(folds) <= set(range(options.n_folds)):
        raise BenchmarkError(
            f"there are folds 0 to {options.n_folds - 1}; asked for {', '.join(map(str, folds))}."
        )
    work = ranks.share([(fold, options.seed + n) for n in range(options.seeds) for fold in folds])
    train_one = partial(_train_one, plan, cache, folder, device)
    trained = []
    with closing(ordered_map(train_one, work, options.jobs)) as results:
        for (fold, seed), result in zip(work, results):
            say(f"fold {fold}, seed {seed}: {result.test:.4f} bits on the test images")
            trained.append(result)
    return ranks.gather(trained)


def _train_one(
    plan: Plan, cache: FeatureCache, folder: Path, device: torch.device, work: tuple[int, int]
) -> Trained:
    fold, seed = work

    def report(epoch: Epoch) -> None:
        tqdm.write(
            f"  fold {fold}, seed {seed}, {epoch.stage} {epoch.epoch + 1}: "
            f"{epoch.training:.4f} bits in training, {epoch.stopping:.4f} on the stopping images, "
            f"{epoch.seconds:.0f} s"
        )

    checkpoint = folder / "checkpoints" / f"fold{fold}-seed{seed}.pt"
    return train_fold(plan, fold, seed, cache, checkpoint, report, device)


def assemble(
    plan: Plan, trained: Sequence[Trained], options: TrainOptions, device: torch.device
) -> Weights:
    """All readouts in one, with the images that each of them must not be judged on."""
    return Weights(
        recipe=plan.recipe,
        backbones={
            f.backbone: loaded(f.backbone, options.precision).weights_hash
            for f in plan.recipe.features
        },
        members=[result.member for result in trained],
        corpora={
            name: TrainedOn(
                corpus.content_hash,
                corpus.folds.astype(np.uint8),
                hashes_as_bytes(corpus.image_hashes),
                corpus.looks,
                corpus.data.pixels_per_degree,
            )
            for name, corpus in plan.all_corpora.items()
        },
        first=plan.corpora[0].name,
        record={
            "command": provenance.command_line(),
            "scheme": plan.scheme,
            "n_folds": plan.n_folds,
            "trained_together": [c.name for c in plan.corpora],
            "pretrained_on": [c.name for c in plan.pretraining],
            "training_images": plan.training_images,
            "precision": options.precision,
            "device": device.type,
            "seed": options.seed,
            "versions": provenance.versions(),
            "test": [result.test for result in trained],
            "curves": [[vars_without_time(point) for point in r.curve] for r in trained],
        },
    )


def vars_without_time(epoch: Epoch) -> dict[str, Any]:
    """A point of a learning curve as a dict; how long it took does not belong into weights."""
    return {name: value for name, value in asdict(epoch).items() if name != "seconds"}


def _write_records(
    folder: Path, plan: Plan, trained: Sequence[Trained], weights: Weights
) -> pd.DataFrame:
    rows = [
        {"fold": r.member.fold, "seed": r.member.seed, **vars_without_time(point)}
        for r in trained
        for point in r.curve
    ]
    from benchmark.report.curves import draw_curves

    curves = pd.DataFrame(rows)
    write_csv(curves, folder / "curves.csv", CURVES)
    draw_curves(curves, folder)
    test = pd.DataFrame(
        [{"fold": r.member.fold, "seed": r.member.seed, "test": r.test} for r in trained]
    )
    write_csv(test, folder / "test.csv", ["fold", "seed", "test"])
    record: dict[str, Any] = {k: v for k, v in weights.record.items() if k != "curves"}
    record.update(recipe=asdict(plan.recipe), backbones=weights.backbones)
    record["source"] = provenance.commit()
    write_json(record, folder / "training.json")
    return test
