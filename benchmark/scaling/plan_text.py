"""The plan in words and tables; every number in it comes from the measured tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from benchmark.scaling import plan
from benchmark.scaling.markdown import table
from benchmark.scaling.plan import HOUR, Goal, Item
from benchmark.scaling.table import Curves

RESULTS = Path(__file__).resolve().parents[2] / "results"
#: Cores that hours are turned into days for.
CORES = 1000


def published_speeds(results: Path = RESULTS) -> dict[str, float]:
    """Seconds of a prediction at 1024x768 on one core, where they were measured."""
    found = {}
    maps = results / "speed-maps" / "speed.csv"
    if maps.exists():
        seconds = pd.read_csv(maps).set_index("model")["seconds"].sort_values()
        for name in (seconds.index[0], seconds.index[len(seconds) // 2], seconds.index[-1]):
            found[f"predictions, if all were like {name}"] = float(seconds[name])
    deep = results / "speed-deepgaze" / "speed.csv"
    if deep.exists():
        rows = pd.read_csv(deep)
        rows = rows[(rows["task"] == "prediction") & (rows["threads"] == 1)]
        for setup, seconds in rows.groupby("setup")["seconds"].first().items():
            found[f"predictions, if all were like DeepGaze II ({setup})"] = float(seconds)
    return found


def section(curves: Curves, goal: Goal | None = None) -> str:
    """The section of the README."""
    goal = goal or Goal()
    hours = plan.hours(curves, goal)
    total = sum(item.total for item in hours)
    changed = sum(item.total_changed for item in hours)
    dear = plan.predictions(published_speeds(), goal)
    sums = ("**sum**", "", "", "", _amount(total / HOUR), _amount(changed / HOUR))
    memory, disk = plan.memory(curves, goal), plan.disk(curves, goal)
    quadratic = max(hours, key=lambda item: item.total)
    store, csv = disk[0].total, disk[-1].total
    fixations = _of(memory, "fixations")
    scores = _of(memory, "collected scores")
    fits = sum(i.total for i in hours if i.part.startswith("fitting"))
    checks = _of(hours, "checking the store, at each start")
    deep = [item.total for item in dear if "DeepGaze" in item.part]
    return f"""## A plan for a large run

On paper: {_number(goal.images)} images of {goal.width}x{goal.height}, {goal.models} models,
{goal.subjects} subjects with {goal.per_trial} fixations each ({_number(goal.fixations)}
fixations), {goal.metrics} metrics, hence {_number(goal.rows)} scores. It multiplies the costs
above, measured on runs thousands of times smaller; read it for orders of magnitude. Fits were
measured on up to {_number(_largest(curves, "fitting gold"))} fixations, the largest number that
comparing images was tried with is {_number(_largest(curves, "comparing images"))} images; all else
is a cost of one, by a straight line, times their number.

### Time

Hours of one core. "Changed": with {_number(goal.negatives)} fixations of other images instead
of all. A model from outside predicts {plan.CALLS} times, for its mean prediction and to be scored.

{_hours(hours, sums)}

Predictions of real models come on top, from [speed-maps](../speed-maps/README.md) and
[speed-deepgaze](../speed-deepgaze/README.md) (1024x768, one core):

{_hours(dear)}

With {_number(CORES)} cores, the sum is {_amount(total / HOUR / 24 / CORES)} days as it is and
{_amount(changed / HOUR / 24 / CORES)} days with the change{_deep_days(deep)}.

### Memory

Bytes beyond what every run takes. They do not add up: parts come one after the other, but fixations
stay. "Changed" is what the proposals below leave.

{_bytes(memory)}

### Disk

{_bytes(disk)}

### What has to be changed

1. **Fixations of all other images.** The largest part is "{quadratic.part}". Every image is
   compared with all others' fixations: quadratic in images. Proposal: negatives of the shuffled
   AUC are a fixed sample of {_number(goal.negatives)} of the others' fixations, drawn once, less
   those of the image itself; or a histogram of relative positions (256x256) less the image's
   own, whose cells are weights: it is exact up to the grid, and costs the same for any number of
   fixations. Either changes scores, so it has to be a protocol of its own, measured against the
   exact one first. The centre bias finds an image's fixations by looking at all; sorted once,
   they are a slice.
2. **Scores in one table.** Collecting them takes {_size(scores.total)}, and resampling more. Means
   and intervals need one metric at a time, so they can be read from the store so, and `scores.csv`
   be written from it in portions, or as one file for each model in a format of columns.
3. **The store.** {_size(store)} and {_size(csv)} of CSV: every row repeats a key of 64 characters
   and the metric's name. Numbers for both, and one row for each image and model with all metrics,
   would make it a fraction. One process writes it, so scoring has to be split over images into
   runs with stores of their own, which are joined at the end.
4. **Fixations.** {_size(fixations.total)} for one process: pysaliency keeps the history of each
   fixation as three arrays of the longest scanpath. Six numbers a fixation without history
   would take {_size(goal.fixations * 6 * 8)}. Workers on one machine share them; other machines
   each have their own.
5. **Fits.** {_amount(fits / HOUR)} hours on one core: iterated over all fixations, and for the gold
   standard the centre bias looks at all fixations once an image (not so under "changed", where they
   are sorted). Two and three parameters need no million images: a sample of some thousand would
   do, and its error can be stated.
6. **The bootstrap.** Draws over a million images are no more exact than the normal interval of the
   mean; at this size the interval should come from the standard error.
7. **Starting anew.** A run compares and hashes all images before it begins, and again each time it
   is started: both should be kept beside the data. It also reads the whole store to check it,
   {_amount(checks.total / HOUR)} hours when all scores are there: checks could be of each part when
   it is read.
8. **Predictions.** Models without a mean prediction of their own are run {plan.CALLS} times;
   densities reduced to the grid in the first pass could be kept instead.

Not measured: reading images over a network, more than two workers, and failures of machines.
"""


def _largest(curves: Curves, part: str) -> int:
    """The largest number that a part was measured with."""
    return int(curves.parts.loc[curves.parts["part"] == part, "n"].max())


def _deep_days(deep: Sequence[float]) -> str:
    if not deep:
        return ""
    low, high = (f"{_amount(x / HOUR / 24 / CORES)}" for x in (min(deep), max(deep)))
    return f"; predictions by {Goal.models} models like DeepGaze II alone take {low} to {high} days"


def _of(items: Sequence[Item], part: str) -> Item:
    return next(item for item in items if item.part == part)


def _hours(items: Sequence[Item], sums: Sequence[str] = ()) -> str:
    rows = [
        (
            item.part,
            item.unit,
            _amount(item.each),
            _number(item.times),
            _amount(item.total / HOUR),
            "" if item.changed is None else _amount(item.total_changed / HOUR),
        )
        for item in items
    ]
    header = ["Part", "for one", "seconds", "times", "hours", "changed"]
    return table(header, [*rows, sums] if sums else rows, texts=2)


def _bytes(items: Sequence[Item]) -> str:
    rows = [
        (
            item.part,
            item.unit,
            f"{item.each:.0f}",
            _number(item.times),
            _size(item.total),
            "" if item.changed is None else _size(item.total_changed),
        )
        for item in items
    ]
    return table(["Part", "for one", "bytes", "times", "all", "changed"], rows, texts=2)


def _number(value: float) -> str:
    for scale, name in ((1e9, "billion"), (1e6, "million")):
        if value >= scale:
            return f"{value / scale:.3g} {name}"
    return f"{value:,.0f}".replace(",", " ")


def _amount(value: float) -> str:
    """Two digits of what is small, none after the point of what is large."""
    return f"{value:,.0f}".replace(",", " ") if value >= 10 else f"{value:.2g}"


def _size(value: float) -> str:
    for scale, name in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB")):
        if value >= scale:
            return f"{value / scale:.3g} {name}"
    return f"{value / 1e3:.3g} kB"
