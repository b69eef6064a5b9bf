"""OSIE's layout, as distributed and as in the authors' repository."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.io import savemat

from benchmark.datasets import locate, osie
from benchmark.errors import DataError


def read(root):
    return osie.load(root, osie.path_spec(root))


@pytest.mark.parametrize("places", [("stimuli", "."), ("data/stimuli", "data/eye")])
def test_all_fixations_inside_count(make_osie, places):
    root = make_osie("TINY", *places)
    assert osie.recognises(root)
    dataset = read(root)
    assert dataset.image_names == ["a.jpg", "b.jpg"]
    assert list(dataset.fixations.x) == [20, 5, 30, 21, 39, 19, 8, 20]
    assert list(dataset.fixations.subjects) == [0, 0, 0, 1, 1, 0, 0, 1]
    assert list(dataset.fixations.t[:3]) == [0, 1, 2]
    np.testing.assert_allclose(dataset.fixations.duration, 0.25)
    assert dataset.dropped["fixations outside the image"] == 1
    assert "initial fixations" not in dataset.dropped


def test_a_missing_file_is_named(make_osie):
    root = make_osie()
    (root / "fixations.mat").unlink()
    with pytest.raises(DataError, match=r"fixations\.mat: this file is missing"):
        read(root)


def test_a_damaged_matlab_file_is_named(make_osie, truncate):
    root = make_osie()
    truncate(root / "fixations.mat")
    with pytest.raises(DataError, match=r"fixations\.mat: cannot be read"):
        read(root)


def test_a_matlab_file_of_something_else(make_osie):
    root = make_osie()
    savemat(root / "fixations.mat", {"other": 1})
    with pytest.raises(DataError, match="struct array `fixations`"):
        read(root)


def test_missing_images_and_uneven_trials_are_listed_together(make_osie):
    root = make_osie()
    (root / "stimuli" / "b.jpg").unlink()
    trial = {"fix_x": [1.0, 2.0], "fix_y": [1.0], "fix_duration": [1, 1]}
    nan = {"fix_x": [1.0, np.nan], "fix_y": [1.0, 2.0], "fix_duration": [1, 1]}
    subjects = np.empty((2, 1), dtype=object)
    subjects[:, 0] = [trial, nan]
    records = np.empty((2, 1), dtype=object)
    records[:, 0] = [
        {"img": "a.jpg", "subjects": subjects},
        {"img": "b.jpg", "subjects": np.empty((0, 1), dtype=object)},
    ]
    savemat(root / "fixations.mat", {"fixations": records})
    with pytest.raises(DataError) as caught:
        read(root)
    text = str(caught.value)
    assert "image a.jpg, subject 0: 2 x, 1 y and 2 durations" in text
    assert "image a.jpg, subject 1: a coordinate that is no number" in text
    assert "b.jpg: this image is missing" in text


def test_osie(data_root, real_folder):
    real_folder("OSIE")
    dataset = locate.load("osie", data_root)
    assert (len(dataset), len(dataset.subject_names)) == (700, 15)
    assert len(dataset.fixations.x) == 98321
    assert dataset.dropped["fixations outside the image"] == 0
    assert 0.15 < np.median(dataset.fixations.duration) < 0.3
    copies = [n for n, first in enumerate(dataset.groups) if n != first]
    assert [(dataset.image_names[n], dataset.image_names[dataset.groups[n]]) for n in copies] == [
        ("1374.jpg", "1279.jpg")
    ]
