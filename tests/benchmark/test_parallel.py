"""Shards cover the work in order, and any number of processes gives the same results."""

from __future__ import annotations

import math
import operator
import os
import subprocess
import sys
import time
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from threadpoolctl import threadpool_info

from benchmark.parallel import SHARD, Backend, ordered_map, shards, threads, unordered_map
from benchmark.parallel.shards import SHARDS


@pytest.mark.parametrize("count", [0, 1, 2, 7, 100, 1003, 40_000])
def test_shards_are_consecutive_pieces_of_everything(count):
    pieces = shards(range(count))
    assert [item for piece in pieces for item in piece] == list(range(count))
    assert all(0 < len(piece) <= SHARD for piece in pieces)
    assert len(pieces) >= min(count, SHARDS)  # nobody idles, however many join


def test_shards_of_one_image_know_every_image_at_once():
    assert shards("abc") == shards("abc", 1) == [["a"], ["b"], ["c"]]
    assert len(shards(range(100_000), 1)) == 100_000


def test_negative_jobs_count_cores(monkeypatch):
    monkeypatch.setattr("benchmark.parallel.backend.effective_n_jobs", {-1: 2}.get)
    with Backend(-1).started() as workers:
        assert workers.count == 2


def test_processes_give_the_same_results_in_the_same_order():
    function, items = partial(operator.mul, 3), list(range(20))
    expected = [3 * item for item in items]
    assert list(ordered_map(function, items, 1)) == expected
    assert list(ordered_map(function, items, 2)) == expected


def test_unordered_results_say_whose_they_are():
    for jobs in (1, 2):
        found = dict(unordered_map(partial(operator.mul, 3), range(4, 24), jobs))
        assert found == {index: 3 * (index + 4) for index in range(20)}


def test_errors_reach_the_caller():
    for jobs in (1, 2):
        results = ordered_map(math.sqrt, [4.0, -1.0], jobs)
        with pytest.raises(ValueError, match=r"math domain|nonnegative"):
            list(results)


def test_results_come_as_they_are_ready():
    computed = []
    results = ordered_map(computed.append, [1, 2, 3], 1)
    assert computed == []
    next(results)
    assert computed == [1]


def test_linear_algebra_runs_in_one_thread():
    def counts(_):
        return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]

    import numpy as np

    assert np.ones(1) @ np.ones(1) == 1  # loads the library
    (found,) = ordered_map(counts, [None], 1)
    assert found
    assert set(found) == {1}


def test_libraries_are_searched_for_again_only_after_an_import(monkeypatch):
    """A search takes milliseconds, for every image."""
    searches = []

    class Counted(threads.ThreadpoolController):
        def __init__(self):
            searches.append(len(sys.modules))
            super().__init__()

    monkeypatch.setattr(threads, "ThreadpoolController", Counted)
    monkeypatch.setattr(threads, "_known", None)
    list(ordered_map(abs, range(50), 1))
    assert len(searches) == 1
    monkeypatch.setitem(sys.modules, "a_module_that_brings_a_library", threads)
    list(ordered_map(abs, range(50), 1))
    assert len(searches) == 2


ORPHANS = """
import os, sys, time
from pathlib import Path
from benchmark.parallel import ordered_map

def work(folder):
    (Path(folder) / str(os.getpid())).touch()
    time.sleep(60)

if __name__ == "__main__":
    list(ordered_map(work, [sys.argv[1]] * 4, 2))
"""


@pytest.mark.skipif(os.name != "posix", reason="needs signals")
def test_workers_end_with_a_killed_run(tmp_path):
    script, seen = tmp_path / "orphans.py", tmp_path / "seen"
    script.write_text(ORPHANS)
    seen.mkdir()
    run = subprocess.Popen([sys.executable, str(script), str(seen)], env=environment())
    workers = wait_for(lambda: [int(p.name) for p in seen.iterdir()], count=2)
    run.kill()
    run.wait()
    deadline = time.monotonic() + 20
    while any(alive(pid) for pid in workers):
        assert time.monotonic() < deadline, "workers outlive the run that started them"
        time.sleep(0.2)


def environment():
    """The environment with this project on the path."""
    root = str(Path(__file__).resolve().parents[2])
    return {**os.environ, "PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])}


def wait_for(found, count):
    deadline = time.monotonic() + 60
    while len(found()) < count:
        assert time.monotonic() < deadline, "no worker started"
        time.sleep(0.1)
    return found()


def alive(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_results_left_unread_end_in_silence(capfd, caplog, recwarn):
    """An error in what reads the results is to be the only thing that users see."""
    with closing(ordered_map(time.sleep, [0.02] * 200, 2)) as results:
        next(results)
        time.sleep(0.3)  # others are ready by now, and not read
    started = time.monotonic()
    assert list(ordered_map(abs, [-1, -2], 2)) == [1, 2]  # the workers are free again
    assert time.monotonic() - started < 30
    assert capfd.readouterr().err == ""
    assert caplog.records == []
    assert [str(w.message) for w in recwarn if "not used" in str(w.message)] == []
