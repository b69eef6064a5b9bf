"""What a service allows itself and its clients."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """Limits of a service.

    Attributes:
        models: names of models that may be asked for, the first one unless a request names
            another; empty for every registered model that predicts images alone.
        max_bytes: of a request's body.
        max_pixels: of an image, known from its header before it is decoded.
        max_side: of an image, in pixels.
        working_pixels: of an image as it is predicted; larger ones are reduced to that, and so are
            their densities.
        queue: predictions that may wait or run at a time; beyond it requests are refused (429).
        desk: images that may wait to be decoded, or answers to be drawn, at a time (429).
        timeout: seconds until a request is given up (504), from its upload to its answer.
        upload_timeout: seconds in which the body of a request has to arrive (408).
        upload_bytes: of the bodies of all requests that arrive or are answered at a time (429).
        kept_bytes: memory for the predictions made last, so that a download or a score of what
            was just shown is not computed again.
        hosts: values of the Host header that are answered, ("*",) for any.
    """

    models: tuple[str, ...] = ()
    max_bytes: int = 20 * 2**20
    max_pixels: int = 50_000_000
    max_side: int = 12_000
    working_pixels: int = 2_000_000
    queue: int = 16
    desk: int = 64
    timeout: float = 120.0
    upload_timeout: float = 30.0
    upload_bytes: int = 256 * 2**20
    kept_bytes: int = 128 * 2**20
    hosts: tuple[str, ...] = ("localhost", "127.0.0.1", "[::1]")
