"""From recorded trials to a data set: drops what the fixation rule excludes, and counts it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pysaliency

from benchmark.datasets import initial_fixations
from benchmark.datasets.base import Dataset, DatasetSpec
from benchmark.errors import DataError

INITIAL = "initial fixations"
OUTSIDE = "fixations outside the image"
EMPTY = "trials left empty"
BARE = "images without fixations"


def pad(rows: Sequence[Sequence[float] | np.ndarray]) -> np.ndarray:
    """Rows of unequal length as a float array (rows, longest), NaN behind their ends."""
    padded = np.full((len(rows), max(map(len, rows), default=0)), np.nan)
    for target, row in zip(padded, rows):
        target[: len(row)] = row
    return padded


@dataclass
class Scanpaths:
    """Trials as padded arrays: a row is a trial, NaN behind its last fixation.

    Attributes:
        image, subject: int arrays (trials,).
        x, y: pixels of the original image, x to the right and y down; float (trials, longest).
        t: start of the fixation in seconds, or its rank; float (trials, longest).
        per_fixation: further values, like "durations" in seconds; float (trials, longest) each.
        per_trial: further values; arrays (trials,) each.
        names: attribute names of single fixations, where not that of ``per_...``.
    """

    image: np.ndarray
    subject: np.ndarray
    x: np.ndarray
    y: np.ndarray
    t: np.ndarray
    per_fixation: dict[str, np.ndarray] = field(default_factory=dict)
    per_trial: dict[str, np.ndarray] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=lambda: {"durations": "duration"})

    @property
    def recorded(self) -> np.ndarray:
        """Where there is a fixation at all; bool (trials, longest)."""
        return ~np.isnan(self.x)

    def inside(self, sizes: np.ndarray, first_pixel: int = 0) -> np.ndarray:
        """Where a fixation lies inside its image; ``sizes`` is (images, 2): height, width."""
        height, width = sizes[self.image].T[:, :, None]
        low = (self.x >= first_pixel) & (self.y >= first_pixel)
        return low & (self.x < width) & (self.y < height)

    def keep(self, kept: np.ndarray) -> Scanpaths:
        """Only the fixations where ``kept`` (bool, trials x longest), and trials that have any."""
        counts = kept.sum(axis=1)
        order = np.argsort(~kept, axis=1, kind="stable")[:, : counts.max(initial=0)]
        rows = counts > 0
        behind = np.arange(order.shape[1]) >= counts[rows, None]

        def compact(values: np.ndarray) -> np.ndarray:
            moved = np.take_along_axis(np.asarray(values, dtype=float), order, axis=1)[rows]
            return np.where(behind, np.nan, moved)

        return Scanpaths(
            image=self.image[rows],
            subject=self.subject[rows],
            x=compact(self.x),
            y=compact(self.y),
            t=compact(self.t),
            per_fixation={name: compact(v) for name, v in self.per_fixation.items()},
            per_trial={name: np.asarray(v)[rows] for name, v in self.per_trial.items()},
            names=self.names,
        )

    def fixation_trains(self) -> pysaliency.FixationTrains:
        """The same as pysaliency's type; durations become the attribute ``duration``."""
        known = (*self.per_fixation, *self.per_trial)
        return pysaliency.FixationTrains(
            self.x,
            self.y,
            self.t,
            self.image.astype(int),
            self.subject.astype(int),
            scanpath_attributes=dict(self.per_trial),
            scanpath_fixation_attributes=dict(self.per_fixation),
            scanpath_attribute_mapping={k: v for k, v in self.names.items() if k in known},
        )


def _nothing_left(spec: DatasetSpec, outside: int, outside_if_swapped: int) -> DataError:
    hint = ""
    if outside_if_swapped < outside:
        hint = f" With x and y swapped, {outside - outside_if_swapped} would lie inside."
    return DataError(
        f"{spec.name}: no fixation is left to score ({outside} lie outside their image).{hint} "
        "Coordinates are expected in pixels of the image, x to the right and y down."
    )


def build(
    spec: DatasetSpec,
    stimuli: pysaliency.Stimuli,
    image_names: Sequence[str],
    subject_names: Sequence[str],
    scanpaths: Scanpaths,
    first_pixel: int = 0,
    extras: dict[str, Any] | None = None,
) -> Dataset:
    """The data set of these trials, without what is to be dropped; all of it is counted.

    Args:
        first_pixel: the smallest coordinate inside an image, 1 where the data count from one.

    Raises:
        DataError: no fixation is left.
    """
    sizes = np.array([tuple(size) for size in stimuli.sizes], dtype=np.int64)
    recorded, inside = scanpaths.recorded, scanpaths.inside(sizes, first_pixel)
    initial = np.zeros_like(recorded)
    if spec.drop_initial:
        initial[:, :1] = recorded[:, :1]
    outside = recorded & ~inside & ~initial
    kept = inside & ~initial

    swapped = Scanpaths(
        scanpaths.image, scanpaths.subject, x=scanpaths.y, y=scanpaths.x, t=scanpaths.t
    )
    outside_if_swapped = int((recorded & ~initial & ~swapped.inside(sizes, first_pixel)).sum())
    if not kept.any():
        raise _nothing_left(spec, int(outside.sum()), outside_if_swapped)

    def per_image(counts: np.ndarray) -> np.ndarray:
        return np.bincount(scanpaths.image, counts, minlength=len(image_names)).astype(int)

    by_image = {INITIAL: per_image(initial.sum(axis=1))} if spec.drop_initial else {}
    by_image[OUTSIDE] = per_image(outside.sum(axis=1))
    by_image[EMPTY] = per_image(~kept.any(axis=1))
    by_image[BARE] = (per_image(kept.sum(axis=1)) == 0).astype(int)
    return Dataset(
        spec=spec,
        stimuli=stimuli,
        fixations=scanpaths.keep(kept).fixation_trains(),
        image_names=list(image_names),
        subject_names=list(subject_names),
        dropped={reason: int(counts.sum()) for reason, counts in by_image.items()},
        dropped_by_image=by_image,
        extras={
            "outside_if_swapped": outside_if_swapped,
            initial_fixations.KEY: initial_fixations.InitialFixations.of(
                scanpaths.x, scanpaths.y, sizes[scanpaths.image], spec.drop_initial
            ),
            **(extras or {}),
        },
    )
