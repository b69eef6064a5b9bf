"""All figures of a results folder, as PDF for papers and PNG for pages."""

from __future__ import annotations

from pathlib import Path

from benchmark.files import discard, write_whole
from benchmark.report.plots.explained import explained_figure
from benchmark.report.plots.information import information_figure
from benchmark.report.plots.overview import overview_figure
from benchmark.report.plots.scatter import scatter_figure
from benchmark.report.plots.style import render
from benchmark.report.results import Results

FIGURES = {
    "explained": explained_figure,
    "information": information_figure,
    "overview": overview_figure,
    "scatter": scatter_figure,
}


def write_figures(results: Results, outdir: str | Path) -> list[Path]:
    """Write ``outdir``/NAME.pdf and NAME.png for every figure; return the files written.

    A figure whose scores are missing (no gold standard, say) is not drawn, and one that is left
    from earlier scores is removed.

    Raises:
        BenchmarkError: the folder cannot be written to, or the disk is full.
    """
    written = []
    for name, draw in FIGURES.items():
        figure = draw(results)
        for extension in ("pdf", "png"):
            path = Path(outdir) / f"{name}.{extension}"
            if figure is None:
                discard(path)
            else:
                written.append(write_whole(path, render(figure, extension)))
    return written
