"""Folders of ended processes are removed, those of others never; a full disk has a remedy."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest

from benchmark.errors import BenchmarkError
from benchmark.parallel import Backend, folder, ordered_map
from benchmark.parallel.folder import OWNER, TemporaryFolder, sweep

OWNED = """
import os, sys
from benchmark.parallel.folder import TemporaryFolder
path = TemporaryFolder().path
(path / "arrays").write_bytes(b"large")
print(path, flush=True)
sys.stdin.read()
os._exit(1)  # as if it was killed
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture
def owner(tmp_path):
    """Another process that has such a folder, and the folder."""
    root = str(Path(__file__).resolve().parents[2])
    process = subprocess.Popen(
        [sys.executable, "-c", OWNED],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": root},
    )
    yield process, Path(process.stdout.readline().strip())
    process.kill()
    process.communicate()


def aged(path):
    """The folder, as if it had been made an hour ago."""
    past = time.time() - 3600
    os.utime(path / OWNER, (past, past))
    return path


def test_a_folder_is_swept_when_its_owner_has_ended_and_not_before(owner):
    process, path = owner
    aged(path)
    sweep()
    assert (path / "arrays").exists()
    process.communicate("")
    own = TemporaryFolder()  # sweeps first
    assert not path.exists()
    aged(own.path)
    sweep()
    assert own.path.exists()
    own.remove()
    assert not own.path.exists()


def test_folders_of_others_stay(owner, temporary):
    process, path = owner
    process.communicate("")
    elsewhere = aged(path).rename(temporary / "benchmark-another_machine-1-abc")
    plain = temporary / "benchmark-results"
    plain.mkdir()
    nobody = temporary / f"{folder._prefix()}1-abc"
    nobody.mkdir()
    sweep()
    assert elsewhere.exists()
    assert plain.exists()
    assert nobody.exists()


def test_a_folder_that_is_being_made_stays(owner):
    process, path = owner
    process.communicate("")
    sweep()
    assert path.exists()


def test_a_file_that_is_open_elsewhere_is_removed_later(monkeypatch):
    """On Windows, workers still have it mapped when the work is done."""
    made = TemporaryFolder()
    (made.path / "arrays").write_bytes(b"large")
    unlink = Path.unlink

    def refuse(self, *arguments):
        if self.name == "arrays":
            raise PermissionError(13, "used by another process")
        unlink(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refuse)
        made.remove()
    assert (made.path / "arrays").exists()
    aged(made.path)
    sweep()
    assert not made.path.exists()


def test_no_folder_is_left_by_a_run_of_processes(temporary):
    assert list(ordered_map(_sum, range(3), 2, np.ones(2**18))) == [2**18] * 3
    assert [path.name for path in temporary.iterdir() if path.name.startswith("bench")] == []


def _sum(shared, item):
    return shared.sum()


@pytest.mark.skipif(os.name != "posix", reason="needs limits on files")
def test_a_full_disk_is_told_with_a_remedy(temporary):
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**16, before[1]))
    try:
        with pytest.raises(BenchmarkError, match=rf"{temporary}.*TMPDIR"):
            list(ordered_map(_sum, range(3), 2, np.ones(2**18)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(temporary.iterdir()) == []


def test_a_folder_for_temporary_files_that_is_missing_is_named(temporary, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(temporary / "gone"))
    with pytest.raises(BenchmarkError, match=r"gone.*TMPDIR"), Backend(2).started() as workers:
        list(ordered_map(_sum, range(3), workers, np.ones(3)))
