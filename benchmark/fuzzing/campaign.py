"""Many mutated inputs for one target, counted by what became of them."""

from __future__ import annotations

import random
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from benchmark.fuzzing.mutate import mutate
from benchmark.fuzzing.target import ACCEPTED, FAILURES, Outcome, Target
from benchmark.fuzzing.worker import Worker


@dataclass
class Tally:
    """Outcomes of one target, and an input for each kind of failure.

    Attributes:
        seconds: for which inputs were tried, where that was what ended it.
        command: what makes it again.
    """

    target: Target
    engine: str = "mutations"
    counts: Counter[str] = field(default_factory=Counter)
    failures: dict[str, bytes] = field(default_factory=dict)
    seconds: int | None = None
    command: str = ""

    @property
    def inputs(self) -> int:
        return sum(self.counts.values())

    @property
    def failed(self) -> bool:
        """Whether it failed in a way that is not known."""
        return not self.target.unmended and any(self.counts[kind] for kind in FAILURES)

    def add(self, content: bytes, outcome: Outcome) -> None:
        """Count an outcome; of failures that look alike, the shortest input is kept."""
        self.counts[outcome.kind] += 1
        if outcome.failed:
            alike = signature(outcome)
            if len(content) < len(self.failures.get(alike, content + b"+")):
                self.failures[alike] = content


def signature(outcome: Outcome) -> str:
    """What failures of one cause have in common: numbers, quotes and paths are left out."""
    text = re.sub(r"'[^']*'|\"[^\"]*\"|(?<![\w.])/\S+", "*", outcome.detail)
    return f"{outcome.kind}: {re.sub(r'[0-9]+', '0', text)[:160]}"


def campaign(
    target: Target,
    inputs: int,
    seed: int = 0,
    seconds: float = 10,
    progress: Callable[[Iterable[int]], Iterable[int]] = iter,
) -> Tally:
    """Have a target read its seeds, then so many mutated inputs.

    Raises:
        AssertionError: the target does not accept its own seeds, so that nothing would be tested.
    """
    rng = random.Random(f"{seed} {target.name}")
    tally = Tally(target)
    seeds = target.seeds()
    with (
        tempfile.TemporaryDirectory(prefix="fuzzing-") as folder,
        Worker(target, Path(folder), max(seconds, 60)) as worker,
    ):
        for content in seeds:
            outcome = worker.attempt(content)
            assert outcome.kind == ACCEPTED, f"{target.name}: a seed is not accepted: {outcome}"
        worker.seconds = seconds
        for _ in progress(range(inputs)):
            content = mutate(target, seeds, rng)
            tally.add(content, worker.attempt(content))
    return tally


def minimise(target: Target, content: bytes, alike: str, attempts: int = 600) -> bytes:
    """A shorter input that fails alike, found by taking out ever smaller stretches."""
    with (
        tempfile.TemporaryDirectory(prefix="fuzzing-") as folder,
        Worker(target, Path(folder)) as worker,
    ):
        size = len(content) // 2
        while size and attempts > 0:
            at = 0
            while at < len(content) and attempts > 0:
                shorter = content[:at] + content[at + size :]
                attempts -= 1
                if signature(worker.attempt(shorter)) == alike:
                    content = shorter
                else:
                    at += size
            size //= 2
    return content
