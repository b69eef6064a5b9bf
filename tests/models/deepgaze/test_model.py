"""The model: which readouts and which prior it takes, and that it predicts a density."""

from __future__ import annotations

import io
import pickle
from dataclasses import replace

import numpy as np
import pysaliency
import pytest
import torch
from PIL import Image

from models.base import UnavailableError
from models.centerbias import CenterBias
from models.deepgaze import model as model_module
from models.deepgaze.backbones import WeightsError
from models.deepgaze.deepgaze2 import DeepGaze2
from models.deepgaze.features import extract, loaded
from models.deepgaze.images import as_rgb
from models.deepgaze.model import DeepGaze
from models.deepgaze.prior import log_prior
from models.deepgaze.readout import Lattice
from tests.models.deepgaze.bright import (
    FEATURES,
    RECIPE,
    looked_at,
    picture,
    pictures,
    tiny_weights,
    trained_on,
)

KNOWN = {"bright": pictures(3), "other": pictures(4, seed=5)}
NEW = picture(4321, 57, 83)


@pytest.fixture(autouse=True)
def plain_surroundings(monkeypatch):
    for variable in (model_module.VARIABLE, model_module.PRECISION):
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture(scope="module")
def weights():
    return tiny_weights(KNOWN, seeds=2)


@pytest.fixture(scope="module")
def centerbias():
    return CenterBias(looked_at(pictures(4, seed=9)), bandwidth=0.1, uniform_weight=0.1)


def explicit(weights, rgb, members, prior_of=None, views=(False,), zoom=1.0) -> np.ndarray:
    """Mean of the densities of some readouts, one after the other."""
    lattice = Lattice.of_pixels(*rgb.shape[:2], zoom)
    densities = []
    for member in members:
        for mirrored in views:
            maps = [
                replace(m, values=m.values.half())
                for m in extract(rgb, FEATURES, mirrored).values()
            ]
            prior = None if prior_of is None else torch.from_numpy(prior_of(member, lattice))
            densities.append(np.exp(member.readout(maps, lattice, prior).double().numpy()))
    assert densities
    return np.log(np.mean(densities, axis=0))


def trained_prior(name):
    return lambda member, lattice: log_prior(member.priors[name].numpy(), lattice)


def assert_density(log_density, shape):
    assert log_density.dtype == np.float64
    assert log_density.shape == shape
    assert np.isfinite(log_density).all()
    np.testing.assert_allclose(np.exp(log_density).sum(), 1.0, atol=1e-9)


def close(found, expected):
    np.testing.assert_allclose(found, expected, atol=1e-4, rtol=0)


# Readouts


def test_on_a_new_image_all_readouts_are_mixed(weights):
    found = DeepGaze(weights).log_density(NEW)
    assert_density(found, (57, 83))
    close(found, explicit(weights, NEW, weights.members, trained_prior("bright")))
    assert np.ptp(found) > 1
    some = explicit(weights, NEW, weights.members[:4], trained_prior("bright"))
    assert np.abs(found - some).max() > 0.01


@pytest.mark.parametrize(("name", "number"), [("bright", 0), ("bright", 2), ("other", 3)])
def test_on_a_training_image_only_those_that_never_saw_it(weights, name, number):
    rgb = KNOWN[name][number]
    chosen = [m for m in weights.members if m.fold == number % 3]
    assert len(chosen) == 2
    found = DeepGaze(weights).log_density(rgb)
    assert_density(found, rgb.shape[:2])
    close(found, explicit(weights, rgb, chosen, trained_prior(name)))
    everybody = explicit(weights, rgb, weights.members, trained_prior(name))
    assert np.abs(found - everybody).max() > 0.01


def test_a_copy_of_a_training_image_is_treated_as_one(weights):
    large = [np.asarray(Image.fromarray(rgb).resize((320, 240))) for rgb in KNOWN["bright"]]
    known = tiny_weights({"bright": large})
    stream = io.BytesIO()
    Image.fromarray(large[1]).resize((160, 120)).save(stream, "jpeg", quality=90)
    copy = np.asarray(Image.open(stream))
    assert known.known_as(copy) == ("bright", 1)
    expected = explicit(known, copy, known.members_for(1), trained_prior("bright"))
    close(DeepGaze(known).log_density(copy), expected)


def test_a_training_image_that_every_readout_saw(weights):
    lacking = tiny_weights(KNOWN, folds=(0, 2))
    model = DeepGaze(lacking)
    assert_density(model.log_density(KNOWN["bright"][0]), (48, 64))
    with pytest.raises(WeightsError, match=r"in fold 1 of .* readouts of the folds \[0, 2\] only"):
        model.log_density(KNOWN["bright"][1])


@pytest.mark.parametrize("number", [None, 1])
def test_both_views_are_averaged(number):
    both = tiny_weights(KNOWN, recipe=replace(RECIPE, both_views=True))
    rgb = NEW if number is None else KNOWN["bright"][number]
    members = both.members_for(number)
    expected = explicit(both, rgb, members, trained_prior("bright"), (False, True))
    found = DeepGaze(both).log_density(rgb)
    close(found, expected)
    assert np.abs(found - explicit(both, rgb, members, trained_prior("bright"))).max() > 1e-3


def test_an_image_may_be_a_stimulus_grey_or_transparent(weights):
    model = DeepGaze(weights)
    expected = model.log_density(NEW)
    (stimulus,) = pysaliency.Stimuli([NEW])
    np.testing.assert_array_equal(model.log_density(stimulus), expected)
    rgba = np.dstack([NEW, np.full(NEW.shape[:2], 255, np.uint8)])
    np.testing.assert_array_equal(model.log_density(rgba), expected)
    grey = NEW[:, :, 0]
    found = model.log_density(grey)
    assert_density(found, (57, 83))
    np.testing.assert_array_equal(found, model.log_density(as_rgb(grey)))
    assert not np.array_equal(found, expected)


@pytest.mark.parametrize("shape", [(33, 47), (61, 130), (97, 41), (16, 16), (5, 7), (1, 1)])
def test_every_size_gets_a_density_of_its_own_size(weights, shape):
    model = DeepGaze(weights)
    rgb = picture(77, *shape) if min(shape) > 8 else np.zeros((*shape, 3), np.uint8)
    assert_density(model.log_density(rgb), shape)
    assert_density(model.log_density_without_prior(rgb), shape)


def test_the_least_likely_pixels_stay_possible():
    """Densities below what single precision holds are no zeros."""
    steep = tiny_weights(KNOWN, folds=(0,))
    steep.members[0].readout.convolutions[-1].weight *= 20
    found = DeepGaze(steep).log_density(NEW)
    assert_density(found, (57, 83))
    assert found.min() < -120
    expected = explicit(steep, NEW, steep.members, trained_prior("bright"))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-2)


def test_what_is_no_image_is_an_error(weights):
    with pytest.raises(ValueError, match="an image has shape"):
        DeepGaze(weights).log_density(np.zeros((4, 5, 6), np.uint8))


# Priors


def test_without_centre_bias(weights, centerbias):
    expected = explicit(weights, NEW, weights.members)
    for model in (DeepGaze(weights), DeepGaze(weights, centerbias)):
        found = model.log_density_without_prior(NEW)
        assert_density(found, (57, 83))
        close(found, expected)
        assert np.abs(found - model.log_density(NEW)).max() > 0.1
    rgb = KNOWN["other"][2]
    found = DeepGaze(weights, centerbias).log_density_without_prior(rgb)
    close(found, explicit(weights, rgb, weights.members_for(2)))


def test_a_fitted_model_takes_the_data_sets_centre_bias_on_new_images(weights, centerbias):
    def own(image):
        return lambda member, lattice: centerbias.log_density(image).astype(np.float32)

    model = DeepGaze(weights, centerbias)
    found = model.log_density(NEW)
    assert_density(found, (57, 83))
    close(found, explicit(weights, NEW, weights.members, own(NEW)))
    assert np.abs(found - DeepGaze(weights).log_density(NEW)).max() > 0.1
    # An image of the data set: its own fixations are left out.
    stimulus = centerbias.data.stimuli[2]
    pixels = as_rgb(stimulus)
    expected = centerbias.log_density_without(pixels.shape[:2], 2)
    assert np.abs(expected - centerbias.log_density_without(pixels.shape[:2])).max() > 0.05
    close(
        model.log_density(stimulus),
        explicit(
            weights, pixels, weights.members, lambda member, lattice: expected.astype(np.float32)
        ),
    )


@pytest.mark.parametrize(("name", "number"), [("bright", 1), ("other", 0)])
def test_a_fitted_model_keeps_the_trained_prior_on_training_images(
    weights, centerbias, name, number
):
    rgb = KNOWN[name][number]
    found = DeepGaze(weights, centerbias).log_density(rgb)
    close(found, explicit(weights, rgb, weights.members_for(number % 3), trained_prior(name)))
    np.testing.assert_array_equal(found, DeepGaze(weights).log_density(rgb))


def test_a_prior_for_every_image_replaces_the_trained_one_on_training_images(weights, centerbias):
    rgb = KNOWN["bright"][1]
    model = DeepGaze(weights, centerbias)
    model.prior_on_every_image = True
    prior = centerbias.log_density(rgb)
    expected = explicit(weights, rgb, weights.members_for(1), lambda *_: prior)
    close(model.log_density(rgb), expected)
    assert np.abs(model.log_density(rgb) - DeepGaze(weights).log_density(rgb)).max() > 0.01


def test_fit_takes_what_ships(weights, centerbias, tmp_path, monkeypatch):
    monkeypatch.setattr(DeepGaze2, "file", tmp_path / "shipped.safetensors")
    weights.save(DeepGaze2.file)
    data = replace(centerbias.data, pixels_per_degree=20.0)
    model = DeepGaze2.fit(data, centerbias)
    assert isinstance(model, DeepGaze2)
    assert model.centerbias is centerbias
    assert model.pixels_per_degree == 20.0
    assert model.parameters["readouts"] == 6
    assert model.parameters["prior_on_new_images"] == "scored data set"
    assert DeepGaze2().parameters["prior_on_new_images"] == "trained"
    np.testing.assert_array_equal(DeepGaze2().log_density(NEW), DeepGaze(weights).log_density(NEW))


def test_the_gaussian_is_as_wide_in_degrees(weights):
    degrees = tiny_weights(KNOWN)
    degrees.corpora["bright"] = trained_on(KNOWN["bright"], [0, 1, 2], 30.0)
    degrees.corpora["other"] = trained_on(KNOWN["other"], [0, 1, 2, 0], 60.0)
    prior = trained_prior("bright")
    for own, zoom in ((None, 1.0), (30.0, 1.0), (90.0, 3.0)):
        found = DeepGaze(degrees, pixels_per_degree=own).log_density(NEW)
        close(found, explicit(degrees, NEW, degrees.members, prior, zoom=zoom))
    narrow, wide = (DeepGaze(degrees, pixels_per_degree=own).log_density(NEW) for own in (30, 90))
    assert np.abs(narrow - wide).max() > 0.01
    # Training images have the resolution of their data set, whatever the model was told.
    model = DeepGaze(degrees, pixels_per_degree=90.0)
    for name, zoom in (("bright", 1.0), ("other", 2.0)):
        rgb = KNOWN[name][1]
        expected = explicit(degrees, rgb, degrees.members_for(1), trained_prior(name), zoom=zoom)
        close(model.log_density(rgb), expected)


# Again, elsewhere


def test_the_same_image_gives_the_same_bytes_and_is_seen_once(weights, monkeypatch):
    calls = []

    def counted(*arguments):
        calls.append(arguments)
        return extract(*arguments)

    monkeypatch.setattr("models.deepgaze.cache.extract", counted)
    weights = replace(weights)  # that nobody has predicted with
    model = DeepGaze(weights)
    first = model.log_density(NEW)
    model.log_density_without_prior(NEW)
    np.testing.assert_array_equal(model.log_density(NEW), first)
    assert len(calls) == 1
    model.log_density(KNOWN["bright"][0])
    assert len(calls) == 2
    np.testing.assert_array_equal(DeepGaze(weights).log_density(NEW), first)
    assert len(calls) == 2  # whoever has these readouts
    other = replace(weights)
    np.testing.assert_array_equal(DeepGaze(other).log_density(NEW), first)
    assert len(calls) == 3


def test_no_image_is_too_large_to_be_predicted(weights, monkeypatch):
    expected = DeepGaze(weights).log_density(NEW)
    monkeypatch.setattr(model_module, "KEPT_BYTES", 0)
    weights = replace(weights)
    model = DeepGaze(weights)
    for _ in range(2):
        np.testing.assert_array_equal(model.log_density(NEW), expected)
        model.log_density(KNOWN["bright"][0])
        assert len(weights.kept) == 1


def test_features_may_be_kept_in_a_folder(weights, tmp_path, monkeypatch):
    expected = DeepGaze(weights).log_density(NEW)
    np.testing.assert_array_equal(DeepGaze(weights, features=tmp_path).log_density(NEW), expected)
    assert len(list(tmp_path.rglob("*.npy"))) == len(FEATURES.layers)
    monkeypatch.setattr("models.deepgaze.cache.extract", None)  # all is there
    monkeypatch.setenv(model_module.VARIABLE, str(tmp_path))
    weights.kept.clear()
    np.testing.assert_array_equal(DeepGaze(weights).log_density(NEW), expected)


def test_the_precision_of_the_backbone(weights, monkeypatch):
    exact = DeepGaze(weights).log_density(NEW)
    near = DeepGaze(weights, precision="bfloat16")
    assert near.parameters["precision"] == "bfloat16"
    difference = np.abs(near.log_density(NEW) - exact)
    assert 0 < difference.max() < 0.5
    monkeypatch.setenv(model_module.PRECISION, "bfloat16")
    np.testing.assert_array_equal(DeepGaze(weights).log_density(NEW), near.log_density(NEW))
    np.testing.assert_array_equal(DeepGaze(weights, precision="float32").log_density(NEW), exact)
    monkeypatch.setenv(model_module.PRECISION, "float8")
    with pytest.raises(UnavailableError, match=r"unknown precision 'float8'\. Known: float32, bf"):
        DeepGaze(weights)


def test_it_can_be_pickled(weights):
    model = DeepGaze(weights, pixels_per_degree=20.0)
    expected = model.log_density(NEW)
    copy = pickle.loads(pickle.dumps(model))
    assert weights.kept
    assert not copy.weights.kept
    np.testing.assert_array_equal(copy.log_density(NEW), expected)
    assert copy.content_hash == model.content_hash


def test_the_content_hash_is_of_readouts_and_backbones(weights, tmp_path):
    weights.save(tmp_path / "1")
    replace(weights, members=weights.members[:3]).save(tmp_path / "2")
    hashes = {DeepGaze(tmp_path / name).content_hash for name in ("1", "2", "1")}
    assert len(hashes) == 2


# Errors


def test_readouts_of_another_backbone_are_refused(weights):
    other = replace(weights, backbones={FEATURES.backbone: "0" * 64})
    with pytest.raises(
        WeightsError, match=r"learned from weights of efficientnet-lite0 .* 0{64}; "
    ):
        DeepGaze(other)
    record = {"command": "python -m benchmark train --model mine"}
    with pytest.raises(WeightsError, match=r"train readouts of these \(python.*--model mine\) and"):
        DeepGaze(replace(other, record=record))
    with pytest.raises(WeightsError, match=r"\(python -m benchmark train\) and score them with"):
        DeepGaze(replace(other, record={"command": ["--model", 1]}))


def test_readouts_of_an_equivalent_backbone(weights, monkeypatch):
    """The same weights up to rounding are read, and told apart in the record."""
    model = DeepGaze(weights)
    other = replace(weights, backbones={FEATURES.backbone: "0" * 64})
    network = loaded(FEATURES.backbone, "float32")
    monkeypatch.setattr(network, "equivalents", frozenset({"0" * 64}))
    equivalent = DeepGaze(other)
    np.testing.assert_array_equal(equivalent.log_density(NEW), model.log_density(NEW))
    key = "backbones_equivalent_to_those_trained_on"
    assert equivalent.parameters[key] == {FEATURES.backbone: network.weights_hash}
    assert key not in model.parameters
    monkeypatch.setattr(network, "weights_hash", "0" * 64)
    assert DeepGaze(other).content_hash != equivalent.content_hash
    assert key not in DeepGaze(other).parameters


def test_missing_and_damaged_weights(weights, tmp_path, truncate):
    with pytest.raises(WeightsError, match="these weights are not there"):
        DeepGaze(tmp_path / "none.safetensors")
    file = tmp_path / "half.safetensors"
    weights.save(file)
    truncate(file)
    with pytest.raises(WeightsError, match=r"half\.safetensors: cannot be read"):
        DeepGaze(file)
