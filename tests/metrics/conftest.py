"""Small predictions and fixations that metric tests share."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import settings

settings.register_profile("steady", deadline=None, derandomize=True, max_examples=60)
settings.load_profile("steady")


@pytest.fixture
def example():
    """(density, x, y): a smooth density of 40x60 pixels and 30 fixations, two on one pixel."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(3)
    density = gaussian_filter(rng.random((40, 60)) ** 6, 3)
    density /= density.sum()
    x, y = rng.uniform(0, 60, 30), rng.uniform(0, 40, 30)
    x[1], y[1] = x[0], y[0]
    return density, x, y
