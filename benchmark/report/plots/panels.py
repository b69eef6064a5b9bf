"""Image by image: densities with equal-mass contours, and fixations sampled from them."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.patheffects as effects
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from benchmark.report.plots.image_grid import (
    FIXATIONS,
    Row,
    fitting,
    frame,
    name,
    new_grid,
    points,
    show,
    show_image,
)
from benchmark.report.plots.overlay import contour_levels, grey
from benchmark.report.plots.style import style
from benchmark.report.table import number

_SAMPLED = {"s": 5, "lw": 0.35, "edgecolor": "white", "facecolor": "#0072B2"}


def examples_figure(title: str, rows: Sequence[Row], labels: Sequence[str] = ()) -> Figure:
    """The paper's Fig. 5, 6, 8 and 9: two rows of panels for each image.

    Above, the image with its fixations, and each density with three contours that cut it into four
    regions of equal probability. Below, the fixations alone, and as many drawn from each density.

    Args:
        rows: at least one.
        labels: what must not be overlooked.

    Raises:
        ValueError: there is no row.
    """
    if not rows:
        raise ValueError(f"{title}: there is no image to show.")
    with style():
        grid = new_grid(title, labels, rows, 1 + len(rows[0].panels), lines=1, below=True)
        for row, above, below in zip(rows, grid.axes[::2], grid.axes[1::2]):
            show_image(above[0], row)
            _blank(below[0], row.pixels.shape)
            points(below[0], row.fixations, FIXATIONS)
            for panel, upper, lower in zip(row.panels, above[1:], below[1:]):
                _density(upper, row.pixels, panel.log_density)
                gain = f": {number(panel.gain, 2)} bit"
                name(upper, fitting(panel.title, grid.characters - len(gain)) + gain)
                _blank(lower, row.pixels.shape)
                points(lower, panel.sampled, _SAMPLED)
    return grid.figure


def _blank(axes: Axes, shape: Sequence[int]) -> None:
    axes.set_facecolor("#F4F4F4")
    frame(axes, shape)


def _density(axes: Axes, pixels: NDArray, log_density: NDArray) -> None:
    """The density's square root, dark where it is high, with contours of equal mass."""
    density = np.exp(log_density.astype(float))
    share = np.sqrt(density / density.max())[..., None]
    heat = np.array([1.0, 1.0, 1.0]) * (1 - share) + np.array([0.0, 0.28, 0.48]) * share
    faded = 0.25 * grey(pixels)[..., None] / 255.0 + 0.75
    show(axes, np.clip(heat * (1 - 0.35 * (1 - share)) + 0.35 * (1 - share) * faded, 0, 1))
    levels = contour_levels(density)
    if min(density.shape) > 1 and density.max() > density.min():
        lines = axes.contour(density, levels, colors="#D55E00", linewidths=0.8)
        lines.set_path_effects([effects.withStroke(linewidth=1.5, foreground="white")])
