"""The figure of a comparison: each image's two values, and its sorted differences."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmark.comparison.core import Comparison
from benchmark.report.plots.limits import robust_limits
from benchmark.report.plots.style import (
    BLACK,
    COLUMN_WIDTH,
    GREY,
    LIGHT_GREY,
    LOOKS,
    short_names,
    style,
)

_BETTER, _WORSE = LOOKS["model"].face, "#D55E00"  # told apart in grey, too
_MANY = 5000  # points; more are stored as pixels


def comparison_figure(comparison: Comparison, pair: tuple[str, str]) -> Figure | None:
    """Two panels for one pair by the leading metric; None where no image has both values."""
    metric = comparison.leading
    rows = comparison.of_pair(pair, metric.name)
    if rows.empty:
        return None
    unit = f" ({metric.short_unit})" if metric.short_unit else ""
    names = short_names(comparison.labels, 26)
    with style():
        figure = Figure(figsize=(COLUMN_WIDTH, 1.95), layout="constrained")
        left, right = figure.subplots(1, 2)
        _scatter(left, rows["a"].to_numpy(), rows["b"].to_numpy(), metric.higher_is_better)
        left.set_xlabel(f"{names[0]},\n{metric.label}{unit}")
        left.set_ylabel(f"{names[1]},\n{metric.label}{unit}")
        sign = 1 if metric.higher_is_better else -1
        table = comparison.table
        chosen = (table["model_a"] == pair[0]) & (table["model_b"] == pair[1])
        mean = float(table.loc[chosen & (table["metric"] == metric.name), "difference"].iloc[0])
        _sorted(right, rows["difference"].to_numpy(), mean, sign)
        right.set_xlabel("images, sorted")
        right.set_ylabel(f"difference{unit}")
        title = short_names([comparison.titles[pair]], 60)[0]
        figure.suptitle(title, fontsize=7)
    return figure


def _scatter(axes: Axes, a: np.ndarray, b: np.ndarray, higher_is_better: bool) -> None:
    """Both values of each image; images beyond the axes are shown on their edge."""
    limits = robust_limits(np.concatenate([a, b]), higher_is_better=higher_is_better)
    x, y = np.clip(a, *limits), np.clip(b, *limits)
    inside = (x == a) & (y == b)
    axes.axline((limits[0], limits[0]), slope=1, color=BLACK, linewidth=0.6, zorder=3)
    axes.scatter(
        x[inside], y[inside], 4, color=LOOKS["model"].face, alpha=0.45, lw=0,
        rasterized=len(a) > _MANY, zorder=2,
    )  # fmt: skip
    axes.scatter(x[~inside], y[~inside], 6, color=GREY, marker="v", lw=0, zorder=4, clip_on=False)
    axes.set_xlim(*limits)
    axes.set_ylim(*limits)
    axes.set_aspect("equal", adjustable="box")


def _sorted(axes: Axes, differences: np.ndarray, mean: float, sign: int) -> None:
    """Differences in ascending order, better and worse ones in two colours, and their mean."""
    low, high = robust_limits(differences, anchor=0.0, higher_is_better=sign > 0, stretch=4.0)
    ordered = np.sort(differences)
    shown = np.clip(ordered, low, high)  # infinite differences end at the edge
    position = np.arange(1, len(ordered) + 1)
    gains = sign * ordered
    for chosen, colour in ((gains > 0, _BETTER), (gains < 0, _WORSE)):
        axes.fill_between(
            position, 0, np.where(chosen, shown, 0), color=colour, step="mid", linewidth=0
        )
    axes.axhline(0, color=BLACK, linewidth=0.6)
    if np.isfinite(mean):
        axes.axhline(mean, color=GREY, linewidth=0.8, linestyle="--")
        axes.annotate(
            "mean", (0.02, mean), (0, 1.5 if mean >= 0 else -1.5),
            xycoords=axes.get_yaxis_transform(), textcoords="offset points", fontsize=6,
            color=GREY, va="bottom" if mean >= 0 else "top",
        )  # fmt: skip
    axes.set_ylim(low, high)
    counts = f"{int((gains > 0).sum())} better, {int((gains < 0).sum())} worse"
    axes.set_title(counts, fontsize=6.5, loc="center")
    axes.set_xlim(0.5, len(ordered) + 0.5)
    axes.grid(axis="y", color=LIGHT_GREY, linewidth=0.3)
    axes.set_axisbelow(True)
