"""A density as answers: pictures, contours, places, files, and scores of fixations."""

from __future__ import annotations

import io
from typing import Any

import contourpy
import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage.feature import peak_local_max

from benchmark.report.html import data_address
from benchmark.report.plots.overlay import REGIONS, contour_levels
from benchmark.sampling import sample_fixations
from metrics.auc import auc
from metrics.information_gain import information_gain, log_likelihood
from metrics.nss import nss

#: Salient places that are listed.
PLACES = 5
#: Radius of the region whose probability is told of a place, relative to the longer side.
RADIUS = 0.03
#: Longest side of the heat map that the page lays over the image, in pixels.
SIDE = 1024


def csv(log_density: NDArray) -> bytes:
    """A row of numbers for each row of pixels: natural log, nine digits, as float32 needs."""
    buffer = io.StringIO()
    np.savetxt(buffer, log_density.astype(np.float32), fmt="%.9g", delimiter=",")
    return buffer.getvalue().encode()


def heat(log_density: NDArray) -> str:
    """A ``data:`` address of the density in colours, more opaque where it is higher."""
    density = np.exp(log_density - log_density.max())
    step = -(-max(density.shape) // SIDE)
    root = np.sqrt(density[::step, ::step])
    picture = (mpl.colormaps["inferno"](root) * 255).astype(np.uint8)
    picture[..., 3] = np.clip(40 + 215 * root, 0, 255)
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return data_address(buffer.getvalue(), "png")


def contours(log_density: NDArray) -> list[list[list[float]]]:
    """Lines x0, y0, x1, y1, ... that cut the density into regions of equal probability.

    One list a level, from the lowest; coordinates are pixel indices, to a tenth.
    """
    density = np.exp(log_density)
    generator = contourpy.contour_generator(z=density)
    return [
        [np.round(np.asarray(line), 1).ravel().tolist() for line in generator.lines(level)]
        for level in contour_levels(density, REGIONS)
    ]


def places(log_density: NDArray) -> list[dict[str, float]]:
    """The highest peaks of the density, and the probability within a radius around each."""
    density = np.exp(log_density)
    height, width = density.shape
    radius = max(1.0, RADIUS * max(height, width))
    peaks = peak_local_max(
        density, min_distance=int(np.ceil(2 * radius)), exclude_border=False, num_peaks=PLACES
    )
    rows, columns = np.arange(height)[:, None], np.arange(width)[None, :]
    found = []
    for y, x in peaks.tolist():
        near = (rows - y) ** 2 + (columns - x) ** 2 <= radius**2
        found.append({"x": x, "y": y, "radius": radius, "probability": float(density[near].sum())})
    return found


def samples(log_density: NDArray, count: int, seed: int) -> list[list[int]]:
    """Fixations [x, y] drawn from the density."""
    x, y = sample_fixations(log_density, count, np.random.default_rng(seed))
    return [list(point) for point in zip(x.tolist(), y.tolist())]


def score(log_density: NDArray, baseline: NDArray, x: NDArray, y: NDArray) -> dict[str, Any]:
    """Metrics of fixations under a density, means over them; IG is relative to ``baseline``."""
    density = np.exp(log_density)
    gains = information_gain(log_density, baseline, x, y)
    return {
        "n_fixations": len(x),
        "LL": _number(log_likelihood(log_density, x, y).mean()),
        "IG": _number(gains.mean()),
        "NSS": _number(nss(density, x, y).mean()),
        "AUC": _number(auc(density, x, y).mean()),
        "IG_per_fixation": [_number(gain) for gain in gains],
        "units": {"LL": "bit/fixation over uniform", "IG": "bit/fixation over the centre bias"},
    }


def _number(value: float) -> float | None:
    """JSON has no infinities: a fixation on an impossible pixel gains None."""
    return float(value) if np.isfinite(value) else None
