"""Trained readouts in a file, and the images they are known to have seen."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file
from scipy.ndimage import gaussian_filter

from benchmark.datasets.photographs import locate_all, select
from models.deepgaze.backbones import WeightsError
from models.deepgaze.features import FeatureSet
from models.deepgaze.model import FOLDER
from models.deepgaze.readout import Readout, ReadoutConfig
from models.deepgaze.training import Recipe
from models.deepgaze.weights import FORMAT, Weights, hashes_as_bytes
from tests.models.deepgaze.bright import (
    RECIPE,
    picture,
    pictures,
    random_readout,
    tiny_weights,
    trained_on,
)

PHOTOGRAPHS = ("astronaut", "chelsea", "coffee", "china")


@pytest.fixture(scope="module")
def photographs():
    return [np.asarray(Image.open(f).convert("RGB")) for f in locate_all(select(PHOTOGRAPHS))]


@pytest.fixture(scope="module")
def weights(photographs):
    return tiny_weights({"photographs": photographs, "bright": pictures(5)}, seeds=2)


# Files


def assert_same(one: Weights, other: Weights):
    assert one.recipe == other.recipe
    assert one.backbones == other.backbones
    assert one.first == other.first
    assert one.record == other.record
    assert [(m.fold, m.seed) for m in one.members] == [(m.fold, m.seed) for m in other.members]
    for a, b in zip(one.members, other.members):
        states = a.readout.state_dict(), b.readout.state_dict()
        assert list(states[0]) == list(states[1])
        assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())
        assert a.readout.config == b.readout.config
        assert a.readout.channels == b.readout.channels
        assert a.priors.keys() == b.priors.keys()
        assert all(torch.equal(table, b.priors[name]) for name, table in a.priors.items())
    assert list(one.corpora) == list(other.corpora)
    for name, a in one.corpora.items():
        b = other.corpora[name]
        assert (a.content_hash, a.pixels_per_degree) == (b.content_hash, b.pixels_per_degree)
        for part in ("folds", "hashes", "looks"):
            np.testing.assert_array_equal(getattr(a, part), getattr(b, part))
            assert getattr(b, part).dtype == np.uint8


def test_what_is_loaded_is_what_was_saved(tmp_path, weights):
    file = tmp_path / "folder" / "some.safetensors"
    weights.save(file)
    loaded = Weights.load(file)
    assert_same(weights, loaded)
    assert list(loaded.corpora) == ["photographs", "bright"]  # in this order, not the alphabet's
    assert loaded.first == "photographs"
    assert len(loaded.content_hash) == 64
    for member in loaded.members:
        assert not member.readout.training
        assert not any(p.requires_grad for p in member.readout.parameters())
    assert [f.name for f in file.parent.iterdir()] == ["some.safetensors"]


def test_a_recipe_keeps_every_field(tmp_path):
    recipe = Recipe(
        features=(
            FeatureSet("efficientnet-lite0", ("stem", "block2"), 1.0),
            FeatureSet("efficientnet-lite0", ("block4",), 0.75),
        ),
        readout=ReadoutConfig((5, 1), "relu", True, 5.0, 7.0, 0.5, False, True),
        epochs=7,
        loss="image",
        both_views=True,
        averaging=0.5,
    )
    weights = replace(tiny_weights(), recipe=recipe, members=[])
    weights.save(tmp_path / "some.safetensors")
    found = Weights.load(tmp_path / "some.safetensors").recipe
    assert found == recipe
    assert hash(found.features[0]) == hash(recipe.features[0])


def test_large_matrices_are_stored_in_half_precision_and_stay_what_they_are(tmp_path):
    config = ReadoutConfig(widths=(16, 1))
    weights = tiny_weights()
    weights.recipe = replace(RECIPE, readout=config)
    for member in weights.members:
        member.readout = random_readout(member.fold, config, (400, 24))
    first, second = tmp_path / "1.safetensors", tmp_path / "2.safetensors"
    weights.save(first)
    loaded = Weights.load(first)
    for member, original in zip(loaded.members, weights.members):
        for name, value in member.readout.state_dict().items():
            exact = original.readout.state_dict()[name]
            assert value.dtype == torch.float32
            if name == "convolutions.0.weight":
                assert torch.equal(value, exact.half().float())
                assert not torch.equal(value, exact)
            else:
                assert torch.equal(value, exact), name
    loaded.save(second)
    assert second.read_bytes() == first.read_bytes()
    assert Weights.load(second).content_hash == loaded.content_hash


def test_other_weights_have_another_hash(tmp_path, weights):
    weights.save(tmp_path / "1")
    replace(weights, record={"command": "another"}).save(tmp_path / "2")
    hashes = {Weights.load(tmp_path / name).content_hash for name in "12"}
    assert len(hashes) == 2


def test_missing_weights(tmp_path):
    with pytest.raises(WeightsError, match=r"none\.safetensors: these weights are not there"):
        Weights.load(tmp_path / "none.safetensors")


@pytest.mark.parametrize("size", [0, 5, 300, -1, -5000])
def test_damaged_weights(tmp_path, weights, size):
    file = tmp_path / "some.safetensors"
    weights.save(file)
    file.write_bytes(file.read_bytes()[:size])
    with pytest.raises(WeightsError, match=r"some\.safetensors: cannot be read as trained readout"):
        Weights.load(file)


def test_what_is_no_file_of_weights(tmp_path):
    file = tmp_path / "some.safetensors"
    file.write_text("no weights at all, but words that are long enough to be some")
    with pytest.raises(WeightsError, match="cannot be read as trained readouts"):
        Weights.load(file)
    with pytest.raises(WeightsError, match="cannot be read as trained readouts"):
        Weights.load(tmp_path)


def test_safetensors_of_another_kind(tmp_path):
    file = tmp_path / "some.safetensors"
    save_file({"a": torch.zeros(3)}, file)
    with pytest.raises(WeightsError, match=r"holds no trained readouts .* found None"):
        Weights.load(file)
    save_file({"a": torch.zeros(3)}, file, {"deepgaze": json.dumps({"format": "version 9"})})
    with pytest.raises(WeightsError, match=f"'{FORMAT}' expected, found 'version 9'"):
        Weights.load(file)


@pytest.mark.parametrize("gone", ["members.1.convolutions.0.weight", "members.0.log_blur"])
def test_weights_that_lack_a_tensor(tmp_path, gone):
    file = tmp_path / "some.safetensors"
    tiny_weights().save(file)
    with safe_open(file, framework="pt") as stored:
        tensors = {name: stored.get_tensor(name) for name in list(stored.keys()) if name != gone}
        metadata = stored.metadata()
    save_file(tensors, file, metadata)
    with pytest.raises(WeightsError, match=r"some\.safetensors: lacks a part.*(log_blur|weight)"):
        Weights.load(file)


def test_hashes_as_bytes():
    found = hashes_as_bytes(["00ff" * 16, "0102" * 16])
    assert found.dtype == np.uint8
    assert found.tolist() == [[0, 255] * 16, [1, 2] * 16]
    assert hashes_as_bytes([]).shape == (0, 32)


# Known images


def test_images_are_known_by_their_pixels(weights, photographs):
    for n, rgb in enumerate(photographs):
        assert weights.known_as(rgb) == ("photographs", n % 3)
    for n, rgb in enumerate(pictures(5)):
        assert weights.known_as(rgb) == ("bright", n % 3)


@pytest.mark.parametrize(("quality", "scale"), [(90, 1.0), (60, 1.0), (90, 0.5), (75, 0.75)])
def test_copies_are_known_by_their_look(weights, photographs, quality, scale):
    for n, rgb in enumerate(photographs):
        size = round(rgb.shape[1] * scale), round(rgb.shape[0] * scale)
        stream = io.BytesIO()
        Image.fromarray(rgb).resize(size, Image.Resampling.BICUBIC).save(
            stream, "jpeg", quality=quality
        )
        copy = np.asarray(Image.open(stream))
        assert not np.array_equal(copy, rgb)
        assert weights.known_as(copy) == ("photographs", n % 3)


def test_a_known_fold_is_an_ordinary_number(weights, photographs):
    _, fold = weights.known_as(photographs[1])
    assert type(fold) is int


def test_other_images_are_unknown(weights, photographs):
    others = [np.asarray(Image.open(f).convert("RGB")) for f in locate_all(select(["rocket"]))]
    others += [rgb[:, ::-1].copy() for rgb in photographs]
    others += [rgb[::-1].copy() for rgb in photographs]
    others += [picture(1000 + n, 90, 120) for n in range(5)]
    for rgb in others:
        assert weights.known_as(rgb) is None


@pytest.fixture(scope="module")
def shipped():
    return Weights.load(FOLDER / "deepgaze2.safetensors")


def drawn() -> dict[str, np.ndarray]:
    """Pictures that hold little: levels of grey, (height, width)."""
    y, x = np.mgrid[:480, :640]
    dark = np.random.default_rng(0).normal(size=(480, 640))
    dark = 3 + 40 * gaussian_filter(dark, 30, mode="nearest") + gaussian_filter(dark, 4)
    return {
        "white": np.full((480, 640), 255.0),
        "black": np.zeros((480, 640)),
        "a square on white": np.where((abs(y - 100) < 15) & (abs(x - 420) < 15), 90.0, 255.0),
        "a disk on grey": np.where(np.hypot(y - 300, x - 200) < 60, 255.0, 128.0),
        "four squares": np.where((y // 40 % 6 == 2) & (x // 40 % 8 == 2), 0.0, 255.0),
        "a blob": 255 * np.exp(-(np.hypot(y - 230, x - 330) ** 2) / 2 / 90**2),
        "a ramp": x / 3.0,
        "a dark photograph": dark,
    }


@pytest.mark.parametrize("kind", drawn())
def test_plain_and_dark_pictures_are_new(shipped, kind):
    levels = np.clip(drawn()[kind], 0, 255).astype(np.uint8)
    rgb = np.repeat(levels[:, :, None], 3, axis=2)
    assert shipped.known_as(rgb) is None
    assert shipped.known_as(rgb[::2, ::2].copy()) is None


def test_a_plain_training_image_is_known_by_its_pixels():
    plain = np.full((40, 60, 3), 255, np.uint8)
    weights = tiny_weights({"plain": [plain, picture(1)]})
    assert weights.known_as(plain) == ("plain", 0)
    assert weights.known_as(plain[:-1]) is None


def test_copies_of_real_training_images(shipped, real_folder):
    """Re-encoded, resized, or brought to other proportions; see `same_look` for the rates."""
    files = sorted((real_folder("FixaTons") / "MIT1003" / "STIMULI").iterdir())[::50]
    assert len(files) > 15
    found = []
    for file in files:
        image = Image.open(file).convert("RGB")
        name, fold = shipped.known_as(np.asarray(image))
        assert name == "mit1003"
        for size in ((round(0.7 * image.width), round(0.7 * image.height)), (512, 512)):
            stream = io.BytesIO()
            image.resize(size, Image.Resampling.BICUBIC).save(stream, "jpeg", quality=75)
            found.append(shipped.known_as(np.asarray(Image.open(stream))) == (name, fold))
        dark = (np.asarray(image) * 0.05).astype(np.uint8)
        assert shipped.known_as(dark) in (None, (name, fold))
    assert np.mean(found) > 0.9


def test_the_same_pixels_count_before_the_same_look(photographs):
    """Two training images may look the same and be in different data sets."""
    rgb = photographs[0]
    near = rgb.copy()
    near[:5, :5] ^= 1
    weights = tiny_weights({"one": [photographs[1], near], "two": [rgb]})
    assert weights.known_as(rgb) == ("two", 0)
    assert weights.known_as(near) == ("one", 1)
    nearer = near.copy()
    nearer[0, 0] ^= 2
    assert weights.known_as(nearer) in (("two", 0), ("one", 1))


def test_no_training_images_at_all():
    weights = replace(tiny_weights(), corpora={})
    assert weights.known_as(picture(0)) is None


def test_members_for_a_fold(weights):
    assert len(weights.members) == 6
    assert [(m.fold, m.seed) for m in weights.members_for(1)] == [(1, 0), (1, 1)]
    assert weights.members_for(None) == weights.members
    assert weights.members_for(7) == []
    assert weights.folds == [0, 1, 2]


def test_a_corpus_remembers_its_resolution(tmp_path):
    weights = tiny_weights()
    weights.corpora["bright"] = trained_on(pictures(3), [0, 1, 2], 35.0)
    weights.save(tmp_path / "some.safetensors")
    assert Weights.load(tmp_path / "some.safetensors").corpora["bright"].pixels_per_degree == 35.0


def test_a_loaded_readout_computes_the_same(tmp_path):
    weights = tiny_weights()
    weights.save(tmp_path / "some.safetensors")
    values = torch.randn(5, RECIPE.readout.widths[0])
    for one, other in zip(weights.members, Weights.load(tmp_path / "some.safetensors").members):
        assert isinstance(other.readout, Readout)
        assert torch.equal(one.readout.pointwise(values), other.readout.pointwise(values))
