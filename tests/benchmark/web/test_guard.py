"""Memory of uploads and answers: bounded, and given back whatever the client does."""

from __future__ import annotations

import asyncio
import gc
import json

import pytest

from benchmark.web.guard import PIECE, Guard
from benchmark.web.settings import Settings
from tests.benchmark.web.conftest import memory

SCOPE = {"type": "http", "headers": []}
LIMITS = Settings(hosts=("*",), max_bytes=8 * 2**20, upload_bytes=20 * 2**20)


def message(body=b"", more=True):
    return {"type": "http.request", "body": body, "more_body": more}


def source(*messages):
    """Messages of a client that then leaves."""
    left = list(messages)

    async def receive():
        return left.pop(0) if left else {"type": "http.disconnect"}

    return receive


class Sent(list):
    """What was sent to a client."""

    async def __call__(self, message):
        self.append(message)

    @property
    def status(self):
        return self[0]["status"]

    @property
    def body(self):
        return b"".join(each.get("body", b"") for each in self)


async def echo(scope, receive, send):
    """Answers with the body."""
    body, more = b"", True
    while more:
        part = await receive()
        body, more = body + part["body"], part["more_body"]
    assert (await receive())["type"] == "http.disconnect"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


@pytest.mark.parametrize("size", [0, 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 5 * PIECE // 2])
def test_bodies_and_answers_pass_in_pieces(size):
    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    sent = Sent()
    guard = Guard(echo, LIMITS)
    halves = message(body[: size // 2]), message(body[size // 2 :], more=False)
    asyncio.run(guard(SCOPE, source(*halves), sent))
    assert sent.body == body
    assert max(len(each.get("body", b"")) for each in sent) <= PIECE
    assert [each.get("more_body", False) for each in sent[1:]] == [True] * (len(sent) - 2) + [False]
    assert guard.held == 0


def test_more_than_all_uploads_may_hold_is_refused_until_some_have_ended():
    async def upload():
        guard = Guard(echo, LIMITS)
        go = asyncio.Event()

        async def slow():
            if not guard.held < 20 * 2**20:
                await go.wait()
                return {"type": "http.disconnect"}
            return message(bytes(PIECE // 4))

        first = [asyncio.create_task(guard(SCOPE, slow, Sent())) for _ in range(3)]
        while guard.held < 20 * 2**20:
            await asyncio.sleep(0)
        refused, small, after = Sent(), Sent(), Sent()
        await guard(SCOPE, source(message(b"x", more=False)), refused)
        assert refused.status == 429
        assert int(dict(refused[0]["headers"])[b"retry-after"]) >= 1
        assert "try again" in json.loads(refused.body)["detail"]
        await guard(SCOPE, source(message(more=False)), small)
        assert small.status == 200  # nothing is sent with most requests
        go.set()
        await asyncio.gather(*first)
        assert guard.held == 0
        await guard(SCOPE, source(message(b"x", more=False)), after)
        assert after.status == 200

    asyncio.run(upload())


async def fails(scope, receive, send):
    raise ZeroDivisionError


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([message(b"x" * 2**20)] * 3, None),
        ([message(b"x" * 2**20)] * 9, 413),
        ([message(b"x" * 2**20, more=False)], "error"),
    ],
)
def test_nothing_is_held_after_a_request(messages, expected):
    guard, sent = Guard(fails, LIMITS), Sent()
    try:
        asyncio.run(guard(SCOPE, source(*messages), sent))
    except ZeroDivisionError:
        assert expected == "error"
    else:
        assert (sent.status if sent else None) == expected
    assert guard.held == 0


def test_aborted_uploads_leave_no_memory_behind():
    guard = Guard(echo, LIMITS)
    piece = bytes(range(256)) * 256

    async def abort(uploads):
        for _ in range(uploads):
            await guard(SCOPE, source(*([message(b"%c" % n + piece) for n in range(100)])), Sent())

    gc.disable()  # nothing is left to it
    try:
        asyncio.run(abort(3))
        before = memory()
        asyncio.run(abort(60))
        assert memory() - before < 40
    finally:
        gc.enable()
