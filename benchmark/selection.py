"""Which models a run scores: registered ones, models of installed packages, and the user's own."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pysaliency

from benchmark import registry
from benchmark.datasets.base import Dataset, training_data
from benchmark.errors import BenchmarkError
from models.base import IN_SAMPLE, ModelSpec, TrainingData, UnavailableError
from models.external import READOUTS, UNKNOWN, External, ExternalError
from models.map_files import KINDS, MapError, source_name, stimulus_names
from models.precomputed import Precomputed, PrecomputedMap, StoredMaps
from models.saliency_map import PLAIN, MapsOf, SaliencyMap

if TYPE_CHECKING:
    from benchmark.run import Options, Report

#: Words that stand for registered models where they are named.
ALL, NONE = "all", "none"
_PROBLEMS_SHOWN = 10
#: A saliency map's density fitted on fewer images comes with a warning.
_FEW = 20


@dataclass(frozen=True)
class Prediction:
    """Predictions on disk that take part in a run."""

    name: str
    path: Path
    kind: str
    trained_on: tuple[str, ...]

    @property
    def spec(self) -> ModelSpec:
        return ModelSpec(
            name=self.name,
            title=self.name,
            summary=f"predictions ({self.kind}) from {self.path}",
            trained_on=self.trained_on,
        )


@dataclass(frozen=True)
class Own:
    """The user's own models of a run, by name, in the order given."""

    predictions: tuple[Prediction, ...] = ()
    external: tuple[External, ...] = ()

    @property
    def names(self) -> list[str]:
        return [*(one.name for one in self.predictions), *(one.spec.name for one in self.external)]

    @property
    def needs(self) -> tuple[str, ...]:
        """Registered models that they are built with."""
        return tuple(dict.fromkeys(need for one in self.external for need in one.spec.needs))

    @property
    def given(self) -> dict[str, dict[str, str]]:
        """Where each comes from, by name, for the record (benchmark/recorded.py reads it)."""
        return {
            **{p.name: {"predictions": str(p.path), "kind": p.kind} for p in self.predictions},
            **{one.spec.name: {"model": one.origin} for one in self.external},
        }


def own_models(options: Options) -> Own:
    """The user's own models, imported but not built.

    Raises:
        BenchmarkError: an option is missing or malformed, a name is taken, or a model cannot be
            imported.
    """
    if not (options.predictions or options.external):
        for option in ("kind", "name", "trained_on"):
            if getattr(options, option):
                raise BenchmarkError(
                    f"--{option.replace('_', '-')} is about --predictions or --model: give one of "
                    "them."
                )
        return Own()
    if options.name is not None and len(options.predictions) + len(options.external) > 1:
        raise BenchmarkError(
            "--name names one model; with several, write --predictions NAME=PATH and "
            "--model NAME=package.module:callable."
        )
    external = [_external(text, options.name) for text in options.external]
    paths = [_path(text, options.name) for text in options.predictions]
    names = [*(name for name, _ in paths), *(one.spec.name for one in external)]
    _check_names(names)
    kinds = _by_name(options.kind, [name for name, _ in paths], "--kind")
    trained = {
        name: _data_sets(value)
        for name, value in _by_name(options.trained_on, names, "--trained-on").items()
    }
    return Own(
        tuple(Prediction(n, path, _kind(n, kinds), trained.get(n, UNKNOWN)) for n, path in paths),
        tuple(_trained_on(one, trained.get(one.spec.name)) for one in external),
    )


def _external(text: str, name: str | None) -> External:
    given, origin = _named(text)
    name = name or given
    if name is None and origin.endswith(READOUTS) and Path(origin).stem in registry.models():
        name = Path(origin).resolve().parent.name  # `train` calls its files like the model
    try:
        return External.load(origin, name)
    except ExternalError as error:
        raise BenchmarkError(f"--model {error}") from error


def _path(text: str, name: str | None) -> tuple[str, Path]:
    given, rest = _named(text)
    path = Path(rest).expanduser()
    return name or given or source_name(path), path


def _data_sets(text: str) -> tuple[str, ...]:
    """The data sets of --trained-on; "none" says that there was none."""
    names = tuple(part.strip() for part in text.split(",") if part.strip())
    if not names:
        raise BenchmarkError(
            f"--trained-on is empty: name data sets, or say {NONE} if the model learned from none."
        )
    return () if names == (NONE,) else names


def _trained_on(one: External, names: tuple[str, ...] | None) -> External:
    if names is None:
        return one
    # what is held out of its training are images of the data sets that it names itself
    held_out = one.spec.held_out and set(names) <= set(one.spec.trained_on)
    spec = replace(one.spec, trained_on=names, held_out=held_out)
    return replace(one, spec=spec, stated=True)


def _named(text: str) -> tuple[str | None, str]:
    """Split "NAME=VALUE"; a value alone has no name."""
    name, separator, value = text.partition("=")
    if not separator or "/" in name or Path(text).expanduser().exists():
        return None, text
    return name.strip(), value.strip()


def _by_name(values: Sequence[str], names: Sequence[str], option: str) -> dict[str, str]:
    """Values of "[NAME=]VALUE" by name; a value without a name is that of all others."""
    found: dict[str, str] = {}
    for text in values:
        name, separator, value = text.rpartition("=")
        if separator and name not in names:
            raise BenchmarkError(
                f"{option} {text}: there is no own model {name!r} in this run; there are "
                f"{', '.join(names)}."
            )
        if not separator and "" in found:
            raise BenchmarkError(
                f"{option} is given twice, as {found['']!r} and {value!r}: say for which, "
                f"{option} NAME={value}."
            )
        found[name] = value
    default = {name: found[""] for name in names if "" in found}
    return {**default, **{name: value for name, value in found.items() if name}}


def _kind(name: str, kinds: dict[str, str]) -> str:
    known = {kind.replace(" ", "-"): kind for kind in KINDS}
    if name not in kinds:
        raise BenchmarkError(
            f"the predictions {name!r} need --kind, one of {', '.join(known)}: what a map is, is "
            "never guessed."
        )
    if kinds[name] not in known:
        raise BenchmarkError(f"unknown kind {kinds[name]!r}; expected one of {', '.join(known)}.")
    return known[kinds[name]]


def _check_names(names: Sequence[str]) -> None:
    known = registry.models()
    for name in names:
        if not name or set(name) & set(",=\n") or name in (ALL, NONE) or name.endswith(PLAIN):
            raise BenchmarkError(
                f"a model cannot be called {name!r}: give it a name without commas, equal signs "
                f"and the ending {PLAIN}, other than {ALL!r} and {NONE!r}, as NAME=..."
            )
        if name in known:
            raise BenchmarkError(
                f"the name {name!r} is that of a registered model: give yours another one, as "
                f"NAME=... or with --name."
            )
        if names.count(name) > 1:
            raise BenchmarkError(
                f"several models are called {name!r}: give them names of their own, as NAME=..."
            )


def folder_part(names: Sequence[str]) -> str:
    """What the user's own models add to the name of the folder of results."""
    parts = names if len(names) <= 3 else (*names[:2], f"{len(names) - 2}-more")
    return "-".join(re.sub(r"[^\w.-]+", "_", name) for name in parts)


# Registered models


def registered(name: str) -> registry.Entry:
    """The entry of a registered model, by its name or, for one with a saliency map, NAME:plain.

    Raises:
        BenchmarkError: there is none, or it has no saliency map that could be taken plainly.
    """
    entry = registry.lookup(registry.models(), name.removesuffix(PLAIN), "model")
    if name.endswith(PLAIN) and not _has_map(entry):
        raise BenchmarkError(
            f"{entry.name!r} predicts densities, so there is no {name!r}; plain forms are for "
            "models with a saliency map."
        )
    return entry


def _has_map(entry: registry.Entry) -> bool:
    kind = None if entry.metadata.get("installed") else entry.load()
    return isinstance(kind, type) and issubclass(kind, SaliencyMap)


def installed(name: str) -> External:
    """A model of an installed package, imported.

    Raises:
        UnavailableError: it cannot be.
    """
    entry = registry.models()[name]
    try:
        return External.load(f"{entry.module}:{entry.attribute}", name)
    except ExternalError as error:
        raise UnavailableError(f"{entry.metadata['summary']}: {error}") from error


def needs(name: str) -> tuple[str, ...]:
    """What a registered model is fitted with; of an installed package's, its spec says so."""
    entry = registered(name)
    if not entry.metadata.get("installed"):
        return tuple(entry.metadata.get("needs", ()))
    try:
        return installed(name).spec.needs
    except UnavailableError:  # said when it is built
        return ()


def applicable(dataset: Dataset) -> list[str]:
    """The registered models whose needs this data set can meet."""
    entries = registry.models()

    def applies(name: str) -> bool:
        return all(
            applies(need) if need in entries else need in dataset.extras for need in needs(name)
        )

    return [name for name in entries if applies(name)]


def chosen(options: Options, own: Own, dataset: Dataset) -> tuple[str, ...] | None:
    """The registered models to score, None for all that apply.

    Beside the user's own models, only baselines and ceilings take part unless others are named.
    """
    names = tuple(dict.fromkeys(options.models))
    if ALL in names or (not names and not own.names):
        return None
    if names:
        return tuple(name for name in names if name != NONE)
    kinds = {name: e.metadata.get("kind", "model") for name, e in registry.models().items()}
    return tuple(name for name in applicable(dataset) if kinds[name] in ("baseline", "ceiling"))


def check_chosen(names: Iterable[str], own: Own) -> None:
    """Raise a BenchmarkError for a name that stands for nothing, and if nothing is left."""
    names = tuple(names)
    if set(names) == {NONE} and not own.names:
        raise BenchmarkError(
            f"--models {NONE} leaves nothing to score: add --predictions or --model."
        )
    for name in names:
        if name not in (ALL, NONE):
            registered(name)


def plain_of(entry: registry.Entry) -> SaliencyMap:
    """A registered model with a saliency map, as NAME:plain."""
    return entry.load().plain()  # type: ignore[no-any-return]


def has_plain_form(model: Any) -> bool:
    """Whether a model is a saliency map made a density by a fit."""
    return isinstance(model, SaliencyMap) and not model.spec.name.endswith(PLAIN)


def as_density(model: Any, data: TrainingData, centerbias: Any) -> Any:
    """A model of densities as it is, one of saliency maps with its maps made densities by a fit.

    Raises:
        UnavailableError: no map could be made.
    """
    ours = isinstance(model, SaliencyMap)
    if not isinstance(model, pysaliency.SaliencyMapModel) and not (ours and not model.fits):
        return model
    trained_on = tuple(dict.fromkeys(("scored", *model.spec.trained_on)))
    spec = replace(model.spec, trained_on=trained_on)
    try:
        made = (model if ours else MapsOf(model, spec)).fitted(data, centerbias)
        made.spec = spec
        return made
    except ValueError as error:
        raise UnavailableError(str(error)) from error


# The user's own


def open_predictions(
    own: Own, dataset: Dataset, images: Sequence[int], say: Report
) -> dict[str, StoredMaps]:
    """Find the maps of each image, and say what is missing, before any time is spent.

    Args:
        images: indices of those that are scored, of which missing maps are told.

    Raises:
        BenchmarkError: predictions cannot be read, are those of other images, or not of the kind
            that they were said to be.
    """
    opened = {}
    for one in own.predictions:
        try:
            names = stimulus_names(dataset.stimuli, dataset.image_names)
            maps = StoredMaps(one.path, dataset.stimuli, one.kind, names)
        except MapError as error:
            raise BenchmarkError(f"{one.name}: {error}") from error
        problems = [maps.problems[image] for image in images if image in maps.problems]
        sound = len(images) - len(problems)
        say(f"{one.name}: {sound} of {len(images)} images have a {one.kind} in {one.path}")
        for problem in problems[:_PROBLEMS_SHOWN]:
            say(f"  {problem}")
        if len(problems) > _PROBLEMS_SHOWN:
            say(f"  and {len(problems) - _PROBLEMS_SHOWN} images more")
        for note in maps.notes:
            say(f"  {note}")
        if wrong := maps.contradiction():
            raise BenchmarkError(f"{one.name}: {wrong} Is --kind right?")
        opened[one.name] = maps
    return opened


def build_own(
    own: Own, stored: dict[str, StoredMaps], dataset: Dataset, fitted: dict[str, Any], say: Report
) -> dict[str, Any]:
    """The user's own models by name, with their specs; maps are made densities.

    Args:
        fitted: registered models, with all that the user's own need.

    Raises:
        BenchmarkError: a model cannot be made, or needs what this data set does not have.
    """
    built: dict[str, Any] = {}
    in_sample: set[str] = set()
    data = training_data(dataset)
    for one in own.predictions:
        maps = stored[one.name]
        if one.kind == "saliency map":
            say(f"fitting {one.name}")
            model = PrecomputedMap(maps, one.spec)
            built[one.name] = _fitted(model, data, fitted["centerbias"])
            if (found := built[one.name].fitted_on) < _FEW:
                say(f"{one.name}: fitted on {found} images alone; its fit may be far from the best")
            built[one.name + PLAIN] = built[one.name].as_plain()
        else:
            built[one.name] = Precomputed(maps, one.spec)
    for other in own.external:
        say(f"building {other.spec.name}")
        arguments = {}
        for need in other.spec.needs:
            if need not in fitted and need not in dataset.extras:
                raise BenchmarkError(
                    f"--model {other.origin} needs {need!r}, which the data set {dataset.name!r} "
                    "does not have."
                )
            arguments[need] = fitted[need] if need in fitted else dataset.extras[need]
        try:
            model = other.build(data, arguments)
        except ExternalError as error:
            raise BenchmarkError(f"--model {error}") from error
        model.caching = False  # predictions of a whole data set would fill the memory
        if IN_SAMPLE in model.spec.trained_on and model.spec != other.spec:
            in_sample.add(other.spec.name)
            say(
                f"{other.spec.name}: it was fitted on the fixations that it is scored on, and does "
                "not say that it holds any out: marked with †, and not ranked (say so by "
                f'trained_on=("scored",) in its spec, or with --trained-on {NONE})'
            )
        built[other.spec.name] = _fitted(model, data, fitted["centerbias"])
    for spec in (*(one.spec for one in own.predictions), *(one.spec for one in own.external)):
        if spec.trained_on == UNKNOWN and spec.name not in in_sample:
            say(
                f"{spec.name}: what it was trained on is not known; state it with --trained-on "
                f"(or --trained-on {NONE})"
            )
        for text in spec.trained_on:
            if near := _meant(text, dataset):
                say(f"{spec.name}: no data set is called {text!r}; is {near!r} meant?")
    return built


def _meant(text: str, dataset: Dataset) -> str | None:
    """The data set that a misspelt name resembles: contamination hangs on its spelling."""
    known = {dataset.name, *registry.datasets()}
    spelt = {name.lower(): name for name in known}
    if any(name.startswith(text.lower()) for name in spelt):  # "salicon" has two parts
        return None
    near = difflib.get_close_matches(text.lower(), spelt, n=1, cutoff=0.8)
    return spelt[near[0]] if near else None


def _fitted(model: Any, data: TrainingData, centerbias: Any) -> Any:
    try:
        return as_density(model, data, centerbias)
    except UnavailableError as error:
        raise BenchmarkError(str(error)) from error


def build_installed(name: str, data: TrainingData, arguments: Mapping[str, Any]) -> Any:
    """A model of an installed package, fitted if it can be.

    Raises:
        UnavailableError: it cannot be made.
    """
    try:
        return installed(name).build(data, arguments)
    except ExternalError as error:
        raise UnavailableError(f"{registry.models()[name].metadata['summary']}: {error}") from error
