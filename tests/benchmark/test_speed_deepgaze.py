"""Both orders of the readout are the same function, and the measurements are written."""

from __future__ import annotations

import math
import sys

import pandas as pd
import pytest
import torch
from click import ClickException

from benchmark.speed_deepgaze import SETUPS, TOLERANCE, _agree, _Case, peak, write

SHAPE = (64, 128)
PEAKS = {"density": 2.0, "upsampled_density": 6.0}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    out = tmp_path_factory.mktemp("speed")
    write(out, SHAPE, rounds=1, measure=lambda setup, shape: PEAKS, counts=[1])
    return out


@pytest.mark.parametrize("setup", SETUPS)
def test_both_orders_agree(setup):
    with torch.inference_mode():
        case = _Case(setup, SHAPE)
        ours, other = case.density(), case.upsampled_density()
        torch.testing.assert_close(case.priority(), case.upsampled_priority(), atol=1e-4, rtol=0)
    assert ours.shape == SHAPE
    assert ours.max() - ours.min() > 1  # otherwise agreement would mean little
    assert float(ours.double().exp().sum()) == pytest.approx(1)
    assert float((ours - other).abs().max()) < TOLERANCE


def test_another_function_is_noticed():
    one = torch.zeros(3)
    with pytest.raises(ClickException, match="readout: the two orders differ"):
        _agree("readout", one, one + 0.001)
    with pytest.raises(ClickException, match="nan"):
        _agree("readout", one, one * torch.nan)


def test_table_holds_every_task(written):
    frame = pd.read_csv(written / "speed.csv")
    assert (frame.threads == 1).all()
    assert (frame.seconds > 0).all()
    assert (frame.ratio * frame.seconds - frame.other_seconds).abs().max() < 1e-7
    frame = frame.set_index(["task", "setup", "against"])
    for setup in SETUPS:
        for task in ("readout", "prediction"):
            assert frame.largest_difference[task, setup, "upsample first"] < TOLERANCE
        assert frame.peak_ratio["readout", setup, "upsample first"] == 3
        assert frame.seconds["priority", setup, "upsample first"] > 0
        assert frame.largest_difference["prediction", setup, "bfloat16"] > 0


def test_shapes_of_convolutions_add_up_to_the_network(written):
    frame = pd.read_csv(written / "speed.csv")
    shapes = frame[frame.task == "convolution"]
    counts = shapes.setup.str.split(" x ").str[0].astype(int)
    assert counts.sum() == 16
    backbone = frame[frame.task == "backbone"]
    gmacs = (backbone.gmac_per_second * backbone.seconds).iloc[0]
    assert (shapes.gmac_per_second * shapes.seconds * counts).sum() == pytest.approx(gmacs)


def test_readme_names_sides_and_threads(written):
    readme = (written / "README.md").read_text()
    for text in ("upsample first", "bfloat16", "its convolutions alone", "threads", "128x64"):
        assert text in readme


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_peak_notices_memory(monkeypatch):
    monkeypatch.setattr(_Case, "density", lambda case: torch.ones(2**24))
    found = peak("default", SHAPE, "density")
    assert math.isnan(found) or found == pytest.approx(64, abs=16)
