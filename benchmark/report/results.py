"""A results folder as one typed object: what was scored, how, and in which order to show it.

Everything in a report comes from here, and so from stored scores alone.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from benchmark.errors import BenchmarkError, UnknownNameError
from benchmark.files import REMEDY, read_csv, read_json
from benchmark.report import record
from benchmark.report.record import (
    KINDS,
    PER_IMAGE,
    DatasetInfo,
    Metric,
    Model,
    ProtocolInfo,
    Section,
)

GOLD = "gold"  # the leave-one-subject-out gold standard: 100 % explained information gain
INFORMATION_GAINS = ("IG", "IG_image")


class Estimate(NamedTuple):
    """A mean and its bootstrap 95 % interval over images; NaN where undefined."""

    value: float
    low: float = math.nan
    high: float = math.nan

    @property
    def defined(self) -> bool:
        return not math.isnan(self.value)

    @property
    def has_interval(self) -> bool:
        return not (math.isnan(self.low) or math.isnan(self.high))

    def scaled(self, factor: float) -> Estimate:
        return Estimate(self.value * factor, self.low * factor, self.high * factor)


@dataclass(frozen=True, eq=False)
class Results:
    """One run on one data set under one protocol.

    Attributes:
        models: in display order: baselines, models, both by ascending information gain, those that
            were trained on this data set, and ceilings. An incomplete run ranks nobody: it keeps
            the order given within each of these.
        metrics: the metrics of the summary by name, in display order.
        summary, differences, scores: the columns of the CSV files that reports use.
    """

    folder: Path
    dataset: DatasetInfo
    protocol: ProtocolInfo
    complete: bool
    models: tuple[Model, ...]
    metrics: Mapping[str, Metric]
    summary: pd.DataFrame
    differences: pd.DataFrame
    scores: pd.DataFrame

    @classmethod
    def read(cls, folder: str | Path) -> Results:
        """Read a folder written by ``python -m benchmark run``.

        Raises:
            BenchmarkError: a file, a column or a key is missing or malformed, or the files do not
                belong to the same data set and protocol.
        """
        folder = Path(folder)
        if not folder.is_dir():
            raise BenchmarkError(
                f"{folder} is not a folder. Give the folder that `python -m benchmark run` wrote."
            )
        run = Section(folder / "run.json", "", read_json(folder / "run.json"))
        dataset = record.dataset(run.section("dataset"))
        protocol = record.protocol(run.section("protocol"))
        frames = {
            name: _read_scores(folder / f"{name}.csv", dataset.name, protocol.name)
            for name in ("summary", "differences", "scores")
        }
        summary = frames["summary"]
        if summary.empty:
            raise BenchmarkError(f"{folder / 'summary.csv'} holds no scores. {REMEDY}")
        if summary.duplicated(["model", "metric"]).any():
            raise BenchmarkError(
                f"{folder / 'summary.csv'} has several rows for one model and metric. {REMEDY}"
            )
        metrics = record.metrics(run.section("metrics"), summary["metric"].unique())
        models = record.models(run.section("models"))
        for frame in frames.values():
            _require_described(folder, frame["model"].unique(), models)
        complete = run.get("complete", bool)
        models = _in_display_order(models, summary if complete else summary.iloc[:0])
        return cls(folder, dataset, protocol, complete, tuple(models), metrics, **frames)

    @cached_property
    def _cells(self) -> dict[tuple[str, str], dict[str, float]]:
        records = self.summary.to_dict("records")
        return {(str(r["model"]), str(r["metric"])): r for r in records}  # type: ignore[misc]

    def estimate(self, model: str, metric: str) -> Estimate:
        """The mean of ``metric`` for ``model``, in the metric's unit."""
        return self._cell(model, metric, "mean", "ci_low", "ci_high")

    def explained(self, model: str, metric: str = "IG") -> Estimate:
        """Explained information gain of ``model`` as a fraction of the gold standard's."""
        return self._cell(model, metric, *_EXPLAINED)

    def _cell(self, model: str, metric: str, *columns: str) -> Estimate:
        row = self._cells.get((model, metric), {})
        return Estimate(*(row.get(column, math.nan) for column in columns))

    def has_explained(self, metric: str) -> bool:
        """Whether any model has an explained share of this metric."""
        return any(self.explained(model.name, metric).defined for model in self.models)

    @property
    def information_gain(self) -> str | None:
        """The information gain that models are ordered by: per fixation, else per image."""
        return next((name for name in INFORMATION_GAINS if name in self.metrics), None)

    @property
    def n_fixations(self) -> int:
        """The number of fixations scored."""
        return int(self.summary["n_fixations"].fillna(0).max())

    def undefined_images(self, metric: str) -> int:
        """On how many images the metric is undefined, for the model with most of them.

        Models for which it is undefined everywhere do not count: their mean is NaN, too.
        """
        rows = self.summary[(self.summary["metric"] == metric) & self.summary["mean"].notna()]
        fewest = rows["n_images"].min()
        return 0 if math.isnan(fewest) else max(0, self.dataset.n_images - int(fewest))

    def choose(self, metrics: Sequence[str] | None) -> list[Metric]:
        """The metrics to show: those named, or all but the second averages of IG and LL.

        Raises:
            UnknownNameError: there is no such metric in the results.
        """
        if metrics is None:
            second = {n for n in self.metrics if n.removesuffix(PER_IMAGE) in self.metrics}
            second = {name for name in second if name.endswith(PER_IMAGE)}
            return [metric for name, metric in self.metrics.items() if name not in second]
        for name in metrics:
            if name not in self.metrics:
                near = difflib.get_close_matches(name, self.metrics, n=1)
                hint = f" Did you mean {near[0]!r}?" if near else ""
                raise UnknownNameError(
                    f"{self.folder} has no scores of the metric {name!r}.{hint} "
                    f"It has: {', '.join(self.metrics)}."
                )
        return [self.metrics[name] for name in metrics]

    def check_rows(self) -> None:
        """Raise a BenchmarkError if a score is there more than once."""
        if self.scores.duplicated(["image", "model", "metric"]).any():
            raise BenchmarkError(
                f"{self.folder / 'scores.csv'} has several rows for one image, model and metric. "
                f"{REMEDY}"
            )

    def per_image(self, metric: str) -> pd.DataFrame:
        """Values of ``metric`` per image: one row an image, one column a model."""
        self.check_rows()
        rows = self.scores[self.scores["metric"] == metric]
        return rows.pivot(index="image", columns="model", values="value")


_EXPLAINED = ["explained", "explained_low", "explained_high"]
_COLUMNS: dict[str, tuple[list[str], list[str]]] = {
    "summary.csv": (
        ["dataset", "model", "metric", "protocol"],
        ["mean", "ci_low", "ci_high", "n_images", "n_fixations", *_EXPLAINED],
    ),
    "differences.csv": (
        ["dataset", "metric", "protocol", "model", "best"],
        ["difference", "ci_low", "ci_high", "n_images"],
    ),
    "scores.csv": (["dataset", "image", "model", "metric", "protocol"], ["value", "n_fixations"]),
}


def _read_scores(path: Path, dataset: str, protocol: str) -> pd.DataFrame:
    frame = read_csv(path, *_COLUMNS[path.name])
    for column in frame.columns.intersection(["n_images", "n_fixations"]):
        if (frame[column].isin([math.inf, -math.inf]) | (frame[column] < 0)).any():
            raise BenchmarkError(f"{path} has {column} that are no numbers of anything. {REMEDY}")
    for column, expected in (("dataset", dataset), ("protocol", protocol)):
        others = sorted(set(frame[column]) - {expected})
        if others:
            raise BenchmarkError(
                f"{path} has rows of the {column} {others[0]!r}, but run.json is about "
                f"{expected!r}. Keep one data set and one protocol to a folder."
            )
    return frame


def _require_described(folder: Path, names: Iterable[str], models: Sequence[Model]) -> None:
    unknown = sorted(set(names) - {model.name for model in models})
    if unknown:
        raise BenchmarkError(
            f"{folder / 'run.json'} does not describe the model(s) {', '.join(unknown)}. {REMEDY}"
        )


def _in_display_order(models: Sequence[Model], summary: pd.DataFrame) -> list[Model]:
    """Baselines, then models, by ascending information gain (undefined first), then the unranked.

    Of these, contaminated models come before ceilings.
    """
    metric = next((name for name in INFORMATION_GAINS if (summary["metric"] == name).any()), None)
    rows = summary[summary["metric"] == metric]
    gains = dict(zip(rows["model"], rows["mean"]))

    def position(model: Model) -> tuple[int, bool, float]:
        gain = gains.get(model.name, math.nan) if model.kind != "ceiling" else 0.0
        kind = KINDS.index("model") if model.contaminated else KINDS.index(model.kind)
        return kind, model.contaminated, -math.inf if math.isnan(gain) else gain

    return sorted(models, key=position)  # sorted() is stable: equals keep the given order
