"""What a metric states of itself: unit, direction, chance value, the map it wants, its source."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True)
class MetricSpec:
    """Metadata of a metric.

    Attributes:
        name: the name in tables and on the command line.
        unit: unit of the values; empty for pure numbers.
        higher_is_better: direction.
        chance: value of a prediction that knows nothing, None where there is no fixed one.
        per: "fixation" (one value per fixation) or "image".
        wants: what the map fed to it is, in words, under the default protocol.
    """

    name: str
    title: str
    unit: str
    higher_is_better: bool
    per: str
    wants: str
    citation: str
    chance: float | None = None


def metric(**metadata: Any) -> Callable[[Function], Function]:
    """Register a metric function; the arguments are those of MetricSpec, as literals."""
    spec = MetricSpec(**metadata)

    def mark(function: Function) -> Function:
        function.spec = spec  # type: ignore[attr-defined]
        return function

    return mark
