"""Image by image: where a density gains or loses, in pixel space, with a key and a scale a row."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from benchmark.report.plots.image_grid import (
    Points,
    Row,
    fitting,
    inches,
    name,
    new_grid,
    show,
    show_image,
)
from benchmark.report.plots.overlay import grey
from benchmark.report.plots.style import PAGE_WIDTH, style
from benchmark.report.table import number

#: Contours lie at these shares of a row's scale.
LEVELS = (1 / 16, 1 / 4)
_WIDTHS = (0.45, 0.8)
_ORANGE, _PURPLE = np.array([0.84, 0.37, 0.0]), np.array([0.37, 0.24, 0.6])
# inches: for the colour bar of a row, its own width, below all panels for the key
_RIGHT, _BAR, _KEY = 0.55, 0.09, 0.5
_TICK = 0.08  # inches between ticks
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_TEXT = (
    "Numbers: gain over what is named, in bits per fixation, here spread over where the fixations "
    "lie.\nEach row has its own scale; colour follows the square root; contours lie at 1/16 and "
    "1/4 of the scale."
)


def gains_figure(title: str, rows: Sequence[Row], labels: Sequence[str] = ()) -> Figure:
    """Information gain in pixel space: a row an image, a column a comparison.

    Orange and solid contours are gains, purple and dashed ones losses; the sum of a panel
    is the number above it. All panels of an image have the same scale, that of finite gains;
    fixations with infinite ones have a mark.

    Args:
        rows: at least one.
        labels: what must not be overlooked.

    Raises:
        ValueError: there is no row.
    """
    if not rows:
        raise ValueError(f"{title}: there is no image to show.")
    n_columns = 1 + len(rows[0].gains)
    with style():
        grid = new_grid(title, labels, rows, n_columns, lines=3, right=_RIGHT, key=_KEY)
        for row, axes in zip(rows, grid.axes):
            show_image(axes[0], row)
            limit = max(float(np.abs(panel.gains).max()) for panel in row.gains) or 1.0
            for panel, one in zip(row.gains, axes[1:]):
                _gain(one, row.pixels, panel.gains, limit)
                _mark(one, panel.excluded, "X")
                _mark(one, panel.rescued, "P")
                length = grid.characters
                over = "over " + fitting(panel.over, length - len("over "))
                name(one, f"{fitting(panel.title, length)}\n{over}\n{_signed(panel.total)} bit")
            _scale(grid.figure, axes[-1], limit)
        _key(grid.figure, rows)
    return grid.figure


def _signed(value: float) -> str:
    text = number(value, 2)
    return f"+{text}" if value > 0 else text


def _blended(signed: NDArray, background: NDArray) -> NDArray:
    """Colours of gains, as signed square roots of their share of the scale, over a grey."""
    share = np.abs(signed)[..., None]
    colour = np.where(signed[..., None] >= 0, _ORANGE, _PURPLE)
    return np.clip(background[..., None] * (1 - share) + colour * share, 0, 1)


def _gain(axes: Axes, pixels: NDArray, values: NDArray, limit: float) -> None:
    signed = np.sign(values) * np.sqrt(np.abs(values) / limit)
    show(axes, _blended(signed, 0.5 * grey(pixels) / 255.0 + 0.5))
    if min(values.shape) > 1:
        _contours(axes, values / limit)


def _contours(axes: Axes, shares: NDArray) -> None:
    """Solid around gains, dashed around losses, which differ in grey print, too."""
    for sign, dashes in ((1, "solid"), (-1, (0, (3, 2)))):
        for level, width in zip(LEVELS, _WIDTHS):
            if (sign * shares).max() > level > (sign * shares).min():
                axes.contour(
                    sign * shares, [level], colors="black", linewidths=width, linestyles=[dashes]
                )


def _mark(axes: Axes, fixations: Points, marker: str) -> None:
    axes.scatter(
        *fixations, s=16, marker=marker, color="black", edgecolor="white", lw=0.5, zorder=4
    )


def _scale(figure: Figure, beside: Axes, limit: float) -> None:
    """The colour bar of a row: even steps of the square root, ticks at the contours' levels."""
    box = beside.get_position()
    width, height = figure.get_size_inches()
    left, bottom = box.x1 * width + 0.06, box.y0 * height
    axes = figure.add_axes(inches(figure, (left, bottom, _BAR, box.height * height)))
    steps = np.linspace(1, -1, 257)
    axes.imshow(
        _blended(steps[:, None], np.full((257, 1), 0.85)), aspect="auto", extent=(0, 1, -1, 1)
    )
    exponent = math.floor(math.log10(limit))
    places = _places(box.height * height)
    shares = [math.copysign(place**2, place) for place in places]
    texts = [number(share * limit / 10.0**exponent, 2 if share else 0) for share in shares]
    axes.set(xticks=[], ylim=(-1, 1))
    axes.set_yticks(places, texts, fontsize=5.5)
    axes.yaxis.tick_right()
    power = str(exponent).translate(_SUPERSCRIPT)
    axes.set_title(f"10{power} bit\nper pixel", fontsize=5.5, loc="left", pad=5.5)
    for spine in axes.spines.values():
        spine.set(visible=True, linewidth=0.4)
    for level, line in zip(LEVELS, _WIDTHS):
        axes.axhline(math.sqrt(level), color="black", lw=line)
        axes.axhline(-math.sqrt(level), color="black", lw=line, ls=(0, (2, 1)))


def _places(height: float) -> list[float]:
    """Ticks of a colour bar of so many inches: square roots of levels, as many as have room."""
    levels = next(
        levels
        for levels in ((*LEVELS, 1.0), (*LEVELS[1:], 1.0), (1.0,))
        if math.sqrt(levels[0]) * height / 2 >= _TICK or levels == (1.0,)
    )
    return [*(-math.sqrt(level) for level in levels[::-1]), 0.0, *map(math.sqrt, levels)]


def _key(figure: Figure, rows: Sequence[Row]) -> None:
    height = figure.get_size_inches()[1]
    handles: list[Patch | Line2D] = [
        Patch(facecolor=tuple(0.5 * _ORANGE + 0.5), edgecolor="black", lw=0.8, label="gain"),
        Patch(
            facecolor=tuple(0.5 * _PURPLE + 0.5),
            edgecolor="black",
            lw=0.8,
            ls=(0, (2, 1)),
            label="loss",
        ),
    ]
    panels = [panel for row in rows for panel in row.gains]
    for marker, text, present in (
        ("X", "loses infinitely, not in the colours", any(len(p.excluded[0]) for p in panels)),
        ("P", "gains infinitely, not in the colours", any(len(p.rescued[0]) for p in panels)),
    ):
        if present:
            look = {"marker": marker, "color": "black", "markeredgecolor": "white", "ms": 5}
            handles.append(Line2D([], [], ls="", label=text, **look))  # type: ignore[arg-type]
    figure.legend(
        handles=handles, loc="lower left", bbox_to_anchor=(0.0, 0.28 / height), ncols=len(handles),
        borderaxespad=0.2, fontsize=6.5,
    )  # fmt: skip
    figure.text(0.06 / PAGE_WIDTH, 0.05 / height, _TEXT, fontsize=6, va="bottom", linespacing=1.3)
