"""The contract of a model: a pysaliency.Model that states what it is and what it was trained on."""

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
            data set being scored, with the scored image or subject held out.
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
        if getattr(stimulus, "stimuli", None) is self.stimuli:
            return int(stimulus.index)
        stimulus_id = pysaliency.datasets.as_stimulus(stimulus).stimulus_id
        for index, known in enumerate(self.stimuli.stimulus_ids):
            if known == stimulus_id:
                return index
        return None


def image_shape(stimulus: Any) -> tuple[int, int]:
    """(height, width) of a stimulus or image array."""
    shape = stimulus.size if isinstance(stimulus, pysaliency.datasets.Stimulus) else stimulus.shape
    return int(shape[0]), int(shape[1])
