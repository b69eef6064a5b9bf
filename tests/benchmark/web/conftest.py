"""A service with models that answer at once."""

from __future__ import annotations

import io
import threading
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from benchmark.web.app import create_app
from benchmark.web.predictor import Predictor
from benchmark.web.settings import Settings

LIMITS = Settings(
    hosts=("*",), queue=2, max_bytes=2**20, max_pixels=200_000, max_side=2000, upload_timeout=2.0
)


class Quick:
    """Brighter pixels are looked at more. Counts calls, and can be made to wait."""

    def __init__(self):
        self.calls = 0
        self.go = threading.Event()
        self.go.set()

    def log_density(self, pixels):
        self.calls += 1
        assert self.go.wait(20)
        grey = np.asarray(pixels, dtype=float).mean(axis=2) + 1.0
        return np.log(grey / grey.sum())

    def log_density_without_prior(self, pixels):
        height, width = pixels.shape[:2]
        return np.full((height, width), -np.log(height * width))


def predictor(**models):
    made = Predictor.__new__(Predictor)
    made.models, made.unavailable, made.default = models, {}, next(iter(models))
    return made


@pytest.fixture
def quick():
    return Quick()


@pytest.fixture
def client(quick):
    with TestClient(create_app(LIMITS, predictor(quick=quick)), raise_server_exceptions=True) as c:
        yield c


def picture(height=40, width=60, mode="RGB", seed=0):
    values = np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)
    return Image.fromarray(values).convert(mode)


def encoded(image, kind="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.fixture
def image():
    return encoded(picture())


def memory(kind="VmRSS"):
    """MiB of this process, now or (VmHWM) at most."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(kind)).split()[1]) / 1024


@contextmanager
def at_most(mib):
    """Asserts that no more memory is taken meanwhile, not even for a moment."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak is the present
    before = memory()
    yield
    assert memory("VmHWM") - before < mib
