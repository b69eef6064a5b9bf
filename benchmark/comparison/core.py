"""Pairs two runs, or two models of one run, image by image, and tests every difference.

Reads stored scores alone. Differences are second minus first.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from benchmark.comparison.provenance import Change, between_models, between_runs
from benchmark.errors import BenchmarkError, UnknownNameError
from benchmark.files import read_json
from benchmark.report.record import PER_IMAGE, Metric
from benchmark.report.results import Results
from benchmark.scores import Bootstrap, Column, columns, interval
from benchmark.statistics.paired import contributions, difference, holm, sign_flip_p

#: Metrics whose empirical maps depend on the kernel size.
NEED_KERNEL = ("CC", "KL", "SIM")
FLIPS = 10_000
#: Differences up to this, relative to values above 1, are rounding: scores are stored with ten
#: digits.
ROUNDING = 1e-9


@dataclass(frozen=True)
class CompareOptions:
    """What to compare; the defaults are those of the command line.

    Attributes:
        first, second: results folders; without ``second``, two models of the first.
        models: names; with two folders those to compare, OLD=NEW for one that is called otherwise
            in the second. Empty for all that both have.
        metrics: names, empty for all but the second averages of IG and LL.
        force: compare runs that are not comparable, with a warning in place of an error.
    """

    first: Path
    second: Path | None = None
    models: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    top: int = 5
    draws: int = 10_000
    seed: int = 0
    force: bool = False
    out: Path | None = None


@dataclass(frozen=True)
class Comparison:
    """Two sides and their differences.

    Attributes:
        labels: what the two sides are called.
        pairs: the models compared, name on the first side and on the second; ``titles`` likewise.
        warnings: what limits the comparison, as sentences.
        table: a row for each pair and metric: model_a, model_b, metric, mean_a, mean_b, difference,
            ci_low, ci_high, p, p_holm (family: all pairs of one metric that differ at all),
            n_images, better, worse, equal (images on which the second side is so), unit.
        images: a row for each pair, metric and image: a, b, difference, n_fixations.
        changes: of what produced the scores.
    """

    labels: tuple[str, str]
    pairs: list[tuple[str, str]]
    titles: dict[tuple[str, str], str]
    metrics: list[Metric]
    n_images: int
    warnings: list[str]
    table: pd.DataFrame
    images: pd.DataFrame
    changes: list[Change]

    @property
    def leading(self) -> Metric:
        """The metric that images are listed and drawn by."""
        return self.metrics[0]

    def moved(self, pair: tuple[str, str], metric: str, top: int) -> pd.DataFrame:
        """The images on which a pair differs most, at most ``top``; ties by name."""
        rows = self.of_pair(pair, metric)
        rows = rows[rows["difference"].abs() > 0]
        keyed = rows.assign(size=-rows["difference"].abs()).sort_values(["size", "image"])
        return keyed.head(top).drop(columns="size")

    def of_pair(self, pair: tuple[str, str], metric: str) -> pd.DataFrame:
        """The images of a pair on which both sides are defined."""
        rows = self.images
        chosen = (rows["model_a"] == pair[0]) & (rows["model_b"] == pair[1])
        return rows[chosen & (rows["metric"] == metric)].dropna(subset=["difference"])

    def unchanged(self) -> list[tuple[str, str]]:
        """Pairs that agree, up to rounding, on every image and metric."""
        moved = self.images[self.images["difference"].fillna(0) != 0]
        gone = self.images[self.images["a"].isna() != self.images["b"].isna()]
        changed = {
            (a, b) for rows in (moved, gone) for a, b in zip(rows["model_a"], rows["model_b"])
        }
        return [pair for pair in self.pairs if pair not in changed]


def compare(options: CompareOptions) -> Comparison:
    """Compare two runs or two models of one run.

    Raises:
        BenchmarkError: a folder is no results folder; the runs are not comparable (and ``force`` is
            not given); they have no image, model or metric in common.
        UnknownNameError: there is no such model or metric.
    """
    first = Results.read(options.first)
    second = first if options.second is None else Results.read(options.second)
    pairs = _pairs(options, first, second)
    run_a, run_b = (read_json(results.folder / "run.json") for results in (first, second))
    warnings, barred = ([], ()) if second is first else _comparable(options, run_a, run_b)
    warnings += _cautions(first, second, pairs)
    metrics = _metrics(options, first, second, barred)
    scores_a, scores_b, lost = _common_images(first, second, pairs)
    warnings += lost
    table, images = _differences(scores_a, scores_b, pairs, metrics, options)
    if second is first:
        labels = tuple(_title(first, name) for name in pairs[0])
        changes = between_models(run_a, run_b, pairs)
    else:
        labels = _labels(first.folder, second.folder)
        changes = between_runs(run_a, run_b, pairs)
    titles = {
        (a, b): _title(second, b) if a == b else f"{_title(first, a)} → {_title(second, b)}"
        for a, b in pairs
    }
    n_images = int(images["image"].nunique())
    return Comparison(
        labels, pairs, titles, metrics, n_images, warnings, table, images, changes  # type: ignore[arg-type]
    )  # fmt: skip


def _pairs(options: CompareOptions, first: Results, second: Results) -> list[tuple[str, str]]:
    if second is first:
        if len(options.models) != 2 or "=" in "".join(options.models):
            raise BenchmarkError(
                "comparing models of one run takes two of them, such as --models deepgaze1,"
                f"deepgaze2; {first.folder} has: {', '.join(m.name for m in first.models)}. To "
                "compare two runs, give both folders."
            )
        names = [named_model(first, name) for name in options.models]
        return [(names[0], names[1])]
    if options.models:
        split = [(old, new) if sep else (old, old)
                 for old, sep, new in (name.partition("=") for name in options.models)]  # fmt: skip
        return [(named_model(first, old), named_model(second, new)) for old, new in split]
    in_second = {model.name for model in second.models}
    pairs = [(model.name, model.name) for model in first.models if model.name in in_second]
    if not pairs:
        raise BenchmarkError(
            f"{first.folder} and {second.folder} have no model in common. Name the models to "
            "compare with --models OLD=NEW."
        )
    return pairs


def named_model(results: Results, name: str) -> str:
    """The name, if results have a model of it.

    Raises:
        UnknownNameError: there is none; the message suggests the nearest.
    """
    names = [model.name for model in results.models]
    if name in names:
        return name
    near = difflib.get_close_matches(name, names, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise UnknownNameError(
        f"{results.folder} has no scores of the model {name!r}.{hint} It has: {', '.join(names)}."
    )


def _comparable(options: CompareOptions, a: dict, b: dict) -> tuple[list[str], tuple[str, ...]]:
    """Warnings, and the metrics that cannot be compared; an error where nothing can."""
    problems = []
    data_a, data_b = a["dataset"], b["dataset"]
    if data_a.get("content_hash") != data_b.get("content_hash"):
        hashes = [str(data.get("content_hash"))[:12] for data in (data_a, data_b)]
        problems.append(
            f"the data sets differ: {data_a['name']} (content {hashes[0]}) and {data_b['name']} "
            f"({hashes[1]}), so that baseline and fits differ, too"
        )
    for key in ("name", "maps"):
        values = a["protocol"].get(key), b["protocol"].get(key)
        if values[0] != values[1]:
            what = "protocols" if key == "name" else "maps fed to the metrics"
            problems.append(f"the {what} differ: {values[0]} and {values[1]}")
    if problems and not options.force:
        raise BenchmarkError(
            f"{options.first} and {options.second} are not comparable: {'; '.join(problems)}. "
            "Score both alike, or give --force to compare the images that both have."
        )
    warnings = [f"Not comparable, compared by force: {problem}." for problem in problems]
    barred: tuple[str, ...] = ()
    kernels = a["protocol"].get("kernel_size"), b["protocol"].get("kernel_size")
    if kernels[0] != kernels[1]:
        text = f"empirical maps are blurred with {kernels[0]} and {kernels[1]} px"
        if options.force:
            warnings.append(f"Not comparable, compared by force: {text}.")
        else:
            barred = NEED_KERNEL
            warnings.append(f"{', '.join(barred)} are left out: {text}.")
    if a.get("seed") != b.get("seed"):
        warnings.append(
            f"The seeds differ ({a.get('seed')} and {b.get('seed')}); metrics that draw samples "
            "vary with it."
        )
    return warnings, barred


def _cautions(first: Results, second: Results, pairs: list[tuple[str, str]]) -> list[str]:
    found = []
    for results in (first, second) if second is not first else (first,):
        if not results.complete:
            found.append(f"{results.folder} is an incomplete run.")
    for results, names in ((first, [a for a, _ in pairs]), (second, [b for _, b in pairs])):
        for model in results.models:
            if model.name in names and model.contaminated:
                found.append(f"{model.title} was trained on this data set, no image held out.")
    if second is not first:
        for one, other in ((first, second), (second, first)):
            known = {model.name for model in other.models} | {n for pair in pairs for n in pair}
            missing = [model.name for model in one.models if model.name not in known]
            if missing:
                found.append(f"Only in {one.folder}: {', '.join(missing)}.")
    return list(dict.fromkeys(found))


def _metrics(
    options: CompareOptions, first: Results, second: Results, barred: tuple[str, ...]
) -> list[Metric]:
    chosen = first.choose(options.metrics or None)
    if options.metrics:
        second.choose(options.metrics)
        unfit = [metric.name for metric in chosen if metric.name in barred]
        if unfit:
            raise BenchmarkError(
                f"{', '.join(unfit)}: {options.first} and {options.second} blur empirical maps "
                "with different kernels. Score both with one --kernel-size, or give --force."
            )
    chosen = [m for m in chosen if m.name in second.metrics and m.name not in barred]
    if not chosen:
        raise BenchmarkError(f"{first.folder} and {second.folder} have no metric to compare.")
    return chosen


def _common_images(
    first: Results, second: Results, pairs: list[tuple[str, str]]
) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """Scores on the images that both have, and sentences on those that one lacks."""
    for results in (first, second):
        results.check_rows()
    a, b = first.scores, second.scores
    if first is second:
        return a, b, []
    in_a, in_b = set(a["image"]), set(b["image"])
    common = in_a & in_b
    if not common:
        raise BenchmarkError(
            f"{first.folder} and {second.folder} have no image in common: nothing can be compared."
        )
    counts = [frame[frame["image"].isin(common)].groupby("image")["n_fixations"].max()
              for frame in (a, b)]  # fmt: skip
    other = counts[0].index[counts[0] != counts[1]]
    if len(other):
        image = other[0]
        raise BenchmarkError(
            f"{first.folder} and {second.folder} were not scored on the same fixations: on "
            f"{image} there are {counts[0][image]:g} and {counts[1][image]:g} (and others on "
            f"{len(other) - 1} more images), so that no difference means anything. Score both on "
            "one data set."
        )
    warnings = []
    if in_a != in_b:
        warnings.append(
            f"Compared on the {len(common)} images that both have: {first.folder} has "
            f"{len(in_a)}, {second.folder} {len(in_b)}. Means are over these images."
        )
    return a[a["image"].isin(common)], b[b["image"].isin(common)], warnings


def _differences(
    scores_a: pd.DataFrame,
    scores_b: pd.DataFrame,
    pairs: list[tuple[str, str]],
    metrics: Sequence[Metric],
    options: CompareOptions,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    names = {metric.name.removesuffix(PER_IMAGE) for metric in metrics}
    scores_a, scores_b = (
        frame[frame["metric"].isin(names) & frame["model"].isin({pair[side] for pair in pairs})]
        for side, frame in enumerate((scores_a, scores_b))
    )
    everything = np.union1d(scores_a["image"].unique(), scores_b["image"].unique())
    table_a, table_b = (_aligned(frame, everything) for frame in (scores_a, scores_b))
    keys = [
        (pair, metric)
        for pair in pairs
        for metric in metrics
        if (pair[0], metric.name) in table_a and (pair[1], metric.name) in table_b
    ]
    if not keys:
        folders = " and ".join(str(f) for f in (options.first, options.second) if f is not None)
        raise BenchmarkError(
            f"{folders}: no model has a score of these metrics on both sides. Choose others with "
            "--models and --metrics."
        )
    sides = [
        (table_a[a, metric.name], table_b[b, metric.name]) for (a, b), metric in keys
    ]  # fmt: skip
    paired = [_beyond_rounding(difference(one, other), one, other) for one, other in sides]
    p = np.where(
        [column.defined.any() for column in paired],
        sign_flip_p(contributions(paired), FLIPS, options.seed),
        np.nan,
    )
    resampled = Bootstrap(len(everything), options.draws, options.seed).means(paired).T
    rows, images = [], []
    for (pair, metric), (one, other), column, sums, value in zip(keys, sides, paired, resampled, p):
        defined = column.defined
        moved = column.values[defined]
        gains = moved * (1 if metric.higher_is_better else -1)
        low, high = interval(sums, int(defined.sum()))
        rows.append(
            {
                "model_a": pair[0],
                "model_b": pair[1],
                "metric": metric.name,
                "mean_a": Column(one.values, column.weights).mean,
                "mean_b": Column(other.values, column.weights).mean,
                "difference": column.mean,
                "ci_low": low,
                "ci_high": high,
                "p": value,
                "n_images": int(defined.sum()),
                "better": int((gains > 0).sum()),
                "worse": int((gains < 0).sum()),
                "equal": int((gains == 0).sum()),
                "unit": metric.unit,
            }
        )
        images.append(
            pd.DataFrame(
                {
                    "model_a": pair[0],
                    "model_b": pair[1],
                    "metric": metric.name,
                    "image": everything,
                    "a": one.values,
                    "b": other.values,
                    "difference": column.values,
                    "n_fixations": np.maximum(one.weights, other.weights),
                }
            )
        )
    table = pd.DataFrame(rows)
    table["p_holm"] = np.nan
    for metric in metrics:
        family = (table["metric"] == metric.name) & (table["better"] + table["worse"] > 0)
        table.loc[family, "p_holm"] = holm(table.loc[family, "p"])
    return table, pd.concat(images, ignore_index=True)


def _beyond_rounding(paired: Column, one: Column, other: Column) -> Column:
    """The differences, those that are rounding set to 0; an infinite one is none."""
    size = np.fmax(1.0, np.fmax(np.abs(one.values), np.abs(other.values)))
    with np.errstate(invalid="ignore"):
        rounding = np.isfinite(paired.values) & (np.abs(paired.values) <= ROUNDING * size)
    return Column(np.where(rounding, 0.0, paired.values), paired.weights)


def _aligned(scores: pd.DataFrame, images: np.ndarray) -> dict[tuple[str, str], Column]:
    """Columns over exactly these images, in their order."""
    missing = np.setdiff1d(images, scores["image"].unique())
    if len(missing) and len(scores):  # a model that failed everywhere else still has its place
        first = scores.iloc[[0]].loc[np.repeat(scores.index[0], len(missing))]
        blank = first.assign(image=missing, value=np.nan, n_fixations=0.0)
        scores = pd.concat([scores, blank], ignore_index=True)
    return columns(scores)


def _title(results: Results, name: str) -> str:
    return next(model.title for model in results.models if model.name == name)


def _labels(first: Path, second: Path) -> tuple[str, str]:
    """The folders' names, or their paths where the names are alike."""
    names = first.resolve().name, second.resolve().name
    return names if names[0] != names[1] else (str(first), str(second))
