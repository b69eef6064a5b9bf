"""Models from outside: whatever can be called or is a model is taken, everything else is named."""

from __future__ import annotations

import numpy as np
import pysaliency
import pytest

from models.base import IN_SAMPLE, ModelSpec, seen_in_training
from models.external import External, ExternalError

SOURCE = """
import functools
import numpy as np
import pysaliency
from models.base import ModelSpec, model

class Flat(pysaliency.Model):
    def __init__(self, weight=1.0):
        super().__init__()
        self.weight = weight
    def _log_density(self, image):
        return np.full(image.shape[:2], -np.log(image.shape[0] * image.shape[1]))

class Luminance(pysaliency.SaliencyMapModel):
    def _saliency_map(self, image):
        return image.astype(float).reshape(*image.shape[:2], -1).mean(axis=2)

@model(
    name="described", title="Described", summary="x", trained_on=("salicon",), needs=("gold",)
)
class Described(Flat):
    @classmethod
    def fit(cls, data, gold):
        made = cls()
        made.seen = data, gold
        return made

def make():
    return Flat(2.0)

def make_with(weight):
    return Flat(weight)

def broken():
    raise RuntimeError("no GPU")

instance = Flat(3.0)
partial = functools.partial(make_with, 4.0)
text = "text"

class Outer:
    Inner = Flat

def other():
    return 42

def scanpath():
    return pysaliency.models.ScanpathModel
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    name = f"outside_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(SOURCE, encoding="utf-8")
    return name


@pytest.mark.parametrize(
    ("attribute", "weight"),
    [("Flat", 1.0), ("make", 2.0), ("instance", 3.0), ("partial", 4.0), ("Outer.Inner", 1.0)],
)
def test_instances_classes_and_callables_make_models(module, attribute, weight):
    external = External.load(f"{module}:{attribute}")
    assert external.spec.name == attribute
    built = external.build(None, {})
    assert isinstance(built, pysaliency.Model)
    assert built.weight == weight
    assert built.spec == external.spec
    assert built.log_density(np.zeros((3, 4), np.uint8)).shape == (3, 4)


def test_saliency_maps_are_taken(module):
    built = External.load(f"{module}:Luminance", name="mine").build(None, {})
    assert isinstance(built, pysaliency.SaliencyMapModel)
    assert (built.spec.name, built.spec.title) == ("mine", "mine")


def test_a_models_own_spec_is_kept_and_it_is_fitted(module):
    external = External.load(f"{module}:Described")
    assert external.spec.needs == ("gold",)
    assert external.spec.trained_on == ("salicon",)
    built = external.build("data", {"gold": "gold standard"})
    assert built.seen == ("data", "gold standard")
    assert built.spec == type(built).spec
    renamed = External.load(f"{module}:Described", name="other").build("data", {"gold": 1})
    assert isinstance(renamed.spec, ModelSpec)
    assert (renamed.spec.name, type(renamed).spec.name) == ("other", "described")


@pytest.mark.parametrize(
    ("attribute", "message"),
    [
        ("Flatt", r"there is no 'Flatt' in it\. Did you mean 'Flat'\?"),
        ("text", "is of type str; expected a pysaliency model, its class, or a callable"),
        ("other", r"makes a builtins\.int; expected a pysaliency\.Model or"),
        ("scanpath", "expected a pysaliency.Model or"),
        ("broken", "raised RuntimeError when it was made: no GPU"),
        ("make_with", "cannot be called without arguments .*weight"),
    ],
)
def test_what_is_no_model_is_named(module, attribute, message):
    with pytest.raises(ExternalError, match=message) as caught:
        External.load(f"{module}:{attribute}").build(None, {})
    assert f"{module}:{attribute}" in str(caught.value)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("raise OSError('no disk')", "importing it raised OSError: no disk"),
        ("x = (", "importing it raised SyntaxError"),
        ("import not_there_at_all", "needs 'not_there_at_all', which is not installed"),
    ],
)
def test_modules_that_fail_are_named(tmp_path, monkeypatch, source, message):
    monkeypatch.syspath_prepend(str(tmp_path))
    name = f"failing_{abs(hash(source))}"
    (tmp_path / f"{name}.py").write_text(source, encoding="utf-8")
    with pytest.raises(ExternalError, match=message):
        External.load(f"{name}:x")


@pytest.mark.parametrize("origin", ["numpy", "numpy:", ":x", "my file.py:x", ""])
def test_what_is_no_address_is_told(origin):
    with pytest.raises(ExternalError, match=r"expected package\.module:callable"):
        External.load(origin)


def test_a_missing_package_is_told():
    with pytest.raises(ExternalError, match="there is no module 'not_there'; install its package"):
        External.load("not_there.at_all:x")


def test_a_fitted_model_that_says_nothing_has_seen_what_is_scored():
    def trained_on(**stated):
        target = type("Learned", (), {"fit": staticmethod(lambda data: pysaliency.UniformModel())})
        spec = ModelSpec("learned", "Learned", "x", **stated)
        return External("a:b", target, spec).build(None, {}).spec

    assert trained_on().trained_on == (IN_SAMPLE,)
    assert trained_on(trained_on=("unknown",)).trained_on == (IN_SAMPLE,)
    assert trained_on(trained_on=("scored",)).trained_on == ("scored",)
    assert trained_on(trained_on=("salicon",)).trained_on == ("salicon",)
    assert trained_on(held_out=True).trained_on == ()
    assert seen_in_training(trained_on(), "any-data")
    target = type("Learned", (), {"fit": staticmethod(lambda data: pysaliency.UniformModel())})
    said = External("a:b", target, ModelSpec("learned", "Learned", "x"), stated=True)
    assert said.build(None, {}).spec.trained_on == ()
