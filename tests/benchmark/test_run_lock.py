"""A results folder has one run at a time; whoever is dead is not waited for."""

from __future__ import annotations

import json
import os
import platform
import signal
import subprocess
import sys

import pytest

from benchmark import run_lock
from benchmark.errors import BenchmarkError
from benchmark.run import Options, run
from benchmark.run_lock import NAME, only_run

HOLD = """
import sys, time
from pathlib import Path
from benchmark.run_lock import only_run
with only_run(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def elsewhere(tmp_path):
    """Another process that has the folder."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout.readline() == "held\n"
    yield holder
    holder.kill()
    holder.wait()
    holder.stdout.close()


def enter(folder):
    with only_run(folder):
        pass


def test_the_lock_is_gone_afterwards(tmp_path):
    folder = tmp_path / "new" / "folder"
    with only_run(folder):
        assert json.loads((folder / NAME).read_text()) == {
            "pid": os.getpid(),
            "host": platform.node(),
        }
    assert list(folder.iterdir()) == []
    with pytest.raises(ZeroDivisionError), only_run(folder):
        raise ZeroDivisionError
    assert list(folder.iterdir()) == []


def test_a_second_run_is_told_of_the_first(tmp_path, elsewhere):
    match = rf"another run \(process {elsewhere.pid} on {platform.node()}\) writes to {tmp_path}\."
    with pytest.raises(BenchmarkError, match=match) as told:
        enter(tmp_path)
    assert "remove" not in str(told.value)
    assert (tmp_path / NAME).exists()


def test_a_run_of_the_same_process_is_another_run(tmp_path):
    with only_run(tmp_path), pytest.raises(BenchmarkError, match="another run"):
        enter(tmp_path)


def test_a_killed_run_does_not_block_the_next(tmp_path, elsewhere):
    elsewhere.send_signal(signal.SIGKILL)
    elsewhere.wait()
    assert (tmp_path / NAME).exists()
    enter(tmp_path)
    assert not (tmp_path / NAME).exists()


@pytest.mark.parametrize("content", ["", "no JSON", "[]", '{"pid": 1}'])
def test_a_file_that_names_nobody_is_taken_over(tmp_path, content):
    (tmp_path / NAME).write_text(content)
    enter(tmp_path)


def test_an_owner_on_another_machine_is_believed(tmp_path):
    (tmp_path / NAME).write_text(json.dumps({"pid": 7, "host": "node9"}))
    with pytest.raises(BenchmarkError, match=rf"process 7 on node9.*remove {tmp_path / NAME} and"):
        enter(tmp_path)
    (tmp_path / NAME).unlink()
    enter(tmp_path)


def test_where_files_cannot_be_locked_a_running_owner_is_believed(tmp_path, monkeypatch):
    def without(file, operation):
        raise OSError("no locks here")

    monkeypatch.setattr(run_lock.fcntl, "flock", without)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    for pid, free in ((gone.pid, True), (os.getppid(), False)):
        (tmp_path / NAME).write_text(json.dumps({"pid": pid, "host": platform.node()}))
        if free:
            enter(tmp_path)
            continue
        with pytest.raises(BenchmarkError, match=f"process {pid} .* remove"):
            enter(tmp_path)


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(BenchmarkError, match=r"run\.lock cannot be written: .*--out"):
        enter(tmp_path / "file" / "out")


def test_a_run_takes_the_lock_and_touches_nothing_without_it(tmp_path, elsewhere):
    with pytest.raises(BenchmarkError, match="another run"):
        run(Options(models=("uniform",), metrics=("NSS",), images=2, out=tmp_path))
    assert [file.name for file in tmp_path.iterdir()] == [NAME]
