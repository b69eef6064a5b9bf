"""The two figures of the validation, one column wide."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator, PercentFormatter, StrMethodFormatter
from scipy.stats import t

from benchmark.report.plots.style import BLACK, COLUMN_WIDTH, GREY, LIGHT_GREY, style
from benchmark.validation.coverage import IMAGES, IMAGES_AND_OBSERVERS

# Okabe and Ito's colours, with markers that differ, too
_SERIES = {
    "in_sample": ("in-sample", "#D55E00", "^"),
    "gold": ("gold standard", "#0072B2", "o"),
    "gold_elsewhere": ("gold, parameters from elsewhere", "#56B4E9", "s"),
}
_SHOWN = {
    "IG blurred": ("information gain", "#0072B2", "o"),
    "IG wrong": ("information gain, skewed", "#D55E00", "^"),
    "explained blurred": ("explained information gain", "#009E73", "s"),
    "difference blurred - truth": ("paired difference", "#CC79A7", "D"),
}
_MARKER_SIZE = 3.2


def convergence_figure(summary: pd.DataFrame) -> Figure:
    """Information gain relative to the truth, and the size of the gap, by number of observers.

    Args:
        summary: from ``convergence.summarise``.
    """
    with style():
        figure = Figure(figsize=(COLUMN_WIDTH, 3.7), layout="constrained")
        above, below = figure.subplots(2, 1, sharex=True)
        for name, (label, colour, marker) in _SERIES.items():
            difference = summary[f"{name}_minus_truth"]
            error = t.ppf(0.975, summary["repeats"] - 1) * summary[f"{name}_minus_truth_se"]
            looks = {
                "color": colour,
                "marker": marker,
                "markersize": _MARKER_SIZE,
                "markerfacecolor": "white" if name == "gold_elsewhere" else colour,
                "label": label,
                "capsize": 1.5,
                "elinewidth": 0.7,
            }
            above.errorbar(summary["observers"], difference, error, **looks)
            if name != "gold_elsewhere":
                below.errorbar(
                    summary["observers"], difference.abs(), error, **looks | {"label": None}
                )
        above.axhline(0, color=BLACK, linewidth=0.7)
        above.annotate(
            "truth", (1, 0), (0, 2), ("axes fraction", "data"), "offset points", ha="right"
        )
        above.set_ylabel("IG − true IG (bit/fixation)")
        above.legend(loc="lower right")
        _rate_of_kernel_densities(below, summary)
        below.set_ylabel("distance to truth (bit/fixation)")
        below.set_xlabel("observers")
        below.legend(loc="lower left")
        _whole_numbers(below, summary["observers"])
    return figure


def _rate_of_kernel_densities(axes: Axes, summary: pd.DataFrame) -> None:
    """A line of slope -2/3: the rate of the best kernel density in two dimensions."""
    last = summary.iloc[-1]
    n = summary["observers"].to_numpy(dtype=float)
    gap = abs(last["gold_minus_truth"]) * (n / n[-1]) ** (-2 / 3)
    axes.plot(n, gap, color=GREY, linestyle=":", zorder=1, label="slope −2/3")
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(FixedLocator([0.02, 0.05, 0.1, 0.2, 0.5, 1, 2]))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))


def coverage_figure(covered: pd.DataFrame) -> Figure:
    """Coverage by number of images, for both populations; the plain interval hollow.

    Args:
        covered: from ``coverage.measure``.
    """
    with style():
        figure = Figure(figsize=(COLUMN_WIDTH, 3.9), layout="constrained")
        axes_of = dict(zip((IMAGES, IMAGES_AND_OBSERVERS), figure.subplots(2, 1, sharex=True)))
        titles = {
            IMAGES: "same observers, other images",
            IMAGES_AND_OBSERVERS: "other observers, other images",
        }
        for population, axes in axes_of.items():
            rows = covered[covered["population"] == population]
            _draw_coverage(axes, rows)
            axes.set_title(titles[population], loc="left")
            axes.set_ylabel("coverage of 95 % intervals")
            axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        axes_of[IMAGES].legend(loc="lower right")
        axes_of[IMAGES_AND_OBSERVERS].set_xlabel("images")
        _whole_numbers(axes_of[IMAGES_AND_OBSERVERS], covered["n_images"].unique())
    return figure


def _draw_coverage(axes: Axes, rows: pd.DataFrame) -> None:
    noise = 1.96 * np.sqrt(0.95 * 0.05 / rows["repeats"].min())
    axes.axhspan(0.95 - noise, 0.95 + noise, color=LIGHT_GREY, alpha=0.5, linewidth=0)
    axes.axhline(0.95, color=BLACK, linewidth=0.6)
    for number, (quantity, (label, colour, marker)) in enumerate(_SHOWN.items()):
        for kind in ("expanded", "percentile"):
            chosen = rows[(rows["quantity"] == quantity) & (rows["interval"] == kind)]
            expanded = kind == "expanded"
            axes.plot(
                chosen["n_images"] * 1.04 ** (number - 1.5),  # side by side
                chosen["coverage"],
                color=colour,
                marker=marker,
                markersize=_MARKER_SIZE,
                markerfacecolor=colour if expanded else "white",
                linestyle="-" if expanded else ":",
                label=label if expanded else None,
            )
    axes.plot([], [], color=GREY, marker="o", markersize=_MARKER_SIZE, markerfacecolor="white",
              linestyle=":", label="plain percentile interval")  # fmt: skip


def _whole_numbers(axes: Axes, numbers: pd.Series | np.ndarray) -> None:
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(list(numbers)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:.0f}"))
