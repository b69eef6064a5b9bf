"""Charts with one row a model: heights, names on the left, a rule above the ceilings."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.markers import CARETLEFT, CARETRIGHT
from matplotlib.patheffects import Normal, Stroke

from benchmark.report.plots.style import LIGHT_GREY, LOOKS, short_names
from benchmark.report.record import Model
from benchmark.report.results import Estimate

ROW = 0.145  # inches; 7 pt type needs no less
NAME_LENGTH = 25  # characters


def height(models: Sequence[Model], frame: float) -> float:
    """Height in inches of a chart with a row for each model and ``frame`` inches around it."""
    return ROW * len(models) + frame


def name_rows(axes: Axes, models: Sequence[Model]) -> None:
    """Label the rows with the models' names, first on top, and set the ceilings apart."""
    axes.set_yticks(range(len(models)), short_names([m.title for m in models], NAME_LENGTH))
    axes.set_ylim(len(models) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    rule_above_ceilings(axes, models)


def rule_above_ceilings(axes: Axes, models: Sequence[Model]) -> None:
    """A thin rule between ranked models and those that are not: contaminated ones, ceilings."""
    first = next((row for row, model in enumerate(models) if not model.ranked), 0)
    if first:
        axes.axhline(first - 0.5, color=LIGHT_GREY, linewidth=0.5, zorder=0)


def draw_estimate(
    axes: Axes, row: int, model: Model, estimate: Estimate, limits: tuple[float, float]
) -> None:
    """A marker with its interval; an arrowhead at the edge for a value beyond ``limits``."""
    if not estimate.defined:
        return
    look = LOOKS[model.kind]
    if not limits[0] <= estimate.value <= limits[1]:
        draw_beyond(axes, row, estimate.value, limits, look.edge)
        return
    draw_interval(axes, row, estimate, look.edge)
    axes.plot(
        estimate.value,
        row,
        marker=look.marker,
        markersize=2.9,
        markerfacecolor="white" if model.contaminated else look.face,
        markeredgecolor=look.edge,
        markeredgewidth=0.7,
        linestyle="none",
        zorder=4,
    )


def draw_interval(
    axes: Axes, row: int, estimate: Estimate, colour: str, outline: bool = False
) -> None:
    """The interval of an estimate as a line, outlined in white if it is drawn on dark ground."""
    if not estimate.has_interval:
        return
    (line,) = axes.plot([estimate.low, estimate.high], [row, row], color=colour, zorder=3)
    if outline:
        line.set_path_effects([Stroke(linewidth=2, foreground="white"), Normal()])


def draw_beyond(
    axes: Axes, row: int, value: float, limits: tuple[float, float], colour: str
) -> None:
    """An arrowhead at the edge of the axes for a value that lies beyond it."""
    low = value < limits[0]
    axes.plot(
        0 if low else 1,
        row,
        marker=CARETLEFT if low else CARETRIGHT,  # their tips are on the edge
        markersize=4,
        markeredgewidth=0,
        color=colour,
        transform=axes.get_yaxis_transform(),
        clip_on=False,
        zorder=5,
    )
