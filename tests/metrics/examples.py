"""Predictions that several tests use."""

from __future__ import annotations

import numpy as np


def peaks(shape=(96, 128)):
    """A density with two narrow peaks, a wide one and a floor."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    density = np.full(shape, 0.1 / np.prod(shape))
    for weight, y, x, sigma in ((0.5, 30, 40, 5), (0.25, 60, 100, 9), (0.15, 48, 64, 30)):
        bump = np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2 * sigma**2))
        density += weight * bump / bump.sum()
    return density
