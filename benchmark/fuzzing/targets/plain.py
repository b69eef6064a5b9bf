"""What oracles share: numbers as people write them, and counted fixations."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

WIDTH, HEIGHT = 40, 30
#: (image, subject, x, y)
Fixation = tuple[int, str, float, float]
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def number(text: str) -> float:
    """A decimal number.

    Raises:
        ValueError: it is written in any other way.
    """
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"{text[:40]!r} is no number")
    return float(text)


def save_image(file: Path, level: int = 0) -> None:
    """A smooth picture of WIDTH x HEIGHT pixels."""
    file.parent.mkdir(parents=True, exist_ok=True)
    ramp = np.add.outer(np.arange(HEIGHT), np.arange(WIDTH)) * 2 + level
    Image.fromarray(ramp.astype(np.uint8)).save(file)


def inside(x: float, y: float) -> bool:
    """Whether a fixation lies in such a picture."""
    return 0 <= x < WIDTH and 0 <= y < HEIGHT


def of_dataset(dataset: Any) -> Counter[Fixation]:
    """The fixations that a reader accepted."""
    found = dataset.fixations
    names = [dataset.subject_names[k] for k in found.subjects]
    return Counter(zip(map(int, found.n), names, map(float, found.x), map(float, found.y)))


def difference(dataset: Any, expected: Iterable[Fixation]) -> str | None:
    """How accepted fixations differ from those in the file; None if they are those inside."""
    expected = list(expected)
    wanted = Counter(f for f in expected if inside(*f[2:]))
    found = of_dataset(dataset)
    if not all(inside(x, y) for _, _, x, y in found):
        return "a fixation outside its image is kept"
    if found != wanted:
        return f"{sum(found.values())} fixations are kept that differ from {sum(wanted.values())}"
    dropped = dataset.dropped.get("fixations outside the image", 0)
    if dropped + sum(found.values()) != len(expected):
        return f"{dropped} fixations are said to be outside, of {len(expected)}"
    return None
