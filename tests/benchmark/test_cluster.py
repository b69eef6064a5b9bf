"""A Dask cluster's workers come late, are killed, stay away: the work goes on, or says why not."""

from __future__ import annotations

import importlib
import os
import pickle
import signal
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from benchmark.errors import BenchmarkError
from benchmark.parallel import Backend, attendance, environment, shared, unordered_map
from benchmark.parallel.backend import Workers
from benchmark.parallel.shared import Shared

distributed = pytest.importorskip("distributed", reason="needs Dask: pip install distributed")


def local_cluster(count, processes=True):
    """A cluster of ``count`` cores; its workers may be threads, which start at once."""
    return distributed.LocalCluster(
        n_workers=count, threads_per_worker=1, processes=processes, dashboard_address=None
    )


KINDS = [Backend(2), Backend(2, "threading"), Backend(2, "dask")]


def process(given, item):
    time.sleep(0.05)
    return os.getpid()


def test_a_cluster_of_one_core_computes_not_the_caller():
    with Backend(1, "dask").started() as workers:
        assert workers.count == 1
        found = dict(unordered_map(process, range(5), workers, ()))
    assert sorted(found) == list(range(5))
    assert os.getpid() not in found.values()


def test_workers_that_join_late_get_work():
    with (
        local_cluster(1) as cluster,
        Backend(1, "dask", cluster.scheduler_address).started() as workers,
        closing(unordered_map(process, range(2000), workers, ())) as results,
    ):
        (first,) = {pid for _, (_, pid) in zip(range(5), results)}
        cluster.scale(2)
        assert any(pid != first for _, pid in results)


def first_waits(folder, item):
    """Item 0 ends once others are known to be computed."""
    deadline = time.monotonic() + 60
    while item == 0 and not (Path(folder) / "others").exists():
        assert time.monotonic() < deadline, "others wait for item 0, which waits for them"
        time.sleep(0.02)
    return item


@pytest.mark.parametrize("backend", KINDS, ids=lambda b: b.name)
def test_results_do_not_wait_for_the_slowest(backend, tmp_path):
    order = []
    with backend.started() as workers:
        for index, item in unordered_map(first_waits, range(20), workers, str(tmp_path)):
            assert index == item
            order.append(index)
            if len(order) == 10:
                (tmp_path / "others").touch()
    assert sorted(order) == list(range(20))
    assert order.index(0) >= 10


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(attendance, "LOOK", 0.05)
    monkeypatch.setattr("benchmark.parallel.cluster.LOOK", 0.05)
    monkeypatch.setattr(attendance, "TELL", 0.2)
    return monkeypatch


def test_a_run_says_that_it_waits_for_a_first_worker(impatient):
    with local_cluster(0, processes=False) as cluster:

        def say(text):
            told.append(text)
            cluster.scale(1)

        told: list[str] = []
        with Backend(1, "dask", cluster.scheduler_address).started(say) as workers:
            assert dict(unordered_map(identity, range(3), workers, ())) == {0: 0, 1: 1, 2: 2}
    assert f"the scheduler at {cluster.scheduler_address} has had no worker for 0 s" in told[0]
    assert "a worker has joined" in told[-1]


def identity(given, item):
    time.sleep(0.01)
    return item


def test_a_run_whose_workers_all_end_says_so_and_goes_on(impatient):
    with local_cluster(2, processes=False) as cluster:

        def say(text):
            told.append(text)
            cluster.scale(1)

        told: list[str] = []
        found = {}
        with Backend(1, "dask", cluster.scheduler_address).started(say) as workers:
            for index, item in unordered_map(identity, range(100), workers, ()):
                found[index] = item
                if len(found) == 5:
                    cluster.scale(0)
    assert found == {index: index for index in range(100)}
    assert "has had no worker" in told[0]


def test_a_run_without_workers_ends_at_last(impatient):
    impatient.setattr(attendance, "PATIENCE", 0.5)
    with local_cluster(0, processes=False) as cluster:
        backend = Backend(1, "dask", cluster.scheduler_address)
        with pytest.raises(BenchmarkError, match=r"no worker for .*Start some"), backend.started():
            pass


def killing(given, item):
    if item == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return item


@pytest.mark.skipif(os.name != "posix", reason="needs signals")
def test_work_that_kills_as_many_workers_as_dask_allows_ends_with_a_remedy():
    import dask

    found = {}
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        Backend(2, "dask").started() as workers,
        pytest.raises(BenchmarkError, match=r"killed 1 times over the same work.*fewer --jobs"),
    ):
        found.update(unordered_map(killing, range(8), workers, ()))


@pytest.mark.skipif(os.name != "posix", reason="needs signals")
def test_work_that_kills_the_only_worker_ends_with_a_remedy(monkeypatch):
    monkeypatch.setattr("benchmark.parallel.mapping.ATTEMPTS", 2)
    ends = pytest.raises(BenchmarkError, match="all workers of the cluster were killed 2 times")
    with Backend(1, "dask").started() as workers, ends:
        dict(unordered_map(killing, range(3, 8), workers, ()))


# A worker that has other code

MODEL = "class Flat:\n    level = {level}\n"


@pytest.fixture
def own_model(tmp_path, monkeypatch):
    """Writes a module with a model, and imports it."""

    def write(level):
        (tmp_path / "seen_models.py").write_text(MODEL.format(level=level), encoding="utf-8")
        forget()
        return importlib.import_module("seen_models")

    def forget():
        sys.modules.pop("seen_models", None)
        importlib.invalidate_caches()
        environment._source_hash.cache_clear()
        shared._read.clear()

    monkeypatch.syspath_prepend(str(tmp_path))
    yield write
    forget()


def sent(value):
    """What workers elsewhere get."""
    with Shared(value, Workers(Backend(1, "dask", "tcp://node1:8786"))) as handle:
        return pickle.dumps(handle)


def test_a_worker_with_the_same_model_reads_it(own_model):
    content = sent({"model": own_model(1).Flat()})
    own_model(1)
    assert pickle.loads(content).value["model"].level == 1


def test_a_worker_with_another_source_of_a_model_is_refused_by_name(own_model):
    content = sent({"model": own_model(1).Flat()})
    own_model(2)
    for _ in range(2):  # and again, not only the first time
        with pytest.raises(BenchmarkError, match="source of the package seen_models is another"):
            _ = pickle.loads(content).value


def test_a_worker_without_a_model_is_refused_by_name(own_model, tmp_path):
    content = sent({"model": own_model(1).Flat()})
    own_model(1)
    (tmp_path / "seen_models.py").write_text("", encoding="utf-8")
    sys.modules.pop("seen_models")
    importlib.invalidate_caches()
    with pytest.raises(BenchmarkError, match=r"cannot read what the run sends: .*'Flat'.*Install"):
        _ = pickle.loads(content).value


def test_a_model_that_travels_with_its_code_needs_no_source():
    class Local:
        level = 3

    assert pickle.loads(sent(Local())).value.level == 3


def test_the_source_of_every_package_that_is_not_compared_by_version_is_compared():
    found = environment.Environment.here().and_sources_of(
        ["numpy.core", "json", "benchmark.run", "__main__", "yaml.nodes", "click"]
    )
    assert [name for name, _ in found.sources] == ["click", "yaml"]
    assert all(len(source) == 64 for _, source in found.sources)
    assert {"torchvision", "scikit-learn"} <= dict(found.versions).keys()
