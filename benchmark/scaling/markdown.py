"""Markdown in lines of one length."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Sequence

WIDTH = 100


def table(header: Sequence[str], rows: Iterable[Sequence[str]], texts: int = 1) -> str:
    """A table, its first ``texts`` columns to the left, the others to the right."""
    marks = [":--" if n < texts else "--:" for n in range(len(header))]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (header, marks, *rows))


def wrapped(text: str) -> str:
    """Paragraphs and numbered items filled again; tables, headings and pictures as they are."""
    return "\n\n".join(_block(block) for block in text.strip().split("\n\n")) + "\n"


def _block(block: str) -> str:
    if block.startswith(("|", "#", "!")):
        return block
    items = re.split(r"\n(?=\d+\. )", block)
    return "\n".join(_filled(item) for item in items)


def _filled(item: str) -> str:
    indent = "   " if re.match(r"\d+\. ", item) else ""
    return textwrap.fill(
        " ".join(item.split()),
        WIDTH,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
