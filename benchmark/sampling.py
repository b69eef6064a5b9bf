"""Fixations drawn from a density: what a model's fixations would look like."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def sample_fixations(
    log_density: NDArray, count: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """``count`` independent pixels drawn from a density, as x (to the right) and y (down).

    Args:
        log_density: natural log of a density over pixels, up to a constant, (height, width).

    Raises:
        ValueError: it holds NaN or plus infinity, or no pixel has a positive density.
    """
    values = np.asarray(log_density, dtype=float)
    highest = values.max()
    if not np.isfinite(highest):
        raise ValueError("a log density holds finite values or minus infinity, not all of these.")
    cumulative = np.cumsum(np.exp(values - highest).ravel())
    # side "right": a draw of exactly 0 must not land on a leading pixel without density
    drawn = np.searchsorted(cumulative, rng.random(count) * cumulative[-1], side="right")
    y, x = np.divmod(np.minimum(drawn, values.size - 1), values.shape[1])
    return x, y
