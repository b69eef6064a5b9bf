"""Log-likelihood and information gain of a density, in bits per fixation."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metrics.fixations import values_at
from metrics.spec import metric


@metric(
    name="LL",
    title="Log-likelihood",
    unit="bit/fixation",
    higher_is_better=True,
    per="fixation",
    chance=0.0,
    wants="log density; relative to the uniform density",
    citation="Kümmerer, Wallis, Bethge 2015, PNAS 112(52)",
)
def log_likelihood(log_density: NDArray, x: ArrayLike, y: ArrayLike) -> NDArray[np.float64]:
    """Log-likelihood of each fixation over the uniform density, in bits.

    ``log2 p(x, y) + log2(height * width)``; the uniform density scores 0.

    Args:
        log_density: natural logarithm of a density over pixels, (height, width).
        x, y: fixations in pixels, (fixations,); truncated to pixel indices.

    Returns:
        Bits, (fixations,); -inf where the density is zero.

    Raises:
        ValueError: a fixation is outside the map.

    >>> log_likelihood(np.log(np.array([[0.5, 0.25], [0.125, 0.125]])), [0, 1], [0, 0])
    array([1., 0.])
    """
    log_density = np.asarray(log_density)
    return (values_at(log_density, x, y) + np.log(log_density.size)) / np.log(2)


@metric(
    name="IG",
    title="Information gain",
    unit="bit/fixation",
    higher_is_better=True,
    per="fixation",
    chance=0.0,
    wants="log density; relative to the centre bias",
    citation="Kümmerer, Wallis, Bethge 2015, PNAS 112(52)",
)
def information_gain(
    log_density: NDArray, baseline_log_density: NDArray, x: ArrayLike, y: ArrayLike
) -> NDArray[np.float64]:
    """Information gain of each fixation over a baseline, in bits.

    ``log2 p(x, y) - log2 p_baseline(x, y)``; a model over itself gains exactly 0.

    Args:
        log_density, baseline_log_density: natural logarithms of densities, (height, width).
        x, y: fixations in pixels, (fixations,); truncated to pixel indices.

    Returns:
        Bits, (fixations,); -inf where only the model's density is zero, NaN where both are.

    Raises:
        ValueError: the maps differ in shape, or a fixation is outside them.
    """
    if np.shape(log_density) != np.shape(baseline_log_density):
        raise ValueError(
            f"the density has shape {np.shape(log_density)}, "
            f"its baseline {np.shape(baseline_log_density)}: they must agree."
        )
    with np.errstate(invalid="ignore"):  # -inf - -inf is undefined, and NaN says so
        gain = values_at(log_density, x, y) - values_at(baseline_log_density, x, y)
    return gain / np.log(2)
