"""Published scores as LaTeX tables of their own, apart from what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from benchmark.report.latex_escape import escape
from benchmark.report.latex_float import breakable, floating, line, name_cell
from benchmark.report.latex_layout import Layout, Rows, blocks
from benchmark.report.published import blocks as tables
from benchmark.report.table import MINUS


@dataclass(frozen=True)
class _Model:
    name: str


@dataclass(frozen=True)
class _Published:
    """Scores of one metric in one unit, as printed by their source, by model."""

    label: str
    unit: str
    values: dict[str, str]

    def text(self, model: str) -> str:
        return self.values.get(model, "\u2013")

    def interval(self, model: str) -> str:
        return ""


def published_tables(rows: pd.DataFrame, label: str) -> list[str]:
    """A table for each data set, protocol and source; nobody's value is marked as the best.

    Args:
        rows: of :func:`benchmark.report.published.published`.
        label: what their labels begin with.
    """
    parts = []
    for n, (dataset, baseline, source, scores) in enumerate(tables(rows), start=1):
        columns = _columns(scores)
        models = [(_Model(name), escape(name)) for name in dict.fromkeys(scores["model"])]
        caption = _caption(dataset, baseline, source, scores)
        for number, (layout, some_columns, some_models) in enumerate(
            blocks(columns, models, intervals=False)
        ):
            text = escape(f"Published scores on {dataset}, continued.") if number else caption
            lines = _rows(layout, some_columns, some_models)
            parts.append(floating(layout, text, f"{label}-published-{n}", number, lines, False))
    return parts


def _columns(scores: pd.DataFrame) -> list[_Published]:
    columns = []
    for (metric, unit), part in scores.groupby(["metric", "unit"], sort=False):
        values = {
            row.model: row.value.replace("-", MINUS) + ("" if row.seen == "verbatim" else "*")
            for row in part.itertuples()
        }
        columns.append(_Published(metric, unit, values))
    return columns


def _caption(dataset: str, baseline: str, source: str, scores: pd.DataFrame) -> str:
    protocol = f" ({baseline})" if baseline else ""
    sentences = [
        f"Published by others, on other fixations or by other protocols, so not to be ranked with "
        f"what was measured: {dataset}{protocol}.",
        f"Source: {source}.",
        "* The number was read second-hand." if (scores["seen"] != "verbatim").any() else "",
    ]
    return "\\sloppy " + breakable(escape(" ".join(filter(None, sentences))))


def _rows(layout: Layout, columns: Sequence[_Published], models: Rows[_Model]) -> list[str]:
    units = [escape(f"({column.unit})") if column.unit else "" for column in columns]
    labels = [escape(column.label) for column in columns]
    head = [line("", labels), line("Model", units)] if any(units) else [line("Model", labels)]
    return [
        *head,
        "\\midrule",
        *(
            line(name_cell(title, layout), [escape(c.text(model.name)) for c in columns])
            for model, title in models
        ),
    ]
