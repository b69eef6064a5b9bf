"""Clients that do not take their answer lose the connection; slow ones get all of it."""

from __future__ import annotations

import socket
import threading
import time

import pytest
import uvicorn

from benchmark.web.guard import Guard
from benchmark.web.settings import Settings
from benchmark.web.slow_readers import ReadTimeout
from tests.benchmark.web.test_serve import free_port

SIZE = 12 * 2**20
REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


async def large(scope, receive, send):
    """Answers with more than any socket's buffers hold."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": bytes(SIZE)})


@pytest.fixture
def server(monkeypatch):
    """A server that gives a client 0.5 s for a piece."""
    monkeypatch.setattr(ReadTimeout, "read_seconds", 0.5)
    app = Guard(large, Settings(hosts=("*",)))
    config = uvicorn.Config(app, port=free_port(), http=ReadTimeout, lifespan="off")
    made = uvicorn.Server(config)
    thread = threading.Thread(target=made.run, daemon=True)
    thread.start()
    while not made.started:
        time.sleep(0.02)
    yield made
    made.should_exit = made.force_exit = True
    thread.join(10)


def connect(server, buffer):
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    client.settimeout(20)
    client.connect(("127.0.0.1", server.config.port))
    client.sendall(REQUEST)
    return client


def wait_for_none(server, seconds=10.0):
    end = time.monotonic() + seconds
    while server.server_state.connections:
        assert time.monotonic() < end, "a connection is still open"
        time.sleep(0.02)


def test_a_client_that_does_not_read_is_cut_off(server):
    clients = [connect(server, 4096) for _ in range(4)]
    while not server.server_state.connections:
        time.sleep(0.01)
    wait_for_none(server)
    for client in clients:
        client.close()


def test_a_client_that_reads_slowly_gets_all(server):
    client = connect(server, 2**18)
    began, got = time.monotonic(), 0
    while got < SIZE:
        part = client.recv(2**16)
        assert part, "cut off"
        got += len(part)
        time.sleep(0.007)
    assert time.monotonic() - began > 2 * ReadTimeout.read_seconds
    client.close()
