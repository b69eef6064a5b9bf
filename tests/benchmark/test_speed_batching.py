"""Computing together: values are compared to the last bit, and the table says what follows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from benchmark import speed_batching
from benchmark.speed_batching import WORK, Comparison, batched, compared, whole_gain, write


def test_batches_are_compared_with_single_images(monkeypatch):
    monkeypatch.setitem(speed_batching.SIZES, "tiny", (64, 128))
    rows = batched("tiny", seconds=0.0, batches=(2,))
    assert [(row.task, row.way) for row in rows] == [
        (f"VGG-19 at scale {scale}", f"batch, channels {end}")
        for end in ("last", "first")
        for scale in (0.5, 0.25)
    ]
    assert all(row.lowest <= row.ratio <= row.highest for row in rows)
    assert all(row.rounds == speed_batching.ROUNDS for row in rows)


def test_a_difference_in_the_last_bit_is_told():
    one, next_to_one = [np.ones(3)], [np.nextafter(np.ones(3), 2)]
    ways = [("equal", 1), ("other", 1)]
    rows = compared("t", "i", ways, [lambda: one, lambda: one, lambda: next_to_one], 0.0)
    assert [row.same for row in rows] == [True, False]


def test_workers_keep_their_number_of_threads():
    import torch

    before = torch.get_num_threads()
    one, two = speed_batching._pool(1, 1), speed_batching._pool(1, 2)
    assert one.submit(torch.get_num_threads).result() == 1
    assert two.submit(torch.get_num_threads).result() == 2
    torch.set_num_threads(before)
    one.shutdown()
    two.shutdown()


def test_the_gain_of_a_prediction(tmp_path):
    def row(task, same):
        return Comparison(task, "256x192", "w", 8, WORK, 0.1, 0.05, 2.0, 1.9, 2.1, 3, same)

    rows = [row("one", True), row("two", False)]
    assert whole_gain(rows, 0.4, "256x192", 8, same=True) == pytest.approx(0.4 / 0.3)
    assert whole_gain(rows, 0.4, "256x192", 8, same=False) == pytest.approx(2.0)
    write(rows, {"256x192": 0.4}, {"256x192": 1.07}, tmp_path, "the command", left=2)
    text = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "the command" in text
    assert "1.07 at 256x192" in text
    assert "2 parts of it are missing" in text
    assert "| 256x192 | 400 | 8 | 1.33 | 2.00 |" in text
    assert list(pd.read_csv(tmp_path / "speed.csv")["same"]) == [True, False]
