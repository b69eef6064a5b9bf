"""What two records of runs say differently: versions, hashes, settings, parameters."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

#: Sections of run.json that follow from the scores, or are told elsewhere.
_LEFT_OUT = ("truth", "metrics", "failures")
ABSENT = "–"


class Change(NamedTuple):
    """One entry that differs, as text; ABSENT where a record lacks it."""

    what: str
    first: str
    second: str


def flattened(content: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Dotted keys and values of nested objects; lists are values."""
    if isinstance(content, dict) and content:
        for key, value in content.items():
            yield from flattened(value, f"{name}.{key}" if name else str(key))
    else:
        text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
        yield name, text


def changes(first: dict[str, Any], second: dict[str, Any]) -> list[Change]:
    """Entries that differ between two objects, in the order of the first."""
    a, b = dict(flattened(first)), dict(flattened(second))
    return [
        Change(key, a.get(key, ABSENT), b.get(key, ABSENT))
        for key in dict.fromkeys([*a, *b])
        if a.get(key, ABSENT) != b.get(key, ABSENT)
    ]


def between_runs(
    first: dict[str, Any], second: dict[str, Any], models: list[tuple[str, str]]
) -> list[Change]:
    """Changes between two run.json of everything but models, then of the models compared."""
    parts = [
        {key: value for key, value in run.items() if key not in (*_LEFT_OUT, "models")}
        for run in (first, second)
    ]
    return [*changes(*parts), *between_models(first, second, models)]


def between_models(
    first: dict[str, Any], second: dict[str, Any], models: list[tuple[str, str]]
) -> list[Change]:
    """Changes between what two run.json say of each pair of models."""
    found = []
    for one, other in models:
        name = one if one == other else f"{one} → {other}"
        for change in changes(first["models"].get(one, {}), second["models"].get(other, {})):
            found.append(change._replace(what=f"{name}: {change.what}"))
    return found
