"""Pieces of reports: aligned Markdown tables, numbers with their signs, p-values."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from benchmark.report.markdown import escape
from benchmark.report.table import MINUS, number

__all__ = ["INFINITE", "escape", "number", "p_value", "paragraph", "signed", "span", "table"]

INFINITE = (
    "Where the difference is infinite on an image, its mean is infinite, or undefined, whichever "
    "way models are exchanged: there is neither a p nor an interval."
)


def table(header: Sequence[str], rows: Iterable[Sequence[str]], texts: int = 1) -> str:
    """A Markdown table padded so that it is readable as it is.

    Args:
        texts: so many columns, the first, are aligned to the left.
    """
    cells = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(3, *(len(row[column]) for row in cells)) for column in range(len(header))]

    def line(row: Sequence[str]) -> str:
        padded = (
            cell.ljust(width) if column < texts else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths))
        )
        return f"| {' | '.join(padded)} |"

    rule = [
        ":" + "-" * (width - 1) if column < texts else "-" * (width - 1) + ":"
        for column, width in enumerate(widths)
    ]
    return "\n".join([line(cells[0]), line(rule), *map(line, cells[1:])])


def paragraph(text: str) -> str:
    """The text on one line."""
    return " ".join(text.split())


def signed(value: float, decimals: int) -> str:
    """A number with its sign; zero has none."""
    text = number(value, decimals)
    if math.isnan(value) or float(f"{value:.{decimals}f}") == 0 or value < 0:
        return text
    return f"+{text}"


def span(low: float, high: float, decimals: int) -> str:
    """An interval as "low to high", which no Markdown takes for a link."""
    if math.isnan(low) or math.isnan(high):
        return "–"
    return f"{signed(low, decimals)} to {signed(high, decimals)}"


def p_value(p: float) -> str:
    """A p-value with two digits; powers of ten below 0.001."""
    if math.isnan(p):
        return "–"
    if p >= 0.001 or p == 0:
        return f"{p:.3f}"
    exponent = math.floor(math.log10(p))
    mantissa = p / 10.0**exponent
    if f"{mantissa:.1f}" == "10.0":
        mantissa, exponent = 1.0, exponent + 1
    return f"{mantissa:.1f}e{MINUS}{-exponent}"
