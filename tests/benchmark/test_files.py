"""Equal content gives equal bytes; files are written whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmark import files
from benchmark.errors import BenchmarkError
from benchmark.files import (
    disk_errors,
    file_hash,
    read_csv,
    writable,
    write_csv,
    write_csv_pieces,
    write_json,
)


def test_csv_has_ten_digits_and_empty_fields_for_nan(tmp_path):
    path = tmp_path / "new" / "table.csv"
    frame = pd.DataFrame(
        {"name": ["a,b", 'ö"'], "value": [1 / 3, np.nan], "n": [3, 4], "left out": [0, 0]}
    )
    write_csv(frame, path, ["n", "name", "value"])
    expected = 'n,name,value\n3,"a,b",0.3333333333\n4,"ö""",\n'
    assert path.read_bytes() == expected.encode()


def test_infinite_scores_can_be_read_again(tmp_path):
    path = tmp_path / "table.csv"
    values = [np.inf, -np.inf, np.nan, 1e-300, -0.5]
    write_csv(pd.DataFrame({"value": values}), path, ["value"])
    np.testing.assert_array_equal(read_csv(path, [], ["value"])["value"], values)


def test_json_keeps_the_order_of_keys_and_letters(tmp_path):
    path = tmp_path / "record.json"
    write_json({"b": "Kümmerer", "a": np.float64(0.5), "c": [np.int64(2)]}, path)
    text = path.read_text(encoding="utf-8")
    assert text == '{\n  "b": "Kümmerer",\n  "a": 0.5,\n  "c": [\n    2\n  ]\n}\n'
    assert json.loads(text) == {"b": "Kümmerer", "a": 0.5, "c": [2]}


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "record.json"
    write_json({"a": 1}, path)
    before = path.read_bytes()

    def full(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(BenchmarkError, match=r"record\.json cannot be written: No space left"):
        write_json({"a": 2}, path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_arrays_and_paths_of_somebodys_model_are_written(tmp_path):
    path = tmp_path / "record.json"
    write_json({"a": np.arange(3), "b": Path("weights") / "file"}, path)
    assert json.loads(path.read_text(encoding="utf-8")) == {"a": [0, 1, 2], "b": "weights/file"}


def test_what_is_no_json_leaves_the_old_file(tmp_path):
    path = tmp_path / "record.json"
    write_json({"a": 1}, path)
    before = path.read_bytes()
    endless: dict = {}
    endless["a"] = endless
    with pytest.raises(ValueError, match="Circular"):
        write_json(endless, path)
    assert path.read_bytes() == before


def test_a_table_in_pieces_is_the_same_file(tmp_path):
    frame = pd.DataFrame({"name": list("abcde"), "value": [1 / 3, np.nan, 1.0, -np.inf, 2e-20]})
    write_csv(frame, tmp_path / "whole.csv", ["value", "name"])
    pieces = (frame.iloc[start : start + 2] for start in (0, 2, 4))
    write_csv_pieces(pieces, tmp_path / "pieces.csv", ["value", "name"])
    content = (tmp_path / "whole.csv").read_bytes()
    assert (tmp_path / "pieces.csv").read_bytes() == content
    assert file_hash(tmp_path / "whole.csv") == hashlib.sha256(content).hexdigest()


def test_a_piece_that_fails_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "table.csv"
    write_csv(pd.DataFrame({"a": [1]}), path, ["a"])
    before = path.read_bytes()

    def pieces():
        yield pd.DataFrame({"a": [2]})
        raise OSError(28, "No space left on device")

    with pytest.raises(BenchmarkError, match="No space left"):
        write_csv_pieces(pieces(), path, ["a"])
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_tables_are_read_in_portions(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_ROWS", 2)
    path = tmp_path / "table.csv"
    path.write_text("name,value,other\nNA,1,x\n001,,y\na,3.5,z\n")
    frame = read_csv(path, ["name"], ["value"])
    expected = pd.DataFrame({"name": ["NA", "001", "a"], "value": [1.0, np.nan, 3.5]})
    pd.testing.assert_frame_equal(frame, expected)
    path.write_text("name,value\na,1\nb,2\nc,three\n")
    with pytest.raises(BenchmarkError, match="line 4: value is 'three'"):
        read_csv(path, ["name"], ["value"])
    path.write_text("name,value\n")
    assert len(read_csv(path, ["name"], ["value"])) == 0
    path.write_text("name\na\n")
    with pytest.raises(BenchmarkError, match=r"lacks the column\(s\) value"):
        read_csv(path, ["name"], ["value"])


# The disk


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(28, "No space left on device"), "out cannot be read or written: No space left"),
        (OSError(13, "Permission denied", "a/b.npy"), "a/b.npy cannot be .* written: Permission"),
        (
            OSError(13, "Permission denied", f"a/.fold0.pt.{'0a' * 16}.part"),
            "a/fold0.pt cannot be read or written: Permission denied",
        ),
    ],
)
def test_errors_of_the_disk_name_file_reason_and_remedy(error, message):
    with (
        pytest.raises(BenchmarkError, match=f"^{message}") as found,
        disk_errors(Path("out"), "-o"),
    ):
        raise error
    assert str(found.value).endswith("or choose a folder that you may write to with -o.")


@pytest.mark.parametrize("error", [OSError("no image"), BrokenPipeError(32, "gone"), KeyError(1)])
def test_other_errors_are_not_the_disks(error):
    with pytest.raises(type(error)) as found, disk_errors(Path("out"), "-o"):
        raise error
    assert found.value is error


def test_a_folder_that_can_be_written_to_is_left_as_it_is(tmp_path):
    assert writable(tmp_path / "new" / "folder", "-o") == tmp_path
    assert writable(tmp_path, "-o") == tmp_path
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("below", ["", "folder"])
def test_a_file_in_the_place_of_a_folder(tmp_path, below):
    (tmp_path / "file").touch()
    with pytest.raises(BenchmarkError, match=r"file is a file, so nothing .* folder with -o"):
        writable(tmp_path / "file" / below, "-o")


def test_a_folder_that_cannot_be_written_to(tmp_path, monkeypatch):
    def refused(dir):
        raise PermissionError(13, "Permission denied", str(dir / "tmp1234"))

    monkeypatch.setattr(files.tempfile, "TemporaryFile", refused)
    with pytest.raises(BenchmarkError, match=f"^{tmp_path} cannot .* written: Permission denied"):
        writable(tmp_path / "new", "-o")
