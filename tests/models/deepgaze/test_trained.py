"""Readouts that somebody trained are a model wherever a model can be named."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmark import predict
from benchmark.errors import BenchmarkError
from benchmark.run import Options
from benchmark.selection import own_models
from models.centerbias import CenterBias
from models.deepgaze.model import DeepGaze
from models.external import External, ExternalError
from tests.models.deepgaze.bright import looked_at, picture, pictures, tiny_weights

KNOWN = {"bright": pictures(3)}
NEW = picture(4321, 57, 83)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    file = tmp_path_factory.mktemp("training") / "mine.safetensors"
    tiny_weights(KNOWN).save(file)
    return file


@pytest.fixture(scope="module")
def data():
    return replace(looked_at(pictures(4, seed=9)), pixels_per_degree=20.0)


@pytest.fixture(scope="module")
def centerbias(data):
    return CenterBias(data, bandwidth=0.1, uniform_weight=0.1)


def test_they_are_scored_with_the_data_sets_centre_bias(file, data, centerbias):
    found = External.load(str(file))
    assert found.spec.name == "mine"
    assert found.spec.trained_on == ("bright",)
    assert found.spec.held_out
    model = found.build(data, {"centerbias": centerbias})
    direct = DeepGaze(file, centerbias, 20.0)
    np.testing.assert_array_equal(model.log_density(NEW), direct.log_density(NEW))
    assert model.spec == found.spec
    known = KNOWN["bright"][1]  # the readout of its fold, with the prior it was trained with
    np.testing.assert_array_equal(model.log_density(known), DeepGaze(file).log_density(known))


def test_they_predict_images_alone(file):
    model = predict.build(str(file))
    np.testing.assert_array_equal(model.log_density(NEW), DeepGaze(file).log_density(NEW))
    assert model.spec.name == "mine"


def test_a_file_called_like_a_registered_model_goes_by_its_folder(tmp_path, data):
    file = tmp_path / "deepgaze2-mine" / "deepgaze2.safetensors"
    tiny_weights(KNOWN).save(file)
    (one,) = own_models(Options(external=(str(file),))).external
    assert one.spec.name == one.spec.title == "deepgaze2-mine"
    (one,) = own_models(Options(external=(f"called={file}",))).external
    assert one.spec.name == one.spec.title == "called"


@pytest.mark.parametrize(
    ("trained_on", "held_out"), [((), True), (("bright",), True), (("bright,osie",), False)]
)
def test_only_images_of_its_own_training_sets_are_held_out(file, trained_on, held_out):
    (one,) = own_models(Options(external=(str(file),), trained_on=trained_on)).external
    assert one.spec.held_out is held_out


def test_under_the_papers_scheme_nothing_is_held_out(tmp_path):
    weights = tiny_weights(KNOWN)
    weights.record = {"scheme": "9-1"}
    weights.save(tmp_path / "mine.safetensors")
    assert not External.load(str(tmp_path / "mine.safetensors")).spec.held_out


@pytest.mark.parametrize("content", [None, b"nonsense"])
def test_a_file_that_holds_none(tmp_path, content):
    file = tmp_path / "broken.safetensors"
    if content is not None:
        file.write_bytes(content)
    reason = r"broken\.safetensors.*(not there|cannot be read)"
    with pytest.raises(ExternalError, match=reason):
        External.load(str(file))
    with pytest.raises(BenchmarkError, match=reason):
        predict.build(str(file))
