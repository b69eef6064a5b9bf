"""The adapter of deepgaze_pytorch: what its networks are given, and what is said without them."""

from __future__ import annotations

import sys
import types

import numpy as np
import pytest
import torch

from models import deepgaze_pytorch
from models.base import UnavailableError
from models.deepgaze_pytorch import DeepGazeIIEPytorch, DeepGazeIPytorch
from tests.benchmark.tiny import Blob


class Network(torch.nn.Module):
    """Checks what it is given, as the package's own networks would need it."""

    channels = 0

    def __init__(self, pretrained=True):
        super().__init__()
        assert pretrained
        self.weight = torch.nn.Parameter(torch.tensor([0.5]))
        self.given = []

    def forward(self, image, centerbias):
        assert image.dtype == centerbias.dtype == torch.float32
        assert not self.training
        self.given.append((image, centerbias))
        found = image.mean(dim=1) / 255 * self.weight + centerbias
        found = found - found.logsumexp(dim=(1, 2), keepdim=True)
        return found[:, None] if self.channels else found

    def train(self, mode=True):  # returns nothing, as the package's do
        super().train(mode)


class Mixture(Network):
    channels = 1


@pytest.fixture
def package(monkeypatch):
    fake = types.ModuleType("deepgaze_pytorch")
    fake.DeepGazeI, fake.DeepGazeIIE = Network, Mixture
    monkeypatch.setitem(sys.modules, "deepgaze_pytorch", fake)
    for cached in (deepgaze_pytorch._network, deepgaze_pytorch._weights_hash):
        cached.cache_clear()
    yield fake
    for cached in (deepgaze_pytorch._network, deepgaze_pytorch._weights_hash):
        cached.cache_clear()


@pytest.mark.parametrize("kind", [DeepGazeIPytorch, DeepGazeIIEPytorch])
def test_the_network_gets_the_image_and_the_centre_bias(package, kind):
    centerbias = Blob()
    model = kind.fit(None, centerbias=centerbias)
    image = np.random.default_rng(0).integers(0, 256, (31, 44, 3), dtype=np.uint8)
    found = model.log_density(image)
    ((given, prior),) = deepgaze_pytorch._network(kind.network_class).given
    assert tuple(given.shape) == (1, 3, 31, 44)
    np.testing.assert_array_equal(given[0].permute(1, 2, 0).numpy(), image)
    assert tuple(prior.shape) == (1, 31, 44)
    expected_prior = centerbias.log_density(image)
    np.testing.assert_allclose(prior[0].numpy(), expected_prior, rtol=1e-6)
    expected = image.mean(axis=2) / 255 * 0.5 + expected_prior
    expected -= np.log(np.exp(expected).sum())
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert abs(np.exp(found).sum() - 1) < 1e-12
    grey = model.log_density(image[..., 0])
    assert grey.shape == (31, 44)


def test_other_weights_have_another_hash(package):
    first = DeepGazeIPytorch(Blob()).content_hash
    with torch.no_grad():
        deepgaze_pytorch._network("DeepGazeI").weight += 1
    deepgaze_pytorch._weights_hash.cache_clear()
    assert DeepGazeIPytorch(Blob()).content_hash != first


def test_what_is_not_on_this_machine_is_told(package, monkeypatch):
    def offline(pretrained):
        raise OSError("Network is unreachable")

    package.DeepGazeIIE = offline
    with pytest.raises(UnavailableError, match="weights of DeepGazeIIE are not on this machine"):
        DeepGazeIIEPytorch(Blob())
    del package.DeepGazeI
    with pytest.raises(UnavailableError, match="not on this machine, but another version"):
        DeepGazeIPytorch(Blob())
    monkeypatch.setitem(sys.modules, "deepgaze_pytorch", None)
    deepgaze_pytorch._network.cache_clear()
    with pytest.raises(UnavailableError, match=r"not on this machine .* `pip install git"):
        DeepGazeIPytorch(Blob())


def test_what_they_were_trained_on_is_stated():
    assert DeepGazeIIEPytorch.spec.trained_on == ("salicon", "mit1003")
    assert DeepGazeIPytorch.spec.trained_on == ("mit1003",)
    assert not DeepGazeIIEPytorch.spec.held_out
