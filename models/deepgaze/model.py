"""DeepGaze as a model: trained readouts of frozen features, mixed into one density."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pysaliency
import torch
from numpy.typing import NDArray

from models.base import TrainingData, UnavailableError
from models.centerbias import CenterBias
from models.deepgaze.backbones import WeightsError
from models.deepgaze.cache import FeatureCache
from models.deepgaze.corpus import relative_zoom
from models.deepgaze.features import PRECISIONS, FeatureMap, loaded
from models.deepgaze.files import VARIABLE, folder_in
from models.deepgaze.images import as_rgb, pixel_hash
from models.deepgaze.prior import log_prior
from models.deepgaze.readout import Lattice
from models.deepgaze.threads import one_thread
from models.deepgaze.weights import Member, Weights

FOLDER = Path(__file__).parent / "weights"
#: Names the precision of the backbone; bfloat16 is faster where the processor knows it.
PRECISION = "BENCHMARK_PRECISION"
#: Memory for what the readouts made of the images seen last, in bytes.
KEPT_BYTES = 2**28


@lru_cache(maxsize=4)
def _read(file: Path) -> Weights:
    return Weights.load(file)


class DeepGaze(pysaliency.Model):
    """Mixture of trained readouts: ``p = mean_k p_k``, each a softmax over the image's pixels.

    On an image that the readouts were trained on (known by its pixels, or by its look if it was
    re-encoded), only those that never saw it are used; on any other image, all of them.

    The prior is the centre bias that a readout was trained with. Fitted on a data set, the model
    takes that data set's centre bias instead, with the scored image left out, on images that it
    was not trained on: the same that information gain is relative to. Images that it was trained
    on always get the prior of the readout that never saw them.

    Args:
        weights: trained readouts, or the file that holds them; None for those that ship.
        centerbias: prior for images that are not of a training set.
        pixels_per_degree: of images that are not of a training set, None where unknown: the
            Gaussian then has as many pixels as on the images of the first training set.
        precision: of the backbone's computations, "float32" or "bfloat16"; None for
            $BENCHMARK_PRECISION, or "float32".
        features: folder that keeps features; None for $BENCHMARK_FEATURES, or nowhere.
    """

    file: ClassVar[Path]
    #: Whether images that the readouts were trained on get the given centre bias, too.
    prior_on_every_image = False

    def __init__(
        self,
        weights: Weights | Path | None = None,
        centerbias: CenterBias | None = None,
        pixels_per_degree: float | None = None,
        precision: str | None = None,
        features: Path | None = None,
    ):
        super().__init__(caching=False)
        self.weights = weights if isinstance(weights, Weights) else _read(weights or self.file)
        self.centerbias = centerbias
        self.pixels_per_degree = pixels_per_degree
        precision = precision or os.environ.get(PRECISION) or "float32"
        if precision not in PRECISIONS:
            raise UnavailableError(
                f"unknown precision {precision!r}. Known: {', '.join(PRECISIONS)}."
            )
        self.cache = FeatureCache(features or folder_in(VARIABLE), precision)
        #: SHA-256 of the backbones' weights on this machine, by name.
        self.backbones = {}
        for name, digest in self.weights.backbones.items():
            network = loaded(name, precision)
            if digest not in (network.weights_hash, *network.equivalents):
                raise WeightsError(
                    f"the readouts learned from weights of {name} with the SHA-256 {digest}; those "
                    f"on this machine ({network.weights_hash}) are of another network. Put the "
                    f"right ones in their place, or train readouts of these "
                    f"({self.weights.command}) and score them with 'python -m benchmark run "
                    "--model FILE', FILE being the safetensors file that it writes."
                )
            self.backbones[name] = network.weights_hash

    @classmethod
    def fit(cls, data: TrainingData, centerbias: CenterBias) -> DeepGaze:
        """The shipped readouts, with the data set's centre bias as prior on new images."""
        return cls(centerbias=centerbias, pixels_per_degree=data.pixels_per_degree)

    @property
    def parameters(self) -> dict[str, Any]:
        """What the prediction depends on besides the weights, for the record."""
        found: dict[str, Any] = {
            "readouts": len(self.weights.members),
            "prior_on_new_images": "trained" if self.centerbias is None else "scored data set",
            "pixels_per_degree_of_new_images": self.pixels_per_degree,
            "precision": self.cache.precision,
        }
        if self.backbones != self.weights.backbones:
            found["backbones_equivalent_to_those_trained_on"] = self.backbones
        return found

    @property
    def content_hash(self) -> str:
        """Of readouts and backbones: another hash, other predictions."""
        parts = (self.weights.content_hash, *sorted(self.backbones.values()))
        return hashlib.sha256("".join(parts).encode()).hexdigest()

    def log_density(self, stimulus: Any) -> NDArray[np.float64]:
        """Natural log of the density of a stimulus or image array, (height, width)."""
        return self._mixture(stimulus, with_prior=True)

    def _log_density(self, stimulus: Any) -> NDArray[np.float64]:
        return self.log_density(stimulus)

    def log_density_without_prior(self, stimulus: Any) -> NDArray[np.float64]:
        """The same with a uniform prior, as the paper has it for the shuffled AUC."""
        return self._mixture(stimulus, with_prior=False)

    def centerbias_exponent(self, centerbias: Any, stimulus: Any) -> float:
        """The mean weight of the prior, if it is this centre bias (:mod:`models.base`)."""
        if self.centerbias is None or centerbias is not self.centerbias:
            return 0.0
        known = self.weights.known_as(as_rgb(stimulus))
        if not self._takes_centerbias(known):
            return 0.0
        members = self.weights.members_for(known[1] if known else None)
        return float(np.mean([float(member.readout.prior_weight) for member in members]))

    def _takes_centerbias(self, known: tuple[str, int] | None) -> bool:
        """Whether an image gets the given centre bias as its prior, not one of the training's."""
        return self.centerbias is not None and (known is None or self.prior_on_every_image)

    @torch.inference_mode()
    def _mixture(self, stimulus: Any, with_prior: bool) -> NDArray[np.float64]:
        rgb = as_rgb(stimulus)
        known = self.weights.known_as(rgb)
        height, width = rgb.shape[:2]
        lattice = Lattice.of_pixels(height, width, self._zoom(known))
        members = self.weights.members_for(known[1] if known else None)
        if not members:
            raise WeightsError(
                f"the image is in fold {known and known[1]} of the training data, and these "
                f"weights hold readouts of the folds {self.weights.folds} only: train that one too."
            )
        priors: dict[int, torch.Tensor] = {}
        own_prior = None
        if self.centerbias is not None and self._takes_centerbias(known):
            own_prior = torch.from_numpy(self.centerbias.log_density(stimulus)).float()
        total = torch.zeros(rgb.shape[:2], dtype=torch.float64)
        for member, priorities in zip(members, self._priorities(rgb, members)):
            prior = own_prior
            if prior is None and with_prior:
                if member.fold not in priors:
                    table = self._table(member, known)
                    priors[member.fold] = torch.from_numpy(log_prior(table, lattice))
                prior = priors[member.fold]
            for priority in priorities:
                with one_thread():
                    log_density = member.readout.log_density(
                        priority, lattice, prior if with_prior else None
                    )
                total += log_density.double().exp_()  # single precision ends at exp(-103)
        with one_thread():
            return (total / total.sum()).log_().numpy()

    def _zoom(self, known: tuple[str, int] | None) -> float:
        corpora = self.weights.corpora
        first = corpora[self.weights.first].pixels_per_degree
        own = corpora[known[0]].pixels_per_degree if known else self.pixels_per_degree
        return relative_zoom(own, first)

    def _table(self, member: Member, known: tuple[str, int] | None) -> NDArray[np.float32]:
        """The prior of the data set that the image is of, else of the first one."""
        name = known[0] if known else self.weights.first
        return member.priors[name].numpy()

    def _priorities(self, rgb: NDArray[np.uint8], members: Sequence[Member]) -> torch.Tensor:
        """What each readout makes of the image, (members, views, rows, columns).

        These small maps are kept for the images seen last: the benchmark asks for a prediction
        twice, for the mean prediction and for the scores, and a mixture shares them with its parts.
        """
        digest = pixel_hash(rgb)
        kept, key = self.weights.kept, (self.cache, *self.backbones.values(), digest)
        if key not in kept:
            views = (False, True) if self.weights.recipe.both_views else (False,)
            maps = [self._maps(rgb, digest, mirrored) for mirrored in views]
            height, width = rgb.shape[:2]
            with one_thread():
                kept[key] = torch.stack(
                    [
                        torch.stack([member.readout.priority(m, height, width) for m in maps])
                        for member in members
                    ]
                )
            while len(kept) > 1 and sum(each.nbytes for each in kept.values()) > KEPT_BYTES:
                kept.popitem(last=False)
        kept.move_to_end(key)
        return kept[key]

    def _maps(self, rgb: NDArray[np.uint8], digest: str, mirrored: bool) -> list[FeatureMap]:
        found: list[FeatureMap] = []
        for features in self.weights.recipe.features:
            maps = self.cache.get(digest, lambda: rgb, rgb.shape[:2], features, mirrored)
            found += maps.values()
        return found
