"""The content of a summary table, whatever it is written in: columns, digits, the best values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from benchmark.report.record import Metric
from benchmark.report.results import Estimate, Results

DECIMALS = {"NSS": 2}  # all other metrics: 3
MINUS = "−"


@dataclass(frozen=True)
class Column:
    """One column of numbers.

    Attributes:
        metric: the metric it shows, or shows the explained share of.
        cells: estimates by model name, in ``unit``.
        best: names of the models whose printed value is the best of the ranked models.
    """

    metric: Metric
    label: str
    unit: str
    decimals: int
    cells: dict[str, Estimate]
    best: frozenset[str]

    def text(self, model: str) -> str:
        """The printed value, "–" where undefined."""
        return number(self.cells[model].value, self.decimals)

    def interval(self, model: str) -> str:
        """The printed interval, "[low, high]", or nothing where there is none."""
        return interval(self.cells[model], self.decimals)


def columns(results: Results, metrics: Sequence[str] | None = None) -> list[Column]:
    """The columns for ``metrics``; information gains are followed by their explained share.

    Raises:
        UnknownNameError: there is no such metric in the results.
    """
    table = []
    for metric in results.choose(metrics):
        cells = {m.name: results.estimate(m.name, metric.name) for m in results.models}
        decimals = DECIMALS.get(metric.name, 3)
        table.append(_column(results, metric, metric.label, metric.short_unit, decimals, cells))
        if results.has_explained(metric.name):
            shares = {m.name: results.explained(m.name, metric.name) for m in results.models}
            shares = {name: share.scaled(100) for name, share in shares.items()}
            table.append(_column(results, metric, explained_label(metric), "%", 1, shares))
    return table


def explained_label(metric: Metric) -> str:
    """What the explained share of an information gain is called."""
    return metric.label.replace("IG", "Expl. IG")


def _column(
    results: Results,
    metric: Metric,
    label: str,
    unit: str,
    decimals: int,
    cells: dict[str, Estimate],
) -> Column:
    best = best_models(results, cells, decimals, metric.higher_is_better)
    return Column(metric, label, unit, decimals, cells, best)


def best_models(
    results: Results, cells: dict[str, Estimate], decimals: int, higher_is_better: bool
) -> frozenset[str]:
    """Names of the ranked models with the best value; all that print alike, or none.

    Ceilings are not ranked, undefined values are never best, an incomplete run ranks nobody.
    """
    if not results.complete:
        return frozenset()
    values = {
        model.name: cells[model.name].value
        for model in results.models
        if model.ranked and math.isfinite(cells[model.name].value)
    }
    if not values:
        return frozenset()
    best = max(values.values()) if higher_is_better else min(values.values())
    printed = number(best, decimals)
    return frozenset(name for name, value in values.items() if number(value, decimals) == printed)


def number(value: float, decimals: int) -> str:
    """``value`` with a true minus sign; "–" for NaN, "∞" for infinity, never "−0.00"."""
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else f"{MINUS}∞"
    text = f"{value:.{decimals}f}"
    if float(text) == 0:
        text = text.removeprefix("-")
    return text.replace("-", MINUS)


def interval(estimate: Estimate, decimals: int) -> str:
    """The interval as "[low, high]", or nothing where there is none."""
    if not estimate.has_interval:
        return ""
    return f"[{number(estimate.low, decimals)}, {number(estimate.high, decimals)}]"
