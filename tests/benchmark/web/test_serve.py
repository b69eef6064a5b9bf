"""The command: it starts, answers, finishes what it started when told to stop, and warns."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
import requests
import uvicorn

from benchmark.errors import BenchmarkError
from benchmark.web.serve import grace, is_loopback, serve
from benchmark.web.settings import Settings
from benchmark.web.slow_heads import HeadTimeout
from tests.benchmark.web.conftest import encoded, picture


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(*options):
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmark", "serve", "--port", str(port), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    for _ in range(600):
        try:
            requests.get(f"http://127.0.0.1:{port}/health", timeout=5)
            return process, f"http://127.0.0.1:{port}"
        except requests.ConnectionError:
            assert process.poll() is None, process.stdout.read()
            time.sleep(0.1)
    raise AssertionError("the service did not start")


def test_it_finishes_what_it_started():
    process, address = start("--models", "gbvs")
    try:
        image = encoded(picture(700, 1000))
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(
                requests.post, f"{address}/predict", files={"image": image}, timeout=120
            )
            while not requests.get(f"{address}/health", timeout=5).json()["waiting"]:
                assert not answer.done()
            process.send_signal(signal.SIGTERM)
            assert answer.result().status_code == 200
        output, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert "Traceback" not in output
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{address}/health", timeout=5)


def test_features_and_maps_of_uploads_are_not_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("BENCHMARK_FEATURES", str(tmp_path / "features"))
    models = ("icf", "deepgaze2")
    process, address = start("--models", ",".join(models))
    try:
        for model in models:
            files = {"image": encoded(picture(48, 64))}
            data = {"model": model, "format": "npy"}
            answer = requests.post(f"{address}/predict", files=files, data=data, timeout=120)
            assert answer.status_code == 200, answer.text
    finally:
        process.kill()
        process.communicate()
    assert not (tmp_path / "features").exists()


def test_it_warns_when_bound_wider():
    process, address = start("--models", "uniform", "--host", "0.0.0.0")
    try:
        answer = requests.get(f"{address}/health", headers={"Host": "other"}, timeout=5)
        assert answer.status_code == 200
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert "without a password" in output


async def slow_app(scope, receive, send):
    """Answers after longer than headers may take."""
    import asyncio

    await asyncio.sleep(1.0)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"done"})


@pytest.fixture
def impatient(monkeypatch):
    """Address of a server that gives headers 0.4 s."""
    monkeypatch.setattr(HeadTimeout, "seconds", 0.4)
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(slow_app, port=port, http=HeadTimeout, lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield "127.0.0.1", port
    server.should_exit = True
    thread.join(10)


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow:"])
def test_headers_that_never_end_end_the_connection(impatient, sent):
    with socket.create_connection(impatient, timeout=10) as client:
        client.sendall(sent)
        for _ in range(20):
            try:
                client.sendall(b"a" if sent else b"")
            except OSError:
                break
            time.sleep(0.1)
        with suppress(ConnectionError):  # closed with bytes unread
            assert client.recv(100) == b""


def test_slow_answers_and_later_requests_are_not_cut_off(impatient):
    host, port = impatient
    with requests.Session() as session:
        for _ in range(3):
            assert session.get(f"http://{host}:{port}/", timeout=10).text == "done"


def test_a_taken_port_is_told():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(BenchmarkError, match=f"port {port}"):
            serve("127.0.0.1", port, Settings(models=("uniform",)))


def test_unknown_models_are_told():
    with pytest.raises(BenchmarkError, match="deepgaze2"):
        serve("127.0.0.1", free_port(), Settings(models=("deepgaze3",)))


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False),
     ("gaze.example.org", False)],
)  # fmt: skip
def test_loopback(host, expected):
    assert is_loopback(host) is expected


def test_requests_in_flight_get_all_the_time_that_they_may_take():
    for timeout in (1.0, 120.0, 1000.5):
        assert grace(Settings(timeout=timeout)) > timeout + Settings.upload_timeout
