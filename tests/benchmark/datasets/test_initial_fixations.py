"""Forced first fixations are told from free ones."""

from __future__ import annotations

import numpy as np
import pytest

from benchmark.check import check
from benchmark.datasets import locate
from benchmark.datasets.initial_fixations import KEY, InitialFixations
from benchmark.run import Options, run

HEADER = ("image", "subject", "x", "y", "t")
SIZE = (40, 30)  # of the images that make_folder saves


def rows(first, subjects=8):
    """Trials of five fixations on three images; ``first`` makes the place of the first one."""
    rng = np.random.default_rng(0)
    return [
        (f"{image}.png", f"s{subject}", *(first(rng) if k == 0 else rng.uniform((0, 0), SIZE)), k)
        for image in "abc"
        for subject in range(subjects)
        for k in range(5)
    ]


def forced(rng):
    return rng.normal((19.5, 14.5), 0.5)


def free(rng):
    return rng.uniform((0, 0), SIZE)


def test_forced_first_fixations_are_found_by_check_and_run(make_folder, tmp_path):
    root = make_folder(rows(forced), HEADER)
    (warning,) = check(root).warnings
    assert "in 100% of the trials" in warning
    assert 'initial_fixations = "drop"' in warning
    said = []
    run(Options(str(root), models=("uniform",), metrics=("LL",), out=tmp_path / "o"), said.append)
    assert f"warning: {warning}" in said
    (root / "dataset.toml").write_text('initial_fixations = "drop"')
    assert check(root).warnings == []


def test_free_first_fixations_are_not_suspected(make_folder):
    assert check(make_folder(rows(free), HEADER)).warnings == []


def test_free_first_fixations_that_are_dropped_are_told(make_folder):
    root = make_folder(rows(free), HEADER)
    (root / "dataset.toml").write_text('initial_fixations = "drop"')
    (warning,) = check(root).warnings
    assert "left out as forced" in warning
    assert 'initial_fixations = "keep"' in warning


def test_few_trials_tell_nothing(make_folder):
    assert check(make_folder(rows(forced, subjects=6), HEADER)).warnings == []


def test_what_is_central_is_relative_to_each_image():
    x = np.array([[49.5, 0.0, np.nan], [99.5, 99.5, 3.0], [5.0, np.nan, np.nan]])
    y = np.array([[24.5, 0.0, np.nan], [9.5, 9.5, 3.0], [5.0, np.nan, np.nan]])
    sizes = np.array([[50, 100], [20, 200], [10, 10]])
    assert InitialFixations.of(x, y, sizes, True) == InitialFixations(2, 1.0, 0.5, True)
    nothing = InitialFixations.of(x[2:], y[2:], sizes[2:], False)
    assert (nothing.trials, nothing.suspicion) == (0, None)


@pytest.mark.parametrize(
    ("name", "folder"),
    [("mit1003", "FixaTons/MIT1003"), ("siena12", "FixaTons/SIENA12"), ("osie", "OSIE")],
)
def test_registered_data_sets_are_treated_as_they_look(name, folder, data_root, real_folder):
    real_folder(folder)
    found = locate.load(name, data_root).extras[KEY]
    assert found.trials > 250
    assert found.suspicion is None


def test_a_run_warns_of_coordinates_as_the_check_does(make_folder, tmp_path):
    rng = np.random.default_rng(0)
    where = rng.uniform((0, 0), (100, 80), (200, 2))  # of a screen, not of images of 40x30
    trials = [(f"{'abc'[n % 3]}.png", f"s{n % 2}", x, y, n) for n, (x, y) in enumerate(where)]
    root = make_folder(trials, HEADER)
    said = []
    run(Options(str(root), models=("uniform",), metrics=("LL",), out=tmp_path / "o"), said.append)
    assert any("warning" in line and "outside their image" in line for line in said)
