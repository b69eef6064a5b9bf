"""A density over its image: where to look, as a picture of the image's own size."""

from __future__ import annotations

import io

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

#: Contour lines cut the density into regions of equal probability.
REGIONS = 4


def contour_levels(density: NDArray, regions: int = REGIONS) -> list[float]:
    """Values of a density whose contours enclose 1/regions, 2/regions, ... of the probability.

    Returns:
        Ascending, without repetition; fewer than ``regions - 1`` for densities with plateaus.
    """
    ordered = np.sort(density.ravel())[::-1]
    mass = np.cumsum(ordered)
    shares = np.arange(1, regions) / regions * mass[-1]
    return sorted({float(ordered[np.searchsorted(mass, share)]) for share in shares})


def overlay(pixels: NDArray, log_density: NDArray) -> bytes:
    """PNG of an image, faded, under its density, with contours of equal probability.

    Args:
        pixels: (height, width) or (height, width, channels), 0-255.
        log_density: natural log, (height, width).
    """
    density = np.exp(log_density - log_density.max())
    height, width = density.shape
    faded = grey(pixels)[..., None] / 255.0
    heat = mpl.colormaps["inferno"](np.sqrt(density))[..., :3]
    opacity = 0.25 + 0.55 * np.sqrt(density)[..., None]
    blended = (1.0 - opacity) * faded + opacity * heat
    figure = Figure(figsize=(width / 100, height / 100), dpi=100)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.imshow(blended, extent=(-0.5, width - 0.5, height - 0.5, -0.5), interpolation="nearest")
    levels = contour_levels(np.exp(log_density))
    if min(height, width) > 1 and log_density.max() > log_density.min():
        axes.contour(np.exp(log_density), levels, colors="white", linewidths=1.0)
    axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
    axes.axis("off")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100, metadata={"Software": None})
    return buffer.getvalue()


def on_white(pixels: NDArray) -> NDArray:
    """An image without its alpha channel: what is transparent is white, as models see it."""
    if pixels.ndim != 3 or pixels.shape[2] not in (2, 4):
        return pixels
    highest = np.iinfo(pixels.dtype).max
    alpha = pixels[..., -1:] / highest
    return np.rint(pixels[..., :-1] * alpha + highest * (1.0 - alpha)).astype(pixels.dtype)


def grey(pixels: NDArray) -> NDArray[np.float64]:
    """Mean of an image's colours, (height, width) in 0-255."""
    pixels = on_white(pixels)
    values = pixels.astype(np.float64)
    if pixels.dtype == np.uint16:
        values /= 257.0
    if pixels.dtype == bool:
        values *= 255.0
    if values.ndim == 3:
        colours = values[..., :3] if values.shape[2] >= 3 else values[..., :1]
        values = colours.mean(axis=2)
    return np.clip(values, 0, 255)
