"""Image files: those that viewers would turn are refused, where fixations lie on their pixels."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from benchmark.datasets.images import decode_problem, open_stimuli
from benchmark.errors import DataError
from benchmark.submission import held_out_images


def saved(folder, name, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.new("RGB", (40, 30), (90, 120, 40)).save(folder / name, exif=exif)
    return folder / name


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif", "a.webp"])
@pytest.mark.parametrize("orientation", [3, 6])
def test_turned_images_are_refused(tmp_path: Path, name, orientation):
    file = saved(tmp_path, name, orientation)
    with pytest.raises(DataError, match="upright") as error:
        open_stimuli([file, tmp_path / "missing.png"])
    assert len(error.value.problems) == 2
    assert error.value.problems[0].startswith(str(file))
    assert decode_problem(file) == error.value.problems[0]
    with pytest.raises(DataError, match="upright"):
        held_out_images(tmp_path)
    assert open_stimuli([file], as_stored=True).sizes[0] == (30, 40)


def test_upright_images_with_a_tag_are_read(tmp_path: Path):
    file = saved(tmp_path, "a.jpg", 1)
    assert open_stimuli([file]).sizes[0] == (30, 40)
    assert decode_problem(file) is None
