"""The command: it starts, answers, finishes what it started when told to stop, and warns."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from benchmark.errors import BenchmarkError
from benchmark.web.serve import is_loopback, serve
from benchmark.web.settings import Settings
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
