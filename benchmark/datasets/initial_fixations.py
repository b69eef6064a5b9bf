"""First fixations that the experiment forced, and how to tell them from those of free viewing.

A trial that begins with a cross in the middle begins with a fixation there, before anything of the
image was seen: no model of the image is to predict it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

#: Where readers keep it in a data set's ``extras``.
KEY = "initial_fixations"
#: A fixation is central if it is nearer to the middle than this share of width and height.
CENTRAL = 0.1
#: Forced first fixations are central in more trials than this, free ones in fewer (MIT1003 0.99,
#: SIENA12 0.92; OSIE, free, 0.28), and in so many more than second fixations.
MANY, MORE = 0.75, 0.2
#: Trials that it takes to tell.
TRIALS = 20


@dataclass(frozen=True)
class InitialFixations:
    """How often trials of two or more fixations begin in the middle of the image.

    Attributes:
        trials: their number.
        first, second: share of the trials whose first and second fixation is central.
        dropped: whether the first fixations of all trials were left out.
    """

    trials: int
    first: float
    second: float
    dropped: bool

    @classmethod
    def of(cls, x: np.ndarray, y: np.ndarray, sizes: np.ndarray, dropped: bool) -> InitialFixations:
        """Of trials as padded arrays.

        Args:
            x, y: pixels, NaN behind the last fixation; float (trials, longest).
            sizes: height and width of each trial's image, (trials, 2).
        """
        rows = np.flatnonzero((~np.isnan(x)).sum(axis=1) >= 2)
        if not len(rows):
            return cls(0, 0.0, 0.0, dropped)
        height, width = sizes[rows].T
        away = [
            np.hypot((x[rows, n] + 0.5) / width - 0.5, (y[rows, n] + 0.5) / height - 0.5)
            for n in (0, 1)
        ]
        first, second = (float((distance < CENTRAL).mean()) for distance in away)
        return cls(len(rows), first, second, dropped)

    @property
    def suspicion(self) -> str | None:
        """What speaks against how first fixations are treated, None if nothing does."""
        if self.trials < TRIALS:
            return None
        forced = self.first >= MANY and self.first - self.second >= MORE
        if forced and not self.dropped:
            return (
                f"the first fixation lies in the middle of the image in {self.first:.0%} of the "
                f"trials, the second in {self.second:.0%}: the experiment seems to have forced it, "
                'so that no model can predict it. Write initial_fixations = "drop" into '
                "dataset.toml to leave it out."
            )
        if self.dropped and self.first < MANY - MORE:
            return (
                "the first fixation of each trial is left out as forced, but lies in the middle of "
                f"the image in {self.first:.0%} of the trials only. If it was free, write "
                'initial_fixations = "keep" into dataset.toml.'
            )
        return None


def suspicion(extras: Mapping[str, Any]) -> str | None:
    """The same of a data set, by what its reader has kept of it (``Dataset.extras``)."""
    found = extras.get(KEY)
    return found.suspicion if isinstance(found, InitialFixations) else None
