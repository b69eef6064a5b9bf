"""A tiny simulated data set, models that misbehave, and helpers that tests of the runs share."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pysaliency

from benchmark.datasets.base import Dataset
from benchmark.datasets.simulated import random_scene, simulate
from benchmark.evaluate import Evaluation
from models.base import ModelSpec, image_shape

SIZES = ((30, 40), (41, 27), (30, 40), (24, 35))


def tiny(n_subjects: int = 3, sizes=SIZES, per_trial: float = 3.0, seed: int = 0) -> Dataset:
    """Simulated observers on noise images of the sizes given, (height, width)."""
    scenes = [random_scene(n, *size) for n, size in enumerate(sizes)]
    return simulate(n_subjects, per_trial, seed, scenes=scenes)


def without_fixations(dataset: Dataset, image: int) -> Dataset:
    """The data set with nobody having looked at an image."""
    kept = dataset.fixations[dataset.fixations.n != image]
    return replace(dataset, fixations=kept)


def with_images(dataset: Dataset, images) -> Dataset:
    """The data set with other pictures."""
    return replace(dataset, stimuli=pysaliency.Stimuli(images))


class Blob(pysaliency.Model):
    """A Gaussian at a relative position, wherever the image's objects are."""

    spec = ModelSpec(name="blob", title="Blob", summary="a Gaussian")

    def __init__(self, x: float = 0.4, y: float = 0.6, sigma: float = 0.2):
        super().__init__(caching=False)
        self.parameters = {"x": x, "y": y, "sigma": sigma}

    def log_density(self, stimulus):
        height, width = image_shape(stimulus)
        x = (np.arange(width) + 0.5) / width - self.parameters["x"]
        y = (np.arange(height) + 0.5) / height - self.parameters["y"]
        exponent = -0.5 * (x[None, :] ** 2 + y[:, None] ** 2) / self.parameters["sigma"] ** 2
        return exponent - np.log(np.exp(exponent).sum())

    def _log_density(self, stimulus):
        return self.log_density(stimulus)


class FaultyBlob(Blob):
    """A Blob that does ``fault`` to its prediction for one image, or all (None)."""

    def __init__(self, fault, image: int | None = 1):
        super().__init__()
        self.fault, self.image = fault, image

    def log_density(self, stimulus):
        log_density = super().log_density(stimulus)
        return self.fault(log_density) if self.image in (None, stimulus.index) else log_density


class Interrupted:
    """Stands in for ``Evaluation.score``: counts calls, and raises from the one numbered ``at``."""

    def __init__(self, monkeypatch, at: int | None = None, error=KeyboardInterrupt):
        self.images: list[int] = []
        original = Evaluation.score
        counter = self

        def score(self, image, names):
            if at is not None and len(counter.images) == at:
                raise error
            counter.images.append(image)
            return original(self, image, names)

        monkeypatch.setattr(Evaluation, "score", score)
