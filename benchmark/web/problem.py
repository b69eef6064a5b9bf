"""What a client is told when a request cannot be answered."""

from __future__ import annotations


class Problem(Exception):
    """A request that cannot be answered: an HTTP status and a message that says what to change."""

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None):
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers or {}
