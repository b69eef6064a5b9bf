"""Work of clients in threads: bounded in number and time, also when it never ends."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from fastapi.testclient import TestClient

from benchmark.web import app as service
from benchmark.web.app import create_app
from benchmark.web.problem import Problem
from benchmark.web.threads import Threads
from tests.benchmark.web.conftest import LIMITS, predictor


def test_more_than_may_wait_are_refused_until_one_has_ended():
    go = threading.Event()

    async def ask():
        threads = Threads(1, 2, timeout=20)
        calls = [asyncio.create_task(threads.run(go.wait, 20)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(Problem) as refused:
            await threads.run(go.wait, 20)
        assert refused.value.status == 429
        assert int(refused.value.headers["Retry-After"]) >= 1
        go.set()
        assert await asyncio.gather(*calls) == [True, True]
        await asyncio.sleep(0.05)
        assert threads.pending == 0
        assert await threads.run(len, "abc") == 3

    asyncio.run(ask())


def test_a_call_that_does_not_end_is_given_up_and_still_counts():
    go = threading.Event()
    begun = []

    async def ask():
        threads = Threads(1, 2, timeout=0.1)
        for _ in range(2):
            with pytest.raises(Problem) as given_up:
                await threads.run(lambda: begun.append(go.wait(20)))
            assert given_up.value.status == 504
        await asyncio.sleep(0.05)
        assert threads.pending == 1  # the second one never began
        go.set()
        while threads.pending:
            await asyncio.sleep(0.01)
        assert begun == [True]

    asyncio.run(ask())


def test_what_is_raised_is_passed_on():
    async def ask():
        threads = Threads(1, 1, timeout=20)
        with pytest.raises(ZeroDivisionError):
            await threads.run(divmod, 1, 0)

    asyncio.run(ask())


def test_images_that_take_long_to_decode_do_not_block_the_service(monkeypatch, quick, image):
    go, begun = threading.Event(), threading.Semaphore(0)

    def decode_image(data, settings):
        begun.release()
        assert go.wait(20)
        return np.zeros((4, 4, 3), np.uint8)

    monkeypatch.setattr(service, "decode_image", decode_image)
    settings = replace(LIMITS, decoding=2)
    app = create_app(settings, predictor(quick=quick))
    with TestClient(app) as client, ThreadPoolExecutor(2) as pool:

        def ask():
            return client.post("/predict", files={"image": image}, data={"format": "npy"})

        slow = [pool.submit(ask) for _ in range(2)]
        for _ in slow:
            assert begun.acquire(timeout=20)
        refused = ask()
        assert refused.status_code == 429
        assert "waiting to be read" in refused.json()["detail"]
        assert int(refused.headers["retry-after"]) >= 1
        assert client.get("/health").status_code == 200
        go.set()
        assert [each.result().status_code for each in slow] == [200, 200]
        assert ask().status_code == 200


def test_a_decoder_that_takes_too_long_is_given_up(monkeypatch, quick, image):
    go = threading.Event()
    monkeypatch.setattr(service, "decode_image", lambda data, settings: go.wait(20))
    app = create_app(replace(LIMITS, timeout=0.3), predictor(quick=quick))
    with TestClient(app) as client:
        answer = client.post("/predict", files={"image": image})
        go.set()
    assert answer.status_code == 504
    assert quick.calls == 0
