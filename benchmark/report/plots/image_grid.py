"""What figures of images are made of: their panels in rows and columns, images, fixations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from benchmark.report.plots.overlay import grey, on_white
from benchmark.report.plots.style import GREY, PAGE_WIDTH, short_names

# inches: between panels, a line of a title, title of the figure, labels above it, left of all
_GAP, _LINE, _TITLE, _LABELS, _LEFT = 0.05, 0.12, 0.2, 0.13, 0.04
#: Inches, so that a figure and its caption fit on a page.
MAX_HEIGHT = 8.0
#: Columns are this far apart at least, if there is room, so that titles fit above small panels.
_PITCH = 1.42
_SMALLEST = 0.4
#: Inches a character of a panel's title.
_CHARACTER = 0.055
#: Of figures with photographs, which are large files.
PANEL_DPI = 180
FIXATIONS = {"s": 5, "lw": 0.35, "edgecolor": "white", "facecolor": "#D55E00"}

Points = tuple[NDArray, NDArray]


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
    sampled: Points


@dataclass(frozen=True)
class GainPanel:
    """Where a density gains over another.

    Attributes:
        title, over: of both.
        total: the image's difference in information gain, in bits per fixation; may be infinite.
        gains: bits a pixel, (height, width), finite; their sum is the total if that is finite.
        excluded: x and y of fixations that the density excludes, which lose infinitely.
        rescued: those that the other one excludes, which gain infinitely.
    """

    title: str
    over: str
    total: float
    gains: NDArray
    excluded: Points = (np.empty(0), np.empty(0))
    rescued: Points = (np.empty(0), np.empty(0))


@dataclass(frozen=True)
class Row:
    """An image of a figure: its pixels (height, width[, channels]), fixations and panels."""

    name: str
    pixels: NDArray
    fixations: Points
    panels: Sequence[Panel] = ()
    gains: Sequence[GainPanel] = ()


@dataclass(frozen=True)
class Grid:
    """Axes of a figure, row by row, and how many characters fit above one of them."""

    figure: Figure
    axes: list[list[Axes]]
    characters: int


def new_grid(
    title: str,
    labels: Sequence[str],
    rows: Sequence[Row],
    n_columns: int,
    lines: int,
    *,
    below: bool = False,
    right: float = 0.0,
    key: float = 0.0,
) -> Grid:
    """Panels as high as their images at a common width, no higher than wide, all on one page.

    Args:
        labels: what must not be overlooked, above the title.
        lines: of the text above each panel.
        below: a second row of panels for each image.
        right, key: inches to leave beside and below the panels.
    """
    shares = [min(1.0, row.pixels.shape[0] / row.pixels.shape[1]) for row in rows]
    n_each, above = 2 if below else 1, lines * _LINE + _GAP
    head = _TITLE + (_LABELS if labels else 0.0)
    rest = head + len(rows) * (above + (_GAP if below else 0)) + _GAP + key
    widest = (PAGE_WIDTH - 2 * _LEFT - right - (n_columns - 1) * _GAP) / n_columns
    width = min(widest, max(_SMALLEST, (MAX_HEIGHT - rest) / (n_each * sum(shares))))
    pitch = min(widest + _GAP, max(width + _GAP, _PITCH))
    left = (PAGE_WIDTH - right - (n_columns - 1) * pitch - width) / 2
    total = rest + width * n_each * sum(shares)
    figure = Figure(figsize=(PAGE_WIDTH, total))
    if labels:
        figure.text(
            1 - 0.03 / PAGE_WIDTH, 1 - 0.03 / total, " · ".join(labels),
            ha="right", va="top", fontsize=6, fontstyle="italic", color=GREY,
        )  # fmt: skip
    middle = (PAGE_WIDTH - right) / 2 / PAGE_WIDTH
    figure.text(
        middle, 1 - (head - _TITLE + 0.03) / total, title, ha="center", va="top", fontsize=8
    )
    axes, top = [], total - head
    for share in shares:
        for n in range(n_each):
            bottom = top - above - (n + 1) * share * width - n * _GAP
            boxes = [(left + c * pitch, bottom, width, share * width) for c in range(n_columns)]
            axes.append([figure.add_axes(inches(figure, box)) for box in boxes])
        top -= above + n_each * share * width + (n_each - 1) * _GAP
    return Grid(figure, axes, int((pitch - _GAP) / _CHARACTER))


def inches(figure: Figure, box: Sequence[float]) -> tuple[float, float, float, float]:
    """Left, bottom, width and height in inches as shares of the figure."""
    width, height = figure.get_size_inches()
    return box[0] / width, box[1] / height, box[2] / width, box[3] / height


def frame(axes: Axes, shape: Sequence[int]) -> None:
    """An image's outline."""
    height, width = shape[:2]
    axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5), xticks=[], yticks=[])
    axes.set_aspect("equal")
    for spine in axes.spines.values():
        spine.set(visible=True, color=GREY, linewidth=0.4)


def show(axes: Axes, values: NDArray) -> None:
    """Colours (height, width, 3), every n-th pixel if there are more than a figure can show."""
    height, width = values.shape[:2]
    step = max(1, round(max(height, width) / (PAGE_WIDTH / 3 * PANEL_DPI)))
    extent = (-0.5, width - 0.5, height - 0.5, -0.5)
    axes.imshow(values[::step, ::step], extent=extent, interpolation="antialiased")
    frame(axes, values.shape)


def show_image(axes: Axes, row: Row) -> None:
    """An image with its fixations."""
    pixels = on_white(row.pixels)
    if pixels.ndim == 3 and pixels.shape[2] == 3 and pixels.dtype == np.uint8:
        show(axes, pixels)
    else:
        show(axes, np.repeat(grey(pixels)[..., None] / 255.0, 3, axis=2))
    points(axes, row.fixations, FIXATIONS)
    count = len(row.fixations[0])
    name(axes, f"{count} fixation" + ("" if count == 1 else "s"))


def points(axes: Axes, fixations: Points, look: dict) -> None:
    """Fixations as dots."""
    axes.scatter(*fixations, zorder=3, **look)


def name(axes: Axes, text: str) -> None:
    """The text above a panel."""
    axes.set_title(text, fontsize=6.5, pad=2.5)


def fitting(title: str, length: int) -> str:
    """A title of at most so many characters; a mark at its end stays."""
    return short_names([title], length)[0]
