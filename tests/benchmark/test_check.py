"""The check finds what is wrong with data sets and predictions, all of it, and nothing else."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from benchmark.check import check
from benchmark.errors import BenchmarkError, DataError
from models.map_files import MapFiles

HEADER = ("image", "subject", "x", "y", "t", "duration")


def only(problems, *words):
    """Assert that there is one problem, and that it has the words."""
    assert len(problems) == 1, problems
    for word in words:
        assert word in problems[0]


# Data sets


def sound_rows():
    rng = np.random.default_rng(0)
    return [
        (f"{image}.png", subject, x, y, k, 0.2)
        for image in "abc"
        for subject in ("amy", "bob")
        for k, (x, y) in enumerate(rng.uniform((0, 0), (40, 30), (5, 2)))
    ]


def test_a_sound_data_set(make_folder):
    report = check(make_folder(sound_rows(), HEADER))
    assert (report.ok, report.errors, report.warnings) == (True, [], [])
    assert report.info[0] == "own: 3 images, 2 subjects, 30 fixations."
    assert report.info[1] == "6 of 6 pairs of an image and a subject have fixations."
    assert "All fixations in the file count" in report.info[2]
    assert report.info[3] == "Left out or empty: nothing."
    assert str(report).endswith("0 errors, 0 warnings")


@pytest.mark.parametrize("maker", ["make_fixatons", "make_osie", "make_folder"])
def test_a_truncated_image_is_found(request, maker, truncate):
    root = request.getfixturevalue(maker)()
    (image,) = root.rglob("a.*g")
    truncate(image)
    report = check(root)
    assert not report.ok
    only(report.errors, str(image), "cannot be read as an image")


def test_truncated_images_and_bad_rows_are_listed_together(make_folder, truncate):
    root = make_folder([("a.png", "amy", "left", 1), ("z.png", "amy", 1, 1)])
    truncate(root / "images" / "b.png")
    (root / "images" / "c.png").write_bytes(b"text")
    report = check(root)
    assert len(report.errors) == 4
    for words in ("found 'left'", "'z.png'", "b.png: cannot be read", "c.png: cannot be read"):
        assert sum(words in problem for problem in report.errors) == 1
    assert "error: " in str(report)
    assert str(report).endswith("4 errors, 0 warnings")


def test_images_in_unusual_modes_are_refused(make_folder):
    root = make_folder()
    Image.new("CMYK", (40, 30)).save(root / "images" / "c.png".replace("png", "tif"))
    (root / "images" / "c.png").unlink()
    only(check(root).errors, "c.tif", "CMYK", "convert it")
    pages = [Image.new("RGB", (40, 30), colour) for colour in ("red", "blue")]
    pages[0].save(root / "images" / "c.tif", save_all=True, append_images=pages[1:])
    only(check(root).errors, "c.tif", "holds 2 images")


def test_what_is_dropped_or_empty_is_told(make_folder):
    report = check(make_folder())  # one fixation of TINY lies outside, image c has none
    assert "1 fixations outside the image, 1 images without fixations" in report.info[3]
    assert any("1 images have no fixation" in text for text in report.warnings)


def test_look_alikes_are_told(make_folder):
    root = make_folder(sound_rows(), HEADER)
    Image.open(root / "images" / "a.png").save(root / "images" / "c.png", compress_level=0)
    only(check(root).warnings, "c.png like a.png")


def test_one_subject_has_no_gold_standard(make_folder):
    rows = [row for row in sound_rows() if row[1] == "amy"]
    only(check(make_folder(rows, HEADER)).warnings, "fewer than two subjects")


def test_durations_that_are_not_positive_and_unused_columns(make_folder):
    rows = [(*row[:5], 0 if n < 2 else 0.1, "x") for n, row in enumerate(sound_rows())]
    warnings = check(make_folder(rows, (*HEADER, "pupil"))).warnings
    assert len(warnings) == 2
    assert "not used: pupil" in warnings[0]
    assert "2 fixations have no positive duration" in warnings[1]


def test_normalised_coordinates_are_suspected(make_folder):
    rows = [(a, b, x / 40, y / 30, t, d) for a, b, x, y, t, d in sound_rows()]
    only(check(make_folder(rows, HEADER)).warnings, "normalised")


def test_swapped_coordinates_are_suspected(make_folder):
    rows = [(a, b, y, x, t, d) for a, b, x, y, t, d in sound_rows()]
    only(check(make_folder(rows, HEADER)).warnings, "wrong order")


def test_screen_coordinates_are_suspected(make_folder):
    rows = [(a, b, x + 20, y + 15, t, d) for a, b, x, y, t, d in sound_rows()]
    report = check(make_folder(rows, HEADER))
    assert any("those of the screen" in text for text in report.warnings)


def test_missing_data_sets_and_unknown_names(tmp_path):
    only(check(tmp_path / "none").errors, "no such folder")
    only(check("mit103").errors, "Did you mean 'mit1003'")


def test_siena12_is_sound(data_root):
    report = check("siena12", data_root)
    assert report.errors == []
    assert report.info[0] == "siena12: 12 images, 23 subjects, 3724 fixations."
    assert "272 initial fixations" in report.info[3]


# Predictions


def log_density(seed=0, shape=(30, 40)):
    values = np.random.default_rng(seed).normal(size=shape)
    return values - np.log(np.exp(values).sum())


@pytest.fixture
def own(make_folder):
    return make_folder(sound_rows(), HEADER)


@pytest.fixture
def predictions(tmp_path):
    """A folder with a log density for each of the images a, b and c."""
    folder = tmp_path / "predictions"
    folder.mkdir()
    for seed, name in enumerate("abc"):
        np.save(folder / f"{name}.npy", log_density(seed))
    return folder


def test_sound_predictions(own, predictions):
    report = check(predictions, predictions_for=own)
    assert (report.errors, report.warnings) == ([], [])
    assert report.info == ["Taken as log density: 3 maps."]
    assert check(predictions, predictions_for=own, kind="log density").ok


def test_zero_probability_is_sound(own, predictions):
    values = log_density()
    values[0] = -np.inf
    np.save(predictions / "a.npy", values - np.log(np.exp(values).sum()))
    assert check(predictions, predictions_for=own).errors == []


def test_missing_extra_and_double_predictions(own, predictions):
    (predictions / "a.npy").rename(predictions / "z.npy")
    Image.new("L", (40, 30)).save(predictions / "b.png")
    report = check(predictions, predictions_for=own)
    assert len(report.errors) == 2
    assert "no prediction for the image a" in report.errors[0]
    assert "2 predictions are called b" in report.errors[1]
    assert "z.npy: there is no such image" in report.warnings[0]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (log_density(shape=(15, 20)), ["has the size 20x15, the image 40x30"]),
        (log_density(shape=(40, 30)), ["transposed"]),
        (np.dstack([log_density()] * 3), ["has the shape (30, 40, 3)", "(30, 40)"]),
        (log_density()[None], ["has the shape (1, 30, 40)", "(30, 40)"]),
        (log_density() - 0.01, ["logsumexp is -0.01,", "subtract it"]),
        (np.where(np.arange(40) < 1, np.nan, log_density()), ["30 values are NaN"]),
        (np.where(np.arange(40) < 2, np.inf, log_density()), ["60 values are +inf"]),
        (np.full((30, 40), "dark"), ["cannot be read", "numeric"]),
        (np.full((30, 40), -1j), ["complex"]),
    ],
)
def test_each_fault_of_a_log_density(own, predictions, values, words):
    np.save(predictions / "b.npy", values)
    report = check(predictions, predictions_for=own)
    only(report.errors, "b.npy", *words)


def test_the_tolerance_is_that_of_submissions(own, predictions):
    np.save(predictions / "b.npy", log_density() - 0.9e-3)
    assert check(predictions, predictions_for=own).ok
    np.save(predictions / "b.npy", log_density() - 1.1e-3)
    only(check(predictions, predictions_for=own).errors, "logsumexp is -0.0011,")


def test_densities(own, predictions):
    for seed, name in enumerate("abc"):
        np.save(predictions / f"{name}.npy", np.exp(log_density(seed)))
    assert check(predictions, predictions_for=own).info == ["Taken as density: 3 maps."]
    negative = np.exp(log_density())
    negative[0, 0], negative[0, 1] = -0.01, negative[0, :2].sum() + 0.01
    np.save(predictions / "b.npy", negative)
    report = check(predictions, predictions_for=own, kind="density")
    only(report.errors, "b.npy", "1 densities are negative")
    assert any("1 densities are negative" in w for w in check(predictions, None, own).warnings)
    np.save(predictions / "b.npy", 2 * np.exp(log_density()))
    only(check(predictions, predictions_for=own, kind="density").errors, "sums to 2")


def test_maps_of_different_kinds_are_told(own, predictions):
    np.save(predictions / "b.npy", np.arange(1200.0).reshape(30, 40))
    only(check(predictions, predictions_for=own).warnings, "not all of one kind", "b.npy")


def test_images_matlab_files_and_damage(own, predictions, truncate):
    for file in predictions.iterdir():
        file.unlink()
    Image.new("L", (40, 30), 7).save(predictions / "a.png")
    savemat(predictions / "b.mat", {"map": np.ones((30, 40))})
    savemat(predictions / "c.mat", {"map": np.ones((30, 40)), "other": 1})
    report = check(predictions, predictions_for=own)
    only(report.errors, "c.mat", "holds 2 variables")
    assert report.info == ["Taken as saliency map: 2 maps."]
    Image.new("RGB", (40, 30), 7).save(predictions / "a.png")
    truncate(predictions / "b.mat")
    errors = check(predictions, predictions_for=own).errors
    assert len(errors) == 3
    assert "a.png" in errors[0]
    assert "is coloured" in errors[0]
    assert "b.mat: cannot be read" in errors[1]


def test_hdf5(own, tmp_path, truncate):
    file = tmp_path / "model.hdf5"
    with h5py.File(file, "w") as hdf5:
        hdf5["images/a.png"] = log_density(0)
        hdf5["images/b.png"] = log_density(1) - 1
    report = check(file, predictions_for=own)
    assert len(report.errors) == 2
    assert "no prediction for the image c" in report.errors[0]
    assert f"{file}:images/b.png: its logsumexp is -1" in report.errors[1]
    truncate(file)
    only(check(file, predictions_for=own).errors, "no intact HDF5 file")


def test_maps_of_another_size_are_not_read(own, predictions, tmp_path, monkeypatch):
    read = []
    original = MapFiles.read
    monkeypatch.setattr(
        MapFiles, "read", lambda self, name: read.append(name) or original(self, name)
    )
    np.save(predictions / "b.npy", log_density(shape=(15, 20)))
    only(check(predictions, predictions_for=own).errors, "b.npy: has the size 20x15")
    assert read == ["a.npy", "c.npy"]
    with h5py.File(tmp_path / "large.hdf5", "w") as hdf5:
        for name in "ab":
            hdf5[f"{name}.png"] = log_density()
        hdf5.create_dataset("c.png", (10**6, 10**6), "f8", chunks=(100, 100))
    only(check(tmp_path / "large.hdf5", predictions_for=own).errors, "c.png", "more than")


def test_a_source_that_is_none(own, tmp_path):
    only(check(tmp_path / "missing", predictions_for=own).errors, "expected a folder of")
    with pytest.raises(BenchmarkError, match="unknown kind"):
        check(tmp_path, predictions_for=own, kind="map")
    with pytest.raises(DataError, match="no such folder"):
        check(tmp_path, predictions_for=tmp_path / "missing")


def test_importing_the_check_is_cheap():
    import subprocess
    import sys

    code = "import sys, benchmark.check; assert not {'torch', 'pysaliency'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
