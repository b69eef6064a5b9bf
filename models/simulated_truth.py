"""The density that simulated observers were drawn from: what no model can exceed on average.

It exists for simulated data sets only, and is how far a measured score or a gold standard is from
the truth.
"""

from __future__ import annotations

from pathlib import PurePath
from typing import Any, Protocol

import numpy as np
import pysaliency
from numpy.typing import NDArray

from models.base import TrainingData, model

_NAMES_IN_ERRORS = 20


class Truth(Protocol):
    """What is asked of a simulated data set: its density for the image of an index."""

    def log_density(self, n: int) -> NDArray[np.float64]:
        """Log density of image ``n`` over the population of observers: (H, W), nats."""
        ...


@model(
    name="simulated-truth",
    title="True density",
    summary="The density that simulated fixations were drawn from; for simulated data sets only.",
    kind="ceiling",
    needs=("truth",),
)
class SimulatedTruthModel(pysaliency.Model):
    """The population density of simulated observers.

    Knows the images it was fitted on only: taken from their stimuli by index, any other by the hash
    of its pixels (``stimulus_id``). Nothing is cached, as the density is cheap to compute.

    Args:
        data: the images, in the order of ``truth``; their fixations are not used.
        truth: gives the density of each.
    """

    def __init__(self, data: TrainingData, truth: Truth) -> None:
        super().__init__(caching=False)
        self.data = data
        self.truth = truth

    @classmethod
    def fit(cls, data: TrainingData, truth: Any) -> SimulatedTruthModel:
        """The model for the images of ``data``, which must be those of ``truth``, in its order.

        Raises:
            ValueError: ``truth`` has a length, and it is another one than the number of images.
        """
        if hasattr(truth, "__len__") and len(truth) != len(data.stimuli):
            raise ValueError(
                f"the truth is that of {len(truth)} images, but there are {len(data.stimuli)}: "
                "give the truth of these images, in their order."
            )
        return cls(data, truth)

    def log_density(self, stimulus: Any) -> NDArray[np.float64]:
        """Log density of a known image: float64 (H, W), nats.

        Raises:
            ValueError: the image is none of those the model knows, or its truth is that of an image
                of another size.
        """
        index = self.data.index_of(stimulus)
        if index is None:
            raise ValueError(
                "the true density of this image is not known, only that of the simulated images: "
                f"{self._listed()}."
            )
        log_density = np.asarray(self.truth.log_density(index), dtype=np.float64)
        size = tuple(int(length) for length in self.data.sizes[index])
        if log_density.shape != size:
            raise ValueError(
                f"{self._names()[index]}: the truth has the size {log_density.shape}, the image "
                f"{size} (height, width): it is not the truth of these images, in their order."
            )
        return log_density

    def _log_density(self, stimulus: NDArray) -> NDArray[np.float64]:
        return self.log_density(stimulus)

    def _names(self) -> list[str]:
        stimuli = self.data.stimuli
        if isinstance(stimuli, pysaliency.FileStimuli):
            return [PurePath(name).name for name in stimuli.filenames]
        return [f"image {n}" for n in range(len(stimuli))]

    def _listed(self) -> str:
        names = self._names()
        more = len(names) - _NAMES_IN_ERRORS
        return ", ".join(names[:_NAMES_IN_ERRORS]) + (f" and {more} more" if more > 0 else "")
