"""Predictions from files as models: by index or pixels, lazily, every fault told by its file."""

from __future__ import annotations

import cloudpickle
import numpy as np
import pysaliency
import pytest
from PIL import Image

from models.map_files import MapError, MapFiles
from models.precomputed import Precomputed, PrecomputedMap, StoredMaps

SHAPES = ((6, 8), (5, 7), (6, 8))
NAMES = ["a.png", "b.png", "c.png"]


@pytest.fixture
def stimuli():
    rng = np.random.default_rng(0)
    return pysaliency.Stimuli([rng.integers(0, 256, (*s, 3), dtype=np.uint8) for s in SHAPES])


def log_density(n):
    values = np.random.default_rng(n).normal(size=SHAPES[n])
    return values - np.log(np.exp(values).sum())


@pytest.fixture
def folder(tmp_path):
    for n, name in enumerate("abc"):
        np.save(tmp_path / f"{name}.npy", log_density(n))
    return tmp_path


def stored(folder, stimuli, kind="log density"):
    return StoredMaps(folder, stimuli, kind, NAMES)


def test_log_densities_are_those_of_the_files(folder, stimuli):
    model = Precomputed(stored(folder, stimuli))
    copy = cloudpickle.loads(cloudpickle.dumps(model))
    for n, stimulus in enumerate(stimuli):
        np.testing.assert_array_equal(model.log_density(stimulus), log_density(n))
        from_pixels = np.asarray(stimulus.stimulus_data)
        np.testing.assert_array_equal(model.log_density(from_pixels), log_density(n))
        np.testing.assert_array_equal(copy.log_density(stimulus), log_density(n))
    with pytest.raises(MapError, match="this image is none of them"):
        model.log_density(np.zeros((6, 8, 3), np.uint8))
    assert (model.spec.name, model.spec.kind) == (folder.name, "model")
    assert model.parameters == {"kind": "log density"}


def test_nothing_is_read_before_it_is_asked_for(folder, stimuli, monkeypatch):
    read = []
    original = MapFiles.read
    monkeypatch.setattr(
        MapFiles, "read", lambda self, name: read.append(name) or original(self, name)
    )
    model = Precomputed(stored(folder, stimuli))
    assert read == []
    model.log_density(stimuli[1])
    assert read == ["b.npy"]


def test_pysaliencys_own_file_of_predictions(tmp_path, save_image):
    from pysaliency.precomputed_models import HDF5Model, export_model_to_hdf5

    files = [str(save_image(tmp_path / f"s/{f}/1.png", seed=n)) for n, f in enumerate("xy")]
    stimuli = pysaliency.FileStimuli(files)
    model = pysaliency.UniformModel()
    export_model_to_hdf5(model, stimuli, str(tmp_path / "maps.hdf5"))
    ours = Precomputed(StoredMaps(tmp_path / "maps.hdf5", stimuli, "log density"))
    theirs = HDF5Model(stimuli, str(tmp_path / "maps.hdf5"))
    for stimulus in stimuli:
        np.testing.assert_array_equal(ours.log_density(stimulus), theirs.log_density(stimulus))


def test_saliency_maps(folder, stimuli):
    model = PrecomputedMap(stored(folder, stimuli, "saliency map"))
    np.testing.assert_array_equal(model.saliency_map(stimuli[2]), log_density(2))
    values = log_density(1)
    values[0, 0] = -np.inf
    np.save(folder / "b.npy", values)
    with pytest.raises(MapError, match=r"b\.npy: 1 values are -inf"):
        model.saliency_map(stimuli[1])


def test_every_problem_is_known_before_a_map_is_read(folder, stimuli):
    (folder / "a.npy").unlink()
    Image.new("L", (8, 5)).save(folder / "b.png")
    Image.new("L", (8, 5)).save(folder / "extra.png")
    np.save(folder / "c.npy", log_density(1))
    maps = stored(folder, stimuli)
    assert list(maps.problems) == [0, 1, 2]
    assert maps.problems[0] == f"no prediction for the image a.png in {folder}; add it."
    assert "2 predictions are called b.png" in maps.problems[1]
    assert f"{folder / 'b.npy'}, {folder / 'b.png'}; keep one" in maps.problems[1]
    assert f"{folder / 'c.npy'}: has the size 7x5, the image 8x6." in maps.problems[2]
    assert maps.notes == ["extra.png: no image is called so; not used."]
    for n, stimulus in enumerate(stimuli):
        with pytest.raises(MapError) as caught:
            Precomputed(maps).log_density(stimulus)
        assert str(caught.value) == maps.problems[n]


def test_a_cut_off_file_is_known_before_it_is_read(folder, stimuli, truncate):
    truncate(folder / "b.npy")
    assert f"{folder / 'b.npy'}: cannot be read (is cut off" in stored(folder, stimuli).problems[1]


def test_channels_are_known_before_a_map_is_read(folder, stimuli):
    np.save(folder / "b.npy", np.dstack([log_density(1)] * 3))
    expected = f"{folder / 'b.npy'}: has the shape (5, 7, 3); expected one value a pixel, (5, 7)."
    assert stored(folder, stimuli).problems == {1: expected}


def test_a_file_that_changes_its_size_is_told(folder, stimuli):
    maps = stored(folder, stimuli)
    np.save(folder / "a.npy", log_density(1))
    with pytest.raises(MapError, match=r"a\.npy: has the size 7x5"):
        maps.values(0)


def test_maps_of_other_images_are_refused(tmp_path, stimuli):
    np.save(tmp_path / "z.npy", log_density(0))
    with pytest.raises(MapError, match=r"none of its 1 maps \(z\.npy\) is called like .*a\.png"):
        stored(tmp_path, stimuli)
    (tmp_path / "empty").mkdir()
    with pytest.raises(MapError, match="empty: holds no map"):
        stored(tmp_path / "empty", stimuli)
    with pytest.raises(ValueError, match="unknown kind 'map'"):
        stored(tmp_path, stimuli, "map")


def test_a_wrong_kind_is_told_before_all_is_read(folder, stimuli):
    assert stored(folder, stimuli).contradiction() is None
    assert "densities are negative" in stored(folder, stimuli, "density").contradiction()
    np.save(folder / "a.npy", log_density(0) - 1)  # one map alone is wrong
    assert stored(folder, stimuli).contradiction() is None
    for n, name in enumerate("abc"):
        np.save(folder / f"{name}.npy", log_density(n) + np.log(0.97))
    assert "sums to 0.97" in stored(folder, stimuli).contradiction()


def test_the_hash_changes_with_what_is_used(folder, stimuli):
    first = Precomputed(stored(folder, stimuli)).content_hash
    np.save(folder / "extra.npy", log_density(0))
    assert Precomputed(stored(folder, stimuli)).content_hash == first
    np.save(folder / "c.npy", log_density(0))
    assert Precomputed(stored(folder, stimuli)).content_hash != first
