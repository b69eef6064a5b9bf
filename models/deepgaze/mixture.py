"""A mixture of DeepGazes that read different backbones, in the manner of DeepGaze IIE."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pysaliency
from numpy.typing import NDArray

from models.base import TrainingData, model
from models.centerbias import CenterBias
from models.deepgaze.model import FOLDER, DeepGaze
from models.deepgaze.weights import Weights


class Mixture(pysaliency.Model):
    """``p = mean_b p_b``: each part is a DeepGaze of its own, with its own backbone.

    On an image that a part was trained on, that part takes the readouts that never saw it; the
    parts that ship were trained with the same folds.

    Args:
        parts: files of trained readouts, or the readouts; None for those that ship.

    The other arguments are those of :class:`models.deepgaze.model.DeepGaze`.
    """

    files: ClassVar[tuple[Path, ...]]

    def __init__(
        self,
        parts: Sequence[Weights | Path] | None = None,
        centerbias: CenterBias | None = None,
        pixels_per_degree: float | None = None,
        precision: str | None = None,
        features: Path | None = None,
    ):
        super().__init__(caching=False)
        self.parts = [
            DeepGaze(part, centerbias, pixels_per_degree, precision, features)
            for part in (self.files if parts is None else parts)
        ]
        if not self.parts:
            raise ValueError("a mixture needs at least one part: name the files of its readouts.")

    @classmethod
    def fit(cls, data: TrainingData, centerbias: CenterBias) -> Mixture:
        """The shipped readouts, with the data set's centre bias as prior on new images."""
        return cls(centerbias=centerbias, pixels_per_degree=data.pixels_per_degree)

    @property
    def parameters(self) -> dict[str, Any]:
        """What the prediction depends on besides the weights, for the record."""
        return {"+".join(part.weights.backbones): part.parameters for part in self.parts}

    @property
    def content_hash(self) -> str:
        """Of readouts and backbones: another hash, other predictions."""
        return hashlib.sha256("".join(p.content_hash for p in self.parts).encode()).hexdigest()

    def log_density(self, stimulus: Any) -> NDArray[np.float64]:
        """Natural log of the density of a stimulus or image array, (height, width)."""
        return _mean([part.log_density(stimulus) for part in self.parts])

    def _log_density(self, stimulus: Any) -> NDArray[np.float64]:
        return self.log_density(stimulus)

    def centerbias_exponent(self, centerbias: Any, stimulus: Any) -> float:
        """The mean over the parts (:mod:`models.base`)."""
        return float(np.mean([p.centerbias_exponent(centerbias, stimulus) for p in self.parts]))

    def log_density_without_prior(self, stimulus: Any) -> NDArray[np.float64]:
        """The same with a uniform prior, as the paper has it for the shuffled AUC."""
        return _mean([part.log_density_without_prior(stimulus) for part in self.parts])


def _mean(log_densities: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Log of the mean of densities, normalised anew against rounding."""
    total = np.exp(log_densities[0])
    for each in log_densities[1:]:
        total += np.exp(each)
    with np.errstate(divide="ignore"):
        return np.log(total / total.sum())


@model(
    name="deepgaze-mixture",
    title="DeepGaze mixture",
    summary="mean of two DeepGazes, reading VGG-19 and EfficientNet-Lite2",
    citation="Linardos, Kümmerer, Press, Bethge 2021, ICCV",
    trained_on=("mit1003", "osie"),
    needs=("centerbias",),
    held_out=True,
)
class DeepGazeMixture(Mixture):
    """The idea of DeepGaze IIE with backbones that install without a download.

    DeepGaze IIE mixes readouts of ShapeNet-C ResNet-50, EfficientNet-B5, DenseNet-201 and
    ResNeXt-50, pretrained on SALICON; here each part is trained like DeepGaze II in this project.
    """

    files = tuple(FOLDER / f"{name}.safetensors" for name in ("deepgaze2", "deepgaze-lite2"))
