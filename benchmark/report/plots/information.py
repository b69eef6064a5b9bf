"""Information gain in bits: how much better than the baseline each model predicts."""

from __future__ import annotations

from matplotlib.figure import Figure

from benchmark.report.plots.bars import draw_bars
from benchmark.report.plots.rows import height
from benchmark.report.plots.style import COLUMN_WIDTH, new_figure, style
from benchmark.report.results import Results


def information_figure(results: Results) -> Figure | None:
    """Bars in the unit of the metric; None where there are no information gains."""
    name = results.information_gain
    if name is None:
        return None
    gains = {model.name: results.estimate(model.name, name) for model in results.models}
    models = [model for model in results.models if gains[model.name].defined]
    if not models:
        return None
    metric = results.metrics[name]
    with style():
        figure = new_figure(results, COLUMN_WIDTH, height(models, 0.5))
        axes = figure.add_subplot()
        draw_bars(axes, models, gains, decimals=3)
        unit = f" ({metric.unit})" if metric.unit else ""
        figure.supxlabel(f"{metric.title}{unit}", fontsize=7)
    return figure
