"""Writing a report: what is written, rebuilt alike, and errors of the disk."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark import files
from benchmark.errors import BenchmarkError
from benchmark.files import write_whole
from benchmark.report.writer import write_report


def contents(folder: Path) -> dict[str, bytes]:
    return {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*") if f.is_file()}


def test_a_report_is_written_beside_its_scores_and_rebuilt_alike(make):
    path = make(n_models=2, n_images=10).write()
    given = contents(path)
    written = write_report(path)
    first = contents(path)
    assert {str(file.relative_to(path)) for file in written} == set(first) - set(given)
    assert {"summary.tex", "summary.md", "figures/explained.pdf"} <= set(first)
    assert {name: first[name] for name in given} == given
    assert first["figures/explained.png"].startswith(b"\x89PNG")
    assert first["figures/explained.pdf"].startswith(b"%PDF")
    write_report(path)
    assert contents(path) == first


def test_intervals_are_printed_on_request(make):
    path = make(n_models=2, n_images=10).write()
    write_report(path)
    assert r"\stack" not in (path / "summary.tex").read_text(encoding="utf-8")
    write_report(path, intervals=True)
    assert r"\stack" in (path / "summary.tex").read_text(encoding="utf-8")


def test_nothing_is_written_when_scores_are_missing(make):
    path = make().write()
    (path / "summary.csv").unlink()
    before = contents(path)
    with pytest.raises(BenchmarkError, match=r"summary\.csv is missing"):
        write_report(path)
    assert contents(path) == before


def test_a_folder_that_cannot_be_made_is_named(make):
    path = make(n_models=1, n_images=5).write()
    (path / "figures").write_text("a file where a folder should be")
    with pytest.raises(BenchmarkError, match=r"figures.*cannot be"):
        write_report(path)


@pytest.mark.parametrize("step", ["write", "replace"])
def test_a_full_disk_leaves_the_old_file_and_no_rest(tmp_path, monkeypatch, step):
    target = tmp_path / "summary.md"
    write_whole(target, "old")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    if step == "replace":
        monkeypatch.setattr(files.os, "replace", full)
    else:
        monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(BenchmarkError, match=r"summary\.md cannot be written: No space left"):
        write_whole(target, "new")
    assert contents(tmp_path) == {"summary.md": b"old"}


def test_reports_need_neither_models_nor_torch():
    code = (
        "import sys, benchmark.report.writer; "
        "loaded = {name.partition('.')[0] for name in sys.modules}; "
        "print(sorted(loaded & {'torch', 'pysaliency', 'models', 'metrics', 'pandas'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['pandas']"  # which shows that the list is that of the imports
