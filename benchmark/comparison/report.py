"""A comparison as text, CSV files and figures."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd

from benchmark.comparison.core import FLIPS, Comparison
from benchmark.comparison.figure import comparison_figure
from benchmark.files import write_csv, write_whole
from benchmark.report.plots.style import render
from benchmark.report.record import Metric
from benchmark.report.table import DECIMALS
from benchmark.statistics.text import (
    INFINITE,
    escape,
    number,
    p_value,
    paragraph,
    signed,
    span,
    table,
)

_LONGEST = 44  # characters of a changed value that are shown; the CSV file has all
_MOST_CHANGES = 40


def text(comparison: Comparison, top: int = 5) -> str:
    """The comparison in Markdown: warnings, differences, images that moved most, provenance.

    Args:
        top: so many images of each pair.
    """
    first, second = (escape(label) for label in comparison.labels)
    parts = [
        f"**{first} (A) → {second} (B)** on {comparison.n_images} images",
        "\n".join(f"- Warning: {escape(line)}" for line in comparison.warnings),
    ]
    same = comparison.unchanged()
    pairs = [pair for pair in comparison.pairs if pair not in same]
    if same:
        names = ", ".join(escape(comparison.titles[pair]) for pair in same)
        parts.append(f"Identical on every image and metric: {names}.")
    if pairs:
        parts += [_differences(comparison, pairs), _moved(comparison, pairs, top)]
    parts.append(_changes(comparison))
    return "\n\n".join(part for part in parts if part) + "\n"


def _differences(comparison: Comparison, pairs: list[tuple[str, str]]) -> str:
    many = len(comparison.pairs) > 1
    metrics = {metric.name: metric for metric in comparison.metrics}
    rows, alike, infinite = [], 0, False
    for row in comparison.table.itertuples():
        pair = (str(row.model_a), str(row.model_b))
        if pair not in pairs or not row.better + row.worse:
            alike += pair in pairs
            continue
        metric = metrics[str(row.metric)]
        digits = DECIMALS.get(metric.name, 3) + 1
        infinite |= math.isnan(float(row.p))  # type: ignore[arg-type]
        rows.append(
            [
                *([escape(comparison.titles[pair])] if many else []),
                _head(metric),
                number(row.mean_a, digits),
                number(row.mean_b, digits),
                signed(row.difference, digits),
                span(row.ci_low, row.ci_high, digits),
                p_value(row.p),
                *([p_value(row.p_holm)] if many else []),
                str(row.better),
                str(row.worse),
            ]
        )
    if not rows:
        return ""
    head = [*(["Model"] if many else []), "Metric", "A", "B", "B − A", "95 % interval", "p",
            *(["p, Holm"] if many else []), "better", "worse"]  # fmt: skip
    note = f"""Paired over images. Intervals: bootstrap over images, the same draws for all. p:
        two-sided permutation test that exchanges A and B on whole images, {FLIPS:,} times at
        most, so that no p is below {p_value(1 / (FLIPS + 1))}. Better and worse: number of images
        on which B is so."""
    if many:
        note += " p, Holm: corrected for all models of the row's metric."
    if infinite:
        note += f" {INFINITE}"
    if alike:
        note += " Metrics that are undefined, or the same on every image, are left out."
    return f"{table(head, rows, texts=2 if many else 1)}\n\n{paragraph(note)}"


def _head(metric: Metric) -> str:
    unit = f" ({metric.short_unit})" if metric.short_unit else ""
    return f"{escape(metric.label + unit)} {metric.arrow}"


def _moved(comparison: Comparison, pairs: list[tuple[str, str]], top: int) -> str:
    metric = comparison.leading
    digits = DECIMALS.get(metric.name, 3)
    many = len(comparison.pairs) > 1
    rows = [
        [
            *([escape(comparison.titles[pair])] if many else []),
            escape(str(row.image)),
            number(row.a, digits),
            number(row.b, digits),
            signed(row.difference, digits),
        ]
        for pair in pairs
        for row in comparison.moved(pair, metric.name, top).itertuples()
    ]
    if not rows:
        return ""
    head = [*(["Model"] if many else []), "Image", "A", "B", "B − A"]
    title = f"**Images that moved most, {escape(metric.label)}**"
    return f"{title}\n\n{table(head, rows, texts=len(head) - 3)}"


def _changes(comparison: Comparison) -> str:
    if not comparison.changes:
        return "Nothing differs in what produced the scores."
    shown = comparison.changes[:_MOST_CHANGES]
    rows = [[escape(what), _short(first), _short(second)] for what, first, second in shown]
    more = len(comparison.changes) - len(shown)
    rest = f"\n\nand {more} more; `--out` writes all." if more else ""
    title = "**What differs in what produced the scores**"
    return f"{title}\n\n{table(['', 'A', 'B'], rows, texts=3)}{rest}"


def _short(value: str) -> str:
    cut = value if len(value) <= _LONGEST else f"{value[: _LONGEST - 1]}…"
    return escape(cut)


def write(comparison: Comparison, folder: Path, top: int = 5) -> list[Path]:
    """Write comparison.md, three CSV files and a figure for each pair; return the files.

    Raises:
        BenchmarkError: the folder cannot be written to.
    """
    written = [write_whole(folder / "comparison.md", text(comparison, top))]
    keys = ["model_a", "model_b", "metric"]
    numbers = ["mean_a", "mean_b", "difference", "ci_low", "ci_high", "p", "p_holm", "n_images",
               "better", "worse", "equal", "unit"]  # fmt: skip
    write_csv(comparison.table, folder / "differences.csv", [*keys, *numbers])
    images = [*keys, "image", "a", "b", "difference", "n_fixations"]
    write_csv(comparison.images, folder / "images.csv", images)
    changes = pd.DataFrame(comparison.changes, columns=["what", "a", "b"])
    write_csv(changes, folder / "provenance.csv", ["what", "a", "b"])
    written += [folder / f"{name}.csv" for name in ("differences", "images", "provenance")]
    same = comparison.unchanged()
    for pair in comparison.pairs:
        figure = None if pair in same else comparison_figure(comparison, pair)
        if figure is None:
            continue
        name = pair[0] if pair[0] == pair[1] else f"{pair[0]}-{pair[1]}"
        name = "".join(c if c.isalnum() or c in "-_." else "_" for c in name)
        for extension in ("pdf", "png"):
            path = folder / "figures" / f"{name}.{extension}"
            written.append(write_whole(path, render(figure, extension)))
    return written
