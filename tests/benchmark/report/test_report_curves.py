"""Learning curves: every readout a line, stages one after the other."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from PIL import Image

from benchmark.report.curves import draw_curves


def table(stages=(("training", 3),), readouts=((0, 0), (1, 0))) -> pd.DataFrame:
    """The gain in each epoch of each readout is a number of its own."""
    rows = [
        {
            "fold": fold,
            "seed": seed,
            "stage": stage,
            "epoch": epoch,
            "training": fold + 10 * seed + 0.1 * epoch + number,
            "stopping": -(fold + 10 * seed + 0.1 * epoch + number),
        }
        for fold, seed in readouts
        for number, (stage, epochs) in enumerate(stages)
        for epoch in range(epochs)
    ]
    return pd.DataFrame(rows)


@pytest.fixture
def lines(monkeypatch):
    """What is plotted: for each panel, its lines."""
    found: dict[int, list] = {}
    original = Axes.plot

    def plot(axes, x, y, **options):
        found.setdefault(id(axes), []).append((list(x), [float(v) for v in y]))
        return original(axes, x, y, **options)

    monkeypatch.setattr(Axes, "plot", plot)
    return found


def test_every_readout_is_a_line(tmp_path, lines):
    readouts = ((0, 0), (1, 0), (0, 1))
    files = draw_curves(table(readouts=readouts), tmp_path / "folder")
    assert files == [tmp_path / "folder" / f"curves.{end}" for end in ("pdf", "png")]
    assert files[0].read_bytes().startswith(b"%PDF")
    with Image.open(files[1]) as image:
        assert np.asarray(image.convert("L")).std() > 5
    training, stopping = lines.values()
    assert len(training) == len(stopping) == 3
    for fold, seed in readouts:
        gains = [fold + 10 * seed + 0.1 * epoch for epoch in range(3)]
        assert ([1, 2, 3], gains) in training
        assert ([1, 2, 3], [-gain for gain in gains]) in stopping


def test_training_comes_after_pretraining(tmp_path, lines):
    """Where one readout stopped early, the next stage of all still starts at one place."""
    both = table((("pretraining", 4), ("training", 2)))
    early = both[~((both["fold"] == 1) & (both["stage"] == "pretraining") & (both["epoch"] > 1))]
    draw_curves(early, tmp_path)
    for panel in lines.values():
        assert [x for x, _ in panel] == [[1, 2, 3, 4, 5, 6], [1, 2, 5, 6]]


def test_a_single_epoch(tmp_path, lines):
    draw_curves(table((("training", 1),), readouts=((2, 0),)), tmp_path)
    assert [x for panel in lines.values() for x, _ in panel] == [[1], [1]]


def test_equal_curves_give_equal_bytes(tmp_path):
    one, same = (draw_curves(table(), tmp_path / name) for name in "ab")
    other = draw_curves(table((("training", 4),)), tmp_path / "c")
    for n in range(2):
        assert one[n].read_bytes() == same[n].read_bytes()
        assert one[n].read_bytes() != other[n].read_bytes()
