"""The data set and the models of a run, loaded and built again from what ``run.json`` records."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmark import registry
from benchmark.datasets.base import Dataset
from benchmark.datasets.folder import load_held_out
from benchmark.datasets.locate import load, subset_by_size
from benchmark.errors import BenchmarkError, DataError, UnknownNameError
from benchmark.files import read_json
from benchmark.report.record import Section
from benchmark.report.results import Results
from benchmark.run import fit_models
from benchmark.selection import Own, Prediction, build_own, open_predictions
from models.external import External, ExternalError
from models.map_files import KINDS
from models.saliency_map import PLAIN

BASELINE = "centerbias"
_REMEDY = (
    "Put it back, start in the folder where `run` was started, or run again with its new place."
)


def record_of(results: Results) -> Section:
    """What run.json says, with errors that name it.

    Raises:
        BenchmarkError: it is missing or damaged.
    """
    file = results.folder / "run.json"
    return Section(file, "", read_json(file))


def dataset_of(results: Results, data_root: Path | None = None) -> Dataset:
    """The data set that was scored: the folder that the run was given, else the one of its name.

    Raises:
        BenchmarkError: it is not on this machine, or has changed.
    """
    section = record_of(results).section("dataset")
    if "given" in section.content:
        dataset = _given_dataset(section.section("given"))
    else:
        dataset = _named_dataset(results, data_root)
    if section.content.get("content_hash") != dataset.content_hash:
        raise BenchmarkError(
            f"the data set {results.dataset.name!r} on this machine is not the one that "
            f"{results.folder} is about."
        )
    return dataset


def _given_dataset(given: Section) -> Dataset:
    folder, fixations = Path(given.get("path", str)).expanduser(), given.get("fixations", str, "")
    try:
        held_out = Path(fixations).expanduser() if fixations else None
        dataset = load(folder) if held_out is None else load_held_out(folder, held_out)
    except DataError as error:
        raise BenchmarkError(f"{error} The run was given this data set. {_REMEDY}") from error
    subset = given.get("subset", str, "")
    return subset_by_size(dataset, subset) if subset else dataset


def _named_dataset(results: Results, data_root: Path | None) -> Dataset:
    name = results.dataset.name
    size = None if name in registry.datasets() else re.fullmatch(r"(.+)-(\d+x\d+)", name)
    try:
        dataset = load(size[1] if size else name, data_root)
    except UnknownNameError as error:
        raise BenchmarkError(
            f"{error} If it is a folder: {results.folder / 'run.json'} does not say which; run "
            "again, which states it."
        ) from error
    return subset_by_size(dataset, size[2]) if size else dataset


def models_of(
    results: Results, dataset: Dataset, names: Sequence[str], say: Callable[[str], None]
) -> dict[str, Any]:
    """Models of a run by name, those that are fitted on the data set fitted, with the centre bias.

    Args:
        names: of registered models, and of the user's own, as the run was given them.

    Raises:
        BenchmarkError: one cannot be built again; the message says what is gone.
    """
    recorded = record_of(results).section("models")
    own = Own()
    for name in dict.fromkeys(name.removesuffix(PLAIN) for name in names):
        if name in recorded.content and "given" in recorded.section(name).content:
            one = _own(name, recorded.section(name))
            own = Own((*own.predictions, *one.predictions), (*own.external, *one.external))
        elif name not in registry.models():
            raise BenchmarkError(
                f"{recorded.path} does not say where the model {name!r} comes from, and none is "
                "registered under this name: install the package that offers it, or run again."
            )
    registered = [name for name in names if name.removesuffix(PLAIN) not in own.names]
    needed = [need for need in own.needs if need in registry.models()]
    models = fit_models(dataset, [*registered, *needed] or [BASELINE], say)
    for name in own.names:
        say(f"building {name}")
    try:
        stored = open_predictions(own, dataset, (), lambda text: None)
        models.update(build_own(own, stored, dataset, models, lambda text: None))
    except BenchmarkError as error:
        raise BenchmarkError(f"{error} The run was given this model. {_REMEDY}") from error
    for name in names:
        if name not in models:
            models[name] = models[name.removesuffix(PLAIN)].as_plain()
    return models


def _own(name: str, recorded: Section) -> Own:
    """One of the user's own models, imported but not built."""
    given, trained_on = recorded.section("given"), recorded.texts("trained_on")
    if "predictions" in given.content:
        kind = given.get("kind", str)
        if kind not in KINDS:
            raise BenchmarkError(
                f"{given.path}: '{given.name}.kind' is {kind!r}, expected one of "
                f"{', '.join(KINDS)}."
            )
        path = Path(given.get("predictions", str))
        return Own(predictions=(Prediction(name, path, kind, trained_on),))
    try:
        one = External.load(given.get("model", str), name)
    except ExternalError as error:
        raise BenchmarkError(
            f"the model {name!r} of {recorded.path.parent}: {error} {_REMEDY}"
        ) from error
    return Own(external=(replace(one, spec=replace(one.spec, trained_on=trained_on)),))


__all__ = ["BASELINE", "dataset_of", "models_of", "record_of"]
