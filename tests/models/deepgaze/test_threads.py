"""Predictions have the same bytes whatever the number of PyTorch's threads is."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models.deepgaze.deepgaze2 import DeepGaze2
from models.deepgaze.icf import ICF
from models.deepgaze.mixture import DeepGazeMixture
from models.deepgaze.threads import one_thread

#: Sizes at which products and sums cut up by threads differed.
SIZES = ((333, 500), (206, 275))


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.mark.parametrize("kind", [DeepGaze2, ICF, DeepGazeMixture])
def test_any_number_of_threads_predicts_the_same(kind, threads, monkeypatch):
    monkeypatch.delenv("BENCHMARK_FEATURES", raising=False)
    rng = np.random.default_rng(0)
    for size in SIZES:
        rgb = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
        found = []
        for count in (1, 2, 3):
            threads(count)
            model = kind()
            for part in getattr(model, "parts", [model]):
                part.weights.kept.clear()
            found.append(model.log_density(rgb))
        assert np.array_equal(found[0], found[1])
        assert np.array_equal(found[0], found[2])


def test_afterwards_there_are_as_many_threads_as_before(threads):
    threads(2)
    with one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 2
