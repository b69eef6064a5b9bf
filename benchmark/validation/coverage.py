"""How often 95 % intervals over images hold the true value.

A large pool of scenes and observers is simulated once and is the population: data sets are drawn
from it with replacement, so the true value, the pool's own, has no error. Baseline, models and the
gold standard's parameters are fixed, so what an image contributes does not depend on which others
were drawn.

Two populations are covered. In "images", the observers are the same 15 in the data set and in the
truth, and images alone are drawn: this is what the intervals claim. In "images and observers", 15
observers are drawn anew for each data set, and the truth is that of all observers of the pool: this
is what a reader might take the intervals to claim.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from benchmark.datasets.simulated import SimulatedTruth, random_scene, simulate
from benchmark.scores import Bootstrap, Column, explained_share, interval
from benchmark.validation.convergence import SEEDS_APART, Progress, held_out_log_likelihoods
from models.base import TrainingData
from models.gold_standard import GoldStandard
from models.kde import Points
from models.mixture_fit import MixtureFit

IMAGES = "images"
IMAGES_AND_OBSERVERS = "images and observers"

#: The blurred model's Gaussian, pixels; and the share of another image's density in the wrong one.
BLUR = 12.0
MISTAKEN = 0.5
MODELS = ("truth", "blurred", "wrong", "gold")

#: Scenes and observers the gold standard's parameters are fitted to.
_FIT_SCENES = 40


@dataclass(frozen=True)
class Coverage:
    """What is simulated and drawn.

    Attributes:
        n_images: sizes of the data sets, ascending.
        repeats: data sets of each size with the same observers. fresh_repeats: with fresh ones.
        draws: bootstrap draws of each data set.
        panel: observers of a data set. panels: how many disjoint groups of them the pool has.
        pool: scenes of the pool.
        shape: height and width of the images, pixels.
        fixations_per_trial: mean number of fixations of an observer on an image.
    """

    n_images: tuple[int, ...] = (10, 20, 50, 200)
    repeats: int = 2000
    fresh_repeats: int = 1000
    draws: int = 2000
    panel: int = 15
    panels: int = 8
    pool: int = 1000
    shape: tuple[int, int] = (240, 320)
    fixations_per_trial: float = 7.0


QUICK = Coverage(repeats=400, fresh_repeats=200, draws=1000, panels=4, pool=150, shape=(120, 160))


@dataclass(frozen=True)
class Pool:
    """Fixations of all observers on all scenes, sorted by scene, and densities at them.

    Attributes:
        x, y, scene, observer: of each fixation, (fixations,).
        baseline: natural log of the baseline's density at each fixation.
        models: natural log of the density of each model but the gold standard.
        mixture: the gold standard's parameters.
        shape, n_scenes, n_observers: of the pool.
    """

    x: NDArray[np.int64]
    y: NDArray[np.int64]
    scene: NDArray[np.int64]
    observer: NDArray[np.int64]
    baseline: NDArray[np.float64]
    models: dict[str, NDArray[np.float64]]
    mixture: MixtureFit
    shape: tuple[int, int]
    n_scenes: int
    n_observers: int

    def scores(
        self, observers: NDArray[np.int64], scenes: NDArray[np.int64] | None = None
    ) -> Scores:
        """Information gain of all models for a group of observers, on ``scenes`` or on all."""
        among = np.zeros(self.n_observers, dtype=bool)
        among[observers] = True
        shown = np.zeros(self.n_scenes, dtype=bool)
        shown[slice(None) if scenes is None else scenes] = True
        chosen = np.flatnonzero(among[self.observer] & shown[self.scene])
        scene, baseline = self.scene[chosen], self.baseline[chosen]
        log_densities = {name: values[chosen] for name, values in self.models.items()}
        sizes = np.tile(self.shape, (self.n_scenes, 1))
        points = Points.sorted_by_image(
            self.x[chosen], self.y[chosen], scene, self.observer[chosen], sizes
        )
        # the pool is sorted by scene, so the points are in its order
        log_densities["gold"] = held_out_log_likelihoods(points, self.mixture, np.exp(baseline))
        counts = np.bincount(scene, minlength=self.n_scenes)
        with np.errstate(invalid="ignore"):  # NaN for scenes that were not asked for
            gains = [
                np.bincount(scene, log_densities[name] - baseline, self.n_scenes) / counts
                for name in MODELS
            ]
        return Scores(np.stack(gains, axis=1) / np.log(2), counts.astype(float))


@dataclass(frozen=True)
class Scores:
    """Information gain in bits, (images, models), and number of fixations, (images,)."""

    gains: NDArray[np.float64]
    counts: NDArray[np.float64]

    def drawn(self, images: NDArray[np.int64]) -> Scores:
        """The scores of these images, which may repeat."""
        return Scores(self.gains[images], self.counts[images])

    def columns(self) -> list[Column]:
        """As the suite has them: each model's gain per fixation, then each one's per image."""
        once = np.ones(len(self.counts))
        return [Column(g, self.counts) for g in self.gains.T] + [
            Column(g, once) for g in self.gains.T
        ]


def _quantities(means: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """What has an interval, from means of the columns, (..., columns)."""
    per_fixation = dict(zip(MODELS, np.moveaxis(means, -1, 0)))
    per_image = dict(zip(MODELS, np.moveaxis(means, -1, 0)[len(MODELS) :]))
    return {
        **{f"IG {name}": per_fixation[name] for name in MODELS},
        **{f"IG per image {name}": per_image[name] for name in MODELS},
        **{
            f"explained {name}": explained_share(per_fixation[name], per_fixation["gold"])
            for name in MODELS
            if name != "gold"
        },
        "difference blurred - truth": per_fixation["blurred"] - per_fixation["truth"],
        "difference wrong - blurred": per_fixation["wrong"] - per_fixation["blurred"],
    }


def quantities(scores: Scores) -> dict[str, float]:
    """Means, ratios and differences over all images of ``scores``."""
    return _named(_quantities(_means(scores)))


def _means(scores: Scores) -> NDArray[np.float64]:
    return np.array([column.mean for column in scores.columns()])


def _named(values: dict[str, NDArray[np.float64]]) -> dict[str, float]:
    return {name: float(value) for name, value in values.items()}


@dataclass(frozen=True)
class _Baseline:
    """A density that is the same for every image: what the gold standard's fit asks of a prior."""

    density: NDArray[np.float64]

    def log_density_at(
        self, shape: tuple[int, int], x: NDArray, y: NDArray, index: int | None = None
    ) -> NDArray[np.float64]:
        return np.log(self.density[y, x])


def make_pool(plan: Coverage, seed: int = 0, progress: Progress = iter) -> Pool:
    """Simulate the pool, and fit the gold standard's parameters to other scenes and observers."""
    first = 2 * SEEDS_APART * (seed + 1) * plan.pool  # apart from the scenes of convergence
    scenes = tuple(random_scene(first + k, *plan.shape) for k in range(plan.pool))
    truth = SimulatedTruth(scenes, tuple(range(plan.pool)), SEEDS_APART * (seed + 1) - 1)
    baseline = sum(np.exp(truth.log_density(n)) for n in range(plan.pool)) / plan.pool
    mixture = _fitted_elsewhere(plan, baseline, first + plan.pool, SEEDS_APART * (seed + 1) - 2)
    parts: list[dict[str, NDArray]] = []
    next_density = np.exp(truth.log_density(0))
    for n in progress(range(plan.pool)):
        density, next_density = next_density, np.exp(truth.log_density((n + 1) % plan.pool))
        blurred = gaussian_filter(density, BLUR, mode="constant")
        wrong = MISTAKEN * next_density + (1 - MISTAKEN) * baseline
        trials = [
            truth.fixations(n, observer, plan.fixations_per_trial)
            for observer in range(plan.panel * plan.panels)
        ]
        x, y = (np.concatenate(axis).astype(np.int64) for axis in zip(*trials))
        parts.append(
            {
                "x": x,
                "y": y,
                "scene": np.full(len(x), n),
                "observer": np.repeat(np.arange(len(trials)), [len(x) for x, _ in trials]),
                "baseline": np.log(baseline[y, x]),
                "truth": np.log(density[y, x]),
                "blurred": np.log(blurred[y, x] / blurred.sum()),
                "wrong": np.log(wrong[y, x]),
            }
        )
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    models = {name: joined.pop(name) for name in ("truth", "blurred", "wrong")}
    return Pool(
        **joined,
        models=models,
        mixture=mixture,
        shape=plan.shape,
        n_scenes=plan.pool,
        n_observers=plan.panel * plan.panels,
    )


def _fitted_elsewhere(plan: Coverage, baseline: NDArray, first: int, seed: int) -> MixtureFit:
    """The gold standard's parameters from scenes and observers that are not in the pool."""
    others = simulate(
        plan.panel,
        plan.fixations_per_trial,
        seed=seed,
        scenes=[random_scene(first + k, *plan.shape) for k in range(_FIT_SCENES)],
    )
    data = TrainingData(others.stimuli, others.fixations, others.groups)
    return GoldStandard.fit(data, _Baseline(baseline)).mixture  # type: ignore[arg-type]


def measure(pool: Pool, plan: Coverage, seed: int = 0, progress: Progress = iter) -> pd.DataFrame:
    """Coverage of every quantity, number of images, population and kind of interval.

    Columns: population, n_images, quantity; interval ("expanded": that of the suite, "percentile":
    the plain one); true, the population's value (the mean over panels in "images"); repeats;
    coverage with its standard error; missed_below and missed_above, how often the whole interval
    lay below or above the true value; width, the mean; and true_sd, the standard deviation of the
    true value over panels of observers (0 where there is one value).

    Args:
        progress: wraps the iterator over data sets, to show progress.
    """
    observers = np.arange(pool.n_observers).reshape(plan.panels, plan.panel)
    panels = [pool.scores(panel) for panel in observers]
    panel_truths = [quantities(panel) for panel in panels]
    # every observer is in one panel, so the mean over panels is that over all observers
    everybody = _named(_quantities(np.mean([_means(panel) for panel in panels], axis=0)))

    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0,)))
    steps = [
        (population, n_images, repeat)
        for population, repeats in (
            (IMAGES, plan.repeats),
            (IMAGES_AND_OBSERVERS, plan.fresh_repeats),
        )
        for n_images in plan.n_images
        for repeat in range(repeats)
    ]
    rows = []
    for population, n_images, repeat in progress(steps):
        images = rng.integers(0, pool.n_scenes, n_images)
        if population == IMAGES:
            panel = repeat % plan.panels
            truth, scores = panel_truths[panel], panels[panel].drawn(images)
        else:
            drawn = rng.choice(pool.n_observers, plan.panel, replace=False)
            truth, scores = everybody, pool.scores(drawn, images).drawn(images)
        for row in _intervals(scores, plan.draws, seed=int(rng.integers(2**31))):
            rows.append((population, n_images, *row, truth[row[0]]))
    names = ["population", "n_images", "quantity", "interval", "low", "high", "true"]
    return _tallied(pd.DataFrame(rows, columns=names))


def _intervals(scores: Scores, draws: int, seed: int) -> Iterator[tuple[str, str, float, float]]:
    """Each quantity's intervals, as the suite computes them and plain: name, kind, ends."""
    n_images = len(scores.counts)
    means = Bootstrap(n_images, draws, seed).means(scores.columns())
    for name, drawn in _quantities(means).items():
        yield name, "expanded", *interval(drawn, n_images)
        low, high = np.quantile(drawn, [0.025, 0.975])
        yield name, "percentile", float(low), float(high)


def _tallied(rows: pd.DataFrame) -> pd.DataFrame:
    rows["missed_below"] = rows["high"] < rows["true"]
    rows["missed_above"] = rows["low"] > rows["true"]
    missed = rows["missed_below"] | rows["missed_above"]
    rows["covered"] = rows["low"].notna() & ~missed  # an interval that is not given covers nothing
    rows["width"] = rows["high"] - rows["low"]
    keys = ["population", "n_images", "quantity", "interval"]
    tallied = rows.groupby(keys, sort=False).agg(
        true=("true", "mean"),
        true_sd=("true", "std"),
        repeats=("true", "size"),
        coverage=("covered", "mean"),
        coverage_se=("covered", _standard_error),
        missed_below=("missed_below", "mean"),
        missed_above=("missed_above", "mean"),
        width=("width", "mean"),
    )
    return tallied.reset_index()


def _standard_error(covered: pd.Series) -> float:
    share = covered.mean()
    return float(np.sqrt(share * (1 - share) / len(covered)))
