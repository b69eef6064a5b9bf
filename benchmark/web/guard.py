"""What stands before the application: limits of bodies, their time, and headers of answers."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from benchmark.web.settings import Settings

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
    """ASGI middleware that reads a body whole, within limits of size and time, before anything
    else sees the request, and that adds the headers above to every answer."""

    def __init__(self, app: Any, settings: Settings):
        self.app = app
        self.settings = settings

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_guarded(message: Any) -> None:
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
            await send(message)

        refused = None
        body = b""
        try:
            body = await asyncio.wait_for(self._body(scope, receive), self.settings.upload_timeout)
        except asyncio.TimeoutError:
            refused = 408, f"the request did not arrive within {self.settings.upload_timeout:g} s."
        except _TooLarge:
            mib = self.settings.max_bytes / 2**20
            refused = 413, f"the request is larger than {mib:g} MiB: send a smaller image."
        except _Gone:
            return
        if refused:
            await _refuse(send_guarded, *refused)
            return
        handed = False

        async def receive_read() -> Any:
            nonlocal handed
            if handed:
                return await receive()  # a client that leaves
            handed = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self.app(scope, receive_read, send_guarded)

    async def _body(self, scope: Any, receive: Any) -> bytes:
        for name, value in scope["headers"]:
            if name == b"content-length" and (
                not value.isdigit() or int(value) > self.settings.max_bytes
            ):
                raise _TooLarge
        parts, total = [], 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _Gone
            parts.append(message.get("body", b""))
            total += len(parts[-1])
            if total > self.settings.max_bytes:
                raise _TooLarge
            if not message.get("more_body", False):
                return b"".join(parts)


class _TooLarge(Exception):
    pass


class _Gone(Exception):
    pass


async def _refuse(send: Any, status: int, message: str) -> None:
    body = json.dumps({"detail": message}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
