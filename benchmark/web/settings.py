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
        queue: predictions that may wait or run at a time; beyond it requests are refused (429).
        decoding: images that may wait to be decoded or be decoded at a time (429).
        timeout: seconds until a request for a prediction is given up (504), once for its images to
            be decoded and once for the prediction.
        upload_timeout: seconds in which the body of a request has to arrive (408).
        upload_bytes: of the bodies of all requests that arrive or are answered at a time (429).
        kept_bytes: memory for the predictions made last, so that a download or a score of what
            was just shown is not computed again.
        hosts: values of the Host header that are answered, ("*",) for any.
    """

    models: tuple[str, ...] = ()
    max_bytes: int = 20 * 2**20
    max_pixels: int = 12_000_000
    max_side: int = 8_000
    queue: int = 16
    decoding: int = 64
    timeout: float = 120.0
    upload_timeout: float = 30.0
    upload_bytes: int = 256 * 2**20
    kept_bytes: int = 128 * 2**20
    hosts: tuple[str, ...] = ("localhost", "127.0.0.1", "[::1]")
