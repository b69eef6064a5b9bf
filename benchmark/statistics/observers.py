"""The gold standard's learning curve: its information gain by the number of observers it knows.

From k observers every one is predicted by the k - 1 others (leave-one-subject-out). Subjects are
drawn as windows of random cyclic orders, so that in every order each subject is predicted equally
often and the curve's points differ in how many observers predict, not in whom is predicted. The
baseline and the prior of the mixture are the centre bias of all observers throughout; bandwidth and
weights are fitted anew for every k, on one window, and used on the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.errors import BenchmarkError
from models.base import TrainingData
from models.centerbias import CenterBias
from models.gold_standard import GoldStandard
from models.kde import Points, other_counts, pair_sums
from models.mixture_fit import MixtureFit, fit_mixture

#: Wraps an iterable to show progress.
Progress = Callable[[Iterable], Iterable]

#: Limits of the bandwidth in pixels, as the gold standard's.
_BOUNDS = (1.0, 1000.0)


@dataclass(frozen=True)
class LearningCurve:
    """Information gain over the centre bias by the number of observers.

    Attributes:
        observers: numbers of observers k, ascending, (ks,); each is predicted by k - 1 others.
        gains: sum of the information gains, in bits, of a subject's fixations on an image, averaged
            over the windows that the subject is in, (ks, images, subjects).
        counts: number of fixations, (images, subjects).
        fits: a row for each k: bandwidth (pixels) and weights of the mixture.
        spread: standard deviation over windows of the mean information gain, (ks,).
    """

    observers: NDArray[np.int64]
    gains: NDArray[np.float64]
    counts: NDArray[np.int64]
    fits: pd.DataFrame
    spread: NDArray[np.float64]

    @property
    def others(self) -> NDArray[np.int64]:
        """Number of observers that predict one, k - 1."""
        return self.observers - 1

    @property
    def information_gain(self) -> NDArray[np.float64]:
        """Mean over fixations, in bits per fixation, (ks,)."""
        return self.gains.sum(axis=(1, 2)) / self.counts.sum()

    def resampled(self, draws: int = 2000, seed: int = 0) -> NDArray[np.float64]:
        """Curves for other images and other subjects to be predicted, (draws, ks).

        Images and subjects are both drawn with replacement, and a cell counts as often as its image
        times as often as its subject (Owen 2007, Annals of Applied Statistics 1(2)).
        """
        n_ks, n_images, n_subjects = self.gains.shape
        rng = np.random.default_rng(seed)
        by_subject = np.moveaxis(self.gains, 0, 2).reshape(n_images, -1)
        result = np.empty((draws, n_ks))
        for start in range(0, draws, 500):
            size = min(500, draws - start)
            images = rng.multinomial(n_images, np.full(n_images, 1 / n_images), size).astype(float)
            subjects = rng.multinomial(n_subjects, np.full(n_subjects, 1 / n_subjects), size)
            sums = (images @ by_subject).reshape(size, n_subjects, n_ks)
            totals = ((images @ self.counts) * subjects).sum(axis=1)
            with np.errstate(invalid="ignore"):
                result[start : start + size] = (
                    np.einsum("dsk,ds->dk", sums, subjects) / totals[:, None]
                )
        return result


@dataclass(frozen=True)
class _Fixations:
    """Fixations sorted by image, with what does not depend on the observers chosen."""

    points: Points
    image: NDArray[np.int64]
    sizes: NDArray[np.int64]
    baseline: NDArray[np.float64]  # log density of the centre bias without the image, nats
    area: NDArray[np.int64]

    @classmethod
    def of(cls, data: TrainingData, centerbias: CenterBias) -> _Fixations:
        fixations = data.fixations
        points = Points.sorted_by_image(
            fixations.x_int, fixations.y_int, fixations.n, fixations.subjects, data.sizes
        )
        image = np.repeat(np.arange(len(data.sizes)), np.diff(points.starts))
        baseline = np.empty(len(points.x))
        for n, (first, last) in enumerate(zip(points.starts[:-1], points.starts[1:])):
            if last > first:
                shape = (int(points.heights[n]), int(points.widths[n]))
                x, y = points.x[first:last], points.y[first:last]
                baseline[first:last] = centerbias.log_density_at(shape, x, y, n)
        return cls(points, image, data.sizes, baseline, data.sizes.prod(axis=1)[image])


class _Window:
    """The fixations of some subjects, each predicted from the others among them."""

    def __init__(self, everything: _Fixations, subjects: Sequence[int]):
        points = everything.points
        self.chosen = np.flatnonzero(np.isin(points.labels, np.asarray(subjects)))
        self.points = Points.sorted_by_image(
            points.x[self.chosen],
            points.y[self.chosen],
            everything.image[self.chosen],
            points.labels[self.chosen],
            everything.sizes,
        )
        self.others = other_counts(self.points)
        prior = np.exp(everything.baseline[self.chosen])
        self.fixed = np.stack([prior, 1.0 / everything.area[self.chosen]], axis=1)

    def held_out(self, bandwidth: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Kernel density of the others at each fixation, NaN without others, and its derivative."""
        total, slope = pair_sums(self.points, bandwidth)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(self.others, total / self.others, np.nan), slope / self.others

    def log_likelihoods(self, fit: MixtureFit) -> NDArray[np.float64]:
        """Log density of each fixation of the window, nats."""
        kernel, _ = self.held_out(fit.bandwidth)
        rest = self.fixed @ np.array(fit.weights[1:])
        alone = rest / (1.0 - fit.weights[0])  # nobody else looked at this image
        return np.log(np.where(self.others, fit.weights[0] * np.nan_to_num(kernel) + rest, alone))


def learning_curve(
    data: TrainingData,
    gold: GoldStandard,
    orders: int = 4,
    seed: int = 0,
    progress: Progress = iter,
) -> LearningCurve:
    """Information gain of the gold standard with k = 2 ... n observers.

    With all n observers it is that of the gold standard given.

    Args:
        gold: fitted to ``data``, with its centre bias.
        orders: random cyclic orders of the subjects; each gives n windows of k subjects.
        seed: of the orders.

    Raises:
        BenchmarkError: there are fewer than three observers.
    """
    subjects = np.unique(data.fixations.subjects)
    n = len(subjects)
    if n < 3:
        raise BenchmarkError(
            f"a learning curve over observers needs at least three of them, and this data set has "
            f"{n}."
        )
    everything = _Fixations.of(data, gold.centerbias)
    column = np.searchsorted(subjects, everything.points.labels)
    counts = np.zeros((len(data.sizes), n), dtype=np.int64)
    np.add.at(counts, (everything.image, column), 1)
    rng = np.random.default_rng(seed)
    permutations = [rng.permutation(subjects) for _ in range(orders)]
    numbers = np.arange(2, n + 1)
    gains = np.zeros((len(numbers), *counts.shape))
    spread = np.zeros(len(numbers))
    fit, fits = gold.mixture, []
    for index in progress(range(len(numbers) - 1, -1, -1)):  # the largest first: fits go on from it
        k = int(numbers[index])
        windows = [
            [order[(start + step) % n] for step in range(k)]
            for order in permutations
            for start in range(n)
        ]
        if k == n:
            windows = windows[:1]
        else:
            first = _Window(everything, windows[0])
            fit = fit_mixture(first.held_out, first.fixed, (fit.bandwidth,), _BOUNDS)
        means = []
        for chosen in windows:
            window = _Window(everything, chosen)
            gain = window.log_likelihoods(fit) - everything.baseline[window.chosen]
            gain /= np.log(2)
            np.add.at(gains[index], (everything.image[window.chosen], column[window.chosen]), gain)
            means.append(gain.mean())
        gains[index] /= 1 if k == n else k * orders  # a subject is in k windows of each order
        spread[index] = np.std(means, ddof=1) if len(means) > 1 else np.nan
        fits.append((k, fit.bandwidth, *fit.weights))
    names = ["observers", "bandwidth", "kernel_weight", "centerbias_weight", "uniform_weight"]
    table = pd.DataFrame(fits, columns=names).iloc[::-1].reset_index(drop=True)
    return LearningCurve(numbers, gains, counts, table, spread)
