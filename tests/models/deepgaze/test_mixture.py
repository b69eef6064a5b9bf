"""A mixture is the mean of its parts' densities, and each part picks its own readouts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.centerbias import CenterBias
from models.deepgaze import model as model_module
from models.deepgaze.mixture import DeepGazeMixture, Mixture
from models.deepgaze.model import DeepGaze
from tests.models.deepgaze.bright import looked_at, picture, pictures, tiny_weights

KNOWN = {"bright": pictures(3)}
NEW = picture(4321, 57, 83)


@pytest.fixture(autouse=True)
def plain_surroundings(monkeypatch):
    for variable in (model_module.VARIABLE, model_module.PRECISION):
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture(scope="module")
def parts():
    both = tiny_weights(KNOWN, seeds=2)
    return [replace(both, members=[m for m in both.members if m.seed == seed]) for seed in (0, 1)]


@pytest.mark.parametrize("rgb", [NEW, KNOWN["bright"][1]], ids=["new", "known"])
@pytest.mark.parametrize("method", ["log_density", "log_density_without_prior"])
def test_it_is_the_mean_of_its_parts(parts, rgb, method):
    densities = [np.exp(getattr(DeepGaze(part), method)(rgb)) for part in parts]
    found = np.exp(getattr(Mixture(parts), method)(rgb))
    np.testing.assert_allclose(found, np.mean(densities, axis=0), rtol=1e-9)
    np.testing.assert_allclose(found.sum(), 1, atol=1e-12)
    assert np.abs(densities[0] - densities[1]).max() > 0.1 * found.max()


def test_a_training_image_is_predicted_by_readouts_that_never_saw_it(parts):
    rgb = KNOWN["bright"][2]
    unseen = [replace(part, members=part.members_for(2)) for part in parts]
    np.testing.assert_array_equal(Mixture(parts).log_density(rgb), Mixture(unseen).log_density(rgb))
    others = [replace(p, members=[m for m in p.members if m.fold != 2]) for p in parts]
    with pytest.raises(ValueError, match="fold 2"):
        Mixture(others).log_density(rgb)


def test_fitted_it_takes_the_data_sets_centre_bias_and_resolution(parts, monkeypatch):
    monkeypatch.setattr(DeepGazeMixture, "files", tuple(parts))
    data = replace(looked_at(pictures(4, seed=9)), pixels_per_degree=20.0)
    centerbias = CenterBias(data, bandwidth=0.1, uniform_weight=0.1)
    found = DeepGazeMixture.fit(data, centerbias)
    assert [part.centerbias for part in found.parts] == [centerbias] * 2
    assert [part.pixels_per_degree for part in found.parts] == [20.0] * 2
    without = DeepGazeMixture()
    assert np.abs(found.log_density(NEW) - without.log_density(NEW)).max() > 0.01


def test_the_hash_tells_parts_and_their_order_apart(parts):
    marked = [replace(part, content_hash=name) for part, name in zip(parts, "ab")]
    hashes = {Mixture(some).content_hash for some in (marked, marked[::-1], marked[:1])}
    assert len(hashes) == 3


def test_without_parts_it_is_refused():
    with pytest.raises(ValueError, match="at least one part"):
        Mixture([])
