"""Runs whose cache cannot be written to: they say so, and end with the same bytes."""

from __future__ import annotations

import shutil
from contextlib import AbstractContextManager
from pathlib import Path

from benchmark.survival.bench import Bench, Finding, undisturbed
from benchmark.survival.disk import filled, small_disk
from benchmark.survival.events import read_only
from benchmark.survival.workload import CACHED, Workload

_SAYS = "nothing can be kept in the cache"


def cache_full(bench: Bench, times: int) -> Finding:
    """No space is left for maps that are not cached yet."""
    finding = Finding("no space left for the cache")
    cached, whole = _cached(bench)
    for _ in range(times):
        folder = cached.fresh()
        with small_disk(folder) as mounted:
            if not mounted:
                finding.impossible = "only root may mount a file system"
                return finding
            _part_of(whole, folder / "cache", bench)
            _run(cached, finding, folder / "cache", filled(folder), "No space left")
    return finding


def cache_read_only(bench: Bench, times: int) -> Finding:
    """The cache may be read but not written to."""
    finding = Finding("no permission to write to the cache")
    cached, whole = _cached(bench)
    for _ in range(times):
        folder = cached.fresh()
        _part_of(whole, folder, bench)
        _run(cached, finding, folder, read_only(folder), "Permission denied")
    return finding


def _run(
    cached: Bench, finding: Finding, cache: Path, harm: AbstractContextManager[None], reason: str
) -> None:
    out = cached.fresh()
    with harm:
        ended = cached.start(out, cache=cache, obedient=True).ended()
    finding.times += 1
    finding.stored += len(cached.scores)
    cached.compare(out, finding, cached.scores, ended)
    if not (_SAYS in ended.said and str(cache) in ended.said and reason in ended.said):
        finding.untold += 1
        finding.notes.append(f"the cache's loss was not told: {ended.said[-2000:]}")


def _cached(bench: Bench) -> tuple[Bench, Path]:
    """What a model with cached maps gives undisturbed, and its cache."""
    folder = bench.fresh()
    folder.mkdir()
    workload = Workload(bench.workload.data, CACHED, slow=False)
    cached, whole = undisturbed(workload, folder, 0), folder / "whole"
    cached.start(cached.fresh(), cache=whole).ended()
    return cached, whole


def _part_of(whole: Path, folder: Path, bench: Bench) -> None:
    """Copy a cache without some of its maps, at least one."""
    shutil.copytree(whole, folder)
    files = sorted(folder.rglob("*.npy"))
    for number in bench.rng.permutation(len(files))[: bench.rng.integers(1, len(files) + 1)]:
        files[number].unlink()
