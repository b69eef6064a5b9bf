"""The main job: load a data set, fit what is fitted on it, score every model, write the results."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pysaliency
from tqdm import tqdm

from benchmark import provenance, registry, selection
from benchmark.check import suspicions
from benchmark.clock import Clock
from benchmark.datasets.base import Dataset, training_data
from benchmark.datasets.folder import load_held_out
from benchmark.datasets.locate import is_path, load, subset_by_size
from benchmark.datasets.look_alikes import tell_copies
from benchmark.errors import BenchmarkError
from benchmark.evaluate import Evaluation, Failure, Score, model_hash, parameters
from benchmark.files import file_hash, write_csv, write_csv_pieces, write_json
from benchmark.parallel import SHARD, Backend, shards, unordered_map
from benchmark.parallel.backend import Workers
from benchmark.profiled import Profiled, taken
from benchmark.report.profile import SCORING, write_profile
from benchmark.reuse import Record, Reuse, groups, tell
from benchmark.run_lock import only_run
from benchmark.scores import IMAGE_SUFFIX, PER_FIXATION, differences, summarise
from benchmark.shuffled import GRID, MeanPrediction, reduced
from benchmark.store import Store
from metrics.spec import MetricSpec
from models.base import ModelSpec, UnavailableError, seen_in_training
from models.saliency_map import MapsOf

BUILT_IN = "photographs"
#: Rows of scores.csv that are made at a time.
ROWS = 2**16
#: Columns of collected scores.
_COLLECTED = ("image", "model", "metric", "value", "n_fixations")
#: Images whose predictions are added up before the sum is kept.
BLOCK = 32
#: Blocks at most: each has a sum in the store, and those of many images are larger.
BLOCKS = 1024
#: Source that scores depend on: a change of it makes stored scores stale.
SCORING_SOURCE = ("metrics", "benchmark/evaluate.py", "benchmark/shuffled.py")


@dataclass(frozen=True)
class Options:
    """What to score, and how; the defaults are those of the command line.

    Attributes:
        dataset: registered name or folder.
        fixations: CSV file of the fixations on the images in the folder ``dataset``, None if they
            are with the images.
        models, metrics: names, empty for all that apply; with own models, empty ``models`` stands
            for baselines and ceilings, "none" for none and "all" for all that apply.
        predictions: folders, archives or HDF5 files of predictions to score, PATH or NAME=PATH.
        external: models to score, package.module:callable or NAME=package.module:callable.
        kind: what the predictions are, "log-density", "density" or "saliency-map"; NAME=KIND says
            so of one.
        name: of the one own model there is.
        trained_on: data sets that own models have seen, comma-separated, or "none"; NAME=... says
            so of one.
        plain: score the plain form of every model with a saliency map, too.
        images: score only the first so many images (fits still use all), None for all.
        subset: "WIDTHxHEIGHT": only images of this size, for fits as well.
        kernel_size: of empirical maps in pixels, None for the data set's own.
        out: folder for the results, None for results/DATASET (see :func:`output_folder`).
        jobs, backend, scheduler: who computes (benchmark/parallel/backend.py).
        profile: tell where the time went, and write it to profile.csv.
        reuse: results folders from which to take scores of unchanged models (benchmark/reuse.py).
        confirm: images to score anew where a model's code has changed, to take its scores still if
            they are the same; 0 for scoring it anew.
    """

    dataset: str = BUILT_IN
    fixations: Path | None = None
    data_root: Path | None = None
    models: tuple[str, ...] = ()
    predictions: tuple[str, ...] = ()
    external: tuple[str, ...] = ()
    kind: tuple[str, ...] = ()
    name: str | None = None
    trained_on: tuple[str, ...] = ()
    plain: bool = False
    metrics: tuple[str, ...] = ()
    protocol: str = "tuebingen"
    maps: str = "right"
    images: int | None = None
    subset: str | None = None
    kernel_size: float | None = None
    seed: int = 0
    jobs: int = 1
    backend: str = "loky"
    scheduler: str | None = None
    profile: bool = False
    draws: int = 10_000
    out: Path | None = None
    reuse: tuple[Path, ...] = ()
    confirm: int = 0


@dataclass
class Outcome:
    """What a run wrote, and what failed."""

    folder: Path
    summary: pd.DataFrame
    failures: list[Failure] = field(default_factory=list)


Report = Callable[[str], None]


def output_folder(options: Options, dataset: str, own: Sequence[str] = ()) -> Path:
    """Where results go: runs of another scope or setting never overwrite the full default one.

    Args:
        own: names of the user's own models.
    """
    if options.out is not None:
        return options.out
    parts, default = [dataset], Options()
    if options.protocol != "tuebingen":
        parts.append(options.protocol)
    if options.maps != "right":
        parts.append(options.maps)
    if options.images is not None:
        parts.append(f"first{options.images}")
    if options.models or options.metrics:
        parts.append("selection")
    if own:
        parts.append(selection.folder_part(own))
    if options.plain:
        parts.append("plain")
    if options.kernel_size is not None:
        parts.append(f"kernel{options.kernel_size:g}")
    if options.seed != default.seed:
        parts.append(f"seed{options.seed}")
    if options.draws != default.draws:
        parts.append(f"draws{options.draws}")
    return Path("results") / "-".join(parts)


def _folder_name(dataset: Dataset) -> str:
    """The data set's name, made another if a registered data set has it but is not this one."""
    registered = registry.datasets().get(dataset.name)
    if registered is None or registered.metadata["title"] == dataset.spec.title:
        return dataset.name
    return f"{dataset.name}-folder"


def run(options: Options, say: Report = lambda text: None) -> Outcome:
    """Score models on a data set and write scores, tables, figures and provenance.

    Raises:
        BenchmarkError: an option, a file or a folder cannot be used, or another run writes to the
            folder. What was scored before stays in the store, from which the next run goes on.
    """
    with ExitStack() as held:
        return _run(options, say, held)


def _run(options: Options, say: Report, held: ExitStack) -> Outcome:
    backend = Backend(options.jobs, options.backend, options.scheduler)
    variants = _variants(options)
    records = [Record(folder) for folder in options.reuse]
    if options.confirm and not records:
        raise BenchmarkError("--confirm is about --reuse: name a results folder with it.")
    own = selection.own_models(options)
    selection.check_chosen(options.models, own)  # before it costs the loading of data
    phases, work = Clock(), Clock()
    with phases.running("loading the data"):
        dataset = _loaded(options)
    if options.images is not None and options.images < 1:
        raise BenchmarkError(f"--images must be at least 1, not {options.images}.")
    if not len(dataset.fixations.x):
        raise BenchmarkError(f"{dataset.name}: there is no fixation on these images to score.")
    images = range(len(dataset))[: options.images]
    stored = selection.open_predictions(own, dataset, images, say)
    folder = output_folder(options, _folder_name(dataset), own.names)
    held.enter_context(only_run(folder))
    store = Store(folder / "scores.sqlite", say)
    try:
        say(f"{dataset.spec.title}: {len(dataset)} images, {len(dataset.fixations.x)} fixations")
        for suspicion in suspicions(dataset):
            say(f"warning: {suspicion}")
        with phases.running("comparing images"):
            copies = tell_copies(dataset.groups)
        for line in copies:
            say(line)
        models, names = _chosen_models(options, own, stored, dataset, say, phases)
        evaluation = Evaluation(
            dataset,
            models,
            models["centerbias"],
            variants,
            images,
            options.maps,
            options.kernel_size or dataset.spec.kernel_size,
            options.seed,
        )
        with phases.running("hashes"):
            fingerprints = {name: _fingerprint(evaluation, name) for name in names}
            keys = {name: _key(evaluation, name, options, fingerprints[name]) for name in names}
        reuse = Reuse(
            records,
            evaluation,
            {**_settings(evaluation, options), "images": len(evaluation.images)},
            {name: _hash_of(fingerprint) for name, fingerprint in fingerprints.items()},
            options.confirm,
        )
        origins = _reused(reuse, names, keys, store, say) if records else {}
        pending = [name for name in names if name not in origins]
        with backend.started(say) as workers:
            with phases.running("mean predictions"):
                _mean_predictions(evaluation, pending, keys, store, workers)
            with phases.running(SCORING):
                timed = Profiled.of(evaluation) if options.profile else evaluation
                failures = _score(timed, names, keys, store, workers, work)
            at_a_time = workers.count if options.profile else 0
        with phases.running("collecting scores"):
            scores = _collect(evaluation, names, keys, store)
    finally:
        store.close()
    stated = {
        "fingerprints": reuse.fingerprints,
        "reused": groups(origins),
        "given": own.given,
    }
    with phases.running("statistics, tables and figures"):
        summary = _export(folder, evaluation, names, scores, failures, stated, options)
    if options.profile:
        say(write_profile(folder, phases, work, at_a_time))
    return Outcome(folder, summary, failures)


def _loaded(options: Options) -> Dataset:
    if options.fixations is None:
        dataset = load(options.dataset, options.data_root)
    else:
        dataset = load_held_out(Path(options.dataset).expanduser(), options.fixations)
    return subset_by_size(dataset, options.subset) if options.subset else dataset


def _given(options: Options) -> dict[str, str]:
    """Where a data set lies that has no registered name, for the record."""
    if options.fixations is None and not is_path(options.dataset):
        return {}
    return {
        "path": str(options.dataset),
        **_stated("fixations", str(options.fixations or "")),
        **_stated("subset", options.subset),
    }


def _chosen_models(
    options: Options,
    own: selection.Own,
    stored: dict[str, Any],
    dataset: Dataset,
    say: Report,
    phases: Clock,
) -> tuple[dict[str, Any], list[str]]:
    """All models that a run needs, and the names of those that it scores."""
    chosen = selection.chosen(options, own, dataset)
    if chosen is None:
        models = fit_models(dataset, (), say, phases)
    else:
        needed = [need for need in own.needs if need in registry.models()]
        wanted = [*chosen, *needed] or ["centerbias"]
        unnamed = set() if options.models else set(chosen) - set(needed)
        models = fit_models(dataset, wanted, say, phases, unnamed)
    names = list(models) if chosen is None else [name for name in chosen if name in models]
    built = selection.build_own(own, stored, dataset, models, say)
    models, names = {**models, **built}, [*names, *built]
    if options.plain:
        for name in names:
            if selection.has_plain_form(models[name]):
                models.setdefault(name + selection.PLAIN, models[name].as_plain())
        names = [n for name in names for n in (name, name + selection.PLAIN) if n in models]
    return models, list(dict.fromkeys(names))


def _variants(options: Options) -> dict[str, Any]:
    """The metrics to compute, checked against the protocol."""
    protocol = registry.lookup(registry.protocols(), options.protocol, "protocol")
    if options.kernel_size is not None and protocol.metadata.get("own_kernel"):
        raise BenchmarkError(
            f"--kernel-size: the protocol {options.protocol!r} has a Gaussian of its own, which "
            "follows from the size of each image; leave the option out, or take another protocol."
        )
    variants = protocol.load()()
    known = registry.metrics()
    for name in options.metrics:
        registry.lookup(known, name, "metric")
        if name not in variants:
            raise BenchmarkError(
                f"the protocol {options.protocol!r} does not define {name!r}; it has "
                f"{', '.join(variants)}."
            )
    return {n: v for n, v in variants.items() if not options.metrics or n in options.metrics}


def fit_models(
    dataset: Dataset,
    names: Sequence[str] = (),
    say: Report = lambda text: None,
    phases: Clock | None = None,
    optional: Collection[str] = (),
) -> dict[str, pysaliency.Model]:
    """Models by name, those that are fitted on the data set fitted, in display order.

    Args:
        names: what to build, with all they need; empty for every registered model that applies.
        phases: counts the time of each fit.
        optional: those of ``names`` that may be left out.

    Raises:
        BenchmarkError: a model needs something that this data set does not have; or a model that
            was named cannot be made here, such as without weights (one that was not named, or is
            optional, is left out).
    """
    phases = phases or Clock()
    entries = registry.models()
    order = {"baseline": 0, "model": 1, "ceiling": 2}
    with phases.running("comparing images"):
        data = training_data(dataset)
    built: dict[str, Any] = {}

    def build(name: str) -> Any:
        if name in built:
            return built[name]
        entry = selection.registered(name)
        if name.endswith(selection.PLAIN):
            built[name] = selection.plain_of(entry)
            return built[name]
        arguments: dict[str, Any] = {}
        for need in selection.needs(name):
            if need in entries:
                arguments[need] = build(need)
            elif need in dataset.extras:
                arguments[need] = dataset.extras[need]
            else:
                raise BenchmarkError(
                    f"the model {name!r} needs {need!r}, which the data set {dataset.name!r} does "
                    "not have."
                )
        if entry.metadata.get("installed"):
            model = selection.build_installed(name, data, arguments)
            model.caching = False
            built[name] = selection.as_density(model, data, built["centerbias"])
            return built[name]
        kind = entry.load()
        if hasattr(kind, "fit"):
            say(f"fitting {name}")
            with phases.running(f"fitting {name}"):
                built[name] = kind.fit(data, **arguments)
        else:
            built[name] = kind()
        built[name].caching = False  # predictions of a whole data set would fill the memory
        return built[name]

    def build_if_available(name: str) -> None:
        try:
            build(name)
        except UnavailableError as error:
            if names and name not in optional:
                raise BenchmarkError(f"{name}: {error}") from error
            say(f"without {name}: {error}")

    wanted = list(names) or selection.applicable(dataset)
    build("centerbias")  # information gain is relative to it
    for name in wanted:
        build_if_available(name)
    return dict(
        sorted(built.items(), key=lambda item: order[item[1].spec.kind]),
    )


def _settings(evaluation: Evaluation, options: Options) -> dict[str, Any]:
    """What the scores of all models depend on, but for the centre bias."""
    return {
        "data": evaluation.dataset.content_hash,
        "protocol": options.protocol,
        "maps": options.maps,
        "kernel_size": _kernel_size(evaluation, options),
        "seed": options.seed,
        "source": provenance.source_hash(*SCORING_SOURCE),
    }


def _kernel_size(evaluation: Evaluation, options: Options) -> float | None:
    """Of empirical maps in pixels; None where the protocol has its own for each image."""
    own = registry.protocols()[options.protocol].metadata.get("own_kernel")
    return None if own else evaluation.kernel_size


def _key(
    evaluation: Evaluation, name: str, options: Options, fingerprint: list[float] | None
) -> str:
    """Hash of everything that a model's scores depend on."""
    content = {
        **_settings(evaluation, options),
        "model": model_hash(evaluation.models[name], evaluation.dataset),
        "baseline": model_hash(evaluation.centerbias, evaluation.dataset),
        # a mean prediction is over the images scored
        "images": len(evaluation.images) if evaluation.needs_mean(name) else 0,
    }
    if fingerprint is not None:
        content["fingerprint"] = fingerprint
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _fingerprint(evaluation: Evaluation, name: str) -> list[float] | None:
    """What a model from outside predicts for the first image, coarsely; empty if it fails.

    Its weights, or a module that it imports, may have changed since its scores were stored. Models
    of this project have none, since their hash says all.
    """
    model = evaluation.models[name]
    if not hasattr(model.source if isinstance(model, MapsOf) else model, "origin"):
        return None
    try:
        cells = reduced(evaluation.density(name, evaluation.images[0]))
    except Exception:  # told when this image is scored
        return []
    coarse = cells.reshape(8, GRID // 8, 8, GRID // 8).sum(axis=(1, 3))
    # devices differ in the last digits
    return np.round(coarse, 5).ravel().tolist()  # type: ignore[no-any-return]


def _hash_of(fingerprint: list[float] | None) -> str:
    """A fingerprint as records have it; empty where there is none."""
    if fingerprint is None:
        return ""
    return hashlib.sha256(json.dumps(fingerprint).encode()).hexdigest()


def _reused(
    reuse: Reuse, names: Sequence[str], keys: dict[str, str], store: Store, say: Report
) -> dict[str, dict[str, Any]]:
    """Fill the store with scores that records have; returns where they come from, by model.

    Their ``keys`` are replaced, because they have ten digits, and no mean prediction beside them.
    """
    origins, reasons = {}, {}
    for name in names:
        if _complete(reuse.evaluation, name, keys[name], store):
            reasons[name] = "it was scored here before, which is kept"
            continue
        taken = reuse.take(name)
        if isinstance(taken, str):
            reasons[name] = taken
            continue
        keys[name] = hashlib.sha256(f"{keys[name]} {taken.digest}".encode()).hexdigest()
        store.add(keys, taken.scores)
        origins[name] = taken.origin
    tell(names, reasons, say)
    return origins


def _blocks(evaluation: Evaluation) -> list[list[int]]:
    """The images in blocks whose predictions are added up before the sum is kept."""
    images = list(evaluation.images)
    size = max(BLOCK, -(-len(images) // BLOCKS))
    return [images[start : start + size] for start in range(0, len(images), size)]


def _complete(evaluation: Evaluation, name: str, key: str, store: Store) -> bool:
    """Whether the store holds all scores of a model."""
    if evaluation.needs_mean(name):
        blocks = store.blocks(key)
        if len(blocks) < len(_blocks(evaluation)):
            return False
        total = np.zeros(evaluation.layers(name) * GRID * GRID)
        for index in sorted(blocks):
            total += store.sum_of(key, index)
        key = _key_with_sum(key, total)
    return bool(_done(evaluation, key, store)[list(evaluation.images)].all())


def _done(evaluation: Evaluation, key: str, store: Store) -> np.ndarray:
    """Whether the store holds all scores of a model on an image, by the image's index."""
    stored = store.grid(key, max(evaluation.images) + 1, list(evaluation.variants))[1]
    return np.all(stored >= 0, axis=1)


def _key_with_sum(key: str, total: np.ndarray) -> str:
    return hashlib.sha256(key.encode() + total.tobytes()).hexdigest()


def _mean_predictions(
    evaluation: Evaluation,
    names: Sequence[str],
    keys: dict[str, str],
    store: Store,
    workers: Workers,
) -> None:
    """Add up the predictions of models whose shuffled baseline must be computed from them.

    Their scores depend on these sums, so ``keys`` are replaced by keys that tell sums apart: one
    without the images where a prediction failed is another one than that of a complete run. The
    same predictions fail again, and are reported, when they are scored.
    """
    blocks = _blocks(evaluation)
    for name in names:
        if not evaluation.needs_mean(name):
            continue
        known = store.blocks(keys[name])
        missing = [index for index in range(len(blocks)) if index not in known]
        work = [blocks[index] for index in missing]
        incomplete: dict[int, np.ndarray] = {}
        unscored: list[Failure] = []
        bar = tqdm(total=len(missing), desc=f"mean prediction of {name}", unit="block")
        results = unordered_map(partial(_block_sum, name), work, workers, evaluation)
        with bar, closing(results):
            for place, (part, failed) in results:
                unscored += failed
                if failed:
                    incomplete[missing[place]] = part.ravel()
                else:
                    store.add_sum(keys[name], missing[place], part)
                bar.update()
        total = np.zeros(evaluation.layers(name) * GRID * GRID)
        for index in range(len(blocks)):  # in order, so that equal parts give equal bytes
            if index in incomplete:
                total += incomplete[index]
            else:
                total += store.sum_of(keys[name], index)
        sums = total.reshape(-1, GRID, GRID)
        without = frozenset(failure.image for failure in unscored)
        evaluation.means[name] = MeanPrediction(
            sums[0],
            len(evaluation.images) - len(without),
            sums[1:] if len(sums) > 1 else None,
            without,
        )
        keys[name] = _key_with_sum(keys[name], total)


def _block_sum(
    name: str, evaluation: Evaluation, images: Sequence[int]
) -> tuple[np.ndarray, list[Failure]]:
    total, failures = np.zeros((evaluation.layers(name), GRID, GRID)), []
    for image in images:
        try:
            total += evaluation.reduced(name, image)
        except Exception as error:
            failures.append(Failure(name, image, str(error)))
    return total, failures


def _score(
    evaluation: Evaluation,
    names: Sequence[str],
    keys: dict[str, str],
    store: Store,
    workers: Workers,
    clock: Clock,
) -> list[Failure]:
    """Score what the store does not hold yet; every result is written as soon as it is there.

    Args:
        clock: gets the time of each model and metric, of all workers together.
    """
    done = np.zeros((len(names), max(evaluation.images) + 1), dtype=bool)
    for row, name in enumerate(names):
        done[row] = _done(evaluation, keys[name], store)
    lists: dict[bytes, list[str]] = {}  # the same list for all images of the same models
    work = []
    for image in evaluation.images:
        missing = ~done[:, image]
        pending = lists.setdefault(missing.tobytes(), [n for n, m in zip(names, missing) if m])
        if pending:
            work.append((image, pending))
    failures: list[Failure] = []
    bar = tqdm(
        total=len(evaluation.images),
        initial=len(evaluation.images) - len(work),
        desc="scoring",
        unit="image",
    )
    pieces = shards(work, 1 if workers.backend.in_this_thread else SHARD)
    results = unordered_map(_score_shard, pieces, workers, evaluation)
    with bar, closing(results):
        for _, (shard, counted) in results:
            clock.add(counted)
            for scored in shard:
                store.add(keys, [s for s in scored if isinstance(s, Score)])
                failures += [f for f in scored if isinstance(f, Failure)]
                bar.update()
    return sorted(failures, key=lambda failure: failure.image)


def _score_shard(
    evaluation: Evaluation, work: Sequence[tuple[int, list[str]]]
) -> tuple[list[list[Score | Failure]], Clock]:
    return [evaluation.score(image, names) for image, names in work], taken()


def _collect(
    evaluation: Evaluation, names: Sequence[str], keys: dict[str, str], store: Store
) -> pd.DataFrame:
    images, metrics = np.array(evaluation.images), np.array(list(evaluation.variants), dtype=object)
    pieces: dict[str, list[np.ndarray]] = {name: [] for name in _COLLECTED}
    for name in names:
        values, counts = store.grid(keys[name], images.max() + 1, list(evaluation.variants))
        values, counts = values[images], counts[images]
        row, column = np.nonzero(counts >= 0)
        for key, piece in zip(
            _COLLECTED,
            (
                images[row],
                np.full(len(row), name, dtype=object),
                metrics[column],
                values[row, column],
                counts[row, column],
            ),
        ):
            pieces[key].append(piece)
    if not names:
        return pd.DataFrame(columns=_COLLECTED)
    return pd.DataFrame({key: np.concatenate(pieces.pop(key)) for key in _COLLECTED})


def _export(
    folder: Path,
    evaluation: Evaluation,
    names: Sequence[str],
    scores: pd.DataFrame,
    failures: list[Failure],
    stated: dict[str, Any],
    options: Options,
) -> pd.DataFrame:
    """Write CSV and JSON, then tables and figures from them; returns the summary."""
    from benchmark.report.writer import write_report

    dataset, known = evaluation.dataset, registry.metrics()
    if scores.empty:
        raise BenchmarkError(
            "no model could be scored. " + "; ".join(f"{f.model}: {f.reason}" for f in failures[:3])
        )
    units = {name: entry.metadata["unit"] for name, entry in known.items()}
    higher = {name: entry.metadata["higher_is_better"] for name, entry in known.items()}
    labels = {"dataset": dataset.name, "protocol": options.protocol}
    summary = summarise(scores, units, options.draws, options.seed).assign(**labels)
    failed = {failure.model for failure in failures}
    specs = {name: evaluation.models[name].spec for name in names}
    contaminated = {name: _contaminated(spec, dataset) for name, spec in specs.items()}
    summary["contaminated"] = summary["model"].map(contaminated)
    ranked = [n for n in names if specs[n].kind != "ceiling" and not contaminated[n]]
    if failed:
        ranked = []  # an incomplete run ranks nobody
    paired = differences(scores, ranked, higher, options.draws, options.seed).assign(**labels)
    write_csv_pieces(
        _named(scores, dataset, labels, units),
        folder / "scores.csv",
        ["dataset", "image", "model", "metric", "protocol", "value", "n_fixations", "unit"],
    )
    summary_columns = [
        "dataset", "model", "metric", "protocol", "mean", "ci_low", "ci_high", "n_images",
        "n_fixations", "unit", "explained", "explained_low", "explained_high", "contaminated",
    ]  # fmt: skip
    write_csv(summary, folder / "summary.csv", summary_columns)
    write_csv(
        paired,
        folder / "differences.csv",
        ["dataset", "metric", "protocol", "model", "best", "difference", "ci_low", "ci_high",
         "n_images"],
    )  # fmt: skip
    record = _record(evaluation, names, failures, options)
    for name, fingerprint in stated["fingerprints"].items():
        record["models"][name].update(_stated("fingerprint", fingerprint))
    for name, model in record["models"].items():
        model.update(_stated("given", stated["given"].get(name.removesuffix(selection.PLAIN))))
    record["dataset"].update(_stated("given", _given(options)))
    record.update(_stated("reused", stated["reused"]))
    record["scores_sha256"] = file_hash(folder / "scores.csv")
    write_json(record, folder / "run.json")
    write_report(folder)
    return summary[summary_columns]


def _named(
    scores: pd.DataFrame, dataset: Dataset, labels: dict[str, str], units: dict[str, str]
) -> Iterator[pd.DataFrame]:
    """Pieces of the scores with the names of images, and with labels and units."""
    names = np.array(dataset.image_names, dtype=object)
    for start in range(0, len(scores), ROWS):
        piece = scores.iloc[start : start + ROWS]
        yield piece.assign(**labels, unit=piece["metric"].map(units), image=names[piece["image"]])


def _record(
    evaluation: Evaluation, names: Sequence[str], failures: list[Failure], options: Options
) -> dict[str, Any]:
    """Everything that is needed to know, and to remake, what the numbers say."""
    dataset, known = evaluation.dataset, registry.metrics()
    metrics = {}
    for name in evaluation.variants:
        metadata = _without(asdict(MetricSpec(**known[name].metadata)), "name")
        metrics[name] = metadata
        if name in PER_FIXATION:
            title = f"{metadata['title']}, averaged per image"
            metrics[name + IMAGE_SUFFIX] = {**metadata, "title": title, "per": "image"}
        elif metadata["per"] == "fixation":
            # one value per fixation, averaged within each image, then over images
            metrics[name] = {**metadata, "per": "image"}
    record: dict[str, Any] = {
        "command": provenance.command_line(),
        "complete": not failures,
        "dataset": {
            **{k: v for k, v in asdict(dataset.spec).items() if k != "folder"},
            "content_hash": dataset.content_hash,
            **_with(dataset.extras, "fixation_file"),
            "n_images": len(evaluation.images),
            "n_images_total": len(dataset),
            "n_fixations_total": len(dataset.fixations.x),
            "n_subjects": len(dataset.subject_names),
            "dropped": dict(dataset.dropped),
        },
        "protocol": {
            "name": options.protocol,
            "maps": options.maps,
            "kernel_size": _kernel_size(evaluation, options),
        },
        "seed": options.seed,
        "bootstrap_draws": options.draws,
        "scoring_source": provenance.source_hash(*SCORING_SOURCE),
        "baseline": model_hash(evaluation.centerbias, dataset),
        "models": {
            name: {
                **_without(asdict(evaluation.models[name].spec), "name", "needs"),
                "contaminated": _contaminated(evaluation.models[name].spec, dataset),
                "parameters": parameters(evaluation.models[name]),
                "content_hash": model_hash(evaluation.models[name], dataset),
                **_stated("weights", str(getattr(evaluation.models[name], "content_hash", ""))),
            }
            for name in names
        },
        "metrics": metrics,
        "failures": [
            {"model": f.model, "image": dataset.image_names[f.image], "reason": f.reason}
            for f in failures
        ],
        "versions": provenance.versions(),
        "source": provenance.commit(),
    }
    truth = dataset.extras.get("truth")
    if truth is not None:
        record["truth"] = _truth(evaluation, truth)
    return record


def _contaminated(spec: ModelSpec, dataset: Dataset) -> bool:
    """Whether a model was trained on what it is scored on; ceilings are not ranked anyway."""
    return spec.kind != "ceiling" and seen_in_training(spec, dataset.name)


def _truth(evaluation: Evaluation, truth: Any) -> dict[str, Any]:
    """The exact expected information gain of the density that simulated observers follow."""
    gains, counts = [], []
    for image in evaluation.images:
        log_density = truth.log_density(image)
        baseline = evaluation.centerbias.log_density(evaluation.dataset.stimuli[image])
        gains.append(float(np.sum(np.exp(log_density) * (log_density - baseline)) / np.log(2)))
        counts.append(int(np.sum(evaluation.dataset.fixations.n == image)))
    return {
        "information_gain": float(np.average(gains, weights=counts)),
        "information_gain_image": float(np.mean(gains)),
        "unit": "bit/fixation",
        "meaning": "expected information gain, over the fitted centre bias, of the density that "
        "the simulated fixations were drawn from; no model that knows only the image can gain more "
        "in expectation",
    }


def _stated(key: str, value: Any) -> dict[str, Any]:
    return {key: value} if value else {}


def _with(mapping: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: mapping[key] for key in keys if key in mapping}


def _without(mapping: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in mapping.items() if key not in keys}


__all__ = ["Options", "Outcome", "fit_models", "output_folder", "run"]
