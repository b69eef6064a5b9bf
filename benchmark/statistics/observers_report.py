"""``python -m benchmark observers``: the learning curve over observers, and where it leads."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from benchmark.datasets.base import Dataset, training_data
from benchmark.datasets.locate import load, subset_by_size
from benchmark.datasets.simulated import random_scene, simulate, true_information_gain
from benchmark.errors import BenchmarkError
from benchmark.files import write_csv, write_whole
from benchmark.report.plots.style import render
from benchmark.scores import interval
from benchmark.statistics.extrapolate import ALTERNATIVES, SMALLEST, Limit, extrapolate
from benchmark.statistics.figures import observers_figure
from benchmark.statistics.observers import LearningCurve, Progress, learning_curve
from benchmark.statistics.text import escape, number, paragraph, signed, span, table
from benchmark.validation.convergence import SEEDS_APART
from models.centerbias import CenterBias
from models.gold_standard import GoldStandard

#: Pairs of an image and a subject with fixations, of all, that a learning curve takes.
COMPLETE = 0.9


@dataclass(frozen=True)
class ObserversOptions:
    """What to measure; the defaults are those of the command line.

    Attributes:
        simulated: measure data sets of simulated observers instead, whose truth is known.
        orders: random cyclic orders of the subjects. draws: of the bootstrap.
        repeats, observers, scenes: of the simulation.
        out: folder, None for results/statistics-DATASET/observers or results/statistics-simulated.
    """

    dataset: str = "photographs"
    data_root: Path | None = None
    subset: str | None = None
    simulated: bool = False
    orders: int = 4
    draws: int = 2000
    seed: int = 0
    repeats: int = 20
    observers: int = 15
    scenes: int = 40
    out: Path | None = None


@dataclass(frozen=True)
class Measured:
    """A learning curve, its limit, and each point's interval, (ks, 2)."""

    curve: LearningCurve
    limit: Limit
    ends: np.ndarray


def measure(
    dataset: Dataset, orders: int, draws: int, seed: int, progress: Progress = iter
) -> tuple[Measured, GoldStandard]:
    """The learning curve of a data set, and its gold standard.

    Raises:
        BenchmarkError: there are too few observers.
    """
    _check_design(dataset)
    data = training_data(dataset)
    gold = GoldStandard.fit(data, CenterBias.fit(data))
    curve = learning_curve(data, gold, orders, seed, progress)
    resampled = curve.resampled(draws, seed)
    limit = extrapolate(curve.others, curve.information_gain, resampled)
    n_images = int((curve.counts.sum(axis=1) > 0).sum())
    kept = resampled[np.isfinite(resampled).all(axis=1)]
    ends = np.array([interval(column, n_images) for column in kept.T])
    return Measured(curve, limit, ends), gold


def _check_design(dataset: Dataset) -> None:
    """Raise BenchmarkError unless there are observers to compare, who saw nearly every image."""
    seen, subjects = len(dataset.seen), len(dataset.subject_names)
    images = len({image for image, _ in dataset.seen})
    if subjects < 2:
        raise BenchmarkError(f"{dataset.name}: there is one observer; nobody can be predicted.")
    if seen < COMPLETE * images * subjects:
        raise BenchmarkError(
            f"{dataset.name}: an image was seen by {seen / images:.1f} of {subjects} subjects on "
            "average, so that how many others predict one cannot be counted; expected subjects "
            f"that saw nearly all images ({COMPLETE:.0%} of the pairs)."
        )


def observers(options: ObserversOptions, progress: Progress = iter) -> Path:
    """Measure, write the folder and return it.

    Raises:
        BenchmarkError: the data set is missing, or has fewer than six observers.
    """
    if options.simulated:
        return _validate(options, progress)
    dataset = load(options.dataset, options.data_root)
    if options.subset:
        dataset = subset_by_size(dataset, options.subset)
    folder = options.out or Path("results") / f"statistics-{dataset.name}" / "observers"
    measured, _ = measure(dataset, options.orders, options.draws, options.seed, progress)
    _write(folder, measured, None)
    name = "" if options.dataset == "photographs" else f" --dataset {options.dataset}"
    subset = f" --subset {options.subset}" if options.subset else ""
    command = f"python -m benchmark observers{name}{subset}{_changed(options)}"
    title = dataset.spec.title
    write_whole(folder / "README.md", _text(measured, title, command, options, dataset))
    return folder


def _changed(options: ObserversOptions) -> str:
    """The options that were given another value than the default one."""
    default = ObserversOptions()
    names = ["orders", "draws", "seed"]
    if options.simulated:
        names += ["repeats", "observers", "scenes"]
    return "".join(
        f" --{name} {getattr(options, name)}"
        for name in names
        if getattr(options, name) != getattr(default, name)
    )


def _write(folder: Path, measured: Measured, truth: float | None) -> None:
    curve, limit = measured.curve, measured.limit
    frame = curve.fits.assign(
        others=curve.others,
        information_gain=curve.information_gain,
        ci_low=measured.ends[:, 0],
        ci_high=measured.ends[:, 1],
        spread=curve.spread,
        fitted=np.where(curve.others >= SMALLEST, limit.law.at(curve.others), np.nan),
    )
    names = ["observers", "others", "information_gain", "ci_low", "ci_high", "spread", "fitted",
             "bandwidth", "kernel_weight", "centerbias_weight", "uniform_weight"]  # fmt: skip
    write_csv(frame, folder / "curve.csv", names)
    laws = pd.DataFrame(
        [
            (start, float(law.limit), float(law.gap), float(law.exponent))
            for start, law in limit.by_start.items()
        ],
        columns=["fitted_from", "limit", "gap", "exponent"],
    )
    chosen = laws["fitted_from"] == SMALLEST
    laws["ci_low"] = np.where(chosen, limit.low, np.nan)
    laws["ci_high"] = np.where(chosen, limit.high, np.nan)
    write_csv(laws, folder / "limit.csv", list(laws.columns))
    figure = observers_figure(curve, limit, measured.ends, truth)
    for extension in ("pdf", "png"):
        write_whole(folder / f"observers.{extension}", render(figure, extension))


def _text(
    measured: Measured, title: str, command: str, options: ObserversOptions, dataset: Dataset
) -> str:
    curve, limit = measured.curve, measured.limit
    gains, law = curve.information_gain, measured.limit.law
    n = int(curve.observers[-1])
    rows = [
        [
            str(k),
            number(gain, 4),
            span(low, high, 3).replace("+", ""),
            number(float(law.at(k - 1)), 4) if k - 1 >= SMALLEST else "–",
            number(bandwidth, 1),
        ]
        for k, gain, (low, high), bandwidth in zip(
            curve.observers, gains, measured.ends, curve.fits["bandwidth"]
        )
    ]
    simulated = " (simulated observers)" if dataset.spec.simulated else ""
    return "\n\n".join(
        [
            f"# Number of observers: {escape(title)}",
            f"Remake with\n\n```sh\n{command}\n```",
            paragraph(
                f"""Information gain of the gold standard over the centre bias, in bits per
                fixation{simulated}, by the number k of observers it knows: each one is predicted
                from the k − 1 others. Subjects are taken from {options.orders} random orders, so
                that all are predicted equally often; the centre bias is that of all observers
                throughout. Intervals are for other images and other subjects to be predicted
                (both drawn with replacement, {options.draws:,} times)."""
            ),
            table(["k", "information gain", "95 % interval", "law", "bandwidth (px)"], rows),
            "![Learning curve](observers.png)",
            "## Infinitely many observers",
            paragraph(
                f"""The law IG = c − a · (k − 1)^(−b), fitted by least squares from {SMALLEST}
                predicting observers on, gives c = {number(limit.value, 3)}, a =
                {number(float(law.gap), 3)}, b = {number(float(law.exponent), 3)}. The limit c is
                what a gold standard that knew infinitely many such observers would gain: **{
                    number(limit.value, 3)} bits**, 95 % interval {number(limit.low, 3)} to
                {number(limit.high, 3)} if the law is exact. It is not: fits from {_starts(limit)}
                predicting observers on give {_limits(limit)}, so that a cautious range is
                {number(limit.span[0], 3)} to {number(limit.span[1], 3)} (grey in the figure). The
                gold standard of {n} observers, {number(float(gains[-1]), 3)} bits, is
                {number(100 * limit.share[0], 1)} % of the limit ({number(100 * limit.share[1], 1)}
                to {number(100 * limit.share[2], 1)} %, if the law is exact). So a model may come
                to more than 100 % of a gold standard of {n} observers; the limit is what there is
                to explain."""
            ),
            paragraph(
                """An extrapolation holds as long as its law does. On simulated observers, whose
                true density is known, `python -m benchmark observers --simulated` measures how far
                off it is. `curve.csv` has the curve (`spread`: standard deviation over groups of
                k subjects), `limit.csv` the laws."""
            ),
        ]
    ) + "\n"  # fmt: skip


def _starts(limit: Limit) -> str:
    names = [str(start) for start in limit.by_start if start != SMALLEST]
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else "".join(names)


def _limits(limit: Limit) -> str:
    names = [number(float(law.limit), 3) for start, law in limit.by_start.items()
             if start != SMALLEST]  # fmt: skip
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else "".join(names)


def simulated_dataset(options: ObserversOptions, repeat: int) -> Dataset:
    """Scenes and observers of one repeat, shared with no other."""
    first = (SEEDS_APART * options.seed + repeat) * options.scenes
    return simulate(
        options.observers,
        seed=SEEDS_APART * options.seed + repeat,
        scenes=[random_scene(first + k) for k in range(options.scenes)],
    )


def true_gains(dataset: Dataset, gold: GoldStandard) -> tuple[float, float]:
    """The population density's information gain in bits per fixation, over gold's centre bias.

    Returns:
        The expectation over all observers (exact), and the mean over the fixations drawn.
    """
    truth, fixations = dataset.extras["truth"], dataset.fixations
    sizes = dataset.sizes
    total = 0.0
    for n in range(len(dataset)):
        chosen = fixations.n == n
        x, y = fixations.x_int[chosen], fixations.y_int[chosen]
        shape = (int(sizes[n, 0]), int(sizes[n, 1]))
        baseline = gold.centerbias.log_density_at(shape, x, y, n)
        total += float((truth.log_density(n)[y, x] - baseline).sum())
    exact = true_information_gain(
        truth,
        lambda n: gold.centerbias.log_density_without((int(sizes[n, 0]), int(sizes[n, 1])), n),
    )
    counts = np.bincount(fixations.n, minlength=len(dataset))
    return float(np.average(exact, weights=counts)), total / len(fixations.n) / np.log(2)


def _validate(options: ObserversOptions, progress: Progress) -> Path:
    folder = options.out or Path("results") / "statistics-simulated"
    rows, shown = [], None
    steps: Iterable[int] = progress(range(options.repeats))
    for repeat in steps:
        dataset = simulated_dataset(options, repeat)
        measured, gold = measure(dataset, options.orders, options.draws, options.seed)
        exact, sample = true_gains(dataset, gold)
        shown = shown or (measured, sample)
        limit, law = measured.limit, measured.limit.law
        rows.append(
            {
                "repeat": repeat,
                "truth": exact,
                "truth_sample": sample,
                "gold": float(measured.curve.information_gain[-1]),
                "limit": limit.value,
                "ci_low": limit.low,
                "ci_high": limit.high,
                "span_low": limit.span[0],
                "span_high": limit.span[1],
                "exponent": float(law.exponent),
                **{f"limit_from_{start}": float(law.limit)
                   for start, law in limit.by_start.items()},
            }
        )  # fmt: skip
    frame = pd.DataFrame(rows)
    assert shown is not None
    _write(folder, *shown)
    write_csv(frame, folder / "limits.csv", list(frame.columns))
    command = f"python -m benchmark observers --simulated{_changed(options)}"
    write_whole(folder / "README.md", _validation_text(frame, command, options))
    return folder


def _validation_text(frame: pd.DataFrame, command: str, options: ObserversOptions) -> str:
    def error(values: pd.Series, truth: str) -> str:
        gap = values - frame[truth]
        return f"{signed(gap.mean(), 3)} ± {number(gap.std() / np.sqrt(len(gap)), 3)}"

    names = {"gold": f"gold standard of {options.observers}", "limit": "limit"}
    names |= {
        f"limit_from_{start}": f"limit, fitted from {start}"
        for start in ALTERNATIVES
        if start != SMALLEST and f"limit_from_{start}" in frame
    }
    rows = [
        [text, number(frame[name].mean(), 3), error(frame[name], "truth_sample"),
         number((frame[name] - frame["truth_sample"]).std(), 3), error(frame[name], "truth")]
        for name, text in names.items()
    ]  # fmt: skip

    def covered(low: str, high: str, truth: str) -> str:
        hits = (frame[low] <= frame[truth]) & (frame[truth] <= frame[high])
        return f"{int(hits.sum())} of {len(frame)}"

    gap = (frame["truth_sample"] - frame["gold"]).mean()
    left = (frame["truth_sample"] - frame["limit"]).mean()
    return "\n\n".join(
        [
            "# Extrapolation to infinitely many observers, against a known truth",
            f"Remake with\n\n```sh\n{command}\n```",
            paragraph(
                f"""{len(frame)} simulated data sets, each with {options.scenes} scenes of 320x240
                pixels and {options.observers} observers of its own. The true density of the
                population is known, so that the information gain with infinitely many observers
                is, too. *Limit*: from the law c − a · (k − 1)^(−b), as for measured data sets.
                Means in bits per fixation, differences ± standard error; *sd*: of the difference
                over data sets."""
            ),
            table(["", "mean", "− truth, same fixations", "sd", "− truth, exact"], rows),
            paragraph(
                f"""The true information gain is {number(frame["truth_sample"].mean(), 3)} bits on
                the fixations drawn. The gold standard of {options.observers} observers lacks
                {number(gap, 3)} bits of it, the extrapolated limit {number(left, 3)}: the law
                makes up for {number(100 * (1 - left / gap), 0)} % of what is missing. The interval
                for other images and subjects holds the truth on the same fixations in
                {covered("ci_low", "ci_high", "truth_sample")} data sets and the exact one in
                {covered("ci_low", "ci_high", "truth")}; the cautious range, which also holds the
                limits of the other fits, in {covered("span_low", "span_high", "truth_sample")} and
                {covered("span_low", "span_high", "truth")}: on so few images they are wide
                ({number((frame["ci_high"] - frame["ci_low"]).mean(), 2)} bits on average), since
                images and subjects differ, and say less than the ± above. The law is an
                approximation: fitted from 1 predicting observer on, it overshoots."""
                if frame.get("limit_from_1", frame["limit"]).mean() > frame["truth_sample"].mean()
                else f"""The gold standard of {options.observers} observers lacks {number(gap, 3)}
                bits, the extrapolated limit {number(left, 3)}. The cautious range holds the truth
                on the same fixations in {covered("span_low", "span_high", "truth_sample")} data
                sets."""
            ),
            paragraph(
                """Scenes, observers and how much they differ are assumptions of the simulation
                (`benchmark/datasets/simulated.py`); how well the law fits people may differ."""
            ),
            "![Learning curve of the first data set](observers.png)",
            "`limits.csv` has a row for each data set.",
        ]
    ) + "\n"  # fmt: skip
