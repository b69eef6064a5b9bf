"""The contract of a model: a pysaliency.Model that states what it is and what it was trained on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import pysaliency

Registered = TypeVar("Registered", bound=Callable[..., Any])


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

    ``groups`` is an int array (images,): images with the same value are copies of each other and
    are left out together.
    """

    stimuli: pysaliency.Stimuli
    fixations: pysaliency.Fixations
    groups: np.ndarray
