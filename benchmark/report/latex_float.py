"""One table of a LaTeX document: environment, caption, and the names of its rows."""

from __future__ import annotations

import re
from collections.abc import Sequence

from benchmark.report.latex_layout import Layout

# a value above its interval, in one cell; \def, because it is local to the float
_STACK = r"""\def\stack#1#2{\begin{tabular}[t]{@{}r@{}}#1\\[-1.5pt]
  \fontsize{6}{7.2}\selectfont #2\end{tabular}}"""


def floating(
    layout: Layout, caption: str, label: str, number: int, rows: Sequence[str], intervals: bool
) -> str:
    """A table in the environment, size and columns of a layout.

    Args:
        number: of this part of the table; the parts after the first (0) carry its number.
        rows: lines of the table, in LaTeX.
        intervals: the rows use the command that sets a value above its interval.
    """
    environment = "table*" if layout.wide else "table"
    lines = [
        f"\\begin{{{environment}}}[tp]",
        # further parts carry the number of the first
        *(["\\addtocounter{table}{-1}"] if number else []),
        "\\centering",
        "\\setlength{\\belowcaptionskip}{5pt}",
        f"\\caption{{{caption}}}",
        *([] if number else [f"\\label{{{label}}}"]),
        *([_STACK] if intervals else []),
        f"\\fontsize{{{layout.size}}}{{{layout.size * 1.2:.1f}}}\\selectfont",
        f"\\setlength{{\\tabcolsep}}{{{layout.separation}pt}}",
        f"\\begin{{tabular}}{{{layout.specification}}}",
        "\\toprule",
        *rows,
        "\\bottomrule",
        "\\end{tabular}",
        f"\\end{{{environment}}}",
    ]
    return "\n".join(lines) + "\n"


def line(name: str, cells: Sequence[str]) -> str:
    """A row of a table; all is LaTeX already.

    What ends the row above takes a star or an option in brackets, which no name may be taken for.
    """
    guard = "{}" if name.lstrip().startswith(("[", "*")) else ""
    return " & ".join([guard + name, *cells]) + r" \tabularnewline"


def name_cell(title: str, layout: Layout) -> str:
    """An escaped title for the first column of a layout."""
    if not layout.breaks_names:
        return title
    # \hspace{0pt} lets TeX hyphenate the first word, too
    return rf"\raggedright\hangindent=1em\hspace{{0pt}}{breakable(title)}"


def breakable(escaped: str) -> str:
    """An escaped name that may be broken after _, - and /, and within very long words."""
    text = re.sub(r"(\\_|/|-)(?=\w)", r"\1\\allowbreak{}", escaped)
    return re.sub(r"([A-Za-z0-9]{14})(?=[A-Za-z0-9]{4})", r"\1\\allowbreak{}", text)
