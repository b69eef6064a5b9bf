"""Maps on disk: made once, remade when damaged or when the source changes."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from models import map_cache
from models.classical.image_signature import ImageSignature
from models.deepgaze.files import VARIABLE

MODULE = "models.classical.image_signature"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    map_cache.forget()
    yield tmp_path
    map_cache.forget()


def files(folder):
    return sorted(folder.rglob("*.npy"))


class Maker:
    def __init__(self):
        self.calls = 0

    def __call__(self):
        self.calls += 1
        return np.full((2, 3), self.calls, dtype=np.float32)


def test_a_map_is_made_once(folder):
    make = Maker()
    first = map_cache.kept("model", "ab12", MODULE, make)
    map_cache.forget()
    np.testing.assert_array_equal(map_cache.kept("model", "ab12", MODULE, make), first)
    assert make.calls == 1
    map_cache.kept("another model", "ab12", MODULE, make)
    map_cache.kept("model", "cd34", MODULE, make)
    assert make.calls == len(files(folder)) == 3


def test_the_folder_may_begin_with_the_users_home(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv(VARIABLE, "~/kept")
    map_cache.kept("model", "ab12", MODULE, Maker())
    assert len(files(folder / "kept")) == 1


def one_bit(content):
    return bytes([*content[:150], content[150] ^ 4, *content[151:]])


@pytest.mark.parametrize("damage", [lambda c: b"", lambda c: b"damaged", lambda c: c[:-4], one_bit])
def test_a_damaged_file_is_replaced(folder, damage):
    make = Maker()
    map_cache.kept("model", "ab12", MODULE, make)
    (file,) = files(folder)
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    map_cache.forget()
    assert map_cache.kept("model", "ab12", MODULE, make)[0, 0] == make.calls == 2
    assert len(file.read_bytes()) == len(whole)


def test_another_source_makes_another_map(folder, monkeypatch):
    make = Maker()
    map_cache.kept("model", "ab12", MODULE, make)
    map_cache.forget()
    monkeypatch.setattr(map_cache, "_source_hash", lambda module: "another")
    map_cache.kept("model", "ab12", MODULE, make)
    assert make.calls == len(files(folder)) == 2


@pytest.mark.parametrize("module", ["", "mine", "modelsof.mine", "models.nowhere"])
def test_maps_of_others_stay_in_memory(folder, module):
    make = Maker()
    map_cache.kept("model", "ab12", module, make)
    map_cache.kept("model", "ab12", module, make)
    assert make.calls == 1
    assert not files(folder)


def test_without_a_folder_maps_stay_in_memory(folder, monkeypatch):
    monkeypatch.delenv(VARIABLE)
    map_cache.kept("model", "ab12", MODULE, Maker())
    assert not files(folder)


def test_a_models_density_is_the_same_from_disk(folder):
    image = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    made = ImageSignature().log_density(image)
    assert len(files(folder)) == 1
    map_cache.forget()
    np.testing.assert_array_equal(ImageSignature().log_density(image), made)


def test_a_folder_that_cannot_be_written_to_costs_time_only(folder, monkeypatch):
    file = folder / "a file"
    file.touch()
    monkeypatch.setenv(VARIABLE, str(file))
    make = Maker()
    with pytest.warns(UserWarning, match=f"in the cache {file}: Not a directory") as told:
        made = [map_cache.kept("model", image, MODULE, make)[0, 0] for image in ("ab12", "cd34")]
    assert made == [1, 2]
    assert len(told) == 1
    assert map_cache.kept("model", "cd34", MODULE, make)[0, 0] == 2  # in memory it is kept still


def test_no_more_is_kept_in_memory_than_stated(monkeypatch):
    monkeypatch.delenv(VARIABLE)
    monkeypatch.setattr(map_cache, "KEPT_BYTES", 3 * 24)
    make = Maker()
    for image in ("a", "b", "c", "a", "d"):
        map_cache.kept("model", image, MODULE, make)
    assert make.calls == 4
    assert len(map_cache._kept) == 3
    for image in ("c", "a", "d"):  # b was used longest ago
        map_cache.kept("model", image, MODULE, make)
    assert make.calls == 4
    map_cache._kept.add(("model", "d"), np.zeros((2, 3), np.float32))  # made by another thread, too
    assert len(map_cache._kept) == 3


def test_threads_share_the_memory(monkeypatch):
    """Many threads come and go in a memory that is always full."""
    monkeypatch.delenv(VARIABLE)
    monkeypatch.setattr(map_cache, "KEPT_BYTES", 50 * 24)
    errors, start = [], threading.Barrier(8)

    def work(seed):
        start.wait()
        try:
            for image in np.random.default_rng(seed).integers(0, 200, 4000):
                values = np.full((2, 3), image, np.float32)
                found = map_cache.kept("model", str(image), "", lambda values=values: values)
                assert (found == image).all()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert len(map_cache._kept) == 50
    assert map_cache._kept._bytes == 50 * 24
