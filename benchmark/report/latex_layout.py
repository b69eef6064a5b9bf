"""How a table is laid out on a page: which width, which font size, and where it is broken.

Widths are estimated from those of Computer Modern, so that a table fits a paper's columns without
packages that measure or scale.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Protocol, TypeVar


class Row(Protocol):
    """What a row is about."""

    @property
    def name(self) -> str: ...


class Cells(Protocol):
    """A column: its head, and what it prints in the row of a name."""

    @property
    def label(self) -> str: ...
    @property
    def unit(self) -> str: ...
    def text(self, name: str, /) -> str: ...
    def interval(self, name: str, /) -> str: ...


AnyRow = TypeVar("AnyRow", bound=Row)
AnyCells = TypeVar("AnyCells", bound=Cells)
Rows = Sequence[tuple[AnyRow, str]]  # each with its escaped title

# (both columns, width in pt, font sizes): article's two columns first, then a journal's
_PAGES = ((False, 200.0, (9, 8)), (True, 410.0, (9, 8, 7)), (True, 495.0, (8, 7)))
_SEPARATION = 3  # \tabcolsep, pt
_NARROWEST_NAME = 70.0  # pt; narrower names break into too many lines
# pt for the rows of a table on one page; the caption takes more lines in one column
_HEIGHT_WIDE, _HEIGHT_NARROW = 460.0, 360.0
# widths of small fonts, in em, are larger
_WIDENING = {9: 1.02, 8: 1.06, 7: 1.14, 6: 1.22}


@dataclass(frozen=True)
class Layout:
    """A choice of environment, font size (pt) and column specification."""

    wide: bool
    size: int
    specification: str
    name_width: float
    breaks_names: bool
    separation: int = _SEPARATION


def blocks(
    table: Sequence[AnyCells], models: Rows[AnyRow], intervals: bool
) -> Iterator[tuple[Layout, Sequence[AnyCells], Rows[AnyRow]]]:
    """Split a table into parts that fit a page, and lay out each; all in one font size."""
    groups = list(_groups(table, models, intervals))
    size = min(_choose_any(group, models, intervals, 9).size for group in groups)
    for group in groups:
        layout = _choose_any(group, models, intervals, size)
        for page in _pages(models, layout, intervals):
            yield layout, group, page


def _groups(
    table: Sequence[AnyCells], models: Rows[AnyRow], intervals: bool
) -> Iterator[Sequence[AnyCells]]:
    """Halve the columns until each group fits the width of a page."""
    if len(table) == 1 or choose(table, models, intervals):
        yield table
        return
    half = (len(table) + 1) // 2
    yield from _groups(table[:half], models, intervals)
    yield from _groups(table[half:], models, intervals)


def _choose_any(
    table: Sequence[Cells], models: Rows[AnyRow], intervals: bool, largest: int
) -> Layout:
    # a single column that no page can hold has no better layout than the narrowest
    narrowest = _layout(True, 7, _NARROWEST_NAME, len(table), math.inf)
    return choose(table, models, intervals, largest) or narrowest


def choose(
    table: Sequence[Cells], models: Rows[AnyRow], intervals: bool, largest: int = 9
) -> Layout | None:
    """The first layout that fits, from one column in a large font to a full page in a small one.

    ``largest`` is the largest font size, in pt, to consider.

    Layouts on one page go before those on several; on each page, a smaller font is tried before
    names are broken into lines.
    """
    for one_page, (wide, page, sizes) in product((True, False), _PAGES):
        for narrowest, size in product((math.inf, _NARROWEST_NAME), sizes):
            if size > largest:
                continue
            numbers = sum(_column_width(c, models, size, intervals) for c in table)
            numbers += 2 * _SEPARATION * len(table)
            longest = max(text_width(title, size) for _, title in models)
            room = page - numbers - _SEPARATION
            if room < min(longest, narrowest):
                continue
            layout = _layout(wide, size, room, len(table), longest)
            if not one_page or _height(models, layout, intervals) <= _page_height(wide):
                return layout
    return None


def _layout(wide: bool, size: int, room: float, n_columns: int, longest: float) -> Layout:
    # a name column of natural width where that fits, else one that breaks long names
    breaks = longest > room
    name = f"p{{{room:.0f}pt}}" if breaks else "l"
    return Layout(wide, size, f"@{{}}{name}{'r' * n_columns}@{{}}", min(room, longest), breaks)


def _column_width(column: Cells, models: Rows[AnyRow], size: int, intervals: bool) -> float:
    texts = [column.label + "x", f"({column.unit})", *(column.text(m.name) for m, _ in models)]
    width = max(text_width(text, size) for text in texts)
    if intervals:
        width = max(width, *(text_width(column.interval(m.name), 6) for m, _ in models))
    return width


def text_width(text: str, size: int) -> float:
    """Estimated width, in pt, of a text (in LaTeX or plain) set in Computer Modern."""
    text = re.sub(r"\\text\w+\{\}|\\(?=\W)|\{\}", "", text)
    return size * _WIDENING[size] * sum(_em(character) for character in text)


def _em(character: str) -> float:
    if character in "iljtfrI.,:;!'()[]/- ":
        return 0.36
    return 0.92 if character in "mwMW%@−∞" else 0.7 if character.isupper() else 0.53


def _pages(models: Rows[AnyRow], layout: Layout, intervals: bool) -> Iterator[Rows[AnyRow]]:
    """Pages of about equal height."""
    total = _height(models, layout, intervals)
    limit = total / math.ceil(total / _page_height(layout.wide))
    page: list[tuple[AnyRow, str]] = []
    for named in models:
        page.append(named)
        if _height(page, layout, intervals) >= limit:
            yield page
            page = []
    if page:
        yield page


def _height(models: Rows[AnyRow], layout: Layout, intervals: bool) -> float:
    """Estimated height, in pt, of the rows of ``models``."""
    line = 1.2 * layout.size
    return sum(
        max(
            # ragged lines are not filled
            line * math.ceil(1.2 * text_width(title, layout.size) / layout.name_width)
            if layout.breaks_names and text_width(title, layout.size) > layout.name_width
            else line,
            line + 10 if intervals else 0,
        )
        for _, title in models
    )


def _page_height(wide: bool) -> float:
    return _HEIGHT_WIDE if wide else _HEIGHT_NARROW
