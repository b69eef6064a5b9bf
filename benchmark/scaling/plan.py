"""What a run of another size would cost, from what was measured: hours of one core, and bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from benchmark.run import BLOCK, BLOCKS
from benchmark.scaling import components
from benchmark.scaling.laws import linear_law
from benchmark.scaling.table import Curves
from benchmark.scaling.workload import Counts
from benchmark.shuffled import GRID

HOUR = 3600.0
#: Bytes of the sum of a block's predictions.
SUM = 8 * GRID * GRID
#: Predictions of one image by a model: one for the mean over all images, one to score.
CALLS = 2
#: Metrics that a held-out prediction has no map for, so that they are not computed of subjects.
ALL_SUBJECTS = ("KL", "CC", "SIM")


@dataclass(frozen=True)
class Goal(Counts):
    """What is planned.

    Attributes:
        per_trial: fixations of a subject on an image.
        negatives: fixations of other images that the shuffled AUC would be given at most.
        draws: of the bootstrap.
    """

    images: int = 1_000_000
    models: int = 100
    subjects: int = 15
    per_trial: int = 10
    width: int = 1024
    height: int = 768
    metrics: int = 8
    negatives: int = 100_000
    draws: int = 10_000

    @property
    def pairs(self) -> int:
        """Models times images."""
        return self.images * self.models

    @property
    def rows(self) -> int:
        """Scores."""
        return self.pairs * self.metrics


@dataclass(frozen=True)
class Item:
    """One part of the plan.

    Attributes:
        each: amount for one, seconds or bytes. times: how many there are.
        changed: for one, if what is proposed was done; None if nothing is proposed.
    """

    part: str
    unit: str
    each: float
    times: float
    changed: float | None = None

    @property
    def total(self) -> float:
        return self.each * self.times

    @property
    def total_changed(self) -> float:
        return self.total if self.changed is None else self.changed * self.times


def hours(curves: Curves, goal: Goal) -> list[Item]:
    """Seconds of one core, part by part, with predictions by models that cost next to nothing."""
    pixels, fixations = goal.pixels, goal.fixations

    def at_size(kind: str, part: str) -> float:
        return curves.per_image(kind, part).at(pixels)

    def by_fixations(part: str) -> tuple[float, float]:
        law = curves.of_part(part, linear=True)
        return law.at(fixations), law.at(goal.negatives)

    def fit(part: str) -> float:
        return curves.of_part(part, linear=True).at(fixations)

    # the fit of the gold standard asks the centre bias once an image, which looks at all fixations
    looks = goal.images * curves.of_part("centre bias", linear=True).growth(fixations)
    comparing = curves.of_part("comparing images")
    if not comparing.holds:
        comparing = curves.of_part("comparing images", linear=True)
    plain = {name: curves.per_call(f"metric {name}").at(pixels) for name in curves.metrics()}
    shuffled = plain.pop("sAUC")
    of_subjects = sum(seconds for name, seconds in plain.items() if name not in ALL_SUBJECTS)
    negatives = by_fixations("shuffled auc")
    base = curves.of_part("shuffled auc", linear=True).constant
    one_score = {
        part: curves.of_part(part, linear=True).factor
        for part in ("checking the store", "collecting scores", "writing scores", "statistics")
    }
    draws = goal.draws / components.DRAWS
    drawing = curves.of_part("drawing images", linear=True).factor * draws
    prediction = curves.per_call("model blur0").at(pixels)
    return [
        Item("listing images", "image", _factor(curves, "listing images"), goal.images),
        Item("reading fixations", "fixation", _factor(curves, "reading fixations"), fixations),
        Item(
            "thumbnails and hashes",
            "image",
            at_size("phase", "comparing images") + at_size("phase", "hashes"),
            goal.images,
        ),
        Item("comparing images", "data set", comparing.at(goal.images), 1),
        Item("fitting centerbias", "data set", fit("fitting centerbias"), 1),
        Item("fitting gold", "data set", fit("fitting gold") + looks, 1, fit("fitting gold")),
        Item("predictions, cheap models", "model and image", CALLS * prediction, goal.pairs),
        Item("metrics but sAUC", "model and image", sum(plain.values()), goal.pairs),
        Item(
            "sAUC",
            "model and image",
            shuffled + negatives[0] - base,
            goal.pairs,
            shuffled + negatives[1] - base,
        ),
        Item("others' fixations, for sAUC", "image", *_twice(by_fixations("preparing"), goal)),
        Item("centre bias's fixations", "image", *_twice(by_fixations("centre bias"), goal)),
        Item(
            "gold standard and its metrics",
            "subject and image",
            curves.per_call("model gold").at(pixels) + of_subjects + shuffled + negatives[0] - base,
            goal.images * goal.subjects,
            curves.per_call("model gold").at(pixels) + of_subjects + shuffled + negatives[1] - base,
        ),
        Item("storing scores", "score", _storing(curves), goal.rows),
        Item(
            "checking the store, at each start", "score", one_score["checking the store"], goal.rows
        ),
        Item("collecting scores", "score", one_score["collecting scores"], goal.rows),
        Item("writing and reading scores", "score", one_score["writing scores"], goal.rows),
        Item("resampling scores", "score", one_score["statistics"] * draws, goal.rows),
        Item("drawing images", "image", drawing, goal.images),
    ]


def predictions(speeds: Mapping[str, float], goal: Goal) -> list[Item]:
    """The same for models whose speed was measured elsewhere, if all were like this one."""
    return [Item(name, "model and image", CALLS * s, goal.pairs) for name, s in speeds.items()]


def memory(curves: Curves, goal: Goal) -> list[Item]:
    """Bytes in memory of one process, beyond what every run takes."""

    def each(part: str) -> float:
        return curves.of_part(part, "bytes").factor

    return [
        Item("listing images", "image", each("listing images"), goal.images),
        Item("comparing images", "image", each("comparing images"), goal.images),
        Item("fixations", "fixation", each("reading fixations"), goal.fixations),
        Item(
            "others' fixations, for sAUC, in each worker",
            "fixation",
            each("preparing") + each("shuffled auc"),
            goal.fixations,
            (each("preparing") + each("shuffled auc")) * goal.negatives / goal.fixations,
        ),
        Item("collected scores", "score", each("collecting scores"), goal.rows, 0.0),
        Item(
            "resampling scores",
            "score",
            each("statistics"),
            goal.rows,
            each("statistics") / (goal.metrics * goal.models),
        ),
        Item("reading scores for the report", "score", each("writing scores"), goal.rows, 0.0),
    ]


def disk(curves: Curves, goal: Goal) -> list[Item]:
    """Bytes of what a run writes."""
    return [
        Item("scores in scores.sqlite", "score", _bytes_a_row(curves, "store"), goal.rows),
        Item("sums of predictions there", "block and model", SUM, BLOCKS * goal.models),
        Item("scores.csv", "score", _bytes_a_row(curves, "csv"), goal.rows),
    ]


def _bytes_a_row(curves: Curves, quantity: str) -> float:
    rows, size = curves.select("images", "rows"), curves.select("images", quantity)
    amount = size["amount"]
    if quantity == "store":  # it holds the sums of the models' predictions, too
        amount = amount - np.ceil(size["images"] / BLOCK) * size["models"] * SUM
    return linear_law(rows["amount"], amount, relative=False).factor


def _factor(curves: Curves, part: str) -> float:
    return curves.of_part(part, linear=True).factor


def _twice(pair: tuple[float, float], goal: Goal) -> tuple[float, float, float]:
    """Amount, number of images, and amount with the change."""
    return pair[0], goal.images, pair[1]


def _storing(curves: Curves) -> float:
    """Seconds a score: what of scoring with one job is neither models nor metrics nor the loop."""
    rows = curves.select("images", "scoring", "storing, sending, waiting")
    scores = curves.select("images", "rows")
    return linear_law(scores["amount"], rows["amount"]).factor
