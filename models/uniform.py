"""The uniform density: every pixel is equally likely."""

from __future__ import annotations

from typing import Any

import numpy as np
import pysaliency
from numpy.typing import NDArray

from models.base import image_shape, model


@model(
    name="uniform",
    title="Uniform",
    summary="every pixel equally likely",
    kind="baseline",
)
class Uniform(pysaliency.UniformModel):
    """``log p = -log(height * width)`` at every pixel."""

    def log_density(self, stimulus: Any) -> NDArray[np.float64]:
        height, width = image_shape(stimulus)
        return np.full((height, width), -np.log(height * width))

    def shuffled_log_density(self, stimulus: Any) -> NDArray[np.float64]:
        """The mean prediction for other images is this prediction."""
        return self.log_density(stimulus)
