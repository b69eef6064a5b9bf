"""Laws of growth: a constant part, and a power of what grows."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import nnls

#: Exponents that are tried.
EXPONENTS = np.arange(0.2, 3.0001, 0.02)
#: A law whose error is larger is none; with fewer points, nothing would tell its error.
LARGEST_ERROR, FEWEST = 0.2, 3


@dataclass(frozen=True)
class Law:
    """``constant + factor * n ** exponent``; neither part is negative.

    Attributes:
        error: largest relative distance of a measured value from the law.
        points: how many values it was fitted to.
        fitted: the exponent was fitted, not assumed to be 1.
    """

    constant: float
    factor: float
    exponent: float
    error: float = 0.0
    points: int = FEWEST
    fitted: bool = False

    @property
    def holds(self) -> bool:
        """Whether the points tell it: enough of them, near enough, the exponent not at a bound."""
        at_bound = self.fitted and self.factor > 0 and self.exponent in EXPONENTS[[0, -1]]
        return self.points >= FEWEST and self.error <= LARGEST_ERROR and not at_bound

    def grows(self, n: float) -> bool:
        """Whether its growth up to n is larger than its error there."""
        return self.growth(n) > self.error * self.at(n)

    def at(self, n: float) -> float:
        return self.constant + self.growth(n)

    def growth(self, n: float) -> float:
        """What is not the constant part."""
        return float(self.factor * n**self.exponent)


def power_law(n: ArrayLike, values: ArrayLike) -> Law:
    """The law with the least squared relative errors; of fewer than four points a straight line."""
    n, values = _points(n, values)
    if len(n) < 4:
        return linear_law(n, values)
    laws = [_with_exponent(n, values, float(exponent)) for exponent in EXPONENTS]
    return replace(min(laws, key=lambda pair: pair[0])[1], fitted=True)


def linear_law(n: ArrayLike, values: ArrayLike, relative: bool = True) -> Law:
    """The law with exponent 1, so that its factor is the cost of one.

    Args:
        relative: errors count in proportion to the values; else all alike, and values may be 0.
    """
    if relative:
        return _with_exponent(*_points(n, values), 1.0)[1]
    n, values = np.asarray(n, dtype=float), np.asarray(values, dtype=float)
    (constant, factor), _ = nnls(np.stack([np.ones_like(n), n / n.max()], axis=1), values)
    return Law(float(constant), float(factor / n.max()), 1.0, points=len(n))


def _points(n: ArrayLike, values: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    n, values = np.asarray(n, dtype=float), np.asarray(values, dtype=float)
    kept = values > 0
    if np.unique(n[kept]).size < 2:
        raise ValueError("a law of growth needs values at two numbers or more.")
    return n[kept], values[kept]


def _with_exponent(
    n: NDArray[np.float64], values: NDArray[np.float64], exponent: float
) -> tuple[float, Law]:
    scale = n.max() ** exponent
    columns = np.stack([np.ones_like(n), n**exponent / scale], axis=1) / values[:, None]
    (constant, factor), distance = nnls(columns, np.ones_like(n))
    error = np.abs(columns @ np.array([constant, factor]) - 1.0).max()
    return float(distance), Law(
        float(constant), float(factor / scale), exponent, float(error), len(n)
    )
