"""What stands before the application: hosts, limits of bodies, their time, headers of answers."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from benchmark.web.hosts import is_answered
from benchmark.web.settings import Settings

#: Bytes of a body that are handed on at a time.
PIECE = 2**20
#: Seconds after which a client is told to try again when too many upload.
RETRY = 5
HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "cache-control": "no-store",
}


class Guard:
    """ASGI middleware that refuses other hosts, that reads a body whole, within limits of size and
    time, before anything else sees the request, and that adds the headers above to every answer.

    Attributes:
        held: bytes of all bodies that arrive or whose requests are not yet answered.
    """

    def __init__(self, app: Any, settings: Settings):
        self.app = app
        self.settings = settings
        self.held = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        answer = _Answer(send)
        host = dict(scope["headers"]).get(b"host", b"").decode("latin-1")
        if not is_answered(host, self.settings.hosts):
            await _refuse(answer, 400, "this host is not served: call the service by its own name.")
            return
        upload = _Upload(receive)
        try:
            refusal = await self._read(scope, upload)
            if refusal:
                await _refuse(answer, *refusal)
            elif not upload.gone:
                await self.app(scope, upload.receive, answer)
        finally:
            self.held -= upload.size
            upload.data.clear()

    async def _read(self, scope: Any, upload: _Upload) -> tuple[int, str] | None:
        """Read a body; the status and message of a refusal, None if there is no reason for one."""
        try:
            return await asyncio.wait_for(
                self._read_pieces(scope, upload), self.settings.upload_timeout
            )
        except asyncio.TimeoutError:
            return 408, f"the request did not arrive within {self.settings.upload_timeout:g} s."

    async def _read_pieces(self, scope: Any, upload: _Upload) -> tuple[int, str] | None:
        most = self.settings.max_bytes
        too_large = 413, f"the request is larger than {most / 2**20:g} MiB: send a smaller image."
        for name, value in scope["headers"]:
            if name == b"content-length" and (not value.isdigit() or int(value) > most):
                return too_large
        while True:
            message = await upload.source()
            if message["type"] == "http.disconnect":
                upload.gone = True
                return None
            body = message.get("body", b"")
            if upload.size + len(body) > most:
                return too_large
            if body and self.held + len(body) > max(most, self.settings.upload_bytes):
                return 429, f"too many images are being sent: try again in {RETRY} s."
            self.held += len(body)
            upload.size += len(body)
            upload.data += body
            if not message.get("more_body", False):
                return None


class _Upload:
    """A body: one block of memory, emptied when it was handed on, that no exception refers to."""

    def __init__(self, source: Any):
        self.source = source
        self.data = bytearray()
        self.size = 0
        self.gone = False
        self._handed: int | None = None

    async def receive(self) -> Any:
        """The next piece, as an ASGI application asks for it; later on, that the client leaves."""
        if self._handed is not None and self._handed >= self.size:
            return await self.source()
        start = self._handed or 0
        self._handed = start + PIECE
        piece = bytes(self.data[start : self._handed])
        more = self._handed < self.size
        if not more:
            self.data = bytearray()
        return {"type": "http.request", "body": piece, "more_body": more}


class _Answer:
    """Sends an answer with the headers above, in pieces, so that only one waits for a client."""

    def __init__(self, send: Any):
        self.send = send

    async def __call__(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            present = {name.lower() for name, _ in message["headers"]}
            message["headers"] = [
                *message["headers"],
                *(
                    (name.encode(), value.encode())
                    for name, value in HEADERS.items()
                    if name.encode() not in present
                ),
            ]
        body = message.get("body", b"")
        for start in range(0, len(body) - PIECE, PIECE):
            piece = bytes(body[start : start + PIECE])
            await self.send({**message, "body": piece, "more_body": True})
        if len(body) > PIECE:
            message = {**message, "body": bytes(body[(len(body) - 1) // PIECE * PIECE :])}
        await self.send(message)


async def _refuse(send: Any, status: int, message: str) -> None:
    body = json.dumps({"detail": message}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    if status == 429:
        headers.append((b"retry-after", str(RETRY).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
