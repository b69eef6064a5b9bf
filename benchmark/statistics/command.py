"""``python -m benchmark statistics``: everything that stored scores alone can tell."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pandas as pd

from benchmark.comparison.core import named_model
from benchmark.errors import BenchmarkError
from benchmark.files import discard, write_csv, write_whole
from benchmark.report import notes
from benchmark.report.plots.style import render
from benchmark.report.record import Metric
from benchmark.report.results import Results
from benchmark.report.table import DECIMALS
from benchmark.scores import Column, columns
from benchmark.statistics import power
from benchmark.statistics.agreement import NAMES as AGREEMENT
from benchmark.statistics.agreement import agreement
from benchmark.statistics.figures import agreement_figure, power_figure, tests_figure
from benchmark.statistics.paired import (
    FLIPS,
    can_separate,
    difference,
    enough_flips,
    paired_tests,
    smallest_p,
)
from benchmark.statistics.text import (
    INFINITE,
    escape,
    number,
    p_value,
    paragraph,
    signed,
    span,
    table,
)


@dataclass(frozen=True)
class StatisticsOptions:
    """What to analyse; the defaults are those of the command line.

    Attributes:
        folder: results of a run.
        models: names, empty for all that are ranked. metrics: names, empty for all but LL, whose
            differences are those of IG, and the second averages.
        draws: of the bootstrap. flips: permutations, more where so many could separate no pair of
            models. repeats: samples that check the power.
        out: folder, None for results/statistics-FOLDER.
    """

    folder: Path
    models: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    draws: int = 10_000
    flips: int = FLIPS
    repeats: int = 1000
    seed: int = 0
    out: Path | None = None


@dataclass(frozen=True)
class Statistics:
    """What was found.

    Attributes:
        models: names, best first by the leading metric, which is the first of ``metrics``.
        tests: a row for each metric and pair of models.
        agreed: a row for each pair of metrics.
        powers: a row for each metric and pair. checked: predicted beside simulated power.
        neighbours: pairs that follow each other by the leading metric.
    """

    results: Results
    options: StatisticsOptions
    models: list[str]
    metrics: list[Metric]
    tests: pd.DataFrame
    agreed: pd.DataFrame
    powers: pd.DataFrame
    checked: pd.DataFrame
    neighbours: list[tuple[str, str]]

    @property
    def leading(self) -> Metric:
        return self.metrics[0]

    @property
    def titles(self) -> dict[str, str]:
        return {model.name: model.title for model in self.results.models}

    def of(self, frame: pd.DataFrame, metric: str) -> pd.DataFrame:
        """Rows of one metric."""
        return frame[frame["metric"] == metric]


def analyse(options: StatisticsOptions) -> Statistics:
    """Compute all statistics of a results folder.

    Raises:
        BenchmarkError: the folder is malformed or incomplete, or there are fewer than two models.
        UnknownNameError: there is no such model or metric.
    """
    results = Results.read(options.folder)
    if not results.complete:
        raise BenchmarkError(
            f"{options.folder} is an incomplete run, which ranks nobody: finish it with the "
            "command in its run.json, then test."
        )
    metrics = _metrics(results, options.metrics)
    scored = columns(results.scores)
    wanted = [named_model(results, name) for name in options.models]
    if not wanted:
        wanted = [model.name for model in results.models if model.ranked]
    models = _best_first(scored, wanted, metrics[0])
    if len(models) < 2:
        raise BenchmarkError(
            f"{options.folder} has {len(models)} ranked model(s) with {metrics[0].label}: tests "
            "between models need two."
        )
    higher = {metric.name: metric.higher_is_better for metric in metrics}
    tests, powers = [], []
    for metric in metrics:
        ordered = _best_first(scored, models, metric)
        tested = paired_tests(
            scored, metric.name, ordered, higher[metric.name], options.draws, options.flips,
            options.seed,
        )  # fmt: skip
        tests.append(tested)
        pairs = list(zip(tested["model"], tested["other"]))
        rows = power.power_table(pairs, _paired(scored, pairs, metric))
        rows.insert(0, "metric", metric.name)
        powers.append(rows)
    neighbours = list(pairwise(models))
    checked = power.check(
        neighbours,
        _paired(scored, neighbours, metrics[0]),
        repeats=options.repeats,
        seed=options.seed,
    )
    agreed = agreement(
        scored, list(higher), [m for m in models if all((m, n) in scored for n in higher)], higher,
        options.draws, options.seed,
    )  # fmt: skip
    return Statistics(
        results, options, models, metrics, pd.concat(tests, ignore_index=True), agreed,
        pd.concat(powers, ignore_index=True), checked, neighbours,
    )  # fmt: skip


def _metrics(results: Results, names: Sequence[str]) -> list[Metric]:
    chosen = results.choose(names or None)
    if not names and any(metric.name == "IG" for metric in chosen):
        chosen = [metric for metric in chosen if metric.name != "LL"]
    return chosen


def _best_first(
    scored: dict[tuple[str, str], Column], models: Sequence[str], metric: Metric
) -> list[str]:
    """Models with a defined mean, in descending order of quality."""
    means = {m: scored[m, metric.name].mean for m in models if (m, metric.name) in scored}
    sign = -1 if metric.higher_is_better else 1
    return sorted((m for m in means if means[m] == means[m]), key=lambda m: (sign * means[m], m))


def _paired(
    scored: dict[tuple[str, str], Column], pairs: Sequence[tuple[str, str]], metric: Metric
) -> list[Column]:
    return [difference(scored[b, metric.name], scored[a, metric.name]) for a, b in pairs]


def command_of(options: StatisticsOptions) -> str:
    """The command that does the same again, wherever it writes to."""
    words = ["python", "-m", "benchmark", "statistics", options.folder.as_posix()]
    default = StatisticsOptions(options.folder)
    for name in ("models", "metrics", "draws", "flips", "seed"):
        value = getattr(options, name)
        if value != getattr(default, name):
            words += [f"--{name}", ",".join(value) if isinstance(value, tuple) else str(value)]
    return shlex.join(words)


def write(found: Statistics) -> Path:
    """Write README.md, CSV files and figures; return their folder.

    Raises:
        BenchmarkError: the folder cannot be written to.
    """
    name = found.options.folder.resolve().name
    folder = found.options.out or Path("results") / f"statistics-{name}"
    frames = {
        "tests": (found.tests, list(found.tests.columns)),
        "agreement": (found.agreed, AGREEMENT),
        "power": (found.powers, list(found.powers.columns)),
        "power-check": (found.checked, list(found.checked.columns)),
    }
    for name, (frame, names) in frames.items():
        write_csv(frame, folder / f"{name}.csv", names)
    leading = found.of(found.tests, found.leading.name)
    powers = found.of(found.powers, found.leading.name)
    n_images = found.results.dataset.n_images
    shown = _telling_pairs(found, powers)
    figures = {
        "tests": tests_figure(leading, found.titles, found.leading),
        "agreement": agreement_figure(found.agreed, found.metrics) if len(found.agreed) else None,
        "power": power_figure(
            powers, found.checked, shown, found.titles, found.leading, n_images
        ) if shown else None,
    }  # fmt: skip
    for name, figure in figures.items():
        for extension in ("pdf", "png"):
            path = folder / "figures" / f"{name}.{extension}"
            if figure is None:
                discard(path)
            else:
                write_whole(path, render(figure, extension))
    write_whole(folder / "README.md", text(found))
    return folder


def _telling_pairs(found: Statistics, powers: pd.DataFrame) -> list[tuple[str, str]]:
    """Three neighbouring pairs, easy to hard to separate, neither at once nor never if possible."""
    rows = powers.set_index(["model", "other"])
    pairs = [pair for pair in found.neighbours if rows.loc[pair, "sd"] > 0]
    pairs.sort(key=lambda pair: (float(rows.loc[pair, "images_needed"]), pair))
    most = 5 * found.results.dataset.n_images
    between = [pair for pair in pairs if 10 <= rows.loc[pair, "images_needed"] <= most]
    chosen = between if len(between) >= 3 else pairs
    if len(chosen) <= 3:
        return chosen
    return [chosen[0], chosen[len(chosen) // 2], chosen[-1]]


def text(found: Statistics) -> str:
    """The README of the folder: what was tested, and what it means."""
    parts = [
        f"# Statistics: {escape(notes.title(found.results))}",
        paragraph(
            f"""From the scores of {found.results.dataset.n_images:,} images, nothing else.
            Remake with"""
        ),
        f"```sh\n{command_of(found.options)}\n```",
        *_tests(found),
        *_agreement(found),
        *_power(found),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _tests(found: Statistics) -> list[str]:
    metric, titles = found.leading, found.titles
    tests = found.of(found.tests, metric.name).set_index(["model", "other"])
    digits = DECIMALS.get(metric.name, 3) + 1
    rows = [
        [
            escape(titles[model]),
            escape(titles[other]),
            signed(row.difference, digits),
            span(row.ci_low, row.ci_high, digits),
            p_value(row.p),
            p_value(row.p_holm),
            f"{row.better} / {row.worse}",
        ]
        for (model, other), row in ((pair, tests.loc[pair]) for pair in found.neighbours)
    ]
    unit = f" ({metric.short_unit})" if metric.short_unit else ""
    head = ["Model", "next one", f"difference{unit}", "95 % interval", "p", "p, Holm",
            "images better / worse"]  # fmt: skip
    per_metric, hopeless = [], []
    for one in found.metrics:
        tested = found.of(found.tests, one.name)
        if not can_separate(tested, found.options.flips):
            hopeless.append(escape(one.label))
            per_metric.append([escape(one.label), "cannot be", f"all {len(tested)}"])
            continue
        separated = tested["p_holm"] <= power.LEVEL
        rest = tested[~separated]
        names = "; ".join(
            f"{escape(titles[str(row.model)])} – {escape(titles[str(row.other)])}"
            for row in rest.head(6).itertuples()
        )
        more = f"; and {len(rest) - 6} more" if len(rest) > 6 else ""
        per_metric.append(
            [escape(one.label), f"{int(separated.sum())} of {len(tested)}", f"{names}{more}" or "–"]
        )
    per = "fixations" if metric.per == "fixation" else "images"
    flips = enough_flips(len(tests), found.options.flips)
    smallest = smallest_p(int(tests["n_images"].max()), flips)
    return [
        "## Which models differ",
        paragraph(
            f"""Models in the order of {escape(metric.label)}, each beside the next one. The
            difference is that of the means over {per}. p: the two models are exchanged on randomly
            chosen whole images, {flips:,} times (all ways if there are fewer), and p is the share
            of exchanges that give a difference at least as large; none can be below
            {p_value(smallest)}. It asks whether the two could be one and the same model.
            Holm's correction keeps the probability of one false finding or more among all
            {len(tests)} pairs of models at the level read off it. Images are other images seen by
            the same observers; nothing here speaks of other observers."""
        ),
        table(head, rows, texts=2),
        INFINITE if (found.tests["p"].isna() & (found.tests["n_images"] > 0)).any() else "",
        paragraph(
            """Pairs that are separated at 5 % after Holm's correction (the family: all pairs, one
            metric), and those that are not:"""
        ),
        table(["Metric", "separated", "not separated"], per_metric),
        paragraph(
            f"""{", ".join(hopeless)}: so few images cannot separate any pair after correction,
            however much the models differ. The smallest p that they allow, times the number of
            pairs, is above 5 %; fewer models, named with `--models`, or more images could be
            told apart."""
        )
        if hopeless
        else "",
        "![Differences between all pairs](figures/tests.png)",
        paragraph(
            """`tests.csv` has all pairs for all metrics. LL is left out: its differences are
            those of IG."""
            if any(one.name == "IG" for one in found.metrics)
            else "`tests.csv` has all pairs for all metrics."
        ),
    ]


def _agreement(found: Statistics) -> list[str]:
    if found.agreed.empty:
        return []
    labels = {metric.name: escape(metric.label) for metric in found.metrics}
    rows = [
        [
            labels[str(row.metric)],
            labels[str(row.other)],
            number(row.kendall, 2),
            number(row.spearman, 2),
            number(row.within, 2),
            span(row.within_low, row.within_high, 3).replace("+", ""),
            number(row.across, 2),
        ]
        for row in found.agreed.itertuples()
    ]
    n_models = int(found.agreed["n_models"].max())
    few = (
        f"With {n_models} models, correlations of ranks can take few values and say little. "
        if n_models < 6
        else ""
    )
    least = found.agreed.loc[found.agreed["within"].idxmin()] if len(
        found.agreed["within"].dropna()
    ) else None  # fmt: skip
    told = ""
    if least is not None:
        told = (
            f"On single images the metrics agree least between {labels[least['metric']]} and "
            f"{labels[least['other']]} ({number(least['within'], 2)})."
        )
    head = ["Metric", "other", "Kendall", "Spearman", "one image", "95 % interval", "one model"]
    return [
        "## Whether metrics agree",
        paragraph(
            f"""All metrics are turned so that more is better. *Kendall*, *Spearman*: correlation
            of the ranks that two metrics give to the {n_models} models. *One image*: Spearman's
            correlation over the models on a single image, averaged over images (bootstrap interval
            over images). *One model*: Spearman's correlation over images, averaged over models:
            whether both metrics find the same images hard. {few}{told}"""
        ),
        table(head, rows, texts=2),
        "![Agreement of metrics](figures/agreement.png)",
    ]


def _power(found: Statistics) -> list[str]:
    metric, titles = found.leading, found.titles
    powers = found.of(found.powers, metric.name).set_index(["model", "other"])
    digits = DECIMALS.get(metric.name, 3) + 1
    unit = f" ({metric.short_unit})" if metric.short_unit else ""
    rows = [
        [
            escape(titles[pair[0]]),
            escape(titles[pair[1]]),
            signed(powers.loc[pair, "difference"], digits),
            number(powers.loc[pair, "half_width"], digits),
            number(powers.loc[pair, "detectable"], digits),
            number(powers.loc[pair, "power"], 2),
            number(powers.loc[pair, "images_needed"], 0),
        ]
        for pair in found.neighbours
    ]
    neighbours = [float(powers.loc[pair, "detectable"]) for pair in found.neighbours]
    known = [value for value in neighbours if math.isfinite(value)]
    between = (
        f"Between neighbours, {number(min(known), digits)} to {number(max(known), digits)} "
        f"{metric.short_unit} can be found."
        if known
        else f"With fewer than {power.fewest_images()} images no difference can be found."
        if math.inf in neighbours
        else ""
    )
    per_metric = []
    for one in found.metrics:
        table_of = found.of(found.powers, one.name)
        figures = DECIMALS.get(one.name, 3) + 1
        found_at_all = (table_of["sd"] > 0) & (table_of["detectable"] < math.inf)
        quantiles = table_of.loc[found_at_all, "detectable"].quantile([0, 0.5, 1])
        per_metric.append(
            [escape(one.label + (f" ({one.short_unit})" if one.short_unit else "")),
             *(number(float(value), figures) for value in quantiles)]
        )  # fmt: skip
    n_images = found.results.dataset.n_images
    parts = [
        "## What this data set can separate",
        paragraph(
            f"""How small a true difference of {escape(metric.label)} would be found with these
            {n_images:,} images: in 80 % of data sets of this size, at a level of 5 % (one test, no
            correction). It depends on the pair: two models that err on the same images differ
            steadily, so that a small difference shows. *± interval*: half-width of the 95 %
            interval. *Power*: how often a data set of this size would find the measured difference,
            were it the true one. *Images*: how many it takes to find that difference in 80 %.
            {between}"""
        ),
        table(
            ["Model", "next one", f"difference{unit}", "± interval", "detectable", "power",
             "images"],
            rows,
            texts=2,
        ),
        "Smallest detectable difference, over all pairs of models:",
        table(["Metric", "most alike pair", "median pair", "least alike pair"], per_metric),
        "![Detectable differences and power](figures/power.png)",
    ]  # fmt: skip
    if len(found.checked):
        widths = found.checked["half_width_simulated"] / found.checked["half_width_predicted"]
        enough = widths[found.checked["n_images"] >= 20]
        at_most = found.checked[found.checked["n_images"] >= 20]
        width_text = (
            f"half-widths of intervals are {number(enough.min(), 2)} to {number(enough.max(), 2)} "
            "times the predicted ones from 20 images on"
            if len(enough)
            else ""
        )
        parts.append(
            paragraph(
                f"""Checked by drawing images with replacement from this data set
                ({found.options.repeats:,} samples for each pair and number of images) and testing
                each sample by permutation: simulated power differs from the predicted one by at
                most {number(power.worst(found.checked), 3)}
                ({number(power.worst(at_most), 3) if len(at_most) else "–"} from 20 images on),
                where chance alone gives a standard error of up to
                {number(float(found.checked["power_se"].max()), 3)}; {width_text}
                (`power-check.csv`)."""
            )
        )
    return parts
