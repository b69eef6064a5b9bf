"""Writes the HTML page of a results folder, with a gallery from stored predictions if asked for."""

from __future__ import annotations

import io
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from benchmark.errors import BenchmarkError
from benchmark.files import write_whole
from benchmark.paper import BASELINE, dataset_of
from benchmark.report.html import Shown, data_address, html_page
from benchmark.report.plots.overlay import contour_levels, grey
from benchmark.report.results import Results
from benchmark.stored_predictions import FOLDER, StoredPredictions

#: Longest side of a picture in the gallery, in pixels.
SIDE = 512


def write_page(
    folder: Path, out: Path | None = None, gallery: bool = False, data_root: Path | None = None
) -> Path:
    """Write the page, to ``report.html`` in the folder if nothing else is said.

    Args:
        gallery: show every image that all models with stored predictions have one for.

    Raises:
        BenchmarkError: the folder holds no results; for a gallery: the data set is not on this
            machine, or no predictions are stored.
    """
    results = Results.read(folder)
    shown = _gallery(results, data_root) if gallery else []
    return write_whole(out or folder / "report.html", html_page(results, shown))


def _gallery(results: Results, data_root: Path | None) -> list[Shown]:
    stored = StoredPredictions(results.folder / FOLDER)
    titles = {model.name: model.title for model in results.models}
    kept = [m for m in results.models if m.name in stored.models() and m.name != BASELINE]
    best_first = [m.name for m in reversed(kept) if m.kind != "ceiling"]
    names = [*best_first, *(m.name for m in kept if m.kind == "ceiling")]
    dataset = dataset_of(results, data_root)
    gains = results.per_image("IG") if "IG" in results.metrics else None
    found = []
    for index, name in enumerate(map(str, dataset.image_names)):
        if not names or not all(stored.has(model, name) for model in names):
            continue
        pixels = np.asarray(dataset.stimuli.stimuli[index])
        height, width = pixels.shape[:2]
        own = np.flatnonzero(dataset.fixations.n == index)
        overlays = []
        for model in names:
            gain = gains.loc[name, model] if gains is not None and model in gains else np.nan
            text = "" if np.isnan(gain) else f"{gain:.2f} bit per fixation".replace("-", "−")
            picture = data_address(_heat(stored.log_density(model, name)), "png")
            overlays.append((titles[model], text, picture))
        points = [
            (int(x), int(y))
            for x, y in zip(dataset.fixations.x_int[own], dataset.fixations.y_int[own])
        ]
        picture = data_address(_picture(pixels), "jpeg")
        found.append(Shown(name, width, height, picture, points, overlays))
    if not found:
        raise BenchmarkError(
            f"{stored.folder} has no predictions to show. Make some first: `python -m benchmark "
            f"paper {results.folder}`."
        )
    return found


def _size(shape: tuple[int, ...]) -> tuple[int, int]:
    """Width and height of a picture of an image of this shape."""
    factor = min(1.0, SIDE / max(shape[:2]))
    return max(1, round(shape[1] * factor)), max(1, round(shape[0] * factor))


def _picture(pixels: NDArray) -> bytes:
    colour = pixels.ndim == 3 and pixels.shape[2] >= 3 and pixels.dtype == np.uint8
    values = pixels[..., :3] if colour else grey(pixels).astype(np.uint8)
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
