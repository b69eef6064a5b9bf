"""Figures of images: on one page, labelled, and readable where a gain is infinite."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmark.pixel_gain import gain_map
from benchmark.report.plots.image_grid import MAX_HEIGHT, GainPanel, Panel, Row
from benchmark.report.plots.panels import examples_figure
from benchmark.report.plots.pixel_gains import gains_figure

X, Y = np.array([5, 20, 33]), np.array([4, 15, 22])


def gained(*bits):
    values = np.array(bits)
    excluded, rescued = values == -np.inf, values == np.inf
    return GainPanel(
        "A", "centre bias", float(values.mean()), gain_map(X, Y, values, (30, 40), 3.0),
        (X[excluded], Y[excluded]), (X[rescued], Y[rescued]),
    )  # fmt: skip


@pytest.fixture
def row():
    panel = Panel("A", -0.234, np.full((30, 40), -np.log(1200)), (X, Y))
    pixels = np.full((30, 40, 3), 128, dtype=np.uint8)
    return Row("1.png", pixels, (X, Y), [panel], [gained(0.5, -0.25, 1.0)])


def titles(figure):
    return [axes.get_title() for axes in figure.axes if axes.get_title()]


def words(figure):
    return " ".join(text.get_text() for text in figure.texts)


@pytest.mark.parametrize("draw", [examples_figure, gains_figure])
def test_labels_are_shown_and_the_figure_fits_on_a_page(draw, row):
    figure = draw("Title", [row] * 5, ["simulated observers", "‡ changed"])
    assert "simulated observers · ‡ changed" in words(figure)
    assert figure.get_size_inches()[1] <= MAX_HEIGHT + 1e-6
    with pytest.raises(ValueError, match="no image to show"):
        draw("Title", [])


def test_gains_have_a_true_minus_sign(row):
    assert titles(examples_figure("Title", [row]))[1:] == ["A: −0.23 bit"]
    infinite = replace(row.panels[0], gain=-np.inf)
    figure = examples_figure("Title", [replace(row, panels=[infinite])])
    assert titles(figure)[1:] == ["A: −∞ bit"]


def test_gains_say_over_what_and_on_which_scale(row):
    figure = gains_figure("Title", [row])
    assert titles(figure)[1] == "A\nover centre bias\n+0.42 bit"
    bar = figure.axes[-1]
    assert bar.get_title(loc="left") == "10⁻³ bit\nper pixel"
    largest = np.abs(row.gains[0].gains).max() * 1e3
    assert bar.get_yticklabels()[-1].get_text() == f"{largest:.2f}"
    assert [text.get_text() for text in figure.legends[0].texts] == ["gain", "loss"]
    assert "Each row has its own scale" in words(figure)


def test_infinite_gains_are_marked_and_leave_the_others_their_colours(row):
    panels = [*row.gains, gained(-np.inf, 0.5, 0.5), gained(np.inf, 0.5, 0.5)]
    figure = gains_figure("Title", [replace(row, gains=panels)])
    assert titles(figure)[2].endswith("\n−∞ bit")
    assert titles(figure)[3].endswith("\n+∞ bit")
    finite = gains_figure("Title", [row])
    drawn, alone = (each.axes[1].images[0].get_array() for each in (figure, finite))
    np.testing.assert_array_equal(drawn, alone)
    marks = [points.get_offsets() for points in figure.axes[2].collections]
    assert any(np.array_equal(offsets, [[5, 4]]) for offsets in marks)
    texts = [text.get_text() for text in figure.legends[0].texts]
    assert any(text.startswith("loses infinitely") for text in texts)
