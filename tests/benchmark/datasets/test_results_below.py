"""Results that lie below the data are no stimuli."""

from __future__ import annotations

from benchmark.datasets import locate


def test_figures_of_a_run_are_no_stimuli(make_folder, save_image):
    root = make_folder()
    names = locate.load(root).image_names
    save_image(root / "results" / "own" / "figures" / "overview.png")
    assert len(locate.load(root).image_names) == len(names) + 1
    (root / "results" / "own" / "run.json").write_text("{}")
    assert locate.load(root).image_names == names


def test_a_run_json_beside_the_images_hides_nothing(make_folder):
    root = make_folder()
    (root / "run.json").write_text("{}")
    assert len(locate.load(root).image_names) == 3
