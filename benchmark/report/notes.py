"""What must stand beside every table of scores, as plain sentences for captions and notes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benchmark.report.record import DAGGER, UNKNOWN, Metric
from benchmark.report.results import GOLD, INFORMATION_GAINS, Results
from benchmark.report.table import Column, explained_label

SIMULATED = "simulated observers"
DAGGER_MEANS = f"{DAGGER} Trained on this data set, with no image held out: not ranked."
MAPS = {
    "right": "each metric on the map that is right for it",
    "naive": "all metrics on the plain density",
}


def labels(results: Results) -> list[str]:
    """What a reader must not overlook: simulated observers, an incomplete run."""
    found = [SIMULATED] if results.dataset.simulated else []
    return found if results.complete else [*found, "incomplete run, not ranked"]


def figure_labels(results: Results) -> list[str]:
    """The same for figures, which have no notes to say what a dagger means."""
    marked = any(model.contaminated for model in results.models)
    return [*labels(results), *([f"{DAGGER} trained on this data set"] if marked else [])]


def heading(results: Results) -> str:
    """Data set, size, protocol: what the numbers are about."""
    data = results.dataset
    images = _count(data.n_images, "image")
    if data.n_images != data.n_images_total:
        images = f"{data.n_images:,} of {_count(data.n_images_total, 'image')}"
    fixations = _count(results.n_fixations, "fixation")
    return f"{title(results)}: {images}, {fixations}, {protocol(results)}."


def title(results: Results) -> str:
    """The data set's title, with the labels that must not be overlooked."""
    marks = [label for label in labels(results) if label not in results.dataset.title]
    return results.dataset.title + (f" ({'; '.join(marks)})" if marks else "")


def protocol(results: Results) -> str:
    """The protocol's name with the settings that change scores."""
    used = results.protocol
    settings = [MAPS.get(used.maps, f"maps: {used.maps}")] if used.maps else []
    if used.kernel_size is not None:
        settings.append(f"empirical maps blurred with {used.kernel_size:g} px")
    return f"protocol {used.name}" + (f" ({'; '.join(settings)})" if settings else "")


def averages(metrics: Iterable[Metric]) -> str:
    """Which metrics are averaged over fixations and which over images."""
    metrics = list(metrics)
    parts = []
    for per in ("fixation", "image"):
        names = [metric.label for metric in metrics if metric.per == per]
        if names:
            parts.append(f"{_enumerate(names)} over {per}s")
    return f"Means of {'; of '.join(parts)}."


def explained(columns: Sequence[Column]) -> str:
    """What the columns of explained information gain are, if there are any."""
    shares = [column.label for column in columns if column.unit == "%"]
    if not shares:
        return ""
    return (
        f"{_enumerate(shares)}: information gain as a percentage of the gold standard's, "
        "which predicts each subject from the others."
    )


def explained_missing(results: Results, columns: Sequence[Column]) -> str:
    """Why explained information gain, or its interval, is not given where gains are."""
    without, open_ended = [], []
    for column in columns:
        if column.metric.name not in INFORMATION_GAINS or column.unit == "%":
            continue
        if not results.estimate(GOLD, column.metric.name).defined:
            continue
        scored = [(name, cell) for name, cell in column.cells.items() if cell.defined]
        shares = [(cell, results.explained(name, column.metric.name)) for name, cell in scored]
        label = explained_label(column.metric)
        if not all(share.defined for _, share in shares):
            without.append(label)
        if any(
            cell.has_interval and share.defined and not share.has_interval for cell, share in shares
        ):
            open_ended.append(label)
    parts = []
    if without:
        parts.append(
            f"{_enumerate(without)} cannot be given where the gold standard's own gain is not "
            "above 0, or its interval reaches 0."
        )
    if open_ended:
        parts.append(
            f"{_enumerate(open_ended)} lacks an interval where the gold standard gains nothing on "
            "some draws of images."
        )
    return " ".join(parts)


def reading(results: Results, intervals: bool) -> str:
    """How to read arrows, bold face, the rule and brackets."""
    text = "Arrows point to better values"
    text += "; the best of each column is bold." if results.complete else "."
    if any(model.kind == "ceiling" for model in results.models):
        text += " Ceilings, last, are not ranked."
    if intervals:
        text += " Brackets: bootstrap 95 % intervals over images."
    return text


def contaminated(results: Results) -> str:
    """What the dagger means, where there is one."""
    if not any(model.contaminated for model in results.models):
        return ""
    return DAGGER_MEANS


def training(results: Results) -> str:
    """What each model was trained on, and of which that is not known; nothing if none was."""
    parts, silent = [], []
    for model in results.models:
        sets = [name for name in model.trained_on if not name.startswith("scored")]
        if UNKNOWN in sets:
            silent.append(model.title)
        elif sets:
            folds = " (held-out folds)" if model.held_out else ""
            parts.append(f"{model.title} on {_enumerate(sets)}{folds}")
    texts = [f"Trained: {'; '.join(parts)}."] if parts else []
    if silent:
        texts.append(f"Training data not stated: {_enumerate(silent)}.")
    return " ".join(texts)


def undefined(results: Results, columns: Sequence[Column]) -> str:
    """What a dash means, where there is one, and on how many images a score is undefined."""
    parts = []
    if any(not cell.defined for column in columns for cell in column.cells.values()):
        parts.append("A dash marks an undefined score.")
    counts = {c.metric.label: results.undefined_images(c.metric.name) for c in columns}
    counts = {label: count for label, count in counts.items() if count}
    if counts and results.complete:  # else the images may not have been scored yet
        each = ", ".join(f"{label} on up to {_count(n, 'image')}" for label, n in counts.items())
        parts.append(f"Undefined and left out of the mean: {each}.")
    return " ".join(parts)


def gold_without_maps(results: Results, columns: Sequence[Column]) -> str:
    """Why the gold standard lacks scores that need one map an image, where it does."""
    missing = [c for c in columns if GOLD in c.cells and not c.cells[GOLD].defined]
    # what is undefined for every model says nothing about the gold standard
    missing = [c for c in missing if any(cell.defined for cell in c.cells.values())]
    gold = [column.label for column in missing if column.unit != "%"]
    if not gold or not results.complete:
        return ""
    return (
        f"The gold standard has no {_enumerate(gold)}: it is a different density for each "
        "subject, not one map an image."
    )


def _enumerate(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _count(n: int, noun: str) -> str:
    return f"{n:,} {noun}" + ("" if n == 1 else "s")
