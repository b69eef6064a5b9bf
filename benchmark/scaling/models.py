"""Models of a known cost: a blurred image as a density, blurred once or many times over."""

from __future__ import annotations

from typing import Any

import numpy as np
import pysaliency
from numpy.typing import NDArray
from pysaliency.datasets import as_stimulus
from scipy.ndimage import gaussian_filter

#: How often each blurs; a blur computes on one core.
ROUNDS = {"cheap": 1, "middle": 10, "dear": 100}


class Blurred(pysaliency.Model):
    """The image's brightness, blurred ``rounds`` times, divided by its sum."""

    def __init__(self, rounds: int):
        super().__init__(caching=False)
        self.parameters = {"rounds": rounds}

    def _log_density(self, stimulus: Any) -> NDArray[np.float64]:
        values = np.asarray(as_stimulus(stimulus).stimulus_data, dtype=np.float64)
        if values.ndim == 3:
            values = values.mean(axis=2)
        for _ in range(self.parameters["rounds"]):
            values = gaussian_filter(values, 4.0)
        values += 1.0
        return np.log(values / values.sum())


def cheap() -> Blurred:
    """About a millisecond for a small image."""
    return Blurred(ROUNDS["cheap"])


def middle() -> Blurred:
    return Blurred(ROUNDS["middle"])


def dear() -> Blurred:
    return Blurred(ROUNDS["dear"])
