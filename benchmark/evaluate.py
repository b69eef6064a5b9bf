"""The one loop: data set x models x metrics -> per-image scores."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import inspect
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from importlib import metadata
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pysaliency
from numpy.typing import NDArray

from benchmark.datasets.base import Dataset
from benchmark.errors import BenchmarkError
from benchmark.shuffled import GRID, MeanPrediction, prior_factor, reduced
from metrics.auc import rescale_fixations
from metrics.protocols import MAP_SETS, Maps, Target, Variant
from models.base import centerbias_exponent
from models.map_files import MapError
from models.saliency_map import MapsOf

#: Metrics that compare with the map of all subjects, for which a held-out prediction has no map.
ALL_SUBJECTS = ("KL", "CC", "SIM")
#: How far the log of a density's sum may be from 0.
TOLERANCE = 1e-3
#: Nats by which a prediction and its shuffled baseline may differ by rounding alone.
ROUNDING = 1e-5
#: Images of the union of fixations that are mit2014's shuffled negatives.
TEN = 10


@dataclass(frozen=True)
class Score:
    """One metric of one model on one image: the mean over ``n_fixations``, NaN if undefined."""

    model: str
    image: int
    metric: str
    value: float
    n_fixations: int


@dataclass(frozen=True)
class Failure:
    """A model could not be scored on an image; ``reason`` says why."""

    model: str
    image: int
    reason: str


def checked(
    log_density: Any, shape: tuple[int, int]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The prediction as float64 arrays (log density, density).

    Raises:
        BenchmarkError: it is not the log of a density over the image's pixels.
    """
    values = np.asarray(log_density)
    if values.shape != shape:
        raise BenchmarkError(
            f"the prediction has shape {values.shape}, the image (height, width) {shape}: "
            "predict at the image's own size."
        )
    values = values.astype(np.float64, copy=False)
    with np.errstate(over="ignore"):
        density = np.exp(values)
    total = float(density.sum())
    if np.isnan(total):
        raise BenchmarkError("the log density contains NaN.")
    if abs(np.log(max(total, 1e-300))) > TOLERANCE:
        raise BenchmarkError(
            f"the density sums to {total:.6g} instead of 1: return the natural log of a density "
            "over the image's pixels."
        )
    return values, density


@dataclass
class Evaluation:
    """Everything that per-image scores depend on; picklable, so that processes can share the work.

    Attributes:
        images: indices of the images to score; fits may have used all images.
        variants: the metrics to compute, from a protocol.
        kernel_size: standard deviation of the empirical maps' Gaussian, in pixels.
        means: mean predictions, for models that cannot tell their shuffled baseline themselves.
    """

    dataset: Dataset
    models: dict[str, pysaliency.Model]
    centerbias: Any
    variants: dict[str, Variant]
    images: Sequence[int]
    maps: str = "right"
    kernel_size: float = 24.0
    seed: int = 0
    means: dict[str, MeanPrediction] = field(default_factory=dict)

    @cached_property
    def _fixations_of(self) -> list[NDArray[np.int64]]:
        order = np.argsort(self.dataset.fixations.n, kind="stable")
        bounds = np.arange(len(self.dataset) + 1)
        starts = np.searchsorted(self.dataset.fixations.n[order], bounds)
        return [order[a:b] for a, b in pairwise(starts)]

    def target(self, image: int) -> tuple[Target, NDArray[np.int64]]:
        """What was measured on an image, and the subject of each of its fixations."""
        dataset, fixations = self.dataset, self.dataset.fixations
        height, width = (int(side) for side in dataset.sizes[image])
        own = self._fixations_of[image]
        elsewhere = dataset.groups[fixations.n] != dataset.groups[image]
        x, y = rescale_fixations(
            fixations.x[elsewhere],
            fixations.y[elsewhere],
            dataset.sizes[fixations.n[elsewhere]],
            (height, width),
        )
        entropy = (self.seed, int(dataset.image_hashes[image][:15], 16))
        others = np.unique(fixations.n[elsewhere])
        rng = np.random.default_rng((*entropy, TEN))
        ten = rng.choice(others, size=min(TEN, len(others)), replace=False)
        among_ten = np.isin(fixations.n[elsewhere], ten)
        target = Target(
            shape=(height, width),
            x=fixations.x[own],
            y=fixations.y[own],
            other_x=x,
            other_y=y,
            ten_x=x[among_ten],
            ten_y=y[among_ten],
            kernel_size=self.kernel_size,
            seed=entropy,
        )
        return target, fixations.subjects[own]

    def score(self, image: int, names: Sequence[str]) -> list[Score | Failure]:
        """Scores of the models ``names`` on one image; a model that fails does not stop others."""
        target, subjects = self.target(image)
        baseline = self.centerbias.log_density(self.dataset.stimuli[image])
        results: list[Score | Failure] = []
        for name in names:
            try:
                results += self._score_model(name, image, target, subjects, baseline)
            except Exception as error:
                told = isinstance(error, (BenchmarkError, MapError))
                kind = "" if told else f"{type(error).__name__}: "
                results.append(Failure(name, image, f"{kind}{error}"))
        return results

    def _score_model(
        self, name: str, image: int, target: Target, subjects: NDArray, baseline: NDArray
    ) -> Iterator[Score]:
        model, stimulus = self.models[name], self.dataset.stimuli[image]
        if hasattr(model, "held_out_densities"):
            parts, weights = [], []
            for subject, density in model.held_out_densities(stimulus, baseline):
                own = subjects == subject
                weights.append(int(own.sum()))
                if np.isnan(density).any():  # nobody predicts this subject
                    parts.append(dict.fromkeys(self.variants, float("nan")))
                    continue
                part = replace(target, x=target.x[own], y=target.y[own])
                maps = self._maps(name, density, None, part, baseline, stimulus)
                parts.append(self._values(part, maps, skip=ALL_SUBJECTS))
            for metric in self.variants:
                values = [part[metric] for part in parts]
                value = float(np.average(values, weights=weights)) if parts else float("nan")
                yield Score(name, image, metric, value, sum(weights))
            return
        prediction = baseline if model is self.centerbias else model.log_density(stimulus)
        log_density, density = checked(prediction, target.shape)
        maps = self._maps(name, density, log_density, target, baseline, stimulus)
        for metric, value in self._values(target, maps).items():
            yield Score(name, image, metric, value, len(target.x))

    def _maps(
        self,
        name: str,
        density: NDArray,
        log_density: NDArray | None,
        target: Target,
        baseline: NDArray,
        stimulus: Any,
    ) -> Maps:
        def shuffled() -> NDArray:
            return self._shuffled(name, density, log_density, baseline, stimulus)

        return MAP_SETS[self.maps](density, log_density, baseline, shuffled, target)

    def _values(self, target: Target, maps: Maps, skip: tuple[str, ...] = ()) -> dict[str, float]:
        """Each metric's mean over the target's fixations (or its one value for the image)."""
        return {
            metric: float("nan")
            if metric in skip or not len(target.x)
            else float(np.mean(variant(target, maps)))
            for metric, variant in self.variants.items()
        }

    def _shuffled(
        self,
        name: str,
        density: NDArray,
        log_density: NDArray | None,
        baseline: NDArray,
        stimulus: Any,
    ) -> NDArray[np.float64]:
        """Log of the model's mean prediction for the other images.

        A prediction that equals it but for rounding is itself its baseline: what rounding leaves
        would be ranked otherwise.
        """
        model = self.models[name]
        if name in self.means:
            mean, image = self.means[name], int(stimulus.index)
            factor = self._prior_factor(name, image, baseline)
            copies = [self.reduced(name, c) for c in self._copies(image) if c not in mean.failed]
            found = mean.log_density_without(density, factor, copies)
            if log_density is not None:
                with np.errstate(invalid="ignore"):
                    if np.ptp(log_density - found) < ROUNDING:
                        return log_density
            return found
        if model is self.centerbias or hasattr(model, "held_out_densities"):
            return baseline  # their shuffled baseline is the centre bias, which is at hand
        return model.shuffled_log_density(stimulus)

    def needs_mean(self, name: str) -> bool:
        """Whether a model's mean prediction must be known before it can be scored."""
        if "sAUC" not in self.variants or self.maps == "naive":
            return False
        return not hasattr(self.models[name], "shuffled_log_density")

    def density(self, name: str, image: int) -> NDArray[np.float64]:
        """A model's checked density for an image."""
        height, width = (int(side) for side in self.dataset.sizes[image])
        prediction = self.models[name].log_density(self.dataset.stimuli[image])
        return checked(prediction, (height, width))[1]

    def reduced(self, name: str, image: int) -> NDArray[np.float64]:
        """What the prediction for an image adds to the sums of a mean prediction.

        Returns:
            (:meth:`layers`, GRID, GRID): the density; where the centre bias is part of it, again,
            and divided by the factor of the centre bias.
        """
        parts = np.zeros((self.layers(name), GRID, GRID))
        density = self.density(name, image)
        parts[0] = reduced(density)
        if len(parts) > 1 and (factor := self._prior_factor(name, image)) is not None:
            parts[1] = parts[0]
            parts[2] = reduced(density / factor)
        return parts

    def layers(self, name: str) -> int:
        """3 for a model that states how the centre bias enters its predictions, 1 for others."""
        return 3 if hasattr(self.models[name], "centerbias_exponent") else 1

    def _prior_factor(
        self, name: str, image: int, baseline: NDArray | None = None
    ) -> NDArray[np.float64] | None:
        """The factor of the centre bias in a prediction; None if it is no part of it."""
        stimulus = self.dataset.stimuli[image]
        exponent = centerbias_exponent(self.models[name], self.centerbias, stimulus)
        if not exponent:
            return None
        if baseline is None:
            baseline = self.centerbias.log_density(stimulus)
        return prior_factor(baseline, exponent)

    def _copies(self, image: int) -> list[int]:
        """Other scored images that show the same."""
        groups = self.dataset.groups
        same = {int(n) for n in np.flatnonzero(groups == groups[image])}
        return sorted(same.intersection(self.images) - {image})


def _source(kind: type) -> list[str]:
    """Source of a class's module and, for our models, of what it imports from their package."""
    if not kind.__module__.startswith("models."):
        return _module_source(kind.__module__)
    return [source for _, source in sorted(_sources_with_imports(kind.__module__).items())]


def _module_source(module: str) -> list[str]:
    """Source of a module of others, and the version of its package; what there is of both."""
    found = []
    with suppress(KeyError, OSError, TypeError):  # compiled, or typed in
        found.append(inspect.getsource(sys.modules[module]))
    for package in metadata.packages_distributions().get(module.partition(".")[0], ()):
        found.append(f"{package} {metadata.version(package)}")
    return found


@lru_cache
def _sources_with_imports(module: str) -> dict[str, str]:
    """Source by name of a module and of all it imports, directly or not, from its package."""
    package = module.partition(".")[0]
    found: dict[str, str] = {}
    pending = [module]
    while pending:
        name = pending.pop()
        if name in found or not name.startswith(f"{package}."):
            continue
        try:
            spec = importlib.util.find_spec(name)
        except ModuleNotFoundError:  # the name of an object in a module, not of a module
            continue
        if spec is None or spec.origin is None:
            continue
        found[name] = Path(spec.origin).read_text(encoding="utf-8")
        parent = name if spec.submodule_search_locations else name.rpartition(".")[0]
        for node in ast.walk(ast.parse(found[name])):
            if isinstance(node, ast.Import):
                pending += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                origin = "." * node.level + (node.module or "")
                origin = importlib.util.resolve_name(origin, parent)
                pending += [origin, *(f"{origin}.{alias.name}" for alias in node.names)]
    return found


def parameters(model: Any) -> dict[str, Any]:
    """What a model states for the record; nothing where its ``parameters`` are something else."""
    found = getattr(model, "parameters", {})
    return found if isinstance(found, dict) else {}


def model_hash(model: Any, dataset: Dataset | None = None) -> str:
    """SHA-256 of what a model's predictions depend on: its code, parameters and training data.

    Args:
        dataset: what is scored; None for a model that was not fitted on any.
    """
    kind = type(model)
    spec = getattr(model, "spec", None)
    fitted = hasattr(kind, "fit") and bool(getattr(spec, "trained_on", ()))
    content = {
        "class": f"{kind.__module__}.{kind.__qualname__}",
        "version": getattr(spec, "version", 0),
        "parameters": parameters(model),
        "source": _source(kind),
        "data": dataset.content_hash if dataset is not None and fitted else "",
        "weights": getattr(model, "content_hash", ""),
    }
    if origin := getattr(model, "origin", ""):
        content["origin"] = [origin, *_module_source(origin.partition(":")[0])]
    if isinstance(model, MapsOf):
        content["maps"] = model_hash(model.source, dataset)
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
