"""Learning curves of a training, from its CSV."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from benchmark.files import write_whole
from benchmark.report.plots.style import GREY, LOOKS, PAGE_WIDTH, render, style


def draw_curves(table: pd.DataFrame, folder: Path) -> list[Path]:
    """Write curves.pdf and curves.png: gain on training and stopping images, a line a readout.

    Args:
        table: columns fold, seed, stage, epoch, training, stopping.
    """
    stages = list(dict.fromkeys(table["stage"]))
    starts = {}
    total = 0
    for stage in stages:
        starts[stage] = total
        total += int(table.loc[table["stage"] == stage, "epoch"].max()) + 1
    with style():
        figure = Figure(figsize=(PAGE_WIDTH, 2.2), layout="constrained")
        axes = figure.subplots(1, 2, sharey=True)
        for panel, column, title in (
            (axes[0], "training", "training images, all data sets (with dropout)"),
            (axes[1], "stopping", "stopping images, first data set (after the epoch)"),
        ):
            for _, rows in table.groupby(["fold", "seed"]):
                at = [starts[s] + e + 1 for s, e in zip(rows["stage"], rows["epoch"])]
                panel.plot(at, rows[column], color=LOOKS["model"].face, alpha=0.45)
            for stage in stages[1:]:
                panel.axvline(starts[stage] + 0.5, color=GREY, linewidth=0.6, linestyle=":")
            panel.set_title(title)
            panel.set_xlabel("epoch")
            panel.xaxis.get_major_locator().set_params(integer=True)
        axes[0].set_ylabel("information gain (bits per fixation)")
        return [
            write_whole(folder / f"curves.{extension}", render(figure, extension))
            for extension in ("pdf", "png")
        ]
