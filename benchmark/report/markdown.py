"""Summary tables as GitHub Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence

from benchmark.report import notes
from benchmark.report.record import Metric
from benchmark.report.results import Estimate, Results
from benchmark.report.table import Column, columns, interval, number


def markdown_table(
    results: Results, metrics: Sequence[str] | None = None, intervals: bool = True
) -> str:
    """The summary as a Markdown table, notes on how to read it, and differences to the best model.

    Args:
        metrics: names of the metrics to show; None shows all.
        intervals: add bootstrap 95 % intervals.

    Raises:
        UnknownNameError: there is no such metric in the results.
    """
    table = columns(results, metrics)
    head = ["Model", *(_head(column) for column in table)]
    rows = [
        [_italic(model.title, not model.ranked), *(_cell(c, model.name, intervals) for c in table)]
        for model in results.models
    ]
    parts = [
        f"**{escape(notes.heading(results))}**",
        _grid(head, rows),
        _notes(results, table, intervals),
        _differences(results),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def escape(text: str) -> str:
    """``text`` with the characters that Markdown or HTML would interpret made literal."""
    text = re.sub(r"\s+", " ", text).replace("&", "&amp;").replace("<", "&lt;")
    return re.sub(r"([\\`*_{}\[\]|~#>$])", r"\\\1", text)


def _head(column: Column) -> str:
    unit = f" ({column.unit})" if column.unit else ""
    return f"{escape(column.label + unit)} {column.metric.arrow}"


def _cell(column: Column, model: str, intervals: bool) -> str:
    text = column.text(model)
    if model in column.best:
        text = f"**{text}**"
    span = column.interval(model) if intervals else ""
    return f"{text} <sub>{_unbroken(span)}</sub>" if span else text


def _unbroken(span: str) -> str:
    """An interval that is neither broken over lines nor taken for a link."""
    return span.replace("[", "\\[").replace("]", "\\]").replace(", ", ",&nbsp;")


def _italic(text: str, italic: bool) -> str:
    return f"*{escape(text)}*" if italic else escape(text)


def _grid(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    align = [":--", *["--:"] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, align, *rows))


def _notes(results: Results, table: Sequence[Column], intervals: bool) -> str:
    shown = list({column.metric.name: column.metric for column in table}.values())
    lines = [
        notes.averages(shown),
        notes.explained(table),
        notes.explained_missing(results, table),
        notes.reading(results, intervals),
        notes.contaminated(results),
        notes.training(results),
        notes.undefined(results, table),
        notes.gold_without_maps(results, table),
        "; ".join(_meaning(metric) for metric in shown) + ".",
    ]
    return "\n".join(f"- {escape(line)}" for line in lines if line)


def _meaning(metric: Metric) -> str:
    unit = f" in {metric.unit}" if metric.unit else ""
    chance = f", chance {metric.chance:g}" if metric.chance is not None else ""
    return f"{metric.label}: {metric.title}{unit}{chance}"


def _differences(results: Results) -> str:
    """Paired differences of information gain to the best model; an incomplete run has no best."""
    name = results.information_gain
    if not results.complete or name is None:
        return ""
    metric = results.metrics[name]
    rows = results.differences[results.differences["metric"] == name]
    rows = rows[rows["model"] != rows["best"]].set_index("model")
    ranked = [m for m in reversed(results.models) if m.ranked and m.name in rows.index]
    if not ranked:
        return ""
    titles = {model.name: model.title for model in results.models}
    best = str(rows["best"].iloc[0])
    unit = f" ({metric.short_unit})" if metric.short_unit else ""
    head = ["Model", escape(f"Difference{unit}"), "95 % interval", "Images"]
    cells = []
    for model in ranked:
        row = rows.loc[model.name]
        difference = Estimate(row["difference"], row["ci_low"], row["ci_high"])
        cells.append(
            [
                escape(model.title),
                number(difference.value, 3),
                escape(interval(difference, 3)) or "–",
                number(row["n_images"], 0),
            ]
        )
    return (
        f"**Paired differences of {escape(metric.label)} to the best model, "
        f"{escape(titles.get(best, best))}**\n\n{_grid(head, cells)}"
    )
