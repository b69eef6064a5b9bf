"""What a number was made with: every part that it depends on, in a form that can be used again."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmark import provenance


def test_versions_of_everything_that_scores_depend_on():
    found = provenance.versions()
    assert found["numpy"] == np.__version__
    assert found["python"] == ".".join(map(str, sys.version_info[:3]))
    assert {"pysaliency", "scipy", "numba", "torch", "deepgaze-benchmark"} <= set(found)
    assert all(isinstance(version, str) and version for version in found.values())


def test_a_missing_package_is_said_to_be_missing(monkeypatch):
    monkeypatch.setattr(provenance, "PACKAGES", ("numpy", "a-package-that-is-not-there"))
    assert provenance.versions()["a-package-that-is-not-there"] == "not installed"


def test_the_command_can_be_pasted_into_a_shell(monkeypatch):
    arguments = ["run", "--dataset", "my data/set", "--out", "it's"]
    monkeypatch.setattr(sys, "argv", ["/somewhere/benchmark/__main__.py", *arguments])
    command = provenance.command_line()
    assert command.startswith("python -m benchmark run --dataset 'my data/set'")
    assert shlex.split(command) == ["python", "-m", "benchmark", *arguments]


def git(folder, *arguments):
    identity = ["-c", "user.name=n", "-c", "user.email=e", "-c", "commit.gpgsign=false"]
    done = subprocess.run(
        ["git", "-C", str(folder), *identity, *arguments],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A repository with a copy of the module's file, and the module taken to be this copy."""
    file = tmp_path / "benchmark" / "provenance.py"
    file.parent.mkdir()
    file.write_text("one\n", encoding="utf-8")
    monkeypatch.setattr(provenance, "__file__", str(file))
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "first")
    return tmp_path


def test_the_commit_and_whether_the_source_was_changed(checkout):
    head = git(checkout, "rev-parse", "HEAD")
    assert provenance.commit() == {"commit": head, "dirty": False}
    (checkout / "results").mkdir()
    (checkout / "results" / "scores.csv").touch()  # what a run writes is no change of its source
    assert provenance.commit() == {"commit": head, "dirty": False}
    (checkout / "benchmark" / "provenance.py").write_text("two\n", encoding="utf-8")
    assert provenance.commit() == {"commit": head, "dirty": True}


def test_without_git_the_commit_is_unknown(monkeypatch):
    def missing(*arguments, **options):
        raise FileNotFoundError("git")

    monkeypatch.setattr(subprocess, "run", missing)
    assert provenance.commit() == {"commit": None, "dirty": None}


def test_the_hash_of_source_follows_names_and_content(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "benchmark" / "provenance.py"))
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics" / "a.py").write_text("x = 1", encoding="utf-8")
    (tmp_path / "metrics" / "notes.txt").write_text("not source", encoding="utf-8")
    (tmp_path / "benchmark").mkdir()
    (tmp_path / "benchmark" / "evaluate.py").write_text("y = 1", encoding="utf-8")
    seen = {provenance.source_hash("metrics"), provenance.source_hash("metrics", "benchmark")}
    one = provenance.source_hash("metrics", "benchmark/evaluate.py")
    assert one == provenance.source_hash("metrics", "benchmark")  # the same files
    (tmp_path / "metrics" / "notes.txt").write_text("still not", encoding="utf-8")
    assert provenance.source_hash("metrics") in seen
    (tmp_path / "metrics" / "a.py").write_text("x = 2", encoding="utf-8")
    seen.add(provenance.source_hash("metrics"))
    (tmp_path / "metrics" / "a.py").rename(tmp_path / "metrics" / "b.py")
    seen.add(provenance.source_hash("metrics"))
    assert len(seen) == 4


def test_the_hash_of_our_source_is_that_of_the_files_on_disk():
    root = Path(provenance.__file__).parents[1]
    assert (root / "metrics" / "auc.py").is_file()
    assert provenance.source_hash("metrics") != provenance.source_hash("models")
