"""Explained information gain: how far each model gets from the baseline to the gold standard."""

from __future__ import annotations

from matplotlib.figure import Figure

from benchmark.report.plots.bars import draw_bars
from benchmark.report.plots.rows import height
from benchmark.report.plots.style import CEILING_LINE, COLUMN_WIDTH, new_figure, style
from benchmark.report.results import Results


def explained_figure(results: Results) -> Figure | None:
    """Bars in per cent of the gold standard's information gain; None where that is not known."""
    metric = results.information_gain
    if metric is None or not results.has_explained(metric):
        return None
    shares = {m.name: results.explained(m.name, metric).scaled(100) for m in results.models}
    models = [model for model in results.models if shares[model.name].defined]
    with style():
        figure = new_figure(results, COLUMN_WIDTH, height(models, 0.5))
        axes = figure.add_subplot()
        draw_bars(axes, models, shares, decimals=1)
        axes.axvline(100, color=CEILING_LINE, linewidth=0.9, linestyle=(0, (4, 1.5)), zorder=2.5)
        figure.supxlabel("Explained information gain (% of gold standard)", fontsize=7)
    return figure
