"""Requests whose clients leave or whose time is over give up their places."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading
import time
import weakref
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace

import httpx
import pytest
import requests
import uvicorn

from benchmark.web import answers
from benchmark.web.app import create_app
from benchmark.web.problem import Problem
from benchmark.web.queue import Desk, Queue
from benchmark.web.workers import Workers
from tests.benchmark.web.conftest import LIMITS, encoded, picture, predictor


@contextmanager
def served(app):
    """Address of an application on a real socket."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(10)


def post(address, seed, timeout=20.0, **fields):
    files = {"image": encoded(picture(seed=seed))}
    return requests.post(f"{address}/predict", files=files, data=fields, timeout=timeout)


def until(condition):
    for _ in range(200):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("it did not come to that")


def test_clients_that_leave_give_up_their_places(quick):
    app = create_app(replace(LIMITS, queue=3), predictor(quick=quick))
    queue = app.state.queue
    with served(app) as address:
        quick.go.clear()
        for seed in range(3):
            with pytest.raises(requests.ReadTimeout):
                post(address, seed, timeout=1.0)
        until(lambda: queue.left == 3)
        until(lambda: requests.get(f"{address}/health", timeout=5).json()["waiting"] == 1)
        quick.go.set()
        assert post(address, 3).status_code == 200
        text = requests.get(f"{address}/metrics", timeout=5).text
    assert quick.calls == 2  # the one that had begun, and the one that was waited for
    assert "benchmark_predictions_left_total 3.0" in text
    assert 'benchmark_requests_total{address="/predict",status="499"} 3.0' in text


def test_a_shared_prediction_goes_on_when_one_client_leaves(quick):
    app = create_app(LIMITS, predictor(quick=quick))
    queue = app.state.queue
    with served(app) as address:
        quick.go.clear()
        first = threading.Thread(target=post, args=(address, 0))
        first.start()
        until(lambda: queue.pending == 1)
        found = []
        stays = threading.Thread(target=lambda: found.append(post(address, 1)))
        stays.start()
        until(lambda: queue.pending == 2)
        with pytest.raises(requests.ReadTimeout):
            post(address, 1, timeout=1.0)
        until(lambda: queue.left == 1)
        quick.go.set()
        first.join()
        stays.join()
    assert found[0].status_code == 200
    assert quick.calls == 2
    assert queue.shared == 1


@asynccontextmanager
async def asked(app):
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield client


def test_drawing_is_under_the_time_out_and_followed(quick, monkeypatch):
    go = threading.Event()
    monkeypatch.setattr(answers, "heat", lambda _: go.wait(20))
    app = create_app(replace(LIMITS, timeout=5.0), predictor(quick=quick))

    async def scenario():
        async with asked(app) as client:
            files = {"image": ("x", encoded(picture()))}
            answer = asyncio.create_task(
                client.post("/predict", files=files, data={"ticket": "mine"})
            )
            for _ in range(100):
                await asyncio.sleep(0.05)
                told = await client.get("/progress/mine")
                if told.status_code == 200 and told.json()["state"] == "answering":
                    break
            return told.json(), await answer, await client.get("/progress/mine")

    told, answer, after = asyncio.run(scenario())
    go.set()
    assert told["state"] == "answering"
    assert answer.status_code == 504
    assert "5 s" in answer.json()["detail"]
    assert after.status_code == 404
    assert app.state.queue.timed_out == 1


def test_a_desk_refuses_what_is_too_much_and_drops_what_nobody_waits_for():
    go, done = threading.Event(), []

    async def scenario():
        desk = Desk(1, 3)
        first = asyncio.create_task(desk.do(go.wait, 20))
        left = asyncio.create_task(desk.do(done.append, "left"))
        last = asyncio.create_task(desk.do(done.append, "last"))
        await asyncio.sleep(0.1)
        with pytest.raises(Problem) as refused:
            desk.admit()
        left.cancel()
        await asyncio.sleep(0.1)
        assert desk.pending == 2
        go.set()
        await asyncio.gather(first, last)
        await asyncio.sleep(0.1)
        assert desk.pending == 0
        return refused.value

    refused = asyncio.run(scenario())
    assert refused.status == 429
    assert int(refused.headers["Retry-After"]) >= 1
    assert done == ["last"]


def test_what_is_admitted_is_not_refused_later():
    go = threading.Event()

    async def scenario():
        desk = Desk(1, 1)
        first = asyncio.create_task(desk.do(go.wait, 20))
        await asyncio.sleep(0.1)
        drawn = asyncio.create_task(desk.do(len, "abc"))
        await asyncio.sleep(0.1)
        go.set()
        return await asyncio.gather(first, drawn)

    assert asyncio.run(scenario()) == [True, 3]


def test_books_are_kept_when_the_loop_ends_before_the_work():
    go, desk, queue = threading.Event(), Desk(1, 2), Queue(2, 0)

    async def scenario():
        for work in (desk.do(go.wait, 20), queue.answer("a", lambda: go.wait(20))):
            begun = asyncio.create_task(work)
            await asyncio.sleep(0.1)
            begun.cancel()

    asyncio.run(scenario())
    assert (desk.pending, queue.pending) == (1, 1)
    go.set()
    for _ in range(200):
        if not desk.pending and not queue.pending:
            break
        time.sleep(0.02)
    assert (desk.pending, queue.pending) == (0, 0)


def test_what_is_cancelled_lets_go_of_its_data():
    class Data:
        pass

    go, workers, data = threading.Event(), Workers(1, "test"), Data()
    held = weakref.ref(data)
    workers.submit(lambda: go.wait(20))
    future = workers.submit(lambda data=data: data)
    del data
    assert held() is not None
    assert future.cancel()
    gc.collect()
    assert held() is None
    go.set()
    workers.close()


def test_workers_that_are_closed_while_they_work_begin_anew():
    go, workers = threading.Event(), Workers(1, "test")
    first = workers.submit(lambda: go.wait(20))
    workers.close()
    assert workers.submit(lambda: 4).result(5) == 4
    go.set()
    assert first.result(5)
    workers.close()


def test_work_of_a_thread_that_exits_is_told():
    def leave():
        raise SystemExit(3)

    workers = Workers(1, "test")
    with pytest.raises(RuntimeError, match="SystemExit"):
        workers.submit(leave).result(5)
    assert workers.submit(lambda: 4).result(5) == 4
    workers.close()
    assert workers.submit(lambda: 5).result(5) == 5
    workers.close()


ABANDONED = """
import asyncio, time
from benchmark.web.queue import Queue

async def main():
    queue = Queue(2, 0)
    waits = asyncio.create_task(queue.answer("a", lambda: time.sleep(60)))
    await asyncio.sleep(0.3)
    waits.cancel()
    await asyncio.sleep(0.1)
    queue.close()

asyncio.run(main())
"""


def test_the_end_waits_for_nothing_that_nobody_waits_for():
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", ABANDONED], check=True, timeout=50)
    assert time.monotonic() - began < 40
