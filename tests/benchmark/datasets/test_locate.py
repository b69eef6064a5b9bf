"""From names and paths to data sets: where is looked, what is recognised, what is said if not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmark import registry
from benchmark.datasets import locate
from benchmark.errors import BenchmarkError, DataError, UnknownNameError


@pytest.fixture(autouse=True)
def no_other_data(tmp_path, monkeypatch):
    """Neither the environment nor the user's cache lend data to a test."""
    monkeypatch.delenv(locate.VARIABLE, raising=False)
    monkeypatch.setattr(locate, "cache_root", lambda: tmp_path / "cache")


@pytest.mark.parametrize(
    ("maker", "images"),
    [("make_fixatons", 2), ("make_osie", 2), ("make_folder", 3), ("make_pysaliency", 2)],
)
def test_a_path_is_recognised_by_its_layout(request, maker, images):
    root = request.getfixturevalue(maker)()
    dataset = locate.load(str(root))
    assert (dataset.name, len(dataset)) == (root.name, images)


def test_a_folder_here_needs_no_separator(make_folder, monkeypatch):
    root = make_folder()
    monkeypatch.chdir(root.parent)
    assert locate.load("own").name == "own"
    monkeypatch.chdir(root)
    assert locate.load(".").name == "own"


def test_a_path_to_a_registered_data_set_has_its_metadata(make_fixatons):
    dataset = locate.load(make_fixatons("MIT1003"))
    assert (dataset.name, dataset.spec.pixels_per_degree) == ("mit1003", 35)


def test_the_same_name_in_another_layout_is_another_data_set(make_fixatons):
    assert locate.load(make_fixatons("OSIE")).spec.pixels_per_degree is None


def test_roots_are_searched_in_order(make_fixatons, tmp_path, monkeypatch):
    make_fixatons("arg/FixaTons/MIT1003")
    make_fixatons("env/FixaTons/MIT1003")
    make_fixatons("cache/FixaTons/MIT1003")
    assert locate.find("mit1003") == tmp_path / "cache/FixaTons/MIT1003"
    monkeypatch.setenv(locate.VARIABLE, os.pathsep.join(["nowhere", str(tmp_path / "env")]))
    assert locate.find("mit1003") == tmp_path / "env/FixaTons/MIT1003"
    assert locate.find("mit1003", tmp_path / "arg") == tmp_path / "arg/FixaTons/MIT1003"
    assert locate.load("mit1003", tmp_path / "arg").name == "mit1003"


def test_a_root_may_be_the_data_set_itself(make_fixatons):
    root = make_fixatons("MIT1003")
    assert locate.find("mit1003", root) == root


def test_data_sets_that_share_a_folder_name_are_told_apart(
    make_osie, make_pysaliency, tmp_path, monkeypatch
):
    make_osie("one/OSIE")
    make_pysaliency("two/OSIE")
    for first, second in (("one", "two"), ("two", "one")):
        monkeypatch.setenv(locate.VARIABLE, str(tmp_path / second))
        assert locate.find("osie", tmp_path / first) == tmp_path / "one/OSIE"
        assert locate.find("pysaliency-osie", tmp_path / first) == tmp_path / "two/OSIE"


def test_what_is_not_found_says_where_and_how(tmp_path):
    with pytest.raises(DataError) as caught:
        locate.load("mit1003", tmp_path / "root")
    text = str(caught.value)
    assert str(tmp_path / "root" / "FixaTons" / "MIT1003") in text
    assert str(tmp_path / "cache" / "FixaTons" / "MIT1003") in text
    assert "python -m benchmark download mit1003" in text
    assert "--data-root" in text
    with pytest.raises(DataError, match=r"pysaliency\.get_cat2000_train\(location=ROOT\)"):
        locate.find("cat2000", tmp_path)


def test_an_unknown_name_suggests_the_nearest():
    with pytest.raises(UnknownNameError, match="Did you mean 'mit1003'"):
        locate.load("mit103")


def test_unknown_layouts_and_missing_folders(tmp_path):
    with pytest.raises(DataError) as caught:
        locate.load(tmp_path)
    for words in ("STIMULI", "fixations.mat", "stimuli.hdf5", "image,subject,x,y"):
        assert words in str(caught.value)
    with pytest.raises(DataError, match="no such folder"):
        locate.load(str(tmp_path / "missing"))


def test_what_is_known_of_a_data_set_can_be_replaced(make_folder):
    dataset = locate.load(make_folder(), pixels_per_degree=30, kernel_size=30)
    assert (dataset.spec.pixels_per_degree, dataset.spec.kernel_size) == (30, 30)
    with pytest.raises(BenchmarkError, match="expected a positive number"):
        locate.load(make_folder(name="other"), kernel_size=0)


def test_subset_by_size(make_folder, save_image):
    root = make_folder()
    save_image(root / "images" / "b.png", width=50, height=20, seed=1)
    dataset = locate.load(root)
    subset = locate.subset_by_size(dataset, "50x20")
    assert (subset.name, subset.image_names) == ("own-50x20", ["b.png"])
    assert list(subset.fixations.x) == [19, 8, 20]
    with pytest.raises(DataError, match=r"no image is 20x50; there are 40x30 \(2\), 50x20 \(1\)"):
        locate.subset_by_size(dataset, "20x50")
    with pytest.raises(DataError, match="expected WIDTHxHEIGHT"):
        locate.subset_by_size(dataset, "large")


def test_every_registered_data_set_is_found_or_explained(tmp_path):
    for name, entry in registry.datasets().items():
        if not entry.metadata.get("folder"):
            assert locate.find(name, tmp_path) == Path()
            continue
        with pytest.raises(DataError, match="is in none of these folders"):
            locate.find(name, tmp_path)
