"""Writes the HTML page of a results folder, with a gallery from stored predictions if asked for."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from benchmark.datasets.base import Dataset
from benchmark.errors import BenchmarkError
from benchmark.files import write_whole
from benchmark.recorded import BASELINE, dataset_of, record_of
from benchmark.report.html import Shown, data_address, html_page
from benchmark.report.plots.overlay import contour_levels, grey, on_white
from benchmark.report.results import Results
from benchmark.report.table import number
from benchmark.stored_predictions import FOLDER, StoredPredictions

#: Longest side of a picture in the gallery, in pixels.
SIDE = 512


def write_page(
    folder: Path, out: Path | None = None, gallery: bool = False, data_root: Path | None = None
) -> Path:
    """Write the page, to ``report.html`` in the folder if nothing else is said.

    Args:
        gallery: show every image that a model has a stored prediction for. Predictions of a model
            that was another one when it was scored are left out, and the page names them.

    Raises:
        BenchmarkError: the folder holds no results; for a gallery: the data set is not on this
            machine, or no predictions are stored of the models that were scored.
    """
    results = Results.read(folder)
    shown, left_out = _gallery(results, data_root) if gallery else ([], "")
    return write_whole(out or folder / "report.html", html_page(results, shown, left_out))


def _gallery(results: Results, data_root: Path | None) -> tuple[list[Shown], str]:
    """The images, and what was left out and why."""
    dataset = dataset_of(results, data_root)
    images = list(map(str, dataset.image_names))
    stored = StoredPredictions(results.folder / FOLDER)
    kept, unfit = _stored_images(results, stored, images)
    models = [model for model in results.models if model.name in kept]
    best_first = [model for model in reversed(models) if model.kind != "ceiling"]
    models = [*best_first, *(model for model in models if model.kind == "ceiling")]
    gains = results.per_image("IG").to_dict() if "IG" in results.metrics else {}
    found = []
    for index, image in enumerate(images):
        having = {model.name for model in models if image in kept[model.name]}
        if not having:
            continue
        overlays = []
        for model in models:
            gain = gains.get(model.name, {}).get(image, math.nan)
            text = "" if math.isnan(gain) else f"{number(gain, 2)} bit per fixation"
            picture = ""
            if model.name in having:
                picture = data_address(_heat(stored.log_density(model.name, image)), "png")
            overlays.append((model.title, text, picture))
        found.append(_shown(dataset, index, overlays))
    left_out = _left_out(results, unfit)
    if not found:
        raise BenchmarkError(
            f"{stored.folder} has no predictions to show. {left_out or 'Make some first'}: "
            f"`python -m benchmark paper {results.folder}`."
        )
    return found, f"{left_out} with `python -m benchmark paper`." if left_out else ""


def _stored_images(
    results: Results, stored: StoredPredictions, images: Sequence[str]
) -> tuple[dict[str, set[str]], dict[str, int]]:
    """Images by model that has a prediction of what was scored, and how many others it has."""
    records = record_of(results).section("models").content
    kept: dict[str, set[str]] = {}
    unfit: dict[str, int] = {}
    for name in stored.models():
        if name not in records or name == BASELINE:
            continue
        key = records[name].get("content_hash")
        having = [image for image in images if stored.has(name, image)]
        fitting = {image for image in having if stored.has(name, image, key)}
        if fitting:
            kept[name] = fitting
        if len(fitting) < len(having):
            unfit[name] = len(having) - len(fitting)
    return kept, unfit


def _left_out(results: Results, unfit: dict[str, int]) -> str:
    """Which predictions are not shown, and what to do; nothing if all are."""
    if not unfit:
        return ""
    titles = {model.name: model.title for model in results.models}
    counts = (f"{titles[name]} ({n} image{'s' * (n != 1)})" for name, n in unfit.items())
    return (
        "Left out, since the model has changed between its stored prediction and its score: "
        f"{', '.join(counts)}. Run again what has changed, then make them again"
    )


def _shown(dataset: Dataset, index: int, overlays: list[tuple[str, str, str]]) -> Shown:
    pixels = np.asarray(dataset.stimuli.stimuli[index])
    height, width = pixels.shape[:2]
    own = np.flatnonzero(dataset.fixations.n == index)
    x, y = dataset.fixations.x_int[own], dataset.fixations.y_int[own]
    points = list(zip(map(int, x), map(int, y)))
    picture = data_address(_picture(pixels), "jpeg")
    return Shown(str(dataset.image_names[index]), width, height, picture, points, overlays)


def _size(shape: tuple[int, ...]) -> tuple[int, int]:
    """Width and height of a picture of an image of this shape."""
    factor = min(1.0, SIDE / max(shape[:2]))
    return max(1, round(shape[1] * factor)), max(1, round(shape[0] * factor))


def _picture(pixels: NDArray) -> bytes:
    pixels = on_white(pixels)
    colour = pixels.ndim == 3 and pixels.shape[2] == 3 and pixels.dtype == np.uint8
    values = pixels if colour else grey(pixels).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(values).convert("RGB").resize(
        _size(pixels.shape), Image.Resampling.LANCZOS
    ).save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def _heat(log_density: NDArray) -> bytes:
    """A density, clear where it is low, with contours of equal mass, as PNG."""
    density = np.exp(log_density.astype(float))
    share = np.sqrt(density / density.max())
    colours = mpl.colormaps["inferno"](share)
    colours[..., 3] = np.clip(1.4 * share, 0, 1)
    width, height = _size(log_density.shape)
    figure = Figure(figsize=(width / 100, height / 100), dpi=100)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.imshow(colours, interpolation="antialiased", aspect="auto")
    if min(density.shape) > 1 and density.max() > density.min():
        axes.contour(density, contour_levels(density), colors="white", linewidths=1.0)
    axes.set(xlim=(-0.5, log_density.shape[1] - 0.5), ylim=(log_density.shape[0] - 0.5, -0.5))
    axes.axis("off")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100, transparent=True, metadata={"Software": None})
    return buffer.getvalue()
