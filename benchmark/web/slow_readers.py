"""Ends connections whose client does not take its answer; uvicorn itself keeps it for ever."""

from __future__ import annotations

import asyncio

from benchmark.web.slow_heads import HeadTimeout


class ReadTimeout(HeadTimeout):
    """HTTP/1.1 with a limit for the time in which a client takes what is to be sent next.

    Answers arrive here in pieces of :data:`benchmark.web.guard.PIECE` bytes, the next one when most
    of the last is taken, so that a slow client that goes on reading is not cut off.

    Attributes:
        read_seconds: for a piece, and for the end of an answer on a closing connection.
    """

    read_seconds = 30.0
    _unread: asyncio.TimerHandle | None = None

    def pause_writing(self) -> None:
        super().pause_writing()
        self._await_reader()

    def resume_writing(self) -> None:
        self._stop_waiting()
        super().resume_writing()
        self._await_the_end()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._await_the_end()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def _await_the_end(self) -> None:
        if self._unread is None and self._waits() and self.transport.get_write_buffer_size():
            self._await_reader()

    def _await_reader(self) -> None:
        self._stop_waiting()
        self._unread = self.loop.call_later(self.read_seconds, self._abort_unread)

    def _stop_waiting(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _abort_unread(self) -> None:
        self._unread = None
        unread = self.transport.get_write_buffer_size()
        if unread and (self.flow.write_paused or self.transport.is_closing()):
            self.transport.abort()
