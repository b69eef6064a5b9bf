"""Maximum-likelihood fit of a mixture whose one component is a kernel density."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import softmax

#: Returns held-out kernel densities (fixations,) and their derivative by log bandwidth.
HeldOut = Callable[[float], tuple[NDArray[np.float64], NDArray[np.float64]]]

# Logits of the weights stay in this range, so a weight is between about 1e-9 and 1.
_LOGIT_LIMIT = 20.0


@dataclass(frozen=True)
class MixtureFit:
    """Fitted bandwidth and weights.

    Attributes:
        bandwidth: of the kernel, in the unit of the bounds given.
        weights: of the kernel density, then of the fixed components; they sum to one.
        log_likelihood: mean over fixations of the natural log of the held-out density.
        evaluations: number of likelihoods computed.
    """

    bandwidth: float
    weights: tuple[float, ...]
    log_likelihood: float
    evaluations: int


def fit_mixture(
    held_out: HeldOut,
    fixed: NDArray[np.float64],
    starts: Sequence[float],
    bounds: tuple[float, float],
) -> MixtureFit:
    """Maximise the mean held-out log-likelihood over bandwidth and mixture weights.

    ``mean_i log(w_0 k_i(bandwidth) + sum_c w_c f_ic)`` by L-BFGS with exact gradients, from several
    starting bandwidths, since the likelihood need not be unimodal in the bandwidth. Where k_i is
    NaN (nothing is left to predict from), the remaining weights are renormalised.

    Args:
        held_out: kernel densities at the fixations, by bandwidth.
        fixed: densities of the other components at the fixations, (fixations, components).
        starts: bandwidths to start from. bounds: limits of the bandwidth.

    Raises:
        ValueError: there is no fixation to fit.
    """
    if not len(fixed):
        raise ValueError("there is no fixation to fit a density to.")
    evaluations = 0

    def loss(parameters: NDArray) -> tuple[float, NDArray]:
        nonlocal evaluations
        evaluations += 1
        weights = softmax(np.concatenate([[0.0], parameters[1:]]))
        kernel, slope = held_out(float(np.exp(parameters[0])))
        missing = np.isnan(kernel)
        kernel, slope = np.where(missing, 0.0, kernel), np.where(missing, 0.0, slope)
        rest = fixed @ weights[1:]
        total = weights[0] * kernel + rest
        present = np.where(missing, 1.0 - weights[0], 1.0)
        likelihood = np.mean(np.log(total) - np.log(present))
        by_bandwidth = np.mean(weights[0] * slope / total)
        # derivative by logit c: w_c (f_c / total - 1), and w_c w_0 / (1 - w_0) where k is missing
        ratio = fixed / total[:, None]
        correction = np.where(missing, weights[0] / (1.0 - weights[0]), 0.0)
        by_logits = weights[1:] * np.mean(ratio - 1.0 - correction[:, None], axis=0)
        return -float(likelihood), -np.concatenate([[by_bandwidth], by_logits])

    limits = [tuple(np.log(bounds))] + [(-_LOGIT_LIMIT, _LOGIT_LIMIT)] * fixed.shape[1]
    options = {"ftol": 1e-13, "gtol": 1e-8, "maxiter": 500}
    results = [
        minimize(
            loss,
            np.concatenate([[np.log(start)], np.full(fixed.shape[1], -2.0)]),
            jac=True,
            method="L-BFGS-B",
            bounds=limits,
            options=options,
        )
        for start in starts
    ]
    best = min(results, key=lambda result: result.fun)
    weights = softmax(np.concatenate([[0.0], best.x[1:]]))
    return MixtureFit(
        float(np.exp(best.x[0])), tuple(float(w) for w in weights), -float(best.fun), evaluations
    )
