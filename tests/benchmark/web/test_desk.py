"""Decoding takes its turn, and is bounded in number and time, also when it never ends."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
from fastapi.testclient import TestClient

from benchmark.web import app as service
from benchmark.web.app import create_app
from tests.benchmark.web.conftest import LIMITS, predictor


def test_images_that_take_long_to_decode_do_not_block_the_service(monkeypatch, quick, image):
    go, begun = threading.Event(), threading.Semaphore(0)

    def decode_image(data, settings):
        begun.release()
        assert go.wait(20)
        return np.zeros((4, 4, 3), np.uint8)

    monkeypatch.setattr(service, "decode_image", decode_image)
    settings = replace(LIMITS, desk=2)
    app = create_app(settings, predictor(quick=quick))
    with TestClient(app) as client, ThreadPoolExecutor(2) as pool:

        def ask():
            return client.post("/predict", files={"image": image}, data={"format": "npy"})

        slow = [pool.submit(ask) for _ in range(2)]
        for _ in slow:
            assert begun.acquire(timeout=20)
        refused = ask()
        assert refused.status_code == 429
        assert "too many requests wait" in refused.json()["detail"]
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
