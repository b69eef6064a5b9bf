"""Cached features are the computed ones, under a name that tells everything apart."""

from __future__ import annotations

import errno
import itertools
import multiprocessing
import os
from dataclasses import replace

import numpy as np
import pytest
import torch

from models.deepgaze import cache as cache_module
from models.deepgaze import files as files_module
from models.deepgaze.cache import FeatureCache, default_folder
from models.deepgaze.features import FeatureSet, extract, loaded
from models.deepgaze.files import CHECKSUM, save_array
from models.deepgaze.images import pixel_hash
from models.deepgaze.model import DeepGaze
from tests.models.deepgaze.bright import FEATURES, picture, tiny_weights

RGB = picture(2, 45, 67)
HASH = pixel_hash(RGB)


class Reader:
    """Gives the pixels, and counts how often."""

    def __init__(self, rgb=RGB):
        self.rgb, self.calls = rgb, 0

    def __call__(self):
        self.calls += 1
        return self.rgb


def get(cache, reader=None, features=FEATURES, mirrored=False, rgb=RGB):
    return cache.get(pixel_hash(rgb), reader or Reader(rgb), rgb.shape[:2], features, mirrored)


def files(folder):
    return sorted(file for file in folder.rglob("*") if file.is_file())


def assert_same(found, expected):
    assert list(found) == list(expected)
    for name, one in found.items():
        assert one.values.dtype == torch.float16
        assert torch.equal(one.values, expected[name].values)
        assert (one.rows, one.columns) == (expected[name].rows, expected[name].columns)


@pytest.fixture
def cache(tmp_path):
    return FeatureCache(tmp_path / "features")


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("features", [FEATURES, FeatureSet("vgg19", ("relu3_1",), 0.5)])
def test_values_are_the_same_with_and_without_a_cache(cache, features, mirrored):
    computed = extract(RGB, features, mirrored)
    first = get(cache, features=features, mirrored=mirrored)
    reader = Reader()
    again = get(cache, reader, features, mirrored)
    assert reader.calls == 0
    without = get(FeatureCache(None), features=features, mirrored=mirrored)
    for found in (first, again, without):
        assert_same(found, without)
        for name, one in found.items():
            assert torch.equal(one.values, computed[name].values.half())
            assert (one.rows, one.columns) == (computed[name].rows, computed[name].columns)


def test_without_a_folder_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cache = FeatureCache(None)
    reader = Reader()
    get(cache, reader)
    get(cache, reader)
    assert reader.calls == 2
    assert files(tmp_path) == []
    assert not cache.has(HASH, FEATURES)
    assert cache.size() == 0


def test_the_key_tells_everything_apart(tmp_path, monkeypatch):
    """Image, layer, scale, view, precision, folder's version and weights each have their files."""
    one, other = FeatureSet(FEATURES.backbone, ("stem",), 1.0), FeatureSet("vgg19", ("conv1_1",))
    keys = set()
    for image, layer, scale, mirrored, precision in itertools.product(
        (HASH, pixel_hash(picture(3))), ("stem", "block2"), (1.0, 0.5), (False, True),
        ("float32", "bfloat16"),
    ):  # fmt: skip
        features = FeatureSet(FEATURES.backbone, (layer,), scale)
        keys.add(FeatureCache(tmp_path, precision).file(image, features, layer, mirrored))
    assert len(keys) == 2**5
    cache = FeatureCache(tmp_path)
    keys.add(cache.file(HASH, other, "conv1_1", False))
    assert len(keys) == 2**5 + 1
    before = cache.file(HASH, one, "stem", False)
    assert before in keys
    monkeypatch.setattr(loaded(FEATURES.backbone, "float32"), "weights_hash", "0" * 64)
    assert cache.file(HASH, one, "stem", False) not in keys
    monkeypatch.undo()
    monkeypatch.setattr(cache_module, "VERSION", cache_module.VERSION + 1)
    assert cache.file(HASH, one, "stem", False) not in keys
    monkeypatch.undo()
    assert cache.file(HASH, one, "stem", False) == before


def test_only_what_is_missing_is_computed(cache, monkeypatch):
    get(cache, features=FeatureSet(FEATURES.backbone, ("stem",), 1.0))
    asked = []

    def spied(rgb, features, mirrored, precision, layers):
        asked.append(list(layers))
        return extract(rgb, features, mirrored, precision, layers)

    monkeypatch.setattr(cache_module, "extract", spied)
    assert not cache.has(HASH, FEATURES)
    get(cache)
    assert cache.has(HASH, FEATURES)
    assert not cache.has(HASH, FEATURES, mirrored=True)
    get(cache)
    get(cache, mirrored=True)
    get(cache, rgb=picture(3))
    assert asked == [["block2"], ["stem", "block2"], ["stem", "block2"]]
    written = files(cache.folder)
    assert len(written) == 6
    assert cache.size() == sum(file.stat().st_size for file in written)


def test_files_are_mapped_not_read(cache):
    """The tensor's memory is the file's: a byte changed in the file later shows."""
    get(cache)
    found = get(cache)["stem"].values
    file = cache.file(HASH, FEATURES, "stem", False)
    size = found.numel() * 2
    with file.open("r+b") as stream:
        stream.seek(file.stat().st_size - CHECKSUM - size)
        stream.write(np.full(size // 2, 42, np.float16).tobytes())
    assert (found == 42).all()


def test_maps_can_be_changed_without_changing_the_file(cache):
    get(cache)
    before = cache.file(HASH, FEATURES, "stem", False).read_bytes()
    get(cache)["stem"].values.zero_()
    assert cache.file(HASH, FEATURES, "stem", False).read_bytes() == before


def foreign(kind, file):
    """Put something else in the place of a feature map."""
    values = np.load(file)
    if kind == "one bit":
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 4
        file.write_bytes(content)
    elif kind == "no checksum":
        np.save(file, values)
    elif kind == "truncated":
        file.write_bytes(file.read_bytes()[:-100])
    elif kind == "half a header":
        file.write_bytes(file.read_bytes()[:20])
    elif kind == "empty":
        file.write_bytes(b"")
    elif kind == "text":
        file.write_text("no features at all\n" * 100)
    elif kind == "single precision":
        save_array(file, values.astype(np.float32))
    elif kind == "other channels":
        save_array(file, values[:, :, :7])
    elif kind == "another rank":
        save_array(file, values[0])
    elif kind == "objects":
        np.save(file, np.array([{"a": 1}], dtype=object))
    elif kind == "archive":
        with file.open("wb") as stream:
            np.savez(stream, values=values)


@pytest.mark.parametrize(
    "kind",
    [
        "one bit", "no checksum", "truncated", "half a header", "empty", "text",
        "single precision", "other channels", "another rank", "objects", "archive",
    ],
)  # fmt: skip
def test_a_damaged_or_foreign_file_is_computed_again(cache, kind):
    expected = get(cache)
    file = cache.file(HASH, FEATURES, "block2", False)
    good = file.read_bytes()
    foreign(kind, file)
    assert file.read_bytes() != good
    reader = Reader()
    assert_same(get(cache, reader), expected)
    assert reader.calls == 1
    assert file.read_bytes() == good


def test_an_interrupted_write_leaves_nothing(cache, monkeypatch):
    def interrupted(content):
        raise KeyboardInterrupt

    monkeypatch.setattr(files_module.zlib, "crc32", interrupted)
    with pytest.raises(KeyboardInterrupt):
        get(cache)
    assert files(cache.folder) == []
    monkeypatch.undo()
    get(cache)
    assert len(files(cache.folder)) == 2


def test_a_full_disk_costs_time_only(cache, monkeypatch):
    def full(content):
        raise OSError(errno.ENOSPC, "No space left on device")

    expected = get(FeatureCache(None))
    monkeypatch.setattr(files_module.zlib, "crc32", full)
    with pytest.warns(UserWarning, match=f"in the cache {cache.folder}: No space left") as told:
        found = [get(cache) for _ in range(2)]
    assert len(told) == 1
    for one in found:
        assert_same(one, expected)
    assert files(cache.folder) == []
    monkeypatch.undo()
    assert_same(get(cache), expected)
    assert len(files(cache.folder)) == 2


def test_a_full_disk_is_an_error_where_features_have_to_be_kept(cache, monkeypatch):
    def full(content):
        raise OSError(errno.ENOSPC, "No space left on device")

    required = FeatureCache(cache.folder, required=True)
    expected = get(FeatureCache(None))
    monkeypatch.setattr(files_module.zlib, "crc32", full)
    with pytest.raises(OSError, match="No space left"):
        get(required)
    assert files(cache.folder) == []
    monkeypatch.undo()
    assert_same(get(required), expected)
    assert_same(get(cache, reader := Reader()), expected)
    assert reader.calls == 0


def _write_often(file, value, started):
    started.wait()
    for _ in range(60):
        save_array(file, np.full((40, 40, 8), value, np.float16))


def test_two_processes_may_write_the_same_file(tmp_path):
    file = tmp_path / "features" / "map.npy"
    context = multiprocessing.get_context("fork" if hasattr(os, "fork") else "spawn")
    started = context.Event()
    writers = [
        context.Process(target=_write_often, args=(file, value, started)) for value in (1.0, 2.0)
    ]
    for writer in writers:
        writer.start()
    started.set()
    seen = set()
    while any(writer.is_alive() for writer in writers) or not seen:
        if file.exists():
            values = np.load(file, mmap_mode="c")
            assert values.shape == (40, 40, 8)
            (one,) = np.unique(values)
            seen.add(float(one))
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    assert seen <= {1.0, 2.0}
    assert files(tmp_path) == [file]


def test_what_half_precision_cannot_hold_is_an_error(cache, monkeypatch):
    def huge(*arguments):
        maps = extract(*arguments)
        return {**maps, "block2": replace(maps["block2"], values=1e6 + maps["block2"].values)}

    monkeypatch.setattr(cache_module, "extract", huge)
    with pytest.raises(ValueError, match=r"features of block2 reach .*e.06, beyond what half"):
        get(cache)
    assert not cache.file(HASH, FEATURES, "block2", False).exists()


def test_an_unknown_layer(cache):
    with pytest.raises(ValueError, match="has no layer 'conv9'; it has stem"):
        get(cache, features=FeatureSet(FEATURES.backbone, ("conv9",), 1.0))


def test_a_folder_may_begin_with_the_users_home(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("BENCHMARK_FEATURES", "~/features")
    assert default_folder() == tmp_path / "features"
    assert DeepGaze(tiny_weights()).cache.folder == tmp_path / "features"


def test_the_default_folder_is_in_the_users_cache(monkeypatch):
    monkeypatch.delenv("BENCHMARK_FEATURES", raising=False)
    assert default_folder().name == "features"
    assert default_folder().parent.name == "deepgaze-benchmark"
