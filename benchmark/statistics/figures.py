"""The figures of the statistics, one column wide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator, StrMethodFormatter

from benchmark.report.plots.style import BLACK, COLUMN_WIDTH, GREY, LIGHT_GREY, short_names, style
from benchmark.report.record import Metric
from benchmark.report.table import number
from benchmark.statistics import power
from benchmark.statistics.extrapolate import SMALLEST, Limit
from benchmark.statistics.observers import LearningCurve

# Okabe and Ito's colours, with markers that differ, too
_SERIES = (("#0072B2", "o", "-"), ("#D55E00", "^", "--"), ("#009E73", "s", ":"))
_CELLS = colormaps["Blues"]  # lightness alone carries the value, so it survives grey


def tests_figure(tests: pd.DataFrame, titles: Mapping[str, str], metric: Metric) -> Figure:
    """Differences between all pairs of models, best first; crossed where they are not separated.

    Args:
        tests: rows of one metric from ``paired_tests``, of models in descending order.
    """
    names = list(dict.fromkeys([*tests["model"], *tests["other"]]))
    position = {name: place for place, name in enumerate(names)}
    shown = np.full((len(names), len(names)), np.nan)
    open_pairs = []
    for row in tests.itertuples():
        x, y = position[str(row.model)], position[str(row.other)]
        shown[y, x] = abs(float(row.difference))
        if not float(row.p_holm) <= power.LEVEL:
            open_pairs.append((x, y))
    side = max(COLUMN_WIDTH, 0.2 * len(names))
    with style():
        figure = Figure(figsize=(side, side * 0.94), layout="constrained")
        axes = figure.subplots()
        kept = shown[1:, :-1]  # the best has no better one, the worst no worse
        finite = kept[np.isfinite(kept)]
        top = float(np.quantile(finite, 0.9)) if len(finite) else 1.0
        image = axes.imshow(kept, cmap=_CELLS, vmin=0, vmax=top or 1.0)
        for x, y in open_pairs:
            axes.plot(x, y - 1, marker="x", color="#D55E00", markersize=5, markeredgewidth=1.2)
        labels = short_names([titles[name] for name in names], 22)
        axes.set_xticks(range(len(names) - 1), labels[:-1], rotation=55, ha="right",
                        rotation_mode="anchor")  # fmt: skip
        axes.set_yticks(range(len(names) - 1), labels[1:])
        axes.tick_params(length=0)
        _frame_cells(axes, kept.shape)
        unit = f" ({metric.short_unit})" if metric.short_unit else ""
        bar = figure.colorbar(image, ax=axes, fraction=0.04, pad=0.02, extend="max")
        bar.set_label(f"difference of {metric.label}{unit}")
        bar.outline.set_linewidth(0.4)  # type: ignore[operator]
        if open_pairs:
            axes.plot([], [], "x", color="#D55E00", markersize=5, markeredgewidth=1.2,
                      label="not separated")  # fmt: skip
            axes.legend(loc="upper right")
        axes.set_xlabel("better model")
        axes.set_ylabel("worse model")
    return figure


def _frame_cells(axes: Axes, shape: tuple[int, int]) -> None:
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_xticks(np.arange(shape[1] + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(shape[0] + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=0.8)
    axes.tick_params(which="minor", length=0)


def agreement_figure(agreed: pd.DataFrame, metrics: Sequence[Metric]) -> Figure:
    """Kendall's correlation of the models' ranks above, agreement within images below."""
    names = [metric.name for metric in metrics]
    table = np.full((len(names), len(names)), np.nan)
    for row in agreed.itertuples():
        i, j = names.index(str(row.metric)), names.index(str(row.other))
        table[i, j], table[j, i] = float(row.kendall), float(row.within)  # type: ignore[arg-type]
    with style():
        figure = Figure(figsize=(COLUMN_WIDTH, 2.9), layout="constrained")
        axes = figure.subplots()
        finite = table[np.isfinite(table)]
        low = np.floor(10 * float(finite.min()) - 1) / 10 if len(finite) else 0.0
        image = axes.imshow(table, cmap=_CELLS, vmin=low, vmax=1)
        for (i, j), value in np.ndenumerate(table):
            if np.isfinite(value):
                dark = (value - low) / (1 - low) > 0.6
                axes.text(j, i, number(float(value), 2), ha="center", va="center", fontsize=6.5,
                          color="white" if dark else BLACK)  # fmt: skip
        labels = [metric.label for metric in metrics]
        axes.set_xticks(range(len(names)), labels)
        axes.set_yticks(range(len(names)), labels)
        axes.xaxis.tick_top()
        axes.tick_params(length=0)
        _frame_cells(axes, table.shape)
        axes.plot([-0.5, len(names) - 0.5], [-0.5, len(names) - 0.5], color=GREY, linewidth=0.6)
        axes.set_title("above: ranks of models (Kendall)")
        axes.set_xlabel("below: models on one image (Spearman, mean)")
        bar = figure.colorbar(image, ax=axes, fraction=0.045, pad=0.02)
        bar.set_label("rank correlation")
        bar.outline.set_linewidth(0.4)  # type: ignore[operator]
    return figure


def power_figure(
    table: pd.DataFrame,
    checked: pd.DataFrame,
    shown: Sequence[tuple[str, str]],
    titles: Mapping[str, str],
    metric: Metric,
    n_images: int,
) -> Figure:
    """The smallest detectable difference by number of images, and power against simulation.

    Args:
        table: from ``power.power_table``. checked: from ``power.check``.
        shown: up to three pairs to draw.
    """
    fewest = power.fewest_images()
    numbers = np.unique(np.geomspace(fewest, max(2000, 2 * n_images), 60).astype(np.int64))
    unit = f" ({metric.short_unit})" if metric.short_unit else ""
    rows = table.set_index(["model", "other"])
    with style():
        figure = Figure(figsize=(COLUMN_WIDTH, 4.1), layout="constrained")
        above, below = figure.subplots(2, 1)
        for pair, (colour, marker, line) in zip(shown, _SERIES):
            sd, difference = (float(rows.loc[pair, name]) for name in ("sd", "difference"))
            names = " – ".join(short_names([titles[name] for name in pair], 18))
            above.plot(numbers, power.curve(sd, numbers), color=colour, linestyle=line, label=names)
            above.plot(n_images, abs(difference), marker=marker, color=colour, markersize=4.5)
            predicted = [power.predicted_power(difference, sd, int(n)) for n in numbers]
            below.plot(numbers, predicted, color=colour, linestyle=line)
            points = checked[(checked["model"] == pair[0]) & (checked["other"] == pair[1])]
            below.errorbar(
                points["n_images"], points["power_simulated"], 1.96 * points["power_se"],
                color=colour, marker=marker, markersize=3.5, linestyle="none", elinewidth=0.7,
            )  # fmt: skip
        above.set_yscale("log")
        above.set_ylabel(f"smallest detectable difference{unit}")
        above.set_title("lines: detectable; symbols: measured difference", loc="left")
        low, high = above.get_ylim()
        above.set_ylim(low / 5, high * 1.5)  # room for the legend
        above.legend(loc="lower left")
        below.axhline(power.POWER, color=LIGHT_GREY, linewidth=0.6, zorder=0)
        below.set_ylabel("power at 5 %")
        below.set_title("lines: predicted; symbols: simulated", loc="left")
        below.set_ylim(0, 1.04)
        below.set_xlabel("images")
        for axes in (above, below):
            axes.set_xscale("log")
            axes.axvline(n_images, color=GREY, linewidth=0.6, linestyle=(0, (1, 1)), zorder=0)
            axes.xaxis.set_major_locator(FixedLocator([5, 10, 20, 50, 100, 200, 500, 1000, 2000]))
            axes.xaxis.set_minor_locator(NullLocator())
            axes.xaxis.set_major_formatter(StrMethodFormatter("{x:.0f}"))
        above.annotate("this data set", (n_images, 1), (-2, -1), ("data", "axes fraction"),
                       "offset points", ha="right", va="top", fontsize=6, color=GREY)  # fmt: skip
        above.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        above.yaxis.set_minor_formatter(StrMethodFormatter(""))
    return figure


def observers_figure(
    curve: LearningCurve, limit: Limit, ends: np.ndarray, truth: float | None = None
) -> Figure:
    """The learning curve with its extrapolation, which ends in the limit for many observers.

    Args:
        ends: lower and upper end of each point's interval, (ks, 2).
        truth: the true information gain, where it is known.
    """
    others, gains = curve.others, curve.information_gain
    farthest = 1000.0
    smooth = np.geomspace(1, farthest, 200)
    low, high = limit.span
    with style():
        figure = Figure(figsize=(COLUMN_WIDTH, 2.4), layout="constrained")
        axes = figure.subplots()
        axes.axhspan(low, high, color=LIGHT_GREY, alpha=0.45, linewidth=0)
        axes.axhline(limit.value, color=BLACK, linewidth=0.8, linestyle="--")
        for start, law in limit.by_start.items():
            if start != SMALLEST:
                axes.plot(smooth, law.at(smooth), color=GREY, linewidth=0.5, linestyle=":")
        axes.plot(smooth, limit.law.at(smooth), color="#0072B2", linewidth=0.9)
        errors = np.abs(ends.T - gains)
        axes.errorbar(others, gains, errors, color="#0072B2", marker="o", markersize=2.6,
                      linestyle="none", elinewidth=0.6, zorder=4)  # fmt: skip
        if truth is not None:
            axes.axhline(truth, color="#D55E00", linewidth=0.9)
            axes.annotate("truth", (1, truth), (-2, 1.5), ("axes fraction", "data"),
                          "offset points", ha="right", color="#D55E00")  # fmt: skip
        axes.annotate(f"limit {number(limit.value, 3)}", (1.1, limit.value), (0, 1.5),
                      textcoords="offset points", va="bottom")  # fmt: skip
        axes.set_xscale("log")
        axes.set_xlim(0.9, farthest)
        axes.set_xlabel("other observers that predict one")
        axes.set_ylabel("IG of the gold standard (bit/fix)")
        axes.xaxis.set_major_locator(FixedLocator([1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:.0f}"))
    return figure
