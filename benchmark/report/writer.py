"""The report of a results folder: table, page and figures beside the scores they are made from."""

from __future__ import annotations

from pathlib import Path

from benchmark.files import write_whole
from benchmark.report.figures import write_figures
from benchmark.report.latex import latex_table
from benchmark.report.markdown import markdown_table
from benchmark.report.results import Results


def write_report(folder: str | Path, intervals: bool = False) -> list[Path]:
    """Write summary.tex, summary.md and figures/ into a results folder; return the files written.

    summary.tex compiles on its own and can be read with ``\\input`` from a paper.

    Args:
        folder: written by ``python -m benchmark run``.
        intervals: print bootstrap 95 % intervals in the LaTeX table; the Markdown one has them.

    Raises:
        BenchmarkError: the scores are missing or malformed, or the folder cannot be written to.
    """
    folder = Path(folder)
    results = Results.read(folder)
    table = latex_table(results, intervals=intervals, standalone=True)
    return [
        write_whole(folder / "summary.tex", table),
        write_whole(folder / "summary.md", markdown_table(results)),
        *write_figures(results, folder / "figures"),
    ]
