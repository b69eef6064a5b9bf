"""Speed side by side with pysaliency, on maps of MIT1003's size: ``python -m benchmark.speed``.

Both sides run in one process on one core, taking turns, and their values are compared; the ratio of
the best times is what counts. Writes ``speed.csv`` and ``README.md``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd
import pysaliency
from pysaliency import baseline_utils
from pysaliency import metrics as theirs
from pysaliency.roc import general_rocs_per_positive
from scipy.ndimage import gaussian_filter
from threadpoolctl import threadpool_limits

from benchmark.errors import DataError
from benchmark.files import write_csv, write_whole
from metrics.auc import auc, rescale_fixations, shuffled_auc
from metrics.cc import correlation
from metrics.gaussian import filtered_map, filtered_points
from metrics.information_gain import information_gain, log_likelihood
from metrics.kl import EPSILON, kl_divergence
from metrics.nss import nss
from metrics.sim import similarity
from models.base import TrainingData
from models.centerbias import CenterBias
from models.gold_standard import GoldStandard
from models.kde import Points, other_counts, pair_sums

SHAPE = (768, 1024)
FIXATIONS = 104  # MIT1003's mean per image
IMAGES = 1003
SIGMA = 24.0
CROSSVALIDATED = 40  # images that pysaliency's cross-validation is timed on


@dataclass
class Comparison:
    """Best seconds of both sides, and the largest relative difference of their values."""

    task: str
    unit: str
    ours: float
    pysaliency: float
    difference: float | None = None

    @property
    def ratio(self) -> float:
        return self.pysaliency / self.ours


def best_of(functions: list[Callable[[], Any]], rounds: int) -> tuple[list[float], list[Any]]:
    """Best wall time of each function over interleaved rounds, after one that is not counted."""
    results = [function() for function in functions]
    best = [np.inf] * len(functions)
    for _ in range(rounds):
        for index, function in enumerate(functions):
            start = time.perf_counter()
            results[index] = function()
            best[index] = min(best[index], time.perf_counter() - start)
    return best, results


class _Case:
    """One image's density, baseline and fixations, and MIT1003's number of other fixations."""

    def __init__(self, seed: int = 0):
        rng = np.random.default_rng(seed)
        density = gaussian_filter(rng.random(SHAPE) ** 20, 15) + 1e-6
        self.density = density / density.sum()
        self.log_density = np.log(self.density)
        self.baseline = np.log(np.roll(self.density, 100, axis=1))
        self.x = rng.integers(0, SHAPE[1], FIXATIONS).astype(float)
        self.y = rng.integers(0, SHAPE[0], FIXATIONS).astype(float)
        others = FIXATIONS * (IMAGES - 1)
        self.sizes = np.array([(768, 1024), (1024, 768), (683, 1024)])[rng.integers(0, 3, others)]
        self.other_x = rng.random(others) * self.sizes[:, 1]
        self.other_y = rng.random(others) * self.sizes[:, 0]


def _ours(case: _Case) -> dict[str, Callable[[], Any]]:
    x, y = case.x, case.y

    def shuffled() -> Any:
        ratio = case.log_density - case.baseline
        other_x, other_y = rescale_fixations(case.other_x, case.other_y, case.sizes, SHAPE)
        return shuffled_auc(ratio, x, y, other_x, other_y)

    def image_metrics() -> Any:
        columns, rows = x.astype(int), y.astype(int)
        empirical = filtered_points(columns, rows, SHAPE, SIGMA)
        blurred = filtered_map(case.density, SIGMA)
        return np.array(
            [
                correlation(blurred, empirical),
                kl_divergence(blurred, empirical),
                similarity(blurred, empirical),
            ]
        )

    return {
        "LL": lambda: log_likelihood(case.log_density, x, y),
        "IG": lambda: information_gain(case.log_density, case.baseline, x, y),
        "AUC": lambda: auc(case.density, x, y),
        "sAUC": shuffled,
        "NSS": lambda: nss(case.density, x, y),
        "CC, KL, SIM": image_metrics,
    }


def _theirs(case: _Case) -> dict[str, Callable[[], Any]]:
    """The same values from pysaliency's functions, without the overhead of its model classes."""
    columns, rows = case.x.astype(int), case.y.astype(int)

    def shuffled() -> Any:
        # as pysaliency.saliency_map_models.FullShuffledNonfixationProvider does
        x = (case.other_x * (SHAPE[1] / case.sizes[:, 1])).astype(int)
        y = (case.other_y * (SHAPE[0] / case.sizes[:, 0])).astype(int)
        ratio = case.log_density - case.baseline
        return general_rocs_per_positive(ratio[rows, columns], ratio[y, x])

    def image_metrics() -> Any:
        counts = np.zeros(SHAPE)
        pysaliency.numba_utils.fill_fixation_map(counts, np.array([rows, columns]).T)
        empirical = gaussian_filter(counts, SIGMA, mode="reflect")
        blurred = gaussian_filter(case.density, SIGMA, mode="constant")
        with np.errstate(divide="ignore"):
            divergence = theirs.MIT_KLDiv(blurred, empirical)
        return np.array([theirs.CC(blurred, empirical), divergence, theirs.SIM(blurred, empirical)])

    uniform = -np.log(case.density.size)
    return {
        "LL": lambda: (case.log_density[rows, columns] - uniform) / np.log(2),
        "IG": lambda: (case.log_density[rows, columns] - case.baseline[rows, columns]) / np.log(2),
        "AUC": lambda: general_rocs_per_positive(
            case.density[rows, columns], case.density.flatten()
        ),
        "sAUC": shuffled,
        "NSS": lambda: theirs.NSS(case.density, columns, rows),
        "CC, KL, SIM": image_metrics,
    }


class _Ready(pysaliency.Model):
    """Returns a stored log density."""

    def __init__(self, log_density: np.ndarray):
        super().__init__(caching=False)
        self.ready = log_density

    def _log_density(self, stimulus: Any) -> np.ndarray:
        return self.ready


class _OtherFixations:
    """Shuffled negatives as pysaliency's own provider finds them, for one image of many."""

    def __init__(self, case: _Case):
        self.case = case

    def __call__(self, stimuli: Any, fixations: Any, index: int) -> tuple[Any, Any]:
        case = self.case
        x = case.other_x * (SHAPE[1] / case.sizes[:, 1])
        y = case.other_y * (SHAPE[0] / case.sizes[:, 0])
        return x.astype(int), y.astype(int)


def _their_models(case: _Case) -> dict[str, Callable[[], Any]]:
    """The same values as pysaliency's users get them: from methods of its models."""
    stimuli = pysaliency.Stimuli([np.zeros(SHAPE, dtype=np.uint8)])
    zeros = np.zeros(len(case.x), dtype=int)
    fixations = pysaliency.Fixations.create_without_history(case.x, case.y, zeros, zeros)
    model, baseline = _Ready(case.log_density), _Ready(case.baseline)
    saliency = pysaliency.DensitySaliencyMapModel(model)
    shuffled = pysaliency.ShuffledAUCSaliencyMapModel(model, baseline)
    others = _OtherFixations(case)

    def image_metrics() -> Any:
        # both models keep what they have computed, so each map is blurred once, as in ours
        empirical = pysaliency.FixationMap(stimuli, fixations, kernel_size=SIGMA)
        blurred = pysaliency.BluringSaliencyMapModel(saliency, SIGMA, mode="constant")
        with np.errstate(divide="ignore"):
            divergence = blurred.image_based_kl_divergences(
                stimuli,
                empirical,
                minimum_value=0,
                log_regularization=EPSILON,
                quotient_regularization=EPSILON,
            )
        return np.array(
            [*blurred.CCs(stimuli, empirical), *divergence, *blurred.SIMs(stimuli, empirical)]
        )

    return {
        "LL": lambda: model.information_gains(stimuli, fixations),
        "IG": lambda: model.information_gains(stimuli, fixations, baseline_model=baseline),
        "AUC": lambda: saliency.AUCs(stimuli, fixations),
        "sAUC": lambda: shuffled.AUCs(stimuli, fixations, nonfixations=others),
        "NSS": lambda: saliency.NSSs(stimuli, fixations),
        "CC, KL, SIM": image_metrics,
    }


def metric_suite(rounds: int, other_side: Callable[[_Case], Any], unit: str) -> list[Comparison]:
    """Each metric, and all of them, on one ready density."""
    case = _Case()
    ours, other = _ours(case), other_side(case)
    comparisons = []
    for name in ours:
        (mine, their), (value, expected) = best_of([ours[name], other[name]], rounds)
        scale = np.maximum(np.abs(expected), 1e-300)
        difference = float(np.max(np.abs(value - expected) / scale))
        comparisons.append(Comparison(name, unit, mine, their, difference))
    (mine, their), _ = best_of(
        [lambda: [f() for f in ours.values()], lambda: [f() for f in other.values()]], rounds
    )
    worst = max(c.difference or 0.0 for c in comparisons)
    comparisons.append(Comparison("all metrics", unit, mine, their, worst))
    return comparisons


def _data(data_root: Path | None) -> tuple[TrainingData, str]:
    """MIT1003 where it is at hand, otherwise random fixations of its size."""
    from benchmark.datasets.locate import load

    try:
        dataset = load("mit1003", data_root)
        return TrainingData(dataset.stimuli, dataset.fixations, dataset.groups), "MIT1003"
    except DataError:
        rng = np.random.default_rng(0)
        count = FIXATIONS * IMAGES
        fixations = pysaliency.Fixations.create_without_history(
            np.clip(rng.normal(0.5, 0.2, count), 0, 0.999) * SHAPE[1],
            np.clip(rng.normal(0.5, 0.2, count), 0, 0.999) * SHAPE[0],
            np.repeat(np.arange(IMAGES), FIXATIONS),
            np.tile(np.arange(FIXATIONS) % 15, IMAGES),
        )
        blank = np.zeros(SHAPE, dtype=np.uint8)
        stimuli = pysaliency.Stimuli([blank] * IMAGES)
        return TrainingData(stimuli, fixations, np.arange(IMAGES)), "random fixations"


def gold_standard(rounds: int, data_root: Path | None) -> tuple[list[Comparison], dict[str, Any]]:
    """One leave-one-subject-out likelihood, and the complete fit."""
    data, source = _data(data_root)
    fixations = data.fixations
    points = Points.sorted_by_image(
        fixations.x_int, fixations.y_int, fixations.n, fixations.subjects, data.sizes
    )
    areas = np.repeat(points.heights * points.widths, np.diff(points.starts))
    weight, sigma = 0.1, 28.0

    others = other_counts(points)

    def mine() -> float:
        density, _ = pair_sums(points, sigma)
        with np.errstate(invalid="ignore", divide="ignore"):
            mixed = (1 - weight) * density / others + weight / areas
        return float(np.nanmean(np.log2(mixed * areas)))

    few = fixations[fixations.n < CROSSVALIDATED]
    crossvalidation = baseline_utils.ScikitLearnImageSubjectCrossValidationGenerator(
        data.stimuli, few
    )
    search = baseline_utils.CrossvalMultipleRegularizations(
        data.stimuli, few, {"uniform": pysaliency.UniformModel()}, crossvalidation
    )
    longest = data.sizes[:CROSSVALIDATED].max()

    def their() -> float:
        return search.score(np.log10(sigma / longest), np.log10(weight))

    (fast,), (value,) = best_of([mine], rounds)
    (slow,), _ = best_of([their], max(rounds // 5, 1))
    seen = np.count_nonzero(np.bincount(few.n, minlength=CROSSVALIDATED))
    whole = slow / seen * len(data.stimuli)
    start = time.perf_counter()
    centerbias = CenterBias.fit(data)
    middle = time.perf_counter()
    gold = GoldStandard.fit(data, centerbias)
    end = time.perf_counter()
    facts = {
        "source": source,
        "centerbias_fit": middle - start,
        "gold_fit": end - middle,
        "evaluations": gold.mixture.evaluations,
        "likelihood": value,
    }
    task = "leave-one-subject-out likelihood"
    return [Comparison(task, f"data set ({source})", fast, whole)], facts


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("results/speed"))
@click.option("--data-root", type=click.Path(path_type=Path))
@click.option("--rounds", type=click.IntRange(min=1), default=15, show_default=True)
def main(out: Path, data_root: Path | None, rounds: int) -> None:
    """Time metrics and the gold standard beside pysaliency; write a table."""
    with threadpool_limits(1):
        suite = metric_suite(rounds, _their_models, "image, its models")
        suite += metric_suite(rounds, _theirs, "image, its functions")
        loo, facts = gold_standard(rounds, data_root)
    comparisons = [*suite, *loo]
    frame = pd.DataFrame(
        [
            {
                "task": c.task,
                "per": c.unit,
                "seconds": c.ours,
                "pysaliency_seconds": c.pysaliency,
                "ratio": c.ratio,
                "largest_relative_difference": c.difference,
            }
            for c in comparisons
        ]
    )
    write_csv(frame, out / "speed.csv", list(frame.columns))
    write_whole(out / "README.md", _readme(comparisons, facts))
    click.echo((out / "README.md").read_text(encoding="utf-8"))


def _readme(comparisons: list[Comparison], facts: dict[str, Any]) -> str:
    rows = "\n".join(
        f"| {c.task} | {c.unit} | {c.ours * 1e3:.1f} | {c.pysaliency * 1e3:.1f} | {c.ratio:.1f} | "
        f"{'' if c.difference is None else f'{c.difference:.0e}'} |"
        for c in comparisons
    )
    return f"""# Speed beside pysaliency

Made by `python -m benchmark.speed` (or `make bench`), beside pysaliency {pysaliency_version()}.
Both sides run in one process on one core, taking turns; times are the best of all rounds, and only
their ratio carries over to other machines.

| Task | per, against | ours, ms | pysaliency, ms | ratio | largest relative difference |
| :-- | :-- | --: | --: | --: | --: |
{rows}

Metrics: a ready density of {SHAPE[1]}x{SHAPE[0]} pixels, {FIXATIONS} fixations, {IMAGES - 1} other
images' fixations for sAUC. Blurring the density and the fixations counts as part of CC, KL and SIM
(here all on the blurred density); rescaling the other images' fixations as part of sAUC.
"Its models" is pysaliency as its users call it, methods of models that return the ready density;
"its functions" is the arithmetic below them, called directly.

Leave-one-subject-out likelihood: one evaluation of the gold standard's kernel density (28 px) mixed
with a uniform density, over the whole data set; ours includes the derivative by the bandwidth.
pysaliency's route is `CrossvalMultipleRegularizations.score`, timed on {CROSSVALIDATED} images and
scaled to all.

Complete fit on {facts["source"]}: centre bias {facts["centerbias_fit"]:.1f} s, gold standard
{facts["gold_fit"]:.1f} s ({facts["evaluations"]} likelihoods with gradients).
"""


def pysaliency_version() -> str:
    """The installed version."""
    from importlib.metadata import version

    return version("pysaliency")


if __name__ == "__main__":
    main()
