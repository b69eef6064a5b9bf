"""Processes, threads and Dask's workers give the same, also if some of them are killed."""

from __future__ import annotations

import os
import pickle
import signal
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from benchmark.errors import BenchmarkError
from benchmark.parallel import Backend, ordered_map
from benchmark.parallel.backend import Workers
from benchmark.parallel.environment import Environment
from benchmark.parallel.shared import LARGE, Shared

pytest.importorskip("distributed", reason="needs Dask: pip install distributed")

KINDS = [Backend(1), Backend(2), Backend(2, "threading"), Backend(2, "dask")]


def scaled(shared, item):
    return shared["factor"] * item + float(shared["array"].sum())


def identity(shared, item):
    return item


@pytest.mark.parametrize("backend", KINDS, ids=lambda b: f"{b.name}{b.jobs}")
def test_all_backends_give_the_same_in_order(backend):
    shared = {"factor": 3, "array": np.arange(LARGE // 4, dtype=np.float64)}
    total = float(shared["array"].sum())
    with backend.started() as workers:
        found = list(ordered_map(scaled, range(20), workers, shared))
        again = list(ordered_map(scaled, range(3), workers, {**shared, "factor": 5}))
    assert found == [3 * item + total for item in range(20)]
    assert again == [5 * item + total for item in range(3)]


class Counted:
    """Counts, in files, how often it is unpickled."""

    def __init__(self, folder):
        self.folder = folder

    def __setstate__(self, state):
        self.__dict__.update(state)
        (Path(self.folder) / f"{os.getpid()}-{len(os.listdir(self.folder))}").touch()


@pytest.mark.parametrize("name", ["loky", "dask"])
def test_what_is_shared_reaches_a_worker_once(name, tmp_path):
    with Backend(2, name).started() as workers:
        list(ordered_map(identity, range(40), workers, Counted(str(tmp_path))))
    processes = [file.name.split("-")[0] for file in tmp_path.iterdir()]
    assert 1 <= len(processes) <= 2
    assert len(set(processes)) == len(processes)


def test_large_arrays_are_mapped_and_small_ones_are_copied():
    value = {"large": np.arange(LARGE, dtype=np.uint8), "small": np.arange(5.0), "text": "é"}
    with Shared(value, Workers(Backend(2))) as shared:
        read = pickle.loads(pickle.dumps(shared)).value
        folder = shared._folder.path
        np.testing.assert_array_equal(read["large"], value["large"])
        np.testing.assert_array_equal(read["small"], value["small"])
        assert not read["large"].flags.writeable
        assert read["small"].flags.writeable
        assert read["text"] == "é"
    assert not folder.exists()


def killer(shared, item):
    """The first worker that meets item 5 is killed; the next one goes on."""
    marker = Path(shared) / "killed"
    if item == 5 and not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return item**2


@pytest.mark.skipif(os.name != "posix", reason="needs signals")
@pytest.mark.parametrize("name", ["loky", "dask"])
def test_work_of_a_killed_worker_is_done_by_another(name, tmp_path):
    with Backend(2, name).started() as workers:
        found = list(ordered_map(killer, range(12), workers, str(tmp_path)))
    assert (tmp_path / "killed").exists()
    assert found == [item**2 for item in range(12)]


def always_killed(shared, item):
    if item == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return item


@pytest.mark.skipif(os.name != "posix", reason="needs signals")
def test_work_that_kills_every_worker_ends_with_a_remedy():
    found = []
    with pytest.raises(BenchmarkError, match=r"killed 3 times over the same work.*fewer --jobs"):
        found.extend(ordered_map(always_killed, range(8), 2, ()))
    with Backend(2).started() as workers:  # and the next work is done
        assert list(ordered_map(identity, range(4), workers, ())) == list(range(4))


def failing(shared, item):
    raise KeyError(f"no {item}")


@pytest.mark.parametrize("backend", KINDS, ids=lambda b: f"{b.name}{b.jobs}")
def test_errors_of_the_work_reach_the_caller(backend):
    with backend.started() as workers, pytest.raises(KeyError, match=r"no \d"):
        list(ordered_map(failing, range(4), workers, ()))


def blas_threads(shared, item):
    np.ones((64, 64)) @ np.ones((64, 64))
    shared.wait(20)  # until the other one is here, too
    counts = {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}
    shared.wait(20)
    return counts


def test_threads_side_by_side_have_one_blas_thread_each():
    before = [pool["num_threads"] for pool in threadpool_info()]
    with Backend(2, "threading").started() as workers:
        found = list(ordered_map(blas_threads, range(4), workers, threading.Barrier(2)))
    assert found == [{1}] * 4
    assert [pool["num_threads"] for pool in threadpool_info()] == before


def torch_threads(shared, item):
    import torch

    return torch.get_num_threads()


def test_workers_do_not_take_more_threads_than_there_are_cores(monkeypatch):
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    for backend in (Backend(2), Backend(2, "threading"), Backend(2, "dask")):
        with backend.started() as workers:
            counts = list(ordered_map(torch_threads, range(4), workers, ()))
        assert max(counts) <= max(1, cores // 2), backend


def test_a_scheduler_is_for_dask_alone():
    with pytest.raises(BenchmarkError, match="--scheduler is for --backend dask"):
        Backend(2, "loky", "tcp://node1:8786")
    with pytest.raises(BenchmarkError, match="not known; there are loky, threading, dask"):
        Backend(2, "mpi")


def test_a_scheduler_that_does_not_answer_is_named(monkeypatch):
    monkeypatch.setattr("benchmark.parallel.backend.PATIENCE", 1)
    backend = Backend(1, "dask", "tcp://127.0.0.1:9")
    answers = pytest.raises(BenchmarkError, match=r"no Dask scheduler answers at tcp://127.0.0.1:9")
    with answers, backend.started():
        pass


def test_a_worker_with_other_versions_is_refused():
    here = Environment.here()
    here.check()
    assert dict(here.versions)["source of this project"]
    other = replace(here, versions=(*here.versions[:-1], ("source of this project", "0")))
    with pytest.raises(BenchmarkError, match=r"source of this project is .*, not 0"):
        other.check()


def test_an_address_and_a_scheduler_file_both_serve(tmp_path):
    from distributed import LocalCluster

    options = {"threads_per_worker": 2, "processes": False, "dashboard_address": None}
    with LocalCluster(n_workers=1, **options) as cluster:
        file = tmp_path / "scheduler.json"
        from distributed import Client

        with Client(cluster, set_as_default=False) as client:
            client.write_scheduler_file(str(file))
        for scheduler in (cluster.scheduler_address, str(file)):
            with Backend(1, "dask", scheduler).started() as workers:
                assert workers.count == 2
                assert list(ordered_map(identity, range(5), workers, ())) == list(range(5))
