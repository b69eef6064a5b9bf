"""A bar for each model, with its interval and its printed value; ceilings as open markers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes

from benchmark.report.plots import rows
from benchmark.report.plots.limits import robust_limits
from benchmark.report.plots.style import BLACK, LOOKS
from benchmark.report.record import Model
from benchmark.report.results import Estimate
from benchmark.report.table import number


def draw_bars(
    axes: Axes, models: Sequence[Model], estimates: Mapping[str, Estimate], decimals: int
) -> None:
    """Draw one row a model; ``estimates`` by model name. Bars start at zero."""
    ends = [end for model in models for end in estimates[model.name]]
    limits = robust_limits(ends, anchor=0.0)
    printed = [number(estimates[model.name].value, decimals) for model in models]
    room = 4.6 * max(len(text) for text in printed)  # points
    for row, (model, text) in enumerate(zip(models, printed)):
        estimate = estimates[model.name]
        if model.ranked and estimate.defined:
            _draw_bar(axes, row, model, estimate, limits)
        else:
            rows.draw_estimate(axes, row, model, estimate, limits)
        # beside the axes, where neither bars nor intervals can cross it
        axes.annotate(
            text,
            (1, row),
            xycoords=axes.get_yaxis_transform(),
            xytext=(room, 0),
            textcoords="offset points",
            ha="right",
            va="center_baseline",
            annotation_clip=False,
        )
    axes.set_xlim(*limits)
    axes.axvline(0, color=BLACK, linewidth=0.6, zorder=2)
    axes.spines["left"].set_visible(False)
    rows.name_rows(axes, models)


def _draw_bar(
    axes: Axes, row: int, model: Model, estimate: Estimate, limits: tuple[float, float]
) -> None:
    look = LOOKS[model.kind]
    shown = min(max(estimate.value, limits[0]), limits[1])
    axes.barh(
        row, shown, 0.68, color=look.face, edgecolor=look.edge, linewidth=0.5, hatch=look.hatch
    )
    if shown != estimate.value:
        rows.draw_beyond(axes, row, estimate.value, limits, "white")
    else:
        # outlined in white, because half of it lies on the bar
        rows.draw_interval(axes, row, estimate, BLACK, outline=True)
