"""An evaluation that tells where its time went: models, metrics, and the loop around them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

from numpy.typing import NDArray

from benchmark.clock import METRIC, MODEL, Clock
from benchmark.evaluate import Evaluation, Failure, Score
from metrics.protocols import Maps, Target

LOOP, MEASURED = "the loop itself", "preparing what was measured"
#: What a model is asked for.
PREDICTIONS = ("log_density", "shuffled_log_density", "held_out_densities")

_own = threading.local()


def clock() -> Clock:
    """This thread's clock."""
    if not hasattr(_own, "clock"):
        _own.clock = Clock()
    return _own.clock  # type: ignore[no-any-return]


@dataclass
class Profiled(Evaluation):
    """An evaluation with clocks around models and metrics; the scores are the same."""

    @classmethod
    def of(cls, evaluation: Evaluation) -> Profiled:
        values = {f.name: getattr(evaluation, f.name) for f in fields(evaluation)}
        values["variants"] = {
            name: TimedVariant(variant, METRIC + name)
            for name, variant in evaluation.variants.items()
        }
        return cls(**values)

    def _time_models(self) -> None:
        # here, in a worker: what a model sends along may leave clocks out
        for name, model in self.models.items():
            for prediction in PREDICTIONS:
                method = getattr(model, prediction, None)
                if method is not None and not isinstance(method, Timed):
                    setattr(model, prediction, Timed(method, MODEL + name))

    def score(self, image: int, names: Sequence[str]) -> list[Score | Failure]:
        self._time_models()
        with clock().running(LOOP):
            return super().score(image, names)

    def target(self, image: int) -> tuple[Target, NDArray]:
        with clock().running(MEASURED):
            return super().target(image)


class Timed:
    """A method with a clock; also for one that is a generator."""

    def __init__(self, method: Callable[..., Any], label: str):
        self._method, self._label = method, label

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        with clock().running(self._label):
            result = self._method(*arguments, **options)
        return self._each(result) if isinstance(result, Iterator) else result

    def _each(self, results: Iterator[Any]) -> Iterator[Any]:
        while True:
            with clock().running(self._label):
                try:
                    result = next(results)
                except StopIteration:
                    return
            yield result


class TimedVariant:
    """A metric with a clock."""

    def __init__(self, variant: Callable[[Target, Maps], Any], label: str):
        self._variant, self._label = variant, label

    def __call__(self, target: Target, maps: Maps) -> Any:
        with clock().running(self._label):
            return self._variant(target, maps)


def taken() -> Clock:
    """What this thread's clock has counted; it begins anew."""
    counted = clock()
    _own.clock = Clock()
    return counted
