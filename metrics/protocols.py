"""Named protocols: for each metric its exact variant, and the map it is fed.

A score without its protocol is ambiguous. ``tuebingen`` follows the MIT/Tübingen Saliency Benchmark
and pysaliency, ``mit2014`` the MIT Saliency Benchmark's Matlab code of 2014-16.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from metrics import mit2014 as mit
from metrics.auc import auc, shuffled_auc
from metrics.cc import correlation
from metrics.gaussian import filtered_points
from metrics.information_gain import information_gain, log_likelihood
from metrics.kl import kl_divergence
from metrics.maps import blurred_map, shuffled_map, sim_map
from metrics.nss import nss
from metrics.sim import similarity

Factory = TypeVar("Factory", bound=Callable[..., Any])


@dataclass
class Target:
    """What was measured on one image.

    Attributes:
        shape: (height, width) of the image.
        x, y: fixations to be scored, in pixels, (fixations,).
        other_x, other_y: fixations of all other images, rescaled to this image's size.
        ten_x, ten_y: those of ten other images, drawn by the run's seed (mit2014's shuffled AUC).
        kernel_size: standard deviation of the empirical map's Gaussian, in pixels; that of mit2014
            follows from the shape.
        seed: entropy for the metrics that draw random numbers.
    """

    shape: tuple[int, int]
    x: NDArray
    y: NDArray
    other_x: NDArray
    other_y: NDArray
    ten_x: NDArray
    ten_y: NDArray
    kernel_size: float
    seed: tuple[int, ...] = (0,)

    def rng(self) -> np.random.Generator:
        """A fresh generator: every metric and model sees the same draws."""
        return np.random.default_rng(self.seed)

    @cached_property
    def empirical(self) -> NDArray[np.float64]:
        """Blurred fixation map of the MIT/Tübingen benchmark: reflecting borders."""
        columns, rows = self.x.astype(np.int64), self.y.astype(np.int64)
        return filtered_points(columns, rows, self.shape, self.kernel_size)

    @cached_property
    def sigma_2014(self) -> float:
        """Standard deviation of the MIT benchmark's Gaussian, in pixels.

        The Gaussian falls to one half at 8 cycles per image, the image being padded to a power of
        two; for a longest side of 1024 that is 23.99 px.
        """
        padded = 2 ** int(np.ceil(np.log2(max(self.shape))))
        return float(padded * np.sqrt(np.log(2)) / (8 * np.pi * np.sqrt(2)))

    @cached_property
    def empirical_2014(self) -> NDArray[np.float64]:
        """Blurred binary fixation map of the MIT benchmark: zeros beyond the border."""
        columns, rows = mit.distinct_pixels(self.x, self.y, self.shape)
        return filtered_points(
            columns, rows, self.shape, self.sigma_2014, mode="constant", truncate=8.0
        )


class Maps:
    """One prediction as the maps that metrics want; each is computed when first asked for.

    Args:
        density: the predicted density, (height, width).
        log_density: its natural logarithm as predicted, None to compute it when needed.
        baseline: log density that information gain is relative to (the centre bias).
        shuffled: returns the log of the mean prediction for other images, for shuffled AUC.
    """

    def __init__(
        self,
        density: NDArray[np.float64],
        log_density: NDArray[np.float64] | None,
        baseline: NDArray[np.float64],
        shuffled: Callable[[], NDArray],
        target: Target,
    ):
        self.density = density
        self.baseline = baseline
        if log_density is not None:  # not recomputed: tiny densities underflow
            self.log_density = log_density
        self._shuffled = shuffled
        self._target = target

    @cached_property
    def log_density(self) -> NDArray[np.float64]:
        with np.errstate(divide="ignore"):
            return np.log(self.density)

    @property
    def ranks(self) -> NDArray[np.float64]:
        """Ordered like the density: its logarithm if that was predicted, which has fewer ties."""
        return self.__dict__.get("log_density", self.density)  # type: ignore[no-any-return]

    @cached_property
    def baseline_density(self) -> NDArray[np.float64]:
        return np.exp(self.baseline)

    @cached_property
    def shuffled(self) -> NDArray[np.float64]:
        return shuffled_map(self.log_density, self._shuffled())

    @cached_property
    def blurred(self) -> NDArray[np.float64]:
        return blurred_map(self.density, self._target.kernel_size)

    @cached_property
    def sim(self) -> NDArray[np.float64]:
        target = self._target
        return sim_map(self.density, target.kernel_size, len(target.x), target.rng())

    @cached_property
    def blurred_2014(self) -> NDArray[np.float64]:
        return blurred_map(self.density, self._target.sigma_2014)

    @cached_property
    def sim_2014(self) -> NDArray[np.float64]:
        target = self._target
        return sim_map(self.density, target.sigma_2014, len(target.x), target.rng())

    @cached_property
    def equalised(self) -> NDArray[np.float64]:
        return mit.equalised(self.ranks)

    @cached_property
    def shuffled_equalised(self) -> NDArray[np.float64]:
        return mit.equalised(self.shuffled)


class NaiveMaps(Maps):
    """The plain density for every metric, as if a model had submitted one saliency map."""

    shuffled = blurred = sim = property(lambda self: self.density)  # type: ignore[assignment]
    blurred_2014 = sim_2014 = equalised = shuffled_equalised = shuffled  # type: ignore[assignment]


#: ``--maps`` on the command line.
MAP_SETS: dict[str, type[Maps]] = {"right": Maps, "naive": NaiveMaps}

#: Computes one metric: values per fixation, or one value for the image.
Variant = Callable[[Target, Maps], "NDArray[np.float64] | float"]


def protocol(**metadata: Any) -> Callable[[Factory], Factory]:
    """Register a protocol (literal keyword arguments: name, title, summary, citation).

    ``own_kernel=True`` says that it has a Gaussian of its own for blurred maps.
    """
    return lambda factory: factory


@protocol(
    name="tuebingen",
    title="MIT/Tübingen",
    summary="each metric on its own map; every fixation counts; exact AUC over all pixels",
    citation="Kümmerer, Wallis, Bethge 2018, ECCV",
)
def tuebingen() -> dict[str, Variant]:
    """The MIT/Tübingen Saliency Benchmark's definitions."""
    return {
        "LL": lambda t, m: log_likelihood(m.log_density, t.x, t.y),
        "IG": lambda t, m: information_gain(m.log_density, m.baseline, t.x, t.y),
        "AUC": lambda t, m: auc(m.ranks, t.x, t.y),
        "sAUC": lambda t, m: shuffled_auc(m.shuffled, t.x, t.y, t.other_x, t.other_y),
        "NSS": lambda t, m: nss(m.density, t.x, t.y),
        "KL": lambda t, m: kl_divergence(m.blurred, t.empirical),
        "CC": lambda t, m: correlation(m.blurred, t.empirical),
        "SIM": lambda t, m: similarity(m.sim, t.empirical),
    }


@protocol(
    name="mit2014",
    title="MIT 2014",
    summary="Matlab definitions of the older board: distinct pixels, AUC-Judd, stepped thresholds",
    citation="Bylinskii, Judd, Oliva, Torralba, Durand 2019, TPAMI 41(3)",
    own_kernel=True,
)
def mit2014() -> dict[str, Variant]:
    """The MIT Saliency Benchmark's definitions of 2014-16; LL, which it lacks, as in tuebingen."""
    return {
        "LL": lambda t, m: log_likelihood(m.log_density, t.x, t.y),
        "IG": lambda t, m: mit.information_gain_min_max(m.density, m.baseline_density, t.x, t.y),
        "AUC": lambda t, m: mit.auc_judd(m.equalised, t.x, t.y, t.rng()),
        "AUC_Borji": lambda t, m: mit.auc_borji(m.equalised, t.x, t.y, t.rng()),
        "sAUC": lambda t, m: mit.shuffled_auc_borji(
            m.shuffled_equalised, t.x, t.y, t.ten_x, t.ten_y, t.rng()
        ),
        "NSS": lambda t, m: mit.nss_distinct(m.density, t.x, t.y),
        "KL": lambda t, m: kl_divergence(m.blurred_2014, t.empirical_2014),
        "CC": lambda t, m: correlation(m.blurred_2014, t.empirical_2014),
        "SIM": lambda t, m: mit.similarity_min_max(m.sim_2014, t.empirical_2014),
    }
