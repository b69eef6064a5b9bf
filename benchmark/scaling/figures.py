"""The figure: one small panel for each thing that grows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import (
    FixedLocator,
    FuncFormatter,
    LogLocator,
    NullLocator,
    StrMethodFormatter,
)

from benchmark.report.plots.style import BLACK, COLUMN_WIDTH, GREY, LIGHT_GREY, style
from benchmark.scaling.jobs import NAMES
from benchmark.scaling.table import RATIOS, Curves

# Okabe and Ito's colours, with markers that differ, too
_LOOKS = (("#0072B2", "o"), ("#D55E00", "^"), ("#009E73", "s"), ("#CC79A7", "D"), (GREY, "v"))
_PHASES = {
    "scoring": "scoring",
    "fitting gold": "fit, gold",
    "fitting centerbias": "fit, bias",
    "comparing images": "comparing",
}
_MARKER = 2.6
#: Parts drawn alone, in seconds and in bytes.
TIMED = ("comparing images", "preparing", "shuffled auc")
HELD = ("drawing images", "reading fixations", "collecting scores")


def scaling_figure(curves: Curves, before: pd.DataFrame | None = None) -> Figure:
    """Small multiples: time and memory by images, size, subjects, models, jobs; parts alone.

    Args:
        before: the parts of an earlier version, drawn hollow.
    """
    with style():
        figure = Figure(figsize=(COLUMN_WIDTH, 6.6), layout="constrained")
        panels = figure.subplots(4, 2)
        _phases(panels[0, 0], curves)
        _memory(panels[0, 1], curves)
        _scoring(panels[1, 0], curves, "size", "pixels", "megapixels", 1e6)
        _scoring(panels[1, 1], curves, "subjects", "subjects", "subjects")
        _scoring(panels[2, 0], curves, "models", "models", "models")
        _jobs(panels[2, 1], curves)
        _parts(panels[3, 0], curves.parts, before, TIMED, "seconds", "seconds", 1.0)
        _parts(panels[3, 1], curves.parts, before, HELD, "bytes", "MB", 1e6)
        for letter, axes in zip("abcdefgh", panels.flat):
            axes.set_title(f"{letter}  {axes.get_title()}", loc="left")
            axes.set_title("")
    return figure


def _phases(axes: Axes, curves: Curves) -> None:
    for (part, label), (colour, marker) in zip(_PHASES.items(), _LOOKS):
        rows = curves.select("images", "phase", part)
        _line(axes, rows["images"], rows["amount"], colour, marker, label)
    _log(axes, curves.select("images", "wall")["images"])
    axes.set_title("time of phases")
    axes.set_ylabel("seconds")
    axes.legend(fontsize=5.5, handlelength=1.2, labelspacing=0.2)


def _memory(axes: Axes, curves: Curves) -> None:
    rows = curves.select("images", "peak")
    _line(axes, rows["images"], rows["amount"] / 1e6, *_LOOKS[0])
    _ticks(axes, rows["images"])
    axes.set_ylim(0, 1.25 * rows["amount"].max() / 1e6)
    axes.set_title("peak memory")
    axes.set_ylabel("MB")
    axes.set_xlabel("images")


def _scoring(
    axes: Axes, curves: Curves, axis: str, grows: str, label: str, unit: float = 1.0
) -> None:
    rows = curves.select(axis, "phase", "scoring")
    each = 1e3 * rows["amount"] / rows["images"]
    _line(axes, rows[grows] / unit, each, *_LOOKS[0])
    axes.set_xlim(0)
    axes.set_ylim(0, 1.15 * each.max())
    axes.set_title(f"scoring, by {axis}")
    axes.set_ylabel("ms an image")
    axes.set_xlabel(label)


def _jobs(axes: Axes, curves: Curves) -> None:
    table = curves.speedups()
    width = 0.8 / max(1, len(table))
    for n, (_, row) in enumerate(table.iterrows()):
        places = np.arange(len(RATIOS)) + (n - (len(table) - 1) / 2) * width
        ratios = [row[name] for name in RATIOS]
        axes.bar(places, ratios, 0.9 * width, color=_LOOKS[n][0],
                 label=f"{NAMES[row['cost']]} model")  # fmt: skip
        for place, ratio in zip(places, ratios):
            axes.annotate(f"{ratio:.2f}", (place, ratio), (0, 1), textcoords="offset points",
                          ha="center", fontsize=5.5)  # fmt: skip
    axes.axhline(2, color=BLACK, linewidth=0.6, linestyle=":", label="ideal", zorder=0)
    axes.set_ylim(0, 3.2)
    axes.set_xticks(np.arange(len(RATIOS)), ["scoring", "with\nmeans", "whole\nrun"])
    axes.set_title("two jobs over one")
    axes.set_ylabel("ratio of speed")
    axes.legend(fontsize=5.5, handlelength=1.2, labelspacing=0.2, loc="upper right")


def _parts(
    axes: Axes,
    parts: pd.DataFrame,
    before: pd.DataFrame | None,
    shown: Sequence[str],
    column: str,
    label: str,
    unit: float,
) -> None:
    for part, (colour, marker) in zip(shown, _LOOKS):
        rows = parts[parts["part"] == part]
        name = part
        _line(axes, rows["n"], rows[column] / unit, colour, marker, name)
        if before is not None:
            rows = before[before["part"] == part]
            axes.plot(rows["n"], rows[column] / unit, color=colour, marker=marker, linestyle=":",
                      markersize=_MARKER, markerfacecolor="white", linewidth=0.6)  # fmt: skip
    axes.set_xscale("log")
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    axes.set_ylim(low, high * (high / low) ** 0.55)
    _plain(axes.xaxis)
    _plain(axes.yaxis)
    axes.set_title("parts alone: time" if column == "seconds" else "parts alone: memory")
    axes.set_ylabel(label)
    axes.set_xlabel("n")
    axes.legend(fontsize=5, handlelength=1.0, labelspacing=0.2, loc="upper left")


def _line(
    axes: Axes, x: pd.Series, y: pd.Series, colour: str, marker: str, label: str | None = None
) -> None:
    axes.plot(x, y, color=colour, marker=marker, markersize=_MARKER, label=label)


def _log(axes: Axes, numbers: pd.Series) -> None:
    axes.set_yscale("log")
    _ticks(axes, numbers)
    low, high = axes.get_ylim()
    axes.set_ylim(low, high * (high / low) ** 0.5)
    axes.set_xlabel("images")
    _plain(axes.yaxis)
    axes.grid(axis="y", color=LIGHT_GREY, linewidth=0.3)


def _plain(axis: Axis) -> None:
    """Powers of ten as numbers, few of them."""
    axis.set_major_locator(LogLocator(10, numticks=6))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: _short(value)))


def _short(value: float) -> str:
    return (
        f"{value / 1e6:g}M"
        if value >= 1e6
        else f"{value / 1e3:g}k"
        if value >= 1e3
        else f"{value:g}"
    )


def _ticks(axes: Axes, numbers: pd.Series) -> None:
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(list(numbers)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:.0f}"))
