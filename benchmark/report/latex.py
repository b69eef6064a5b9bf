"""Summary tables in LaTeX: booktabs, nothing else, for a paper of one or two columns."""

from __future__ import annotations

import re
from collections.abc import Sequence

from benchmark.report import notes
from benchmark.report.latex_escape import escape
from benchmark.report.latex_float import floating, line, name_cell
from benchmark.report.latex_layout import Layout, Rows, blocks
from benchmark.report.published import of_dataset
from benchmark.report.published.latex import published_tables
from benchmark.report.record import Model
from benchmark.report.results import Results
from benchmark.report.table import Column, columns

# \documentclass and \begin{document} run only where no document has begun. LaTeX lets
# \@nodocument to \relax at \begin{document}; \csname reaches it without changing catcodes.
_PROLOGUE = r"""% Compiles on its own; in a paper, \input it (needs \usepackage{booktabs}).
\expandafter\ifx\csname @nodocument\endcsname\relax
  \let\finishtable\relax
\else
  \documentclass[10pt,twocolumn]{article}
  \usepackage{booktabs}
  \pagestyle{empty}
  \setlength{\oddsidemargin}{-0.2in}
  \setlength{\textwidth}{6.9in}
  \setlength{\columnsep}{0.2in}
  \setlength{\columnwidth}{3.35in}
  \setlength{\topmargin}{-0.5in}
  \setlength{\textheight}{9.3in}
  \begin{document}
  \def\finishtable{\end{document}}
\fi
"""
_EPILOGUE = "\\finishtable\n"


def latex_table(
    results: Results,
    metrics: Sequence[str] | None = None,
    intervals: bool = False,
    standalone: bool = False,
    published: bool = False,
) -> str:
    """The summary as LaTeX tables; needs the package booktabs.

    The table spans one column where it fits and both where it does not; one too long or too wide
    for a page goes on in further tables.

    Args:
        metrics: names of the metrics to show; None shows all.
        intervals: print bootstrap 95 % intervals below the values.
        standalone: make it a document that compiles on its own. Such a file can still be read with
            ``\\input`` from a paper, where only the table takes effect.
        published: add tables of what others have published on this data set.

    Raises:
        UnknownNameError: there is no such metric in the results.
    """
    table = columns(results, metrics)
    models = [(model, escape(model.title)) for model in results.models]
    parts = []
    for number, (layout, some_columns, some_models) in enumerate(blocks(table, models, intervals)):
        caption = _caption(results, table, intervals) if number == 0 else _continued(results)
        rows = _rows(layout, some_columns, some_models, intervals)
        parts.append(floating(layout, caption, _label(results), number, rows, intervals))
    if published:
        parts += published_tables(of_dataset(results.dataset.name), _label(results))
    text = "\n".join(parts)
    return document(text) if standalone else text


def document(tables: str) -> str:
    """Tables as a document that compiles on its own, and that a paper can read with ``\\input``."""
    return f"{_PROLOGUE}{tables}{_EPILOGUE}"


def _caption(results: Results, table: Sequence[Column], intervals: bool) -> str:
    shown = {column.metric.name: column.metric for column in table}.values()
    sentences = [
        notes.heading(results),
        notes.averages(shown),
        notes.explained(table),
        notes.explained_missing(results, table),
        notes.reading(results, intervals),
        notes.contaminated(results),
        notes.undefined(results, table),
    ]
    text = " ".join(escape(sentence) for sentence in sentences if sentence)
    return re.sub(r" (px|images|\\%)", r"~\1", text)


def _continued(results: Results) -> str:
    return escape(f"{notes.title(results)}, continued.")


def _label(results: Results) -> str:
    name = re.sub(r"[^a-z0-9]+", "-", f"{results.dataset.name}-{results.protocol.name}".lower())
    return f"tab:{name}"


def _rows(
    layout: Layout, table: Sequence[Column], models: Rows[Model], intervals: bool
) -> list[str]:
    rows = [
        line("", [f"{escape(c.label)} {escape(c.metric.arrow)}" for c in table]),
        line("Model", [escape(f"({c.unit})") if c.unit else "" for c in table]),
        "\\midrule",
    ]
    above: Model | None = None
    for model, title in models:
        if above is not None and above.ranked and not model.ranked:
            rows.append("\\midrule")
        cells = [_cell(column, model.name, intervals) for column in table]
        rows.append(line(name_cell(title, layout), cells) + ("[4pt]" if intervals else ""))
        above = model
    return rows


def _cell(column: Column, model: str, intervals: bool) -> str:
    text = escape(column.text(model))
    text = f"\\textbf{{{text}}}" if model in column.best else text
    span = escape(column.interval(model)) if intervals else ""
    return f"\\stack{{{text}}}{{{span}}}" if span else text
