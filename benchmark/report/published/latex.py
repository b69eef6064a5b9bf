"""Published scores as LaTeX tables of their own, apart from what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from benchmark.report.latex_escape import escape
from benchmark.report.latex_float import breakable, floating, line, name_cell
from benchmark.report.latex_layout import Layout, Rows, blocks, choose
from benchmark.report.published import blocks as tables
from benchmark.report.table import MINUS

_FEW = 2  # rows of a table that is no longer than a full caption


@dataclass(frozen=True)
class _Row:
    name: str


@dataclass(frozen=True)
class _Published:
    """A column of scores as printed by their source: of a metric by model, or the reverse."""

    label: str
    unit: str
    values: dict[str, str]

    def text(self, row: str) -> str:
        return self.values.get(row, "\u2013")

    def interval(self, row: str) -> str:
        return ""


def published_tables(rows: pd.DataFrame, label: str) -> list[str]:
    """A table for each data set, protocol and source; nobody's value is marked as the best.

    Args:
        rows: of :func:`benchmark.report.published.published`.
        label: what their labels begin with.
    """
    parts = []
    for n, (dataset, baseline, source, scores) in enumerate(tables(rows), start=1):
        head, columns, lines = _content(scores)
        caption = _caption(dataset, baseline, source, scores)
        for number, (layout, some_columns, some_lines) in enumerate(
            blocks(columns, lines, intervals=False)
        ):
            text = escape(f"Published scores on {dataset}, continued.") if number else caption
            body = _rows(layout, head, some_columns, some_lines)
            parts.append(floating(layout, text, f"{label}-published-{n}", number, body, False))
    return parts


def _content(scores: pd.DataFrame) -> tuple[str, list[_Published], Rows[_Row]]:
    """What the rows are, columns, and rows: models, or metrics where few models are too wide."""
    columns = _columns(scores)
    models = [(_Row(name), escape(name)) for name in dict.fromkeys(scores["model"])]
    layout = choose(columns, models, intervals=False)
    if len(models) > _FEW or (layout is not None and not layout.wide):
        return "Model", columns, models
    return "Metric", *_turned(columns, models)


def _columns(scores: pd.DataFrame) -> list[_Published]:
    columns = []
    for (metric, unit), part in scores.groupby(["metric", "unit"], sort=False):
        values = {
            row.model: row.value.replace("-", MINUS) + ("" if row.seen == "verbatim" else "*")
            for row in part.itertuples()
        }
        columns.append(_Published(metric, _split(unit)[0], values))
    return columns


def _split(unit: str) -> tuple[str, str]:
    """A unit without the remark in brackets behind it, which is too long for a column, and that."""
    name, _, remark = unit.removesuffix(")").partition(" (")
    return name, remark


def _remarks(scores: pd.DataFrame) -> list[str]:
    """What the units of metrics say beyond their names."""
    texts = []
    for metric, unit in dict.fromkeys(zip(scores["metric"], scores["unit"])):
        name, remark = _split(unit)
        if remark:
            texts.append(f"{metric} in {name} {remark}.")
    return texts


def _caption(dataset: str, baseline: str, source: str, scores: pd.DataFrame) -> str:
    protocol = f" ({baseline})" if baseline else ""
    few = scores["model"].nunique() <= _FEW
    why = "," if few else ", on other fixations or by other protocols, so"
    sentences = [
        f"Published by others{why} not to be ranked with what was measured: {dataset}{protocol}.",
        f"Source: {source}.",
        *_remarks(scores),
        "* The number was read second-hand." if (scores["seen"] != "verbatim").any() else "",
    ]
    return "\\sloppy " + breakable(escape(" ".join(filter(None, sentences))))


def _turned(
    columns: Sequence[_Published], models: Rows[_Row]
) -> tuple[list[_Published], Rows[_Row]]:
    """The table with a row a metric and a column a model."""
    names = [f"{c.label} ({c.unit})" if c.unit else c.label for c in columns]
    turned = [
        _Published(model.name, "", {n: c.text(model.name) for n, c in zip(names, columns)})
        for model, _ in models
    ]
    return turned, [(_Row(name), escape(name)) for name in names]


def _rows(layout: Layout, title: str, columns: Sequence[_Published], rows: Rows[_Row]) -> list[str]:
    units = [escape(f"({column.unit})") if column.unit else "" for column in columns]
    labels = [escape(column.label) for column in columns]
    head = [line("", labels), line(title, units)] if any(units) else [line(title, labels)]
    return [
        *head,
        "\\midrule",
        *(
            line(name_cell(name, layout), [escape(c.text(row.name)) for c in columns])
            for row, name in rows
        ),
    ]
