"""What tests of DeepGaze share: one thread, and a centre bias that is fitted at once."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models.centerbias import CenterBias


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def quick_centerbias(monkeypatch):
    """Fits the centre bias to its data without a search; lists the data it was fitted on."""
    fitted = []

    def fit(kind, data):
        fitted.append(data)
        sizes = data.sizes[data.fixations.n]
        spread = np.std(data.fixations.x / sizes[:, 1]) + np.std(data.fixations.y / sizes[:, 0])
        return kind(data, 0.1 + 0.2 * spread, 0.1)

    monkeypatch.setattr(CenterBias, "fit", classmethod(fit))
    return fitted
