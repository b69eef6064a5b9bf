"""The harness finds losses, and a short form of it finds none in real runs."""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys

import numpy as np
import pandas as pd
import pytest

from benchmark.survival import events
from benchmark.survival.__main__ import HARMS
from benchmark.survival.bench import Finding, undisturbed
from benchmark.survival.disk import filled, largest, small_disk
from benchmark.survival.features import damaged, features_damaged
from benchmark.survival.process import Ended, Run, without_override
from benchmark.survival.report import write_report
from benchmark.survival.stored import lost, stored
from benchmark.survival.workload import Workload, write_dataset

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc and signals")

IMAGES, SEED = 16, 3


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    """What sixteen images give undisturbed, in one process and in two."""
    folder = tmp_path_factory.mktemp("survival")
    return undisturbed(Workload(write_dataset(folder / "data", IMAGES, SEED)), folder, SEED)


def test_an_undisturbed_run_stores_every_score(bench):
    assert len(bench.scores) == IMAGES * 4 * 5
    assert set(bench.expected) == {
        "scores.csv", "summary.csv", "differences.csv", "summary.md", "summary.tex",
    }  # fmt: skip


@pytest.mark.parametrize("harm", ["kill", "worker", "disk", "permission", "store", "repair"])
def test_a_short_form_of_the_harness_loses_nothing(bench, harm):
    bench.rng = np.random.default_rng(SEED)
    finding = HARMS[harm][0](bench, {"kill": 3, "permission": 3}.get(harm, 1))
    assert finding.times >= 1
    assert finding.stored > 0
    assert (finding.lost, finding.unlike, finding.untold) == (0, 0, 0), finding.notes


def test_a_dask_worker_may_be_killed(bench):
    pytest.importorskip("distributed", reason="needs Dask: pip install distributed")
    finding = events.dask_worker_killed(bench, 1)
    assert finding.sound, finding.notes


@pytest.mark.parametrize("harm", ["cache-disk", "cache-permission"])
def test_a_cache_that_cannot_be_written_to_costs_nothing(bench, harm):
    bench.rng = np.random.default_rng(SEED)
    finding = HARMS[harm][0](bench, 1)
    assert finding.sound, finding.notes
    assert finding.times == 1 or finding.impossible


def test_damaged_features_are_computed_again(tmp_path):
    finding = features_damaged(tmp_path, 20, np.random.default_rng(0))
    assert (finding.times, finding.lost, finding.untold) == (20, 0, 0)


# The harness itself


def test_what_is_lost_or_changed_is_counted():
    before = {("a", 0, "IG"): 1.0, ("a", 1, "IG"): 2.0, ("a", 2, "IG"): None}
    assert lost(before, dict(before)) == 0
    assert lost(before, {("a", 0, "IG"): 1.0, ("a", 1, "IG"): 2.5}) == 2
    assert lost({}, before) == 0


def test_a_run_that_forgets_a_score_is_found(bench):
    """A store in which a score is changed under a right checksum misleads the run, not us."""
    out = bench.fresh()
    shutil.copytree(bench.folder / "undisturbed", out)
    before = stored(out)
    from benchmark.store_repair import checked

    with sqlite3.connect(out / "scores.sqlite") as connection:
        row = connection.execute("SELECT * FROM checked_scores WHERE metric = 'IG'").fetchone()
        changed = checked(*row[:3], row[3] + 1.0, row[4])
        connection.execute("INSERT OR REPLACE INTO checked_scores VALUES (?,?,?,?,?,?)", changed)
    finding = Finding("changed")
    finding.times = 1
    bench.settle(out, finding, before)
    assert (finding.lost, finding.unlike) == (1, 1)
    assert not finding.sound


def test_a_run_that_says_nothing_is_found(bench):
    out = bench.fresh()
    shutil.copytree(bench.folder / "undisturbed", out)
    finding = Finding("silent")
    events.failed(bench, finding, out, Ended(1, "", 0.0), "disk full")
    assert (finding.times, finding.untold, finding.lost) == (1, 1, 0)


def test_damage_that_is_not_told_is_found(bench, monkeypatch):
    """As if a run computed everything again without a word."""

    def silently(out, finding, before):
        shutil.copy(bench.folder / "undisturbed" / "scores.sqlite", out)
        return Ended(0, "all is well", 0.0)

    monkeypatch.setattr(bench, "settle", silently)
    monkeypatch.setattr(events, "damaged", lambda data, rng: data[: len(data) // 2])
    finding = events.store_damaged(bench, 1)
    assert (finding.untold, finding.lost) == (1, 0)


def test_where_nothing_can_be_mounted_files_are_limited(bench, monkeypatch):
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    bench.rng = np.random.default_rng(SEED)
    finding = events.disk_full(bench, 1)
    assert (finding.sound, finding.stored > 0) == (True, True), finding.notes


def test_a_limit_meets_a_run_that_has_begun(tmp_path):
    write = "open('go', 'w'); [open('data', 'ab', 0).write(bytes(1000)) for n in range(10**6)]"
    folder, log = tmp_path / "folder", tmp_path / "log"
    folder.mkdir()
    run = Run([sys.executable, "-c", f"import os; os.chdir({str(folder)!r}); {write}"], log)
    assert run.wait_until(lambda: (folder / "data").exists())
    run.limit(10**8)
    assert "File too large" in run.ended().said
    assert largest(folder) == 10**8


@pytest.mark.skipif(os.geteuid() != 0, reason="others may not mount a file system")
def test_a_small_disk_gets_full(tmp_path):
    with small_disk(tmp_path / "disk") as mounted:
        if not mounted:
            pytest.skip("this system does not let root mount a file system")
        (tmp_path / "disk" / "before").write_bytes(bytes(10))
        with filled(tmp_path / "disk"), pytest.raises(OSError, match="No space left"):
            (tmp_path / "disk" / "after").write_bytes(bytes(10))
        (tmp_path / "disk" / "after").write_bytes(bytes(10))
    assert list((tmp_path / "disk").iterdir()) == []


def test_damage_changes_bytes():
    data, rng = bytes(1000), np.random.default_rng(0)
    results = [damaged(data, rng) for _ in range(50)]
    assert all(result != data for result in results)
    assert 5 < sum(len(result) < 1000 for result in results) < 25


@pytest.mark.skipif(os.geteuid() != 0, reason="others have no such right")
def test_root_gives_up_its_right(tmp_path):
    if shutil.which("setpriv") is None:
        pytest.skip("needs setpriv of util-linux")
    with events.read_only(tmp_path):
        ended = Run([*without_override(), "touch", str(tmp_path / "x")], tmp_path.parent / "log")
        assert ended.ended().code == 1
    assert not (tmp_path / "x").exists()


def test_the_report_states_everything(tmp_path):
    findings = {"a": Finding("one harm", 3, 100, 0, 0, 0), "b": Finding("two", 2, 50, 1, 1, 0)}
    write_report(findings, tmp_path, 40, "python -m benchmark.survival", ["a", "b"])
    table = pd.read_csv(tmp_path / "survival.csv")
    assert table["lost"].tolist() == [0, 1]
    text = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "| two | 40 | 2 | 50 | 1 | 1 | 0 | 1 |" in text
    assert "1. `python -m benchmark.survival`; Python" in text


def test_rows_of_other_harm_stay(tmp_path):
    order = ["a", "b", "c"]
    both = {"c": Finding("three", 3, 100), "a": Finding("one", 2, 50)}
    write_report(both, tmp_path, 40, "all", order)
    write_report({"b": Finding("two", 1), "c": Finding("three", 9)}, tmp_path, 20, "some", order)
    write_report({"a": Finding("one", impossible="here")}, tmp_path, 20, "some", order)
    table = pd.read_csv(tmp_path / "survival.csv")
    assert table["harm"].tolist() == ["one", "two", "three"]
    assert table["times"].tolist() == [2, 1, 9]
    assert table["images"].tolist() == [40, 20, 20]
    assert table["command"].tolist() == ["all", "some", "some"]
    text = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "| one | 40 | 2 | 50 | 0 | 0 | 0 | 1 |" in text
    assert "| three | 20 | 9 | 0 | 0 | 0 | 0 | 2 |" in text
