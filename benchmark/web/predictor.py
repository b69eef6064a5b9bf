"""Models that predict images alone, each in memory once, asked by one thread."""

from __future__ import annotations

import copy
import hashlib
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark import registry
from benchmark.errors import BenchmarkError
from benchmark.evaluate import checked
from benchmark.predict import build
from benchmark.web.problem import Problem
from benchmark.web.settings import Settings
from benchmark.web.size import limited, resized
from benchmark.web.upload import resized_log_density
from models.base import UnavailableError
from models.deepgaze.mixture import Mixture
from models.deepgaze.model import DeepGaze
from models.deepgaze.prior import log_prior
from models.deepgaze.readout import Lattice

DEFAULT = "deepgaze2"
#: Resolution of the images that the readouts learned from.
PIXELS_PER_DEGREE = 35.0
#: How much an image may be enlarged or reduced to come to that.
LARGEST_ZOOM = 8.0
#: Images whose readouts' maps are kept, for another centre bias or a mixture that shares them.
KEPT_IMAGES = 8
#: Sizes of images whose default centre bias is kept.
KEPT_PRIORS = 4


@dataclass(frozen=True)
class Question:
    """What is to be predicted; equal keys have equal answers.

    Attributes:
        pixels: (height, width, 3); the density is of that size.
        centre_bias: "on" (the one the model was trained with, if any), "off", or "uploaded".
        prior: natural log of the uploaded centre bias, (height, width).
        pixels_per_degree: of the image as it was seen; None predicts it as it is.
        source_size: (height, width) of the image that was sent, if ``pixels`` are a reduced copy.
        limit: pixels that are predicted at most.
    """

    pixels: NDArray[np.uint8]
    model: str
    centre_bias: str = "on"
    prior: NDArray[np.float64] | None = None
    pixels_per_degree: float | None = None
    source_size: tuple[int, int] | None = None
    limit: int = Settings.working_pixels

    @property
    def key(self) -> str:
        """Of the content."""
        digest = hashlib.sha256(np.ascontiguousarray(self.pixels).data)
        if self.prior is not None:
            digest.update(np.ascontiguousarray(self.prior).data)
        settings = (self.size, self.source, self.model, self.centre_bias, self.pixels_per_degree)
        digest.update(repr(settings).encode())
        return digest.hexdigest()

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the density."""
        height, width = self.pixels.shape[:2]
        return height, width

    @property
    def source(self) -> tuple[int, int]:
        """(height, width) of the image that was sent."""
        return self.source_size or self.size

    @property
    def expected_size(self) -> tuple[int, int]:
        """(height, width) at which the image has the resolution that models expect, if known."""
        zoom = PIXELS_PER_DEGREE / (self.pixels_per_degree or PIXELS_PER_DEGREE)
        height, width = self.source
        return max(2, round(height * zoom)), max(2, round(width * zoom))

    @property
    def working_size(self) -> tuple[int, int]:
        """(height, width) at which the image is predicted: the expected size, if allowed."""
        if self.pixels_per_degree is None:
            return self.size
        return limited(*self.expected_size, self.limit)

    @property
    def note(self) -> str:
        """How the image was resized, as a person is told."""
        source, size, working = (
            f"{width} x {height}" for height, width in (self.source, self.size, self.working_size)
        )
        expected = f"{PIXELS_PER_DEGREE:g} pixels per degree"
        reduced = "" if self.size == self.source else f"; the density is of {size} pixels"
        most = "the most that are predicted here"
        if self.pixels_per_degree is None:
            how = f"reduced, and its density, from {source} to {size} pixels, {most}"
            return f"{how if reduced else 'predicted as it is'}: models expect {expected}"
        if self.working_size != self.expected_size:
            height, width = self.expected_size
            return (
                f"resized from {source} to {working} pixels, {most}; {expected} would be "
                f"{width} x {height}{reduced}"
            )
        if self.working_size == self.source:
            return f"predicted as it is, at {expected}"
        return f"resized from {source} to {working} pixels, which are {expected}{reduced}"


@dataclass(frozen=True)
class GivenPrior:
    """An uploaded centre bias in the place of a data set's."""

    values: NDArray[np.float64]

    def log_density(self, stimulus: Any) -> NDArray[np.float64]:
        """The same whatever the stimulus; resized to it."""
        return resized_log_density(self.values, np.asarray(stimulus).shape[:2])


class Predictor:
    """Holds the models and answers questions, one at a time.

    Attributes:
        models: the usable ones by name.
        unavailable: why other ones are not usable, by name.

    Raises:
        BenchmarkError: a named model cannot be used, or none can.
    """

    def __init__(self, names: tuple[str, ...] = ()):
        self.models: dict[str, Any] = {}
        self.unavailable: dict[str, str] = {}
        for name in names or _candidates():
            try:
                self.models[name] = build(name)
            except BenchmarkError as error:
                if names:
                    raise
                self.unavailable[name] = str(error)
        if not self.models:
            raise BenchmarkError("no model can predict images alone on this machine.")
        self.default = names[0] if names else DEFAULT
        if self.default not in self.models:
            self.default = next(iter(self.models))

    def describe(self) -> list[dict[str, Any]]:
        """Name, title and abilities of each usable model, the default one first."""
        order = sorted(self.models, key=lambda name: (name != self.default, name))
        return [
            {
                "name": name,
                "title": _title(self.models[name], name),
                "summary": getattr(getattr(self.models[name], "spec", None), "summary", ""),
                "centre_bias": list(self.centre_biases(name)),
                "citation": getattr(getattr(self.models[name], "spec", None), "citation", ""),
            }
            for name in order
        ]

    def centre_biases(self, name: str) -> tuple[str, ...]:
        """What the centre bias may be; "none" alone for a model without one."""
        model = self.models[name]
        if not hasattr(model, "log_density_without_prior"):
            return ("none",)
        found = ["on", "off"]
        if isinstance(model, (DeepGaze, Mixture)):
            found.append("uploaded")
        return tuple(found)

    def centre_bias(self, question: Question) -> str:
        """Which centre bias a question is answered with; "on" is "none" of a model without one."""
        none = self.centre_biases(question.model) == ("none",)
        return "none" if none and question.centre_bias == "on" else question.centre_bias

    def check(self, question: Question) -> None:
        """Refuse what cannot be answered.

        Raises:
            Problem: the model is not here (404), or cannot do what is asked (422).
        """
        if question.model not in self.models:
            known = ", ".join(self.models)
            raise Problem(404, f"there is no model of that name here. Known: {known}.")
        able = self.centre_biases(question.model)
        if self.centre_bias(question) not in able:
            raise Problem(
                422,
                f"the centre bias of {question.model} cannot be {question.centre_bias!r}; "
                f"possible: {', '.join(able)}.",
            )
        if (question.centre_bias == "uploaded") != (question.prior is not None):
            raise Problem(
                422, "centre_bias=uploaded goes with a file centre_bias_file, and only with it."
            )
        resolution = question.pixels_per_degree
        if resolution is not None:
            lowest, highest = PIXELS_PER_DEGREE / LARGEST_ZOOM, PIXELS_PER_DEGREE * LARGEST_ZOOM
            if not lowest <= resolution <= highest:
                raise Problem(
                    422,
                    f"pixels_per_degree is {resolution:g}; expected {lowest:g} to {highest:g}.",
                )

    def log_density(self, question: Question) -> NDArray[np.float64]:
        """Natural log of the density over the question's pixels, (height, width)."""
        model = self.models[question.model]
        pixels = resized(question.pixels, question.working_size)
        if question.prior is not None:
            model = _with_prior(model, GivenPrior(question.prior))
        off = question.centre_bias == "off"
        try:
            found = (model.log_density_without_prior if off else model.log_density)(pixels)
            found, _ = checked(found, pixels.shape[:2])
        except (BenchmarkError, UnavailableError) as error:
            raise Problem(422, f"{question.model} cannot predict this image: {error}") from error
        finally:
            _forget(model)
        return resized_log_density(found, question.size) if found.shape != question.size else found


def _candidates() -> list[str]:
    return [
        name
        for name, entry in registry.models().items()
        if entry.metadata.get("kind", "model") == "model"
    ]


def _title(model: Any, name: str) -> str:
    return getattr(getattr(model, "spec", None), "title", "") or name


def _with_prior(model: Any, prior: GivenPrior) -> Any:
    """A copy of a DeepGaze or a mixture that shares its weights, with another prior."""
    made = copy.copy(model)
    if isinstance(model, Mixture):
        made.parts = [_with_prior(part, prior) for part in model.parts]
    else:
        made.centerbias, made.prior_on_every_image = prior, True
    return made


def _forget(model: Any) -> None:
    """Let a DeepGaze keep no more images than the service wants, so that memory stays level."""
    for part in model.parts if isinstance(model, Mixture) else [model]:
        if isinstance(part, DeepGaze):
            while len(part.weights.kept) > KEPT_IMAGES:
                part.weights.kept.popitem(last=False)


@cache
def _prior_tables() -> tuple[NDArray[np.float32], ...]:
    from models.deepgaze.deepgaze2 import DeepGaze2
    from models.deepgaze.weights import Weights

    weights = Weights.load(DeepGaze2.file)
    return tuple(member.priors[weights.first].numpy() for member in weights.members)


@lru_cache(maxsize=KEPT_PRIORS)
def default_centre_bias(shape: tuple[int, int]) -> NDArray[np.float64]:
    """Natural log of MIT1003's centre bias on an image of ``shape``: what DeepGaze II's readouts
    were trained with, the mean of all folds. Read-only, since it is kept."""
    lattice = Lattice.of_pixels(*shape)
    total = np.zeros(shape)
    for table in _prior_tables():
        total += np.exp(log_prior(table, lattice).astype(float))
    mean = total / len(_prior_tables())
    found = np.log(mean / mean.sum())
    found.flags.writeable = False
    return found
