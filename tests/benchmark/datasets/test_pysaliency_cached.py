"""Folders that pysaliency has cached, written by pysaliency's own code."""

from __future__ import annotations

import numpy as np
import pytest

from benchmark import registry
from benchmark.datasets import locate, pysaliency_cached
from benchmark.errors import DataError


def read(root):
    return pysaliency_cached.load(root, pysaliency_cached.path_spec(root))


@pytest.mark.parametrize("in_memory", [False, True])
def test_reads_scanpaths_and_names_subjects_by_number(make_pysaliency, in_memory):
    dataset = read(make_pysaliency(in_memory=in_memory))
    assert dataset.subject_names == ["1", "2"]
    assert list(dataset.fixations.subjects) == [0, 0, 0, 1, 1, 0, 0, 1]
    assert list(dataset.fixations.x) == [20, 5, 30, 21, 39, 19, 8, 20]
    np.testing.assert_allclose(dataset.fixations.duration, 0.25)
    assert dataset.dropped["fixations outside the image"] == 1
    assert dataset.sizes.tolist() == [[30, 40], [30, 40]]
    assert list(dataset.image_names) == (["000000", "000001"] if in_memory else ["a.png", "b.png"])
    assert len(set(dataset.image_hashes)) == 2
    assert dataset.groups.tolist() == [0, 1]


def test_images_stay_on_disk(make_pysaliency):
    assert read(make_pysaliency()).stimuli.cached is False


def test_fixations_without_scanpaths_become_one_a_subject_and_image(make_pysaliency):
    fixations = read(make_pysaliency(plain=True)).fixations
    assert fixations.train_ns.tolist() == [0, 0, 1, 1]
    assert list(fixations.x) == [20, 5, 30, 21, 39, 19, 8, 20]


def test_a_changed_file_is_read_anew(make_pysaliency):
    assert len(read(make_pysaliency()).fixations.train_xs) == 4
    root = make_pysaliency(plain=True)
    assert not hasattr(read(root).fixations, "duration")


def test_equal_names_in_different_folders_keep_the_folder(make_pysaliency, save_image):
    import pysaliency

    root = make_pysaliency()
    files = [str(save_image(root / kind / "1.png", seed=n)) for n, kind in enumerate("pq")]
    pysaliency.FileStimuli(files).to_hdf5(str(root / "stimuli.hdf5"))
    assert read(root).image_names == ["p/1.png", "q/1.png"]


def test_several_parts_need_a_name(make_pysaliency, tmp_path):
    root = make_pysaliency("COCO-Freeview", part="_train")
    assert read(root).subject_names == ["1", "2"]
    make_pysaliency("COCO-Freeview", part="_validation")
    with pytest.raises(DataError, match="holds several data sets"):
        read(root)
    with pytest.raises(DataError, match="holds several data sets"):
        locate.load(root)
    for name in ("coco-freeview-train", "coco-freeview-validation"):
        dataset = locate.load(name, tmp_path)
        assert (dataset.name, dataset.spec.kernel_size) == (name, 30)


def test_missing_and_resized_images_are_listed(make_pysaliency, save_image):
    root = make_pysaliency()
    (root / "stimuli" / "a.png").unlink()
    with pytest.raises(DataError, match=r"a\.png: this image is missing"):
        read(root)
    save_image(root / "stimuli" / "a.png", width=80, height=60)
    with pytest.raises(DataError, match="is 80x60, but was 40x30"):
        read(root)


@pytest.mark.parametrize("name", ["stimuli.hdf5", "fixations.hdf5"])
def test_missing_damaged_and_foreign_files_are_named(make_pysaliency, truncate, name):
    root = make_pysaliency()
    other = root / ({"stimuli.hdf5", "fixations.hdf5"} - {name}).pop()
    (root / name).write_bytes(other.read_bytes())
    with pytest.raises(DataError, match=f"{name}: holds no"):
        read(root)
    truncate(root / name)
    with pytest.raises(DataError, match=f"{name}: cannot be read"):
        read(root)
    (root / name).unlink()
    with pytest.raises(DataError, match=f"{name}: this file is missing"):
        read(root)


def test_fixations_of_more_images_than_there_are(make_pysaliency):
    import pysaliency

    root = make_pysaliency()
    pysaliency.FileStimuli([str(root / "stimuli" / "a.png")]).to_hdf5(str(root / "stimuli.hdf5"))
    with pytest.raises(DataError, match="do not belong together"):
        read(root)


def test_registered_data_sets_name_their_source():
    entries = [e for e in registry.datasets().values() if e.module == pysaliency_cached.__name__]
    assert {"cat2000", "toronto", "figrim", "pascal-s", "koehler", "dut-omron"} <= {
        entry.name for entry in entries
    }
    assert all(entry.metadata["citation"] and entry.metadata["folder"] for entry in entries)
    assert set(pysaliency_cached.FILES) <= {entry.name for entry in entries}
    assert registry.datasets()["cat2000"].metadata["kernel_size"] == 40
