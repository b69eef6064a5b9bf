"""What is fuzzed, a module a family of formats."""

from __future__ import annotations

from benchmark.fuzzing.target import Target
from benchmark.fuzzing.targets import (
    archives,
    features,
    fixations,
    maps,
    predictions,
    records,
    weights,
)

_FAMILIES = (fixations, maps, archives, weights, records, predictions, features)

#: All targets by name.
TARGETS: dict[str, Target] = {
    target.name: target for family in _FAMILIES for target in family.TARGETS
}
