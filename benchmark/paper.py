"""The figures and the table of the DeepGaze II paper, from the stored scores of a run.

Kümmerer, Wallis, Bethge 2016 (arXiv:1610.01563). What is drawn of photographs goes into a folder of
its own, ``panels``, and needs predictions for the images shown, which are made once and stored.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.datasets.base import Dataset
from benchmark.errors import BenchmarkError
from benchmark.evaluate import checked, model_hash
from benchmark.files import discard, read_csv, write_whole
from benchmark.pixel_gain import gain_map, gains, mean
from benchmark.recorded import BASELINE, dataset_of, models_of, record_of
from benchmark.report import notes
from benchmark.report.ablation import draw as draw_ablation
from benchmark.report.examples import FIGURES, Choice, choices, contrasted_model, leading_model
from benchmark.report.holdout import write_holdout
from benchmark.report.plots.explained import explained_figure
from benchmark.report.plots.image_grid import PANEL_DPI, GainPanel, Panel, Row
from benchmark.report.plots.panels import examples_figure
from benchmark.report.plots.pixel_gains import gains_figure
from benchmark.report.plots.scatter import scatter_figure
from benchmark.report.plots.style import DPI, render
from benchmark.report.results import GOLD, Results
from benchmark.sampling import sample_fixations
from benchmark.stored_predictions import FOLDER, Prediction, StoredPredictions

CENTRE_BIAS = "centre bias"
PLOTS = {"fig3-explained": explained_figure, "fig4-images": scatter_figure}
#: Standard deviation in pixels of the Gaussian that spreads a fixation's gain, where the run has no
#: kernel size.
SPREAD = 24.0
#: Predicted and stored information gains of an image may differ by so much (bits).
TOLERANCE = 1e-3
CHANGED = "‡"  # marks predictions that are not those that were scored


@dataclass(frozen=True)
class PaperOptions:
    """What to draw; the defaults are those of the command line.

    Attributes:
        folder: of a run.
        model, contrast: whom the panels are about, and whom it is compared with; None for DeepGaze
            II and DeepGaze I where they were scored.
        examples: images in each figure of panels; 0 for no panels.
        ablation: folder of an ablation, None for the one beside ``folder`` if there is one.
        holdout: folders of runs on hold-out predictions with and without centre bias.
        seed: of the sampled fixations.
        out: None for ``paper`` in ``folder``.
    """

    folder: Path
    model: str | None = None
    contrast: str | None = None
    examples: int = 3
    ablation: Path | None = None
    holdout: tuple[Path, Path] | None = None
    data_root: Path | None = None
    seed: int = 0
    out: Path | None = None


@dataclass
class Outcome:
    """Files written, and what was left out and why."""

    written: list[Path] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)


def paper(options: PaperOptions, say: Callable[[str], None] = lambda text: None) -> Outcome:
    """Draw all that the scores at hand allow; what they do not is named in the outcome.

    Raises:
        BenchmarkError: the folder holds no results, or something named was not scored.
    """
    results = Results.read(options.folder)
    out, outcome = options.out or options.folder / "paper", Outcome()
    for name, draw in PLOTS.items():
        figure = draw(results)
        if figure is None:
            outcome.missing[name] = (
                "it takes scores of a model and of a gold standard that gains information"
            )
            _discard(out, name)
        else:
            outcome.written += _save(figure, out, name)
    _ablation(options, results, out, outcome)
    if options.holdout is None:
        outcome.missing["table1-holdout"] = "name the runs on a hold-out set with --holdout"
    else:
        outcome.written += write_holdout(*options.holdout, out)
    if options.examples:
        try:
            _panels(options, results, out / "panels", outcome, say)
        except BenchmarkError as error:
            if options.model or options.contrast:
                raise
            outcome.missing["panels"] = str(error)
    return outcome


def _save(figure: Any, folder: Path, name: str, dpi: int = DPI) -> list[Path]:
    return [
        write_whole(folder / f"{name}.{extension}", render(figure, extension, dpi))
        for extension in ("pdf", "png")
    ]


def _discard(folder: Path, name: str) -> None:
    """Remove a figure of earlier scores."""
    for extension in ("pdf", "png"):
        discard(folder / f"{name}.{extension}")


def _ablation(options: PaperOptions, results: Results, out: Path, outcome: Outcome) -> None:
    name = "fig7-ablation"
    folder = options.ablation or options.folder.parent / f"ablation-{results.dataset.name}"
    file = folder / "ablation.csv"
    if options.ablation is None and not file.is_file():
        outcome.missing[name] = f"there is no {file}; `python -m benchmark ablation` writes it"
        _discard(out, name)
        return
    table = read_csv(
        file, ("group", "variation", "description"),
        ("gain", "ci_low", "ci_high", "explained"),
    )  # fmt: skip
    rows = table[table["group"] == "paper"]
    if rows.empty:
        outcome.missing[name] = f"{file} has no variation of the group 'paper'"
        _discard(out, name)
        return
    outcome.written += draw_ablation(rows, out, name)


def _panels(
    options: PaperOptions, results: Results, out: Path, outcome: Outcome, say: Callable[[str], None]
) -> None:
    chosen = _chosen(options, results, out)
    drawn = {choice.name for choice in chosen}
    outcome.missing.update({n: f"it takes {what}" for n, what in FIGURES.items() if n not in drawn})
    _discard_panels(out, drawn)
    if not chosen:
        return
    dataset = dataset_of(results, options.data_root)
    stored = StoredPredictions(options.folder / FOLDER)
    wanted = list(dict.fromkeys(image for choice in chosen for image in choice.images))
    shown = list(dict.fromkeys(name for choice in chosen for name in choice.models))
    _predict(results, dataset, [BASELINE, *shown], wanted, stored, say)
    if not results.dataset.simulated:
        write_whole(
            out / "README.md",
            f"These panels show images of {results.dataset.title}, which are their authors': do "
            "not publish them without their leave.\n",
        )
    gold = results.per_image("IG")
    titles = {model.name: model.title for model in results.models}
    for choice in chosen:
        rows = [
            _row(dataset, image, choice, stored, gold, titles, results, options.seed)
            for image in choice.images
        ]
        labels = _labels(results, rows)
        figure = examples_figure(choice.title, rows, labels)
        outcome.written += _save(figure, out, choice.name, PANEL_DPI)
        figure = gains_figure(f"{choice.title}: where in the image", rows, labels)
        outcome.written += _save(figure, out, f"{choice.name}-gain", PANEL_DPI)


def _chosen(options: PaperOptions, results: Results, out: Path) -> list[Choice]:
    try:
        leading = leading_model(results, options.model)
        other = contrasted_model(results, leading, options.contrast)
        return choices(results, leading, other, options.examples)
    except BenchmarkError:
        if not (options.model or options.contrast):  # else a name may be misspelt
            _discard_panels(out)
        raise


def _discard_panels(out: Path, kept: Collection[str] = ()) -> None:
    for name in FIGURES:
        if name not in kept:
            _discard(out, name)
            _discard(out, f"{name}-gain")


def _labels(results: Results, rows: Sequence[Row]) -> list[str]:
    found = notes.figure_labels(results)
    if any(panel.title.endswith(CHANGED) for row in rows for panel in row.panels):
        found.append(f"{CHANGED} changed since it was scored: shown, with its gain, as it is now")
    return found


def _predict(
    results: Results,
    dataset: Dataset,
    names: Sequence[str],
    images: Sequence[str],
    stored: StoredPredictions,
    say: Callable[[str], None],
) -> None:
    """Store the predictions that are missing, or whose model has changed."""
    others = [name for name in names if name != BASELINE]
    models = models_of(results, dataset, others, say)
    keys = {name: model_hash(models[name], dataset) for name in names}
    recorded = record_of(results).section("models")
    for name in names:
        known = keys[name]
        if name in recorded.content:
            known = recorded.section(name).get("content_hash", str, known)
        if known != keys[name]:
            say(f"{name} has changed since it was scored: panels show it as it is now")
    index = {str(name): n for n, name in enumerate(dataset.image_names)}
    for image in images:
        for name in names:
            if stored.has(name, image, keys[name]):
                continue
            say(f"predicting {image} with {name}")
            try:
                prediction = predicted(models[name], dataset, index[image], keys[name])
            # Whatever a model raises, the message has to say which one.
            except Exception as error:
                raise BenchmarkError(f"{name} cannot predict {image} again: {error}") from error
            stored.add(name, image, prediction)
    scored = results.per_image("IG")
    for image in images:
        for name in others:
            gain, before = _gain(stored, name, image), float(scored.loc[image, name])
            if _differs(gain, before):
                say(f"{image}: {name} gains {gain:.3f} bits now, {before:.3f} in scores.csv")


def _gain(stored: StoredPredictions, name: str, image: str) -> float:
    """Information gain of a stored prediction over the centre bias, in bits per fixation."""
    at = stored.get(name, image).at_fixations
    return mean(gains(at, stored.get(BASELINE, image).at_fixations))


def _differs(gain: float, scored: float) -> bool:
    return not np.isclose(gain, scored, rtol=0, atol=TOLERANCE, equal_nan=True)


def predicted(model: Any, dataset: Dataset, image: int, key: str) -> Prediction:
    """A model's prediction for an image, and its values at the image's fixations."""
    stimulus = dataset.stimuli[image]
    height, width = (int(side) for side in dataset.sizes[image])
    log_density, _ = checked(model.log_density(stimulus), (height, width))
    fixations = dataset.fixations[np.flatnonzero(dataset.fixations.n == image)]
    if hasattr(model, "held_out_densities"):
        values = model.log_likelihoods(dataset.stimuli, fixations)
    else:
        values = log_density[fixations.y_int, fixations.x_int]
    return Prediction(key, log_density.astype(np.float32), np.asarray(values))


def _row(
    dataset: Dataset,
    image: str,
    choice: Choice,
    stored: StoredPredictions,
    scored: Any,
    titles: dict[str, str],
    results: Results,
    seed: int,
) -> Row:
    number = list(map(str, dataset.image_names)).index(image)
    own = np.flatnonzero(dataset.fixations.n == number)
    x, y = dataset.fixations.x_int[own], dataset.fixations.y_int[own]
    baseline = stored.get(BASELINE, image)
    panels, where = [], []
    spread = results.protocol.kernel_size or SPREAD

    def gained(title: str, over: str, values: NDArray, others: NDArray) -> GainPanel:
        bits = gains(values, others)
        shape = baseline.log_density.shape
        return GainPanel(
            title,
            over,
            mean(bits),
            gain_map(x, y, bits, shape, spread),
            (x[bits == -np.inf], y[bits == -np.inf]),
            (x[bits == np.inf], y[bits == np.inf]),
        )

    for name in choice.models:
        found = stored.get(name, image)
        rng = np.random.default_rng((seed, number))  # the same draws for every model
        sampled = sample_fixations(found.log_density, len(x), rng)
        title, gain = titles[name], float(scored.loc[image, name])
        if _differs(now := _gain(stored, name, image), gain):
            title, gain = title + CHANGED, now
        panels.append(Panel(title, gain, found.log_density, sampled))
        where.append(gained(title, CENTRE_BIAS, found.at_fixations, baseline.at_fixations))
    shown = {name: panel.title for name, panel in zip(choice.models, panels)}
    leading = next(name for name in choice.models if name != GOLD)
    own_values = stored.get(leading, image).at_fixations
    for name in choice.models:
        if name != leading:
            values = stored.get(name, image).at_fixations
            where.append(gained(shown[leading], shown[name], own_values, values))
    pixels = np.asarray(dataset.stimuli.stimuli[number])
    return Row(image, pixels, (x, y), panels, where)


__all__ = ["Outcome", "PaperOptions", "paper", "predicted"]
