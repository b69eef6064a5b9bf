"""The contract of a model: a pysaliency.Model that states what it is and what it was trained on.

A model whose predictions contain the centre bias that it was fitted with says how, by a method
``centerbias_exponent(centerbias, stimulus)``: see :func:`centerbias_exponent`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import pysaliency

Registered = TypeVar("Registered", bound=Callable[..., Any])


class UnavailableError(ValueError):
    """A model lacks something on this machine, such as weights; the message says how to get it."""


@dataclass(frozen=True)
class ModelSpec:
    """Metadata of a model.

    Attributes:
        kind: "baseline" (knows no image), "model", or "ceiling" (knows the measured fixations);
            ceilings are never ranked with models.
        trained_on: names of the data sets the parameters were fitted on; "scored" stands for the
            data set being scored, with the scored image or subject held out, "scored-in-sample"
            for it with nothing held out.
        held_out: predictions for images it was trained on come from readouts that never saw them.
        needs: names of fitted models that ``fit`` takes as keyword arguments.
        version: rises exactly when the model's predictions change.
    """

    name: str
    title: str
    summary: str
    kind: str = "model"
    citation: str = ""
    trained_on: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    version: int = 1
    held_out: bool = False


#: In ``trained_on``: the fixations being scored, none of them held out.
IN_SAMPLE = "scored-in-sample"


def seen_in_training(spec: ModelSpec, dataset: str) -> bool:
    """Whether scores on ``dataset`` are on images that the model was trained on, none held out.

    Capitals do not matter, and parts and copies count: a model trained on "salicon" has seen
    "salicon-train", one trained on "mit1003" has seen "mit1003-1024x768" and "pysaliency-mit1003".
    Names starting with "scored" stand for a contract of their own (see ``trained_on``), of which
    IN_SAMPLE has seen every data set that is scored.
    """
    if spec.held_out:
        return False
    if IN_SAMPLE in spec.trained_on:
        return True
    scored = dataset.lower().removeprefix("pysaliency-")
    for trained in spec.trained_on:
        known = trained.lower().removeprefix("pysaliency-")
        if f"{known}-".startswith(f"{scored}-") or f"{scored}-".startswith(f"{known}-"):
            return True
    return False


def centerbias_exponent(model: Any, centerbias: Any, stimulus: Any) -> float:
    """The exponent w of a centre bias in a model's density, ``p ~ centerbias ** w * rest``.

    The shuffled AUC needs it: the centre biases in the predictions for other images know the
    fixations on this one, unlike its own.

    Returns:
        What the model's method of this name returns, where it has one; 0, also for predictions that
        contain another centre bias than this object.
    """
    stated = getattr(model, "centerbias_exponent", None)
    return 0.0 if stated is None else float(stated(centerbias, stimulus))


def model(**metadata: Any) -> Callable[[Registered], Registered]:
    """Register a model class; the arguments are those of ModelSpec, as literals."""
    spec = ModelSpec(**metadata)

    def mark(registered: Registered) -> Registered:
        registered.spec = spec  # type: ignore[attr-defined]
        return registered

    return mark


@dataclass(frozen=True)
class TrainingData:
    """What models are fitted on: stimuli, fixations, and which images are duplicates.

    Attributes:
        groups: int array (images,); images with the same value are copies of each other and are
            left out together.
        pixels_per_degree: of visual angle, None where unknown.
    """

    stimuli: pysaliency.Stimuli
    fixations: pysaliency.Fixations
    groups: np.ndarray
    pixels_per_degree: float | None = None

    @property
    def sizes(self) -> np.ndarray:
        """Image sizes, int array (images, 2): height, width."""
        return np.array([tuple(size) for size in self.stimuli.sizes], dtype=np.int64)

    def index_of(self, stimulus: Any) -> int | None:
        """Which training image a stimulus is, None if it is none of them.

        A stimulus taken from ``stimuli`` is known by its index; another one, or an array, by
        the hash of its pixels, which reads the training images when first needed.
        """
        return index_of(stimulus, self.stimuli)


def index_of(stimulus: Any, stimuli: pysaliency.Stimuli) -> int | None:
    """Which of ``stimuli`` a stimulus or image array is, by index or pixels; None if none."""
    if getattr(stimulus, "stimuli", None) is stimuli:
        return int(stimulus.index)
    stimulus_id = pysaliency.datasets.as_stimulus(stimulus).stimulus_id
    for index, known in enumerate(stimuli.stimulus_ids):
        if known == stimulus_id:
            return index
    return None


def image_shape(stimulus: Any) -> tuple[int, int]:
    """(height, width) of a stimulus or image array."""
    shape = stimulus.size if isinstance(stimulus, pysaliency.datasets.Stimulus) else stimulus.shape
    return int(shape[0]), int(shape[1])
