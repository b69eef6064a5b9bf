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
from benchmark.web.size import resized
from metrics.auc import auc
from metrics.information_gain import information_gain, log_likelihood
from metrics.nss import nss

#: Salient places that are listed.
PLACES = 5
#: Radius of the region whose probability is told of a place, relative to the longer side.
RADIUS = 0.03
#: Longest side of the heat map that the page lays over the image, in pixels.
SIDE = 1024
#: Longest side of the density that contours are drawn of, in pixels.
CONTOUR_SIDE = 512
#: Points of all contours together.
CONTOUR_POINTS = 30_000
#: Scored fixations that are told again, for the page to draw.
SCORED_POINTS = 5_000


def csv(log_density: NDArray) -> bytes:
    """A row of numbers for each row of pixels: natural log, nine digits, as float32 needs."""
    buffer = io.BytesIO()
    line = ",".join(["%.9g"] * log_density.shape[1]) + "\n"
    for row in log_density:
        buffer.write((line % tuple(row.astype(np.float32).tolist())).encode())
    return buffer.getvalue()


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


def contours(log_density: NDArray, size: tuple[int, int]) -> list[list[list[float]]]:
    """Lines x0, y0, x1, y1, ... that cut the density into regions of equal probability.

    Of a large density a reduced copy is cut, and of many lines the longest are told.

    Args:
        size: (height, width) of the image that the lines are laid over.

    Returns:
        One list a level, from the lowest; coordinates are pixel indices of the image, to a tenth.
    """
    density = _reduced(np.exp(log_density))
    generator = contourpy.contour_generator(z=density)
    levels = contour_levels(density, REGIONS)
    return [
        [
            np.round(_on_image(line, density.shape, size), 1).ravel().tolist()
            for line in _longest(generator.lines(level), CONTOUR_POINTS // len(levels))
        ]
        for level in levels
    ]


def _reduced(density: NDArray) -> NDArray:
    """Means over larger pixels, so that no side is longer than contours need."""
    height, width = density.shape
    scale = CONTOUR_SIDE / max(height, width)
    if scale >= 1:
        return density
    size = max(2, round(width * scale)), max(2, round(height * scale))
    picture = Image.fromarray(density.astype(np.float32))
    return np.asarray(picture.resize(size, Image.Resampling.BOX))


def _longest(lines: Any, points: int) -> list[NDArray]:
    """The longest lines that have so many points together; the first is thinned if it has more."""
    kept: list[NDArray] = []
    for line in sorted(lines, key=len, reverse=True):
        if not kept and len(line) > points:
            step = -(-len(line) // (points - 1))
            return [np.concatenate([line[:-1:step], line[-1:]])]
        points -= len(line)
        if points < 0:
            break
        kept.append(line)
    return kept


def _on_image(
    points: NDArray, shape: tuple[int, ...], size: tuple[int, int]
) -> NDArray[np.float64]:
    """Places (x, y) among pixels of a density of ``shape``, on the image of ``size`` below it.

    Pixel indices are centres of pixels.
    """
    zoom = np.array([size[1] / shape[1], size[0] / shape[0]])
    return (np.asarray(points, dtype=np.float64) + 0.5) * zoom - 0.5


def places(log_density: NDArray, size: tuple[int, int]) -> list[dict[str, float]]:
    """The highest peaks of the density, and the probability within a radius around each.

    Args:
        size: (height, width) of the image whose pixels are told.
    """
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
        found.append(
            {
                **dict(zip("xy", _pixel([x, y], density.shape, size))),
                "radius": radius * max(size) / max(height, width),
                "probability": float(density[near].sum()),
            }
        )
    return found


def samples(log_density: NDArray, count: int, seed: int, size: tuple[int, int]) -> list[list[int]]:
    """Fixations [x, y] drawn from the density, in pixels of the image of ``size`` below it."""
    x, y = sample_fixations(log_density, count, np.random.default_rng(seed))
    return [_pixel(point, log_density.shape, size) for point in zip(x.tolist(), y.tolist())]


def _pixel(point: Any, shape: tuple[int, ...], size: tuple[int, int]) -> list[int]:
    return np.rint(_on_image(point, shape, size)).astype(int).tolist()


def preview(pixels: NDArray[np.uint8]) -> bytes:
    """PNG of an image, of at most the heat map's size."""
    height, width = pixels.shape[:2]
    scale = min(1.0, SIDE / max(height, width))
    buffer = io.BytesIO()
    small = resized(pixels, (max(1, round(height * scale)), max(1, round(width * scale))))
    Image.fromarray(small).save(buffer, "PNG")
    return buffer.getvalue()


def score(
    log_density: NDArray, baseline: NDArray, x: NDArray, y: NDArray, size: tuple[int, int]
) -> dict[str, Any]:
    """Metrics of fixations under a density, means over them; IG is relative to ``baseline``.

    Args:
        x, y: in pixels of the image of ``size``, which may be larger than the density.

    Returns:
        Also the first fixations as they were understood, in the order in which they came.
    """
    height, width = log_density.shape
    points = np.column_stack([x, y])[:SCORED_POINTS].tolist()
    x = np.minimum(x * (width / size[1]), np.nextafter(width, 0))
    y = np.minimum(y * (height / size[0]), np.nextafter(height, 0))
    density = np.exp(log_density)
    gains = information_gain(log_density, baseline, x, y)
    return {
        "n_fixations": len(x),
        "LL": _number(log_likelihood(log_density, x, y).mean()),
        "IG": _number(gains.mean()),
        "NSS": _number(nss(density, x, y).mean()),
        "AUC": _number(auc(density, x, y).mean()),
        "IG_per_fixation": [_number(gain) for gain in gains],
        "fixations": points,
        "units": {"LL": "bit/fixation over uniform", "IG": "bit/fixation over the centre bias"},
    }


def _number(value: float) -> float | None:
    """JSON has no infinities: a fixation on an impossible pixel gains None."""
    return float(value) if np.isfinite(value) else None
