"""All metrics at a glance: one panel a metric, one row a model."""

from __future__ import annotations

import math

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from benchmark.report.plots import rows
from benchmark.report.plots.limits import robust_limits
from benchmark.report.plots.style import (
    CEILING_LINE,
    GREY,
    LIGHT_GREY,
    LOOKS,
    PAGE_WIDTH,
    new_figure,
    style,
)
from benchmark.report.record import Metric
from benchmark.report.results import GOLD, Results

_PANELS = 8  # in one row: more leave no room for the numbers below them


def overview_figure(results: Results) -> Figure | None:
    """Means with intervals, chance as a dotted line; arrows point to better values.

    Metrics that are undefined for all models have no panel; None if that leaves none.
    """
    metrics = [metric for metric in results.choose(None) if _defined(results, metric)]
    if not metrics:
        return None
    n_rows = math.ceil(len(metrics) / _PANELS)
    n_columns = math.ceil(len(metrics) / n_rows)
    with style():
        height = n_rows * rows.height(results.models, 0.5) + 0.2
        figure = new_figure(results, PAGE_WIDTH, height)
        grid = figure.subplots(n_rows, n_columns, sharey=True, squeeze=False)
        for axes, metric in zip(grid.flat, metrics):
            _draw_panel(axes, results, metric)
        for axes in grid[:, 0]:
            rows.name_rows(axes, results.models)
        for axes in grid.flat[len(metrics) :]:
            axes.remove()
        _legend(figure, results)
    return figure


def _defined(results: Results, metric: Metric) -> bool:
    return any(results.estimate(model.name, metric.name).defined for model in results.models)


def _draw_panel(axes: Axes, results: Results, metric: Metric) -> None:
    estimates = {m.name: results.estimate(m.name, metric.name) for m in results.models}
    ends = [end for estimate in estimates.values() for end in estimate]
    limits = robust_limits(ends, metric.chance, metric.higher_is_better)
    for row in range(len(results.models)):
        axes.axhline(row, color=LIGHT_GREY, linewidth=0.3, zorder=0)
    rows.rule_above_ceilings(axes, results.models)
    if metric.chance is not None:
        axes.axvline(metric.chance, color=GREY, linewidth=0.8, linestyle=":", zorder=1)
    gold = estimates.get(GOLD)
    if gold is not None and gold.defined:
        axes.axvline(gold.value, color=CEILING_LINE, linewidth=0.7, linestyle=(0, (4, 1.5)))
    for row, model in enumerate(results.models):
        rows.draw_estimate(axes, row, model, estimates[model.name], limits)
    axes.set_xlim(*limits)
    axes.xaxis.set_major_locator(MaxNLocator(2, steps=[1, 2, 3, 4, 5, 10]))
    axes.set_title(f"{metric.label} {metric.arrow}")
    axes.set_xlabel(metric.short_unit)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def _legend(figure: Figure, results: Results) -> None:
    kinds = [kind for kind in LOOKS if any(model.kind == kind for model in results.models)]
    handles = [
        Line2D(
            [],
            [],
            marker=LOOKS[kind].marker,
            markersize=2.9,
            markerfacecolor=LOOKS[kind].face,
            markeredgecolor=LOOKS[kind].edge,
            markeredgewidth=0.7,
            color=LOOKS[kind].edge,
            label=kind,
        )
        for kind in kinds
    ]
    handles.append(Line2D([], [], color=GREY, linestyle=":", label="chance"))
    if any(model.name == GOLD for model in results.models):
        line = Line2D([], [], color=CEILING_LINE, linestyle=(0, (4, 1.5)), label="gold standard")
        handles.append(line)
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
