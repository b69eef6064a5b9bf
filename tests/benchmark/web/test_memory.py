"""Memory that was freed in pieces goes back to the system."""

from pathlib import Path

import numpy as np
import pytest

from benchmark.web import memory, workers
from benchmark.web.workers import Workers


def resident_mib() -> float:
    line = next(x for x in Path("/proc/self/status").read_text().splitlines() if "VmRSS" in x)
    return int(line.split()[1]) / 1024


def test_freed_pieces_between_kept_ones_are_given_back():
    if memory._malloc_trim() is None or not Path("/proc/self/status").exists():
        pytest.skip("needs glibc and /proc")
    pieces = [np.ones(12_000) for _ in range(2000)]  # 96 kB each: too small for pages of their own
    kept = pieces[::20]
    before = resident_mib()
    del pieces
    memory.give_back()
    assert resident_mib() < before - 100
    assert all(each[0] == 1 for each in kept)


def test_without_that_function_nothing_happens(monkeypatch):
    memory._malloc_trim.cache_clear()
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda _: object())
    memory.give_back()
    memory._malloc_trim.cache_clear()


def test_threads_give_back_after_some_works(monkeypatch):
    calls = []
    monkeypatch.setattr(workers, "give_back", lambda: calls.append(1))
    threads = Workers(1, "test")
    for _ in range(2 * workers.TRIMMED_AFTER):
        threads.submit(lambda: None).result(20)
    threads.submit(lambda: None).result(20)
    threads.close()
    assert len(calls) == 2
