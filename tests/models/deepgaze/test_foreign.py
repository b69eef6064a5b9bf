"""Readouts from outside: header and tensors have to belong together before they are built."""

from __future__ import annotations

import json

import pytest
from safetensors import safe_open
from safetensors.torch import save_file

from models.deepgaze.backbones import WeightsError
from models.deepgaze.foreign import check_readouts
from models.external import External, ExternalError
from tests.models.deepgaze.bright import tiny_weights


@pytest.fixture
def file(tmp_path):
    tiny_weights().save(tmp_path / "mine.safetensors")
    return tmp_path / "mine.safetensors"


def edit(file, change):
    """Write a file anew after ``change(header, tensors)``, which may return another header."""
    with safe_open(file, framework="pt") as stored:
        header = json.loads(stored.metadata()["deepgaze"])
        tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
    changed = change(header, tensors)
    text = json.dumps(header if changed is None else changed)
    save_file(tensors, file, {"deepgaze": text})


def test_sound_readouts_pass(file):
    check_readouts(file)
    assert External.load(str(file)).spec.name == "mine"


def wider(header, tensors):
    header["members"][0]["channels"] = [10**9]


def deeper(header, tensors):
    header["recipe"]["readout"]["widths"] = [10**6, 1]


def not_finite(header, tensors):
    tensors["members.1.mean"][0] = float("nan")


def no_prior(header, tensors):
    tensors["priors.0.bright"] = tensors["priors.0.bright"][:3, :3].contiguous()


def nobody(header, tensors):
    header["members"] = []


def elsewhere(header, tensors):
    header["first"] = "nowhere"


def fewer(header, tensors):
    tensors["corpora.bright.looks"] = tensors["corpora.bright.looks"][:1].contiguous()


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (wider, "another shape than its header says"),
        (deeper, "another shape than its header says"),
        (not_finite, "values that are not finite"),
        (no_prior, "a prior is no table"),
        (nobody, "it holds no readouts"),
        (elsewhere, "its data sets or backbones are not named"),
        (fewer, "a fold, a hash and a look each"),
        (lambda header, tensors: [], "its header is malformed"),
        (lambda header, tensors: {**header, "corpora": 1}, "its header is malformed"),
    ],
)
def test_what_does_not_belong_together_is_refused(file, change, problem):
    edit(file, change)
    with pytest.raises(WeightsError, match=problem):
        check_readouts(file)
    with pytest.raises(ExternalError, match=rf"mine\.safetensors: .*{problem}"):
        External.load(str(file))
