"""Image by image: densities with equal-mass contours, sampled fixations, gains in pixel space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib.patheffects as effects
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from benchmark.report.plots.overlay import contour_levels, grey
from benchmark.report.plots.style import GREY, PAGE_WIDTH, short_names, style

_GAP, _LINE, _NAME = 0.05, 0.12, 0.2  # inches: between panels, a line of a title, above all
_LEFT = 0.04
#: Of figures with photographs, which are large files.
PANEL_DPI = 180
_FIXATIONS = {"s": 5, "lw": 0.35, "edgecolor": "white", "facecolor": "#D55E00"}
_SAMPLED = {"s": 5, "lw": 0.35, "edgecolor": "white", "facecolor": "#0072B2"}


@dataclass(frozen=True)
class Panel:
    """What one model makes of an image.

    Attributes:
        title: of the model.
        gain: information gain on this image, in bits per fixation.
        log_density: natural log, (height, width).
        sampled: x and y of fixations drawn from it.
    """

    title: str
    gain: float
    log_density: NDArray
    sampled: tuple[NDArray, NDArray]


@dataclass(frozen=True)
class GainPanel:
    """Where a density gains over another.

    Attributes:
        title: of the comparison.
        gains: bits a pixel, (height, width); their sum is the image's difference in gain.
    """

    title: str
    gains: NDArray


@dataclass(frozen=True)
class Row:
    """An image of a figure: its pixels (height, width[, channels]), fixations and panels."""

    name: str
    pixels: NDArray
    fixations: tuple[NDArray, NDArray]
    panels: Sequence[Panel] = ()
    gains: Sequence[GainPanel] = ()


def examples_figure(title: str, rows: Sequence[Row]) -> Figure:
    """The paper's Fig. 5, 6, 8 and 9: two rows of panels for each image.

    Above, the image with its fixations, and each density with three contours that cut it into four
    regions of equal probability. Below, the fixations alone, and as many drawn from each density.
    """
    n_columns = 1 + len(rows[0].panels)
    with style():
        figure, grid = _grid(title, rows, n_columns, lines=1, below=True)
        for row, (above, below) in zip(rows, zip(grid[::2], grid[1::2])):
            _image(above[0], row.pixels)
            _points(above[0], row.fixations, _FIXATIONS)
            _name(above[0], f"{len(row.fixations[0])} fixations")
            _blank(below[0], row.pixels.shape)
            _points(below[0], row.fixations, _FIXATIONS)
            for panel, upper, lower in zip(row.panels, above[1:], below[1:]):
                _density(upper, row.pixels, panel.log_density)
                _name(upper, f"{short_names([panel.title], 22)[0]}: {panel.gain:.2f} bit")
                _blank(lower, row.pixels.shape)
                _points(lower, panel.sampled, _SAMPLED)
    return figure


def gains_figure(title: str, rows: Sequence[Row]) -> Figure:
    """Information gain in pixel space: a row an image, a column a comparison.

    Orange and solid contours are gains, purple and dashed ones losses; the sum of a panel is the
    number above it. All panels of an image have the same scale.
    """
    with style():
        figure, grid = _grid(title, rows, 1 + len(rows[0].gains), lines=2, below=False)
        for row, axes in zip(rows, grid):
            _image(axes[0], row.pixels)
            _points(axes[0], row.fixations, _FIXATIONS)
            _name(axes[0], f"{len(row.fixations[0])} fixations")
            limit = max(float(np.abs(panel.gains).max()) for panel in row.gains) or 1.0
            for panel, one in zip(row.gains, axes[1:]):
                _gain(one, row.pixels, panel.gains, limit)
                total = f"{panel.gains.sum():+.2f}".replace("-", "−")
                _name(one, f"{short_names([panel.title], 20)[0]}\n{total} bit")
    return figure


def _grid(
    title: str, rows: Sequence[Row], n_columns: int, lines: int, below: bool
) -> tuple[Figure, list[list[Axes]]]:
    """Panels as high as their images are at a common width, but no higher than wide."""
    width = (PAGE_WIDTH - 2 * _LEFT - (n_columns - 1) * _GAP) / n_columns
    heights = [width * min(1.0, row.pixels.shape[0] / row.pixels.shape[1]) for row in rows]
    above = lines * _LINE + _GAP
    each = [height * (2 if below else 1) + above + (_GAP if below else 0) for height in heights]
    total = sum(each) + _NAME + _GAP
    figure = Figure(figsize=(PAGE_WIDTH, total))
    figure.text(0.5, 1 - 0.03 / total, title, ha="center", va="top", fontsize=8)
    grid, top = [], total - _NAME
    for height, span in zip(heights, each):
        for n in range(2 if below else 1):
            bottom = top - above - (n + 1) * height - n * _GAP
            grid.append(
                [
                    figure.add_axes(
                        (
                            (_LEFT + column * (width + _GAP)) / PAGE_WIDTH,
                            bottom / total,
                            width / PAGE_WIDTH,
                            height / total,
                        )
                    )
                    for column in range(n_columns)
                ]
            )
        top -= span
    return figure, grid


def _frame(axes: Axes, shape: Sequence[int]) -> None:
    height, width = shape[:2]
    axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5), xticks=[], yticks=[])
    axes.set_aspect("equal")
    for spine in axes.spines.values():
        spine.set(visible=True, color=GREY, linewidth=0.4)


def _shrunk(values: NDArray, shape: Sequence[int]) -> NDArray:
    """Every n-th pixel, so that a figure holds no more than it can show."""
    step = max(1, round(max(shape[:2]) / (PAGE_WIDTH / 3 * PANEL_DPI)))
    return values[::step, ::step]


def _show(axes: Axes, values: NDArray, shape: Sequence[int]) -> None:
    height, width = shape[:2]
    extent = (-0.5, width - 0.5, height - 0.5, -0.5)
    axes.imshow(_shrunk(values, shape), extent=extent, interpolation="antialiased")
    _frame(axes, shape)


def _image(axes: Axes, pixels: NDArray) -> None:
    if pixels.ndim == 3 and pixels.shape[2] >= 3 and pixels.dtype == np.uint8:
        _show(axes, pixels[..., :3], pixels.shape)
    else:
        _show(axes, np.repeat(grey(pixels)[..., None] / 255.0, 3, axis=2), pixels.shape)


def _blank(axes: Axes, shape: Sequence[int]) -> None:
    axes.set_facecolor("#F4F4F4")
    _frame(axes, shape)


def _points(axes: Axes, fixations: tuple[NDArray, NDArray], look: dict) -> None:
    axes.scatter(*fixations, zorder=3, **look)


def _name(axes: Axes, text: str) -> None:
    axes.set_title(text, fontsize=6.5, pad=2.5)


def _density(axes: Axes, pixels: NDArray, log_density: NDArray) -> None:
    """The density's square root, dark where it is high, with contours of equal mass."""
    density = np.exp(log_density.astype(float))
    share = np.sqrt(density / density.max())[..., None]
    heat = np.array([1.0, 1.0, 1.0]) * (1 - share) + np.array([0.0, 0.28, 0.48]) * share
    faded = 0.25 * grey(pixels)[..., None] / 255.0 + 0.75
    _show(axes, np.clip(heat * (1 - 0.35 * (1 - share)) + 0.35 * (1 - share) * faded, 0, 1),
          pixels.shape)  # fmt: skip
    levels = contour_levels(density)
    if min(density.shape) > 1 and density.max() > density.min():
        lines = axes.contour(density, levels, colors="#D55E00", linewidths=0.8)
        lines.set_path_effects([effects.withStroke(linewidth=1.5, foreground="white")])


def _gain(axes: Axes, pixels: NDArray, values: NDArray, limit: float) -> None:
    colours = {1: np.array([0.84, 0.37, 0.0]), -1: np.array([0.37, 0.24, 0.6])}
    share = np.sqrt(np.abs(values) / limit)[..., None]
    colour = np.where(values[..., None] >= 0, colours[1], colours[-1])
    faded = 0.5 * np.repeat(grey(pixels)[..., None] / 255.0, 3, axis=2) + 0.5
    _show(axes, np.clip(faded * (1 - share) + colour * share, 0, 1), pixels.shape)
    level = 0.25 * limit
    if min(values.shape) > 1:
        for sign, dashes in ((1, "solid"), (-1, "dashed")):
            if (sign * values).max() > level > (sign * values).min():
                axes.contour(
                    sign * values, [level], colors="black", linewidths=0.6, linestyles=dashes
                )
