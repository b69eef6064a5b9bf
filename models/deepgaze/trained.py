"""Readouts that somebody trained, as a model, from the file that holds them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from models.base import ModelSpec, TrainingData
from models.centerbias import CenterBias
from models.deepgaze.model import DeepGaze
from models.deepgaze.weights import Weights


@dataclass(frozen=True)
class TrainedReadouts:
    """What ``python -m benchmark train`` wrote; the weights are read once.

    Args:
        file: safetensors file of readouts.

    Raises:
        WeightsError: when the weights are first needed: the file is missing, damaged, or holds
            something else.
    """

    file: Path

    @cached_property
    def weights(self) -> Weights:
        return Weights.load(self.file)

    @property
    def spec(self) -> ModelSpec:
        """Named like the file; images of its training sets are held out by fold.

        Under the scheme "9-1" they are not: the test images chose when training stopped.
        """
        return ModelSpec(
            name=self.file.stem,
            title=self.file.stem,
            summary=f"readouts from {self.file}",
            trained_on=tuple(self.weights.corpora),
            needs=("centerbias",),
            held_out=self.weights.record.get("scheme") != "9-1",
        )

    def fit(self, data: TrainingData, centerbias: CenterBias) -> DeepGaze:
        """The readouts, with the data set's centre bias as prior on images they do not know."""
        return DeepGaze(self.weights, centerbias, data.pixels_per_degree)
