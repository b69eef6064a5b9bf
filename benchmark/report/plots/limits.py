"""Axis limits that a few very bad values cannot stretch until nothing else can be seen."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable

PADDING = 0.05  # of the span, on both sides


def robust_limits(
    values: Iterable[float],
    anchor: float | None = None,
    higher_is_better: bool = True,
    stretch: float = 1.0,
) -> tuple[float, float]:
    """Limits for all values but those that are out of proportion on the worse side of ``anchor``.

    The worse side is at most ``stretch`` times as long as the better one; without an anchor
    (chance, say), 4 times, seen from the median. A side without limit to badness, as of log
    likelihoods, is thus cut off where it would squeeze the good models into one line. NaN and
    infinity are ignored.
    """
    finite = [value for value in values if math.isfinite(value)]
    if anchor is None:
        anchor, stretch = statistics.median(finite) if finite else 0.0, 4.0
    sign = 1 if higher_is_better else -1
    gains = [sign * (value - anchor) for value in finite]
    better, worse = max([0.0, *gains]), max([0.0, *(-gain for gain in gains)])
    if better > 0:
        worse = min(worse, stretch * better)
    low, high = sorted((anchor - sign * worse, anchor + sign * better))
    padding = PADDING * (high - low) or 0.5
    return low - padding, high + padding
