"""Extrapolation of a learning curve to infinitely many observers, by a power law."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmark.errors import BenchmarkError

#: Exponents that are tried.
EXPONENTS = np.arange(0.05, 2.0025, 0.0025)
#: Smallest number of predicting observers that the extrapolation is fitted from.
SMALLEST = 2
#: Other smallest numbers, for how far the result hangs on the law being exact.
ALTERNATIVES = (1, 2, 3, 4)


@dataclass(frozen=True)
class PowerLaw:
    """``IG(m) = limit - gap * m ** -exponent``, m the number of observers that predict one.

    Each attribute has the shape of the curves that were fitted, without their last axis.
    """

    limit: NDArray[np.float64]
    gap: NDArray[np.float64]
    exponent: NDArray[np.float64]

    def at(self, others: ArrayLike) -> NDArray[np.float64]:
        """Information gain of one law at numbers of predicting observers."""
        return self.limit - self.gap * np.asarray(others, dtype=float) ** -self.exponent


def fit_power_law(others: ArrayLike, gains: ArrayLike) -> PowerLaw:
    """Least squares over the exponents in EXPONENTS, exact in limit and gap.

    Args:
        others: numbers of predicting observers, (points,). gains: curves, (..., points).

    Raises:
        BenchmarkError: there are fewer than four points, on which three numbers always fit.
    """
    m, curves = np.asarray(others, dtype=float), np.asarray(gains, dtype=float)
    if len(m) < 4:
        raise BenchmarkError(
            f"an extrapolation to infinitely many observers needs four points or more, and there "
            f"are {len(m)}: it takes six observers."
        )
    flat = curves.reshape(-1, len(m))
    best = np.full(len(flat), np.inf)
    found = np.full((3, len(flat)), np.nan)
    for exponent in EXPONENTS:
        design = np.stack([np.ones_like(m), -(m**-exponent)], axis=1)
        solution = flat @ np.linalg.pinv(design).T
        loss = ((solution @ design.T - flat) ** 2).sum(axis=1)
        better = loss < best
        best[better] = loss[better]
        found[:, better] = *solution[better].T, np.full(better.sum(), exponent)
    limit, gap, exponents = (values.reshape(curves.shape[:-1]) for values in found)
    return PowerLaw(limit, gap, exponents)


@dataclass(frozen=True)
class Limit:
    """The information gain that infinitely many observers would give, and how sure that is.

    Attributes:
        law: the fit from SMALLEST predicting observers on.
        low, high: 95 % percentile interval of its limit over images and predicted subjects.
        share: the curve's last point as a share of the limit, with its interval, from the same
            resampled curves.
        by_start: limits of fits that start at ALTERNATIVES, where enough points are left.
    """

    law: PowerLaw
    low: float
    high: float
    share: tuple[float, float, float]
    by_start: dict[int, PowerLaw]

    @property
    def value(self) -> float:
        return float(self.law.limit)

    @property
    def span(self) -> tuple[float, float]:
        """The interval, widened to hold the limits of all alternative fits."""
        limits = [float(law.limit) for law in self.by_start.values()]
        return min(self.low, *limits), max(self.high, *limits)


def extrapolate(
    others: NDArray[np.int64], gains: NDArray[np.float64], resampled: NDArray[np.float64]
) -> Limit:
    """The limit of a learning curve.

    Args:
        others: numbers of predicting observers, (points,). gains: the curve, (points,).
        resampled: curves for other images and subjects, (draws, points).

    Raises:
        BenchmarkError: there are too few observers.
    """
    chosen = others >= SMALLEST
    law = fit_power_law(others[chosen], gains[chosen])
    defined = np.isfinite(resampled).all(axis=1)
    draws = fit_power_law(others[chosen], resampled[defined][:, chosen]).limit
    low, high = np.quantile(draws, [0.025, 0.975])
    shares = np.quantile(resampled[defined][:, -1] / draws, [0.025, 0.975])
    share = (float(gains[-1] / law.limit), float(shares[0]), float(shares[1]))
    by_start = {
        start: fit_power_law(others[others >= start], gains[others >= start])
        for start in ALTERNATIVES
        if (others >= start).sum() >= 4
    }
    return Limit(law, float(low), float(high), share, by_start)
