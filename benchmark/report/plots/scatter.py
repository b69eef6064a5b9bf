"""Image by image: the gold standard's information gain against each model's."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from benchmark.report.plots.limits import robust_limits
from benchmark.report.plots.style import (
    BLACK,
    COLUMN_WIDTH,
    GREY,
    LIGHT_GREY,
    LOOKS,
    PAGE_WIDTH,
    new_figure,
    short_names,
    style,
)
from benchmark.report.results import GOLD, Results

_COLUMNS = ((4, 12), (6, 30), (7, 42))  # so many columns for at most so many panels
# inches: margins for tick labels and labels, gaps for ticks and titles
_LEFT, _RIGHT, _BOTTOM, _BETWEEN, _TITLE = 0.40, 0.06, 0.34, 0.08, 0.31
_VECTOR_POINTS = 5000  # more make slow and large files, and are stored as pixels


def scatter_figure(results: Results) -> Figure | None:
    """One small panel for each model, all on the same axes; None where there is nothing to pair.

    Where no model of kind "model" was scored, baselines and ceilings are shown instead.

    Points above the diagonal are images that the model predicts better than the gold standard.
    """
    gains = results.per_image("IG")
    scored = [m for m in results.models if m.name in gains.columns and m.name != GOLD]
    models = [m for m in scored if m.kind == "model"]
    if not models:  # baselines and bounds then, but for the centre bias, which gains 0 over itself
        models = [m for m in scored if gains[m.name].any()]
    if GOLD not in gains.columns or not models:
        return None
    gains = gains[[GOLD, *(model.name for model in models)]]
    metric = results.metrics.get("IG")
    unit = f" ({metric.short_unit})" if metric and metric.short_unit else ""
    width, n_columns = _shape(len(models))
    n_rows = math.ceil(len(models) / n_columns)
    side = (width - _LEFT - _RIGHT - (n_columns - 1) * _BETWEEN) / n_columns
    names = short_names([model.title for model in models], min(30, int(side / 0.056)))
    with style():
        figure = new_figure(results, width, n_rows * (side + _TITLE) + _BOTTOM)
        grid = _square_panels(figure, n_rows, n_columns, side)
        limits = robust_limits(gains.to_numpy().ravel(), anchor=0.0, stretch=0.5)
        for panel, model, name in zip(grid.flat, models, names):
            _draw_panel(panel, gains[GOLD], gains[model.name], limits, gains.size)
            _title(panel, name, gains[[GOLD, model.name]].dropna()[model.name])
        _remove_empty(grid, len(models))
        _label(figure, f"IG per image{unit}")
    return figure


def _square_panels(figure: Figure, n_rows: int, n_columns: int, side: float) -> np.ndarray:
    """Panels placed by inches: layout engines lose track of titles above square axes."""
    figure.set_layout_engine(None)
    width, height = figure.get_size_inches()
    figure.subplots_adjust(
        left=_LEFT / width,
        right=1 - _RIGHT / width,
        bottom=_BOTTOM / height,
        top=(_BOTTOM + n_rows * side + (n_rows - 1) * _TITLE) / height,
        wspace=_BETWEEN / side,
        hspace=_TITLE / side,
    )
    return figure.subplots(n_rows, n_columns, squeeze=False)


def _label(figure: Figure, what: str) -> None:
    """Name both axes, once for all panels."""
    panels = figure.subplotpars
    x, y = (panels.left + panels.right) / 2, (panels.bottom + panels.top) / 2
    width, height = figure.get_size_inches()
    figure.text(x, 0.02 / height, f"Gold standard, {what}", ha="center", va="bottom")
    figure.text(0.02 / width, y, f"Model, {what}", rotation=90, ha="left", va="center")


def _shape(n_panels: int) -> tuple[float, int]:
    """Width of the figure and number of columns, for figures no higher than a page."""
    if n_panels <= 4:
        return COLUMN_WIDTH, min(n_panels, 2)
    return PAGE_WIDTH, next((n for n, most in _COLUMNS if n_panels <= most), 8)


def _draw_panel(
    axes: Axes, gold: pd.Series, model: pd.Series, limits: tuple[float, float], n_points: int
) -> None:
    for line in (axes.axhline, axes.axvline):
        line(0, color=LIGHT_GREY, linewidth=0.6, zorder=1)
    axes.axline((0, 0), slope=1, color=BLACK, linewidth=0.6, zorder=3)
    pairs = pd.DataFrame({"gold": gold, "model": model}).dropna()
    x, y = np.clip(pairs["gold"], *limits), np.clip(pairs["model"], *limits)
    inside = (x == pairs["gold"]) & (y == pairs["model"])
    rasterized = n_points > _VECTOR_POINTS
    colour = LOOKS["model"].face
    axes.scatter(
        x[inside], y[inside], 3, color=colour, alpha=0.45, lw=0, zorder=2, rasterized=rasterized
    )
    # images beyond the axes are shown on their edge
    axes.scatter(x[~inside], y[~inside], 5, color=GREY, marker="v", lw=0, zorder=4, clip_on=False)
    axes.set_xlim(*limits)
    axes.set_ylim(*limits)
    axes.xaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 5, 10]))
    axes.label_outer()  # shared axes would do this, but are slow for many panels


def _title(axes: Axes, name: str, gains: pd.Series) -> None:
    """The model's name, and on how many images it predicts worse than the baseline."""
    axes.set_title(name, fontsize=6.5, pad=9.5)
    below = f"{int((gains < 0).sum())} of {len(gains)} below 0"
    axes.annotate(
        below,
        (0.5, 1),
        xycoords="axes fraction",
        xytext=(0, 2.5),
        textcoords="offset points",
        ha="center",
        fontsize=6,
        color=GREY,
    )


def _remove_empty(grid: np.ndarray, used: int) -> None:
    """Remove panels without a model; those above them get the tick labels of the last row."""
    n_columns = grid.shape[1]
    for index in range(used, grid.size):
        grid.flat[index].remove()
        above = grid.flat[index - n_columns]
        above.tick_params(labelbottom=True)
