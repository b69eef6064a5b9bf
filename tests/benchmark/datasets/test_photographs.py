"""The built-in photographs: every file is found as described, and a wrong one is explained."""

import hashlib
import importlib.util
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from benchmark.datasets import photographs
from benchmark.datasets.photographs import PHOTOGRAPHS, locate, locate_all, select
from benchmark.errors import DataError, UnknownNameError


def test_enough_photographs_of_several_sizes_some_grey():
    assert len(PHOTOGRAPHS) >= 12
    assert len({(p.height, p.width) for p in PHOTOGRAPHS}) >= 6
    modes = [Image.open(path).mode for path in locate_all(PHOTOGRAPHS)]
    assert set(modes) == {"L", "RGB"}
    assert modes.count("L") >= 1
    assert len({p.file_name for p in PHOTOGRAPHS}) == len(PHOTOGRAPHS)
    assert len({p.sha256 for p in PHOTOGRAPHS}) == len(PHOTOGRAPHS)


@pytest.mark.parametrize("photograph", PHOTOGRAPHS, ids=lambda p: p.name)
def test_file_is_as_described(photograph):
    path = locate(photograph)
    assert path.name == photograph.file_name
    assert hashlib.sha256(path.read_bytes()).hexdigest() == photograph.sha256
    with Image.open(path) as image:
        assert image.size == (photograph.width, photograph.height)
    assert photograph.title
    assert photograph.licence
    assert photograph.package in photographs.DISTRIBUTIONS


@pytest.mark.parametrize("photograph", PHOTOGRAPHS, ids=lambda p: p.name)
def test_objects_lie_in_the_image(photograph):
    assert 3 <= len(photograph.objects) <= 8
    assert len({o.name for o in photograph.objects}) == len(photograph.objects)
    for o in photograph.objects:
        assert 0 <= o.x < photograph.width
        assert 0 <= o.y < photograph.height
        # At least two thirds of each radius inside: nothing is mostly out of the picture.
        assert o.x - o.radius_x * 2 / 3 >= 0
        assert o.x + o.radius_x * 2 / 3 < photograph.width
        assert o.y - o.radius_y * 2 / 3 >= 0
        assert o.y + o.radius_y * 2 / 3 < photograph.height
        assert 0 < o.radius_x < photograph.width / 4
        assert 0 < o.radius_y < photograph.height / 4
        assert 0 < o.pull <= 4


def test_annotated_objects_differ_from_their_surroundings():
    """Moved or mirrored annotations would land on plain ground: objects hold more contrast."""
    higher = 0
    total = 0
    for photograph, path in zip(PHOTOGRAPHS, locate_all(PHOTOGRAPHS), strict=True):
        grey = np.asarray(Image.open(path).convert("L"), dtype=float)
        y, x = np.indices(grey.shape)
        for o in photograph.objects:
            inside = ((x - o.x) / o.radius_x) ** 2 + ((y - o.y) / o.radius_y) ** 2 <= 1
            mirrored = inside[:, ::-1] & ~inside
            if mirrored.sum() < inside.sum() / 2:
                continue
            total += 1
            higher += grey[inside].std() > grey[mirrored].std()
    assert total > 60
    assert higher / total > 0.6


def test_locating_imports_no_package_that_ships_photographs():
    code = (
        "import sys; from benchmark.datasets.photographs import PHOTOGRAPHS, locate_all; "
        "assert len(locate_all(PHOTOGRAPHS)) == len(PHOTOGRAPHS); "
        "print(sorted({'skimage', 'sklearn'} & set(sys.modules)))"
    )
    # The package of data sets may import more than this file does; only what locating adds counts.
    before = (
        "import sys, benchmark.datasets; print(sorted({'skimage', 'sklearn'} & {*sys.modules}))"
    )
    outputs = [
        subprocess.run([sys.executable, "-W", "ignore", "-c", c], capture_output=True, text=True)
        for c in (before, code)
    ]
    assert [o.returncode for o in outputs] == [0, 0], outputs[1].stderr
    assert outputs[1].stdout == outputs[0].stdout


def _install(monkeypatch, folder):
    """Pretend that every package lies in ``folder``; None for not installed."""
    spec = None if folder is None else SimpleNamespace(submodule_search_locations=[str(folder)])
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)


@pytest.mark.parametrize("photograph", [select(["camera"])[0], select(["china"])[0]])
def test_missing_package_is_named_with_the_remedy(monkeypatch, photograph):
    distribution, versions = photographs.DISTRIBUTIONS[photograph.package]
    _install(monkeypatch, None)
    with pytest.raises(DataError, match="not installed") as error:
        locate(photograph)
    assert photograph.file_name in str(error.value)
    assert f"pip install --force-reinstall {distribution}" in str(error.value)
    assert versions in str(error.value)


def test_missing_file_is_named_with_the_remedy(monkeypatch, tmp_path):
    _install(monkeypatch, tmp_path)
    with pytest.raises(DataError, match="cannot be read") as error:
        locate(select(["camera"])[0])
    assert str(tmp_path / "data" / "camera.png") in str(error.value)
    assert "scikit-image" in str(error.value)


def test_changed_file_is_said_to_have_changed(monkeypatch, tmp_path):
    photograph = select(["camera"])[0]
    content = locate(photograph).read_bytes() + b"\0"
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "camera.png").write_bytes(content)
    _install(monkeypatch, tmp_path)
    with pytest.raises(DataError, match="this file changed") as error:
        locate(photograph)
    assert photograph.sha256 in str(error.value)
    assert hashlib.sha256(content).hexdigest() in str(error.value)


def test_all_problems_are_listed_at_once(monkeypatch, tmp_path):
    _install(monkeypatch, tmp_path)
    with pytest.raises(DataError) as error:
        locate_all(PHOTOGRAPHS)
    assert len(error.value.problems) == len(PHOTOGRAPHS)


def test_select_keeps_the_order_asked_for():
    assert [p.name for p in select(["coins", "camera"])] == ["coins", "camera"]
    assert select() == PHOTOGRAPHS


def test_unknown_photograph_suggests_the_nearest():
    with pytest.raises(UnknownNameError, match=r"Did you mean 'camera'\?.*astronaut"):
        select(["camra"])
