"""The adapter of deepgaze_pytorch: what its networks are given, and what is said without them."""

from __future__ import annotations

import sys
import types
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from models import deepgaze_pytorch
from models.base import UnavailableError, centerbias_exponent
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


@pytest.mark.parametrize("known", [None, 35.0])
@pytest.mark.parametrize("kind", [DeepGazeIPytorch, DeepGazeIIEPytorch])
def test_the_network_gets_the_image_and_the_centre_bias(package, kind, known):
    centerbias = Blob()
    model = kind.fit(SimpleNamespace(pixels_per_degree=known), centerbias=centerbias)
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


def test_the_network_sees_the_pixels_per_degree_that_it_was_trained_at(package):
    centerbias = Blob()
    data = SimpleNamespace(pixels_per_degree=17.5)
    model = DeepGazeIPytorch.fit(data, centerbias=centerbias)
    assert model.parameters == {"zoom": 2.0}
    ramp = np.linspace(0, 255, 44)[None, :, None]
    image = np.broadcast_to(ramp, (31, 44, 3)).astype(np.uint8)
    found = model.log_density(image)
    ((given, prior),) = deepgaze_pytorch._network("DeepGazeI").given
    assert tuple(given.shape) == (1, 3, 62, 88)
    # halfway between two pixels, a quarter of the way from the nearer one
    between = 0.75 * image[0, 9, 0] + 0.25 * image[0, 10, 0]
    assert given[0, 0, 20, 19].item() == pytest.approx(between, abs=1e-3)
    assert prior.exp().sum().item() == pytest.approx(1, abs=1e-5)
    large = centerbias.log_density(np.zeros((62, 88, 3), np.uint8))
    np.testing.assert_allclose(prior[0].numpy()[2:-2, 2:-2], large[2:-2, 2:-2], atol=0.03)
    expected = image.mean(axis=2) / 255 * 0.5 + centerbias.log_density(image)
    expected -= np.log(np.exp(expected).sum())
    assert found.shape == (31, 44)
    assert abs(np.exp(found).sum() - 1) < 1e-12
    inside = (slice(1, -1), slice(1, -1))  # at the border, interpolation repeats the outer pixels
    np.testing.assert_allclose(found[inside], expected[inside], atol=0.03)


def test_the_centre_bias_enters_once(package):
    centerbias = Blob()
    model = DeepGazeIPytorch(centerbias)
    assert centerbias_exponent(model, centerbias, None) == 1
    assert centerbias_exponent(model, Blob(), None) == 0


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
