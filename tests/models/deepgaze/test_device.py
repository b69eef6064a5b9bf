"""Training on a device gives what training on the processor gives, and mixes no devices."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.utils import backend_registration

from models.deepgaze.corpus import Examples
from models.deepgaze.device import PROCESSOR, placed, placed_backbones, placed_examples
from models.deepgaze.features import loaded
from models.deepgaze.readout import Readout
from tests.models.deepgaze.bright import FEATURES, corpus, no_cache, random_readout

REPOSITORY = Path(__file__).resolve().parents[3]


def test_the_processor_changes_nothing(quick_centerbias):
    readout = random_readout(0)
    assert placed(readout, PROCESSOR) is readout
    bright = corpus(3)
    every = range(3)
    examples = Examples(bright, every, bright.centerbias(every), (FEATURES,), no_cache(), 8.0)
    made = examples.make(every)
    assert all(a is b for a, b in zip(placed_examples(made, PROCESSOR), made))
    network = loaded(FEATURES.backbone)
    with placed_backbones([FEATURES.backbone], "float32", PROCESSOR):
        assert "forward" not in vars(network)


def test_a_readout_that_returns_is_as_it_was():
    readout = random_readout(0)
    there = placed(readout, torch.device("meta"))
    assert {value.device.type for value in there.state_dict().values()} == {"meta"}
    assert type(there) is not Readout
    assert [p.requires_grad for p in Readout(readout.channels, readout.config).parameters()] == [
        p.requires_grad for p in there.parameters()
    ]


@pytest.mark.skipif(
    not hasattr(backend_registration, "_setup_privateuseone_for_python_backend"),
    reason="this PyTorch lets nobody make up devices",
)
def test_a_fold_is_trained_alike_on_another_device(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "tests.models.deepgaze.pretended_device", str(tmp_path)],
        capture_output=True, text=True, cwd=REPOSITORY, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout == "the same on both\n"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_features_of_a_gpu_are_nearly_those_of_the_processor():
    network, image = loaded(FEATURES.backbone), torch.rand(3, 48, 64) * 255
    expected = network(image, FEATURES.layers)
    with placed_backbones([FEATURES.backbone], "float32", torch.device("cuda", 0)):
        found = network(image, FEATURES.layers)
    for layer, values in expected.items():
        assert found[layer].device == PROCESSOR
        torch.testing.assert_close(found[layer], values, rtol=1e-4, atol=1e-4)
