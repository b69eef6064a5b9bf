"""A repair may end at any moment: no sound value is lost, and damage is told of."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import sqlite3
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmark import store_repair
from benchmark.errors import BenchmarkError
from benchmark.evaluate import Score
from benchmark.store import Store
from benchmark.survival.disk import filled, small_disk

KEYS = {"a": "key of a"}
IMAGES = 500


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """A folder with the store of a killed run: 500 values, the last 40 in its write-ahead file."""
    folder, working = (tmp_path_factory.mktemp(name) for name in ("killed", "working"))
    for images in (range(460), range(460, IMAGES)):
        store = Store(working / "scores.sqlite")
        for image in images:
            store.add(KEYS, [Score("a", image, "IG", image + 0.5, 3)])
        if images[0] == 0:
            store.close()
    for file in working.iterdir():
        shutil.copy(file, folder)
    store.close()
    assert len(list(folder.iterdir())) == 3
    return folder


def change(file, place):
    content = bytearray(file.read_bytes())
    content[place] ^= 255
    file.write_bytes(content)


@pytest.fixture
def damaged(tmp_path, killed):
    """The same, with the value of image 5 and a byte of the write-ahead file changed."""
    folder = tmp_path / "folder"
    shutil.copytree(killed, folder)
    file = folder / "scores.sqlite"
    (at,) = np.flatnonzero(
        np.lib.stride_tricks.sliding_window_view(np.frombuffer(file.read_bytes(), np.uint8), 8)
        .copy()
        .view(">f8")
        .ravel()
        == 5.5
    )
    change(file, int(at))
    change(folder / "scores.sqlite-wal", -2000)
    return file


def values(path, say=lambda text: None):
    store = Store(path, say)
    found = store.read(KEYS["a"])
    store.close()
    assert all(value == (image + 0.5, 3) for (image, _), value in found.items())
    return {image for image, _ in found}


def killed_at(step: int, path: Path) -> bool:
    """Open a store in another process, which is killed at a step; whether it came so far."""
    child = os.fork()
    if not child:
        steps = iter(range(10**6))

        def hook(event, arguments):
            files = ("open", "os.rename", "os.remove", "sqlite3.connect")
            if event in files and str(path) in str(arguments[0]) and next(steps) == step:
                os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(hook)
        Store(path)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_kill_at_any_step_of_a_repair_loses_nothing(tmp_path, damaged):
    sound = values(shutil.copytree(damaged.parent, tmp_path / "whole") / damaged.name)
    assert 5 not in sound
    assert sound > set(range(460)) - {5}
    names, step = set(), 0
    while True:
        folder = shutil.copytree(damaged.parent, tmp_path / f"step{step}")
        if not killed_at(step, folder / damaged.name):
            break
        names |= {file.name.removeprefix("scores.sqlite") for file in folder.iterdir()}
        said = []
        found = values(folder / damaged.name, said.append)
        assert found == sound, f"step {step}"
        # what is told may have been told before the kill, when everything was in its place
        assert said or (folder / "scores.sqlite.damaged").exists()
        assert not [file for file in folder.iterdir() if file.suffix in (".new", ".part", ".copy")]
        shutil.rmtree(folder)
        step += 1
    assert step > 15
    # kills came before, between and after the renames
    assert names >= {"", "-wal", ".part", ".new", ".damaged", ".damaged-wal"}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_what_an_interrupted_repair_did_is_told_later(damaged):
    step = 0
    copy = damaged.parent.parent / "copy"
    while True:
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(damaged.parent, copy)
        assert killed_at(step, copy / damaged.name)
        if (copy / "scores.sqlite.new").exists() and not (copy / "scores.sqlite").exists():
            break
        step += 1
    said = []
    found = values(copy / damaged.name, said.append)
    assert said == [
        f"{copy / damaged.name} was damaged: {len(found)} values in it are sound and kept, the "
        "others are computed again. The damaged file is now scores.sqlite.damaged."
    ]
    assert (copy / "scores.sqlite.damaged").read_bytes() == damaged.read_bytes()


def test_a_repair_that_fails_leaves_the_store_as_it_was(damaged, monkeypatch):
    before = {file.name: file.read_bytes() for file in damaged.parent.iterdir()}

    def full(self, content):
        raise OSError(errno.ENOSPC, "No space left on device", str(self))

    monkeypatch.setattr(store_repair.Path, "write_bytes", full)
    with pytest.raises(BenchmarkError, match=r"No space left.*What was scored before is kept"):
        Store(damaged)
    monkeypatch.undo()
    assert {file.name: file.read_bytes() for file in damaged.parent.iterdir()} == before
    assert len(values(damaged)) > 450


@pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="others may not mount a file system"
)
@pytest.mark.parametrize("free", [0, 20_000, 60_000, 120_000, 160_000])
def test_a_full_disk_while_a_store_is_repaired_loses_nothing(tmp_path, damaged, free):
    sound = values(shutil.copytree(damaged.parent, tmp_path / "whole") / damaged.name)
    with small_disk(tmp_path / "disk") as mounted:
        if not mounted:
            pytest.skip("this system does not let root mount a file system")
        path = shutil.copytree(damaged.parent, tmp_path / "disk" / "folder") / damaged.name
        (tmp_path / "disk" / "reserve").write_bytes(bytes(free))
        with filled(tmp_path / "disk"):
            (tmp_path / "disk" / "reserve").unlink()
            try:
                Store(path).close()
            except BenchmarkError as error:
                assert "What was scored before is kept" in str(error)  # noqa: PT017
        assert values(path) == sound


@pytest.mark.parametrize("harm", ["header", "first", "middle", "last", "cut", "emptied", "removed"])
def test_a_write_ahead_file_that_lost_something_is_noticed(tmp_path, killed, harm):
    path = shutil.copytree(killed, tmp_path / "folder") / "scores.sqlite"
    ahead = path.with_name("scores.sqlite-wal")
    content = ahead.read_bytes()
    places = {"header": 17, "first": 60, "middle": len(content) // 2, "last": -1}
    if harm in places:
        change(ahead, places[harm])
    elif harm == "removed":
        ahead.unlink()
    else:
        ahead.write_bytes(content[: -3 * 4120] if harm == "cut" else b"")
    said = []
    found = values(path, said.append)
    assert set(range(460)) <= found < set(range(IMAGES))
    assert f"was damaged: {len(found)} values" in said[0]


def test_a_killed_runs_store_is_not_taken_for_damaged(tmp_path, killed):
    said = []
    path = shutil.copytree(killed, tmp_path / "folder") / "scores.sqlite"
    assert values(path, said.append) == set(range(IMAGES))
    assert said == []


@pytest.mark.parametrize("transactions", [1, 3, 700, 1500])
def test_a_store_that_is_open_is_not_taken_for_damaged(tmp_path, transactions):
    """The write-ahead file is begun anew after a thousand pages, over its older content."""
    store = Store(tmp_path / "open" / "scores.sqlite")
    for image in range(transactions):
        store.add(KEYS, [Score("a", image, "IG", image + 0.5, 3)])
    copy, said = shutil.copytree(store.path.parent, tmp_path / "copy"), []
    store.close()
    assert values(copy / store.path.name, said.append) == set(range(transactions))
    assert said == []


def test_a_store_that_another_program_holds_is_not_a_full_disk(tmp_path, monkeypatch):
    monkeypatch.setattr("benchmark.store.PATIENCE", 0.1)
    path = tmp_path / "scores.sqlite"
    store = Store(path)
    other = sqlite3.connect(path)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(BenchmarkError, match=r"locked.*Another program has had it open") as told:
        store.add(KEYS, [Score("a", 0, "IG", 1.0, 3)])
    assert "full" not in str(told.value)
    other.close()
    store.close()
