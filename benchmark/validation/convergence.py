"""How the gold standard's information gain approaches the truth as observers are added.

A repeat has scenes and observers of its own, so repeats are independent and the standard error of
their mean covers both. Within a repeat, all numbers of observers look at the same scenes, and a
larger number includes a smaller one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.datasets.base import Dataset
from benchmark.datasets.simulated import (
    SimulatedTruth,
    random_scene,
    simulate,
    true_information_gain,
)
from models.base import TrainingData
from models.centerbias import CenterBias
from models.gold_standard import GoldStandard, InSampleGoldStandard
from models.kde import Points, other_counts, pair_sums
from models.mixture_fit import MixtureFit

#: Wraps an iterable to show progress.
Progress = Callable[[Iterable], Iterable]

#: Repeats of one seed are numbered below this, so that no two seeds share observers.
SEEDS_APART = 1000


@dataclass(frozen=True)
class Convergence:
    """What is simulated.

    Attributes:
        observers: numbers of observers, ascending.
        repeats: independent repeats. scenes: images of each.
        shape: height and width of the images, pixels.
        fixations_per_trial: mean number of fixations of an observer on an image.
        centerbias_observers: the centre bias's bandwidth and uniform weight are fitted once, to
            this many observers of other scenes; its density is made from those being scored.
    """

    observers: tuple[int, ...] = (2, 4, 8, 16, 32, 64, 128)
    repeats: int = 8
    scenes: int = 40
    shape: tuple[int, int] = (240, 320)
    fixations_per_trial: float = 7.0
    centerbias_observers: int = 16


QUICK = Convergence(observers=(2, 4, 8, 16), repeats=4, scenes=10, shape=(120, 160))


@dataclass(frozen=True)
class _Fitted:
    centerbias: CenterBias
    mixture: MixtureFit


def held_out_log_likelihoods(
    points: Points, mixture: MixtureFit, prior: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Log density of each fixation from the other subjects on its image, without any map.

    The gold standard's definition with given parameters. Every subject needs another one on the
    image.

    Args:
        points: sorted fixations, labelled by subject.
        prior: the centre bias's density at each of them, (fixations,).

    Returns:
        (fixations,) in nats, in the order of ``points``.
    """
    kernels = pair_sums(points, mixture.bandwidth)[0] / other_counts(points)
    areas = np.repeat(points.heights * points.widths, np.diff(points.starts))
    kernel, centre, uniform = mixture.weights
    return np.log(kernel * kernels + centre * prior + uniform / areas)


def measure(plan: Convergence, seed: int = 0, progress: Progress = iter) -> pd.DataFrame:
    """A row for each repeat and number of observers; information gains in bits per fixation.

    All are over one baseline, the repeat's centre bias without the scored image, and averaged over
    all fixations. Columns besides repeat, observers, bandwidth (pixels) and kernel_weight:

    * truth: exact expectation for the population density, by a sum over pixels.
    * truth_sample: the population density on the fixations drawn. The gold standard's difference
      to it does not vary with which fixations were drawn as much as that to ``truth``.
    * gold: leave-one-subject-out, bandwidth and weights fitted to these fixations.
    * gold_elsewhere: leave-one-subject-out, but bandwidth, weights and centre bias come from the
      preceding repeat, that is from other scenes and other observers.
    * in_sample: no subject left out.

    Args:
        progress: wraps the iterator over repeats and numbers of observers, to show progress.
    """
    # repeat 0 is only fitted to: it precedes the first that counts
    steps = [(repeat, n) for repeat in range(plan.repeats + 1) for n in plan.observers]
    dataset = _simulated(plan, 0, seed)
    parameters = CenterBias.fit(_first(dataset, plan.centerbias_observers)).parameters
    rows: list[dict[str, float]] = []
    current = 0
    before: dict[int, _Fitted] = {}  # by number of observers, from the preceding repeat
    for repeat, n_observers in progress(steps):
        if repeat != current:
            current, dataset = repeat, _simulated(plan, repeat, seed)
        data = _first(dataset, n_observers)
        centerbias = CenterBias(data, **parameters)
        gold = GoldStandard.fit(data, centerbias)
        if repeat > 0:
            gains = _gains(data, dataset.extras["truth"], gold, before[n_observers])
            rows.append({"repeat": repeat, "observers": n_observers, **gains})
        before[n_observers] = _Fitted(centerbias, gold.mixture)
    return pd.DataFrame(rows)


def _simulated(plan: Convergence, repeat: int, seed: int) -> Dataset:
    first = (SEEDS_APART * seed + repeat) * plan.scenes
    return simulate(
        max(*plan.observers, plan.centerbias_observers),
        plan.fixations_per_trial,
        seed=SEEDS_APART * seed + repeat,
        scenes=[random_scene(first + k, *plan.shape) for k in range(plan.scenes)],
    )


def _first(dataset: Dataset, n_observers: int) -> TrainingData:
    """The fixations of the first observers alone."""
    chosen = dataset.fixations[dataset.fixations.subjects < n_observers]
    return TrainingData(dataset.stimuli, chosen, dataset.groups)


def _gains(
    data: TrainingData, truth: SimulatedTruth, gold: GoldStandard, elsewhere: _Fitted
) -> dict[str, float]:
    fixations = data.fixations
    points = Points.sorted_by_image(
        fixations.x_int, fixations.y_int, fixations.n, fixations.subjects, data.sizes
    )
    in_sample = InSampleGoldStandard.fit(data, gold)
    baseline, p, own, prior = (np.empty(len(points.x)) for _ in range(4))
    for n, (first, last) in enumerate(zip(points.starts[:-1], points.starts[1:])):
        shape = (int(points.heights[n]), int(points.widths[n]))
        y, x = points.y[first:last], points.x[first:last]
        baseline[first:last] = gold.centerbias.log_density_at(shape, x, y, n)
        p[first:last] = truth.log_density(n)[y, x]
        own[first:last] = in_sample.log_density(data.stimuli[n])[y, x]
        prior[first:last] = np.exp(elsewhere.centerbias.log_density_at(shape, x, y))
    exact = true_information_gain(
        truth,
        lambda n: gold.centerbias.log_density_without(
            (int(points.heights[n]), int(points.widths[n])), n
        ),
    )
    nats = {
        "truth_sample": p.mean(),
        "gold": gold.mixture.log_likelihood,
        "gold_elsewhere": held_out_log_likelihoods(points, elsewhere.mixture, prior).mean(),
        "in_sample": own.mean(),
    }
    return {
        "truth": float(np.average(exact, weights=np.diff(points.starts))),
        **{name: float((value - baseline.mean()) / np.log(2)) for name, value in nats.items()},
        "bandwidth": gold.mixture.bandwidth,
        "kernel_weight": gold.mixture.weights[0],
    }


def summarise(measured: pd.DataFrame) -> pd.DataFrame:
    """A row for each number of observers: means over repeats, with standard errors of differences.

    Columns: observers, the means of all information gains and parameters, and, for gold,
    gold_elsewhere and in_sample, ``NAME_minus_truth`` (paired, on the same fixations) with
    ``NAME_minus_truth_se``. For gold also, with standard errors, ``gold_minus_exact`` and
    ``explained``, the ratio to the truth on the same fixations.
    """
    rows = []
    for n_observers, group in measured.groupby("observers"):
        row = {"observers": n_observers, "repeats": len(group)}
        row |= group.drop(columns=["repeat", "observers"]).mean().to_dict()
        for name in ("gold", "gold_elsewhere", "in_sample"):
            row |= _mean_and_error(f"{name}_minus_truth", group[name] - group["truth_sample"])
        row |= _mean_and_error("gold_minus_exact", group["gold"] - group["truth"])
        row |= _mean_and_error("explained", group["gold"] / group["truth_sample"])
        rows.append(row)
    return pd.DataFrame(rows)


def _mean_and_error(name: str, values: pd.Series) -> dict[str, float]:
    return {name: values.mean(), f"{name}_se": values.std() / np.sqrt(len(values))}
