"""FixaTons layout: what is read, dropped and counted, and what is said of damaged data."""

from __future__ import annotations

import numpy as np
import pytest

from benchmark import registry
from benchmark.datasets import fixatons, locate
from benchmark.datasets.base import DatasetSpec
from benchmark.errors import DataError


def read(root, **options):
    return fixatons.read(root, fixatons.path_spec(root), **options)


def test_drops_initial_and_outside_fixations_and_counts_them(make_fixatons):
    dataset = read(make_fixatons())
    assert dataset.image_names == ["a.jpeg", "b.jpeg"]
    assert dataset.subject_names == ["amy", "bob"]
    fixations = dataset.fixations
    found = list(zip(fixations.n, fixations.subjects, fixations.x, fixations.y, fixations.t))
    # bob's third fixation on image a is at x = 40 of 40 pixels, the second at the very last pixel.
    expected = [(0, 0, 5, 6, 0.5), (0, 0, 30, 20, 1.0), (0, 1, 39, 29, 0.5), (1, 0, 8, 9, 0.5)]
    assert found == expected
    np.testing.assert_allclose(fixations.duration, 0.25)
    assert dataset.dropped == {
        "initial fixations": 4,
        "fixations outside the image": 1,
        "trials left empty": 1,
        "images without fixations": 0,
    }


def test_a_subset_counts_its_own_images(make_fixatons):
    dataset = read(make_fixatons()).subset([1], "second")
    assert (dataset.name, list(dataset.fixations.x)) == ("second", [8])
    assert dataset.dropped["initial fixations"] == 2
    assert dataset.dropped["fixations outside the image"] == 0
    assert dataset.dropped["trials left empty"] == 1


def test_where_pixels_count_from_one_zero_is_outside(make_fixatons):
    root = make_fixatons()
    (root / "SCANPATHS" / "b" / "amy").write_text("19 15 0 1\n0 9 1 2\n8 9 2 3\n")
    assert read(root).dropped["fixations outside the image"] == 1
    assert read(root, first_pixel=1).dropped["fixations outside the image"] == 2


def test_litter_and_empty_trials_do_no_harm(make_fixatons):
    root = make_fixatons()
    (root / "STIMULI" / "._a.jpeg").write_bytes(b"resource fork")
    (root / "SCANPATHS" / ".DS_Store").write_bytes(b"\0")
    (root / "SCANPATHS" / "a" / ".DS_Store").write_bytes(b"\0")
    (root / "SCANPATHS" / "a" / "eve").write_text("\n")
    dataset = read(root)
    assert len(dataset.fixations.x) == 4
    assert dataset.dropped["trials left empty"] == 2


def test_images_are_read_when_needed_and_not_kept(make_fixatons):
    stimuli = read(make_fixatons()).stimuli
    assert stimuli.cached is False
    assert stimuli[0].stimulus_data.shape == (30, 40, 3)


@pytest.mark.parametrize("line", ["1 2 three 4", "1 2 3", "1 2 3 4 5", "nan 2 3 4", "inf 2 3 4"])
def test_a_bad_line_is_named_with_its_number(make_fixatons, line):
    root = make_fixatons()
    (root / "SCANPATHS" / "a" / "amy").write_text(f"1 2 3 4\n\n{line}\n5 6 7 8\n")
    with pytest.raises(DataError) as caught:
        read(root)
    (problem,) = caught.value.problems
    assert f"{root / 'SCANPATHS' / 'a' / 'amy'}:3:" in problem
    assert line in problem
    assert "x y t_start t_end" in problem


def test_all_problems_are_listed_at_once(make_fixatons, save_image):
    root = make_fixatons()
    (root / "SCANPATHS" / "a" / "amy").write_text("x y z t\n")
    (root / "SCANPATHS" / "a" / "bob").write_bytes(b"\xff\xfe\0\1")
    (root / "STIMULI" / "b.jpeg").write_bytes(b"no image")
    save_image(root / "STIMULI" / "c.jpeg")
    (root / "SCANPATHS" / "d").mkdir()
    with pytest.raises(DataError) as caught:
        read(root)
    problems = caught.value.problems
    named = ("SCANPATHS/c:", "SCANPATHS/d is missing", "amy:1:", "bob:1:", "b.jpeg: cannot be read")
    for words in named:
        assert sum(words in problem for problem in problems) == 1, (words, problems)
    assert len(problems) == len(named)


def test_a_missing_folder_is_named(make_fixatons):
    root = make_fixatons()
    (root / "SCANPATHS").rename(root / "SCANPATH")
    with pytest.raises(DataError, match="SCANPATHS: this folder is missing"):
        read(root)


def test_only_initial_fixations_is_an_error(make_fixatons):
    root = make_fixatons()
    for file in root.glob("SCANPATHS/*/*"):
        file.write_text("5 5 0 1\n")
    with pytest.raises(DataError, match="no fixation is left"):
        read(root)


def test_mit1003(data_root, real_folder):
    real_folder("FixaTons/MIT1003")
    dataset = locate.load("mit1003", data_root)
    assert (len(dataset), len(dataset.subject_names)) == (1003, 15)
    assert len(dataset.fixations.x) == 104146
    assert dataset.fixations.x.mean() == pytest.approx(487.148, abs=5e-4)
    assert dataset.fixations.y.mean() == pytest.approx(392.729, abs=5e-4)
    assert dataset.dropped["initial fixations"] == 15045
    assert dataset.dropped["fixations outside the image"] == 241
    assert dataset.dropped["trials left empty"] == 129
    assert dataset.spec.pixels_per_degree == 35
    subset = locate.subset_by_size(dataset, "1024x768")
    assert (subset.name, len(subset), len(subset.fixations.x)) == ("mit1003-1024x768", 463, 48762)


def test_siena12(data_root, real_folder):
    real_folder("FixaTons/SIENA12")
    dataset = locate.load("siena12", data_root)
    assert (len(dataset), len(dataset.subject_names), len(dataset.fixations.x)) == (12, 23, 3724)
    assert dataset.dropped["initial fixations"] == 272
    assert dataset.dropped["trials left empty"] == 3  # two of them empty files


def test_the_first_fixations_of_siena12_are_forced(real_folder):
    root = real_folder("FixaTons/SIENA12")
    spec = DatasetSpec(**registry.datasets()["siena12"].metadata)
    assert "forced" in spec.fixation_rule
    trials = [fixatons.read_scanpath(file) for file in sorted(root.glob("SCANPATHS/*/*"))]

    def central(row: int) -> float:
        places = np.array([trial[row, :2] for trial in trials if len(trial) > row])
        return float((np.abs(places / (1024, 768) - 0.5) < 0.1).all(axis=1).mean())

    assert central(0) > 0.92
    assert central(1) < 0.65
    assert central(2) < 0.4
