"""The gallery of a report: each stored density beside the gain of the same model, or left out."""

from __future__ import annotations

import re

import numpy as np
import pytest

from benchmark import page as module
from benchmark.errors import BenchmarkError
from benchmark.page import write_page
from benchmark.stored_predictions import Prediction, StoredPredictions
from tests.benchmark.report.conftest import make_folder


@pytest.fixture
def folder(tmp_path, dataset, monkeypatch):
    """Scores of "one" and "two" on the images of the tiny data set; no figures."""
    made = make_folder(
        tmp_path / "run", n_models=2, names=("one", "two"), n_images=len(dataset.sizes)
    )
    names = map(str, dataset.image_names)
    made.scores["image"] = made.scores["image"].map(dict(zip(made.scores["image"].unique(), names)))
    for name in ("one", "two"):
        made.run["models"][name]["content_hash"] = f"hash of {name}"
    monkeypatch.setattr(module, "dataset_of", lambda results, root: dataset)
    monkeypatch.setattr("benchmark.report.html._figures", lambda results: [])
    return made.write()


@pytest.fixture
def store(folder, dataset):
    """Keeps a flat prediction for images by their numbers."""

    def store(model, images, key=None):
        for image in images:
            shape = tuple(int(side) for side in dataset.sizes[image])
            flat = np.full(shape, -np.log(np.prod(shape)))
            kept = Prediction(key or f"hash of {model}", flat, np.zeros(1))
            StoredPredictions(folder / "predictions").add(
                model, str(dataset.image_names[image]), kept
            )

    return store


def pictured(text):
    """Models and images of the densities on a page."""
    return set(re.findall(r'alt="Density of (\S+) on ([^"]+)"', text))


@pytest.mark.parametrize("images", [((0, 1, 2), (1,)), ((0,), (2,))], ids=["fewer", "disjoint"])
def test_every_image_with_a_density_is_shown(folder, dataset, store, images):
    names = list(map(str, dataset.image_names))
    for model, own in zip(("one", "two"), images):
        store(model, own)
    text = write_page(folder, gallery=True).read_text(encoding="utf-8")
    expected = {(m, names[n]) for m, own in zip(("one", "two"), images) for n in own}
    assert pictured(text) == expected
    shown = set.union(*map(set, images))
    assert text.count("no density of it is stored") == 2 * len(shown) - len(expected)
    assert f"two (1 of {len(shown)} images)" in text
    assert "Left out, since" not in text


def test_what_a_model_predicted_before_it_changed_is_left_out_and_named(folder, dataset, store):
    names = list(map(str, dataset.image_names))
    store("one", (0, 1))
    store("two", (0, 2), key="hash of another two")
    text = write_page(folder, gallery=True).read_text(encoding="utf-8")
    assert pictured(text) == {("one", names[0]), ("one", names[1])}
    assert re.search(r"Left out, since the model has changed .*: two \(2 images\)", text)


def test_nothing_to_show_says_why(folder, store):
    with pytest.raises(BenchmarkError, match=r"to show\. Make some first: .*paper"):
        write_page(folder, gallery=True)
    store("two", (0,), key="hash of another two")
    with pytest.raises(BenchmarkError, match=r"two \(1 image\)\. Run again what has"):
        write_page(folder, gallery=True)
