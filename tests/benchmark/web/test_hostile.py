"""Thousands of requests that mean no good: each is refused with a message, none breaks anything."""

from __future__ import annotations

import io
import struct
import time
import zlib

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from benchmark.web.app import create_app
from benchmark.web.predictor import Predictor
from tests.benchmark.web.conftest import LIMITS, Quick, at_most, encoded, picture, predictor
from tests.benchmark.web.costly import costly_files

pytestmark = pytest.mark.filterwarnings("ignore")  # Pillow's, of damaged images
ALLOWED = {200, 400, 413, 415, 422}
#: Seconds for a request and MiB for all of them; a machine that does other things is slower.
SECONDS, MEMORY = 5.0, 250


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def lying_png(width, height, data, depth=8, colour=2):
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )


def hostile(rng):
    """Fuzzed, truncated, lying and exploding files."""
    whole = [
        encoded(picture(24, 32, mode, seed=n), kind)
        for n, (kind, mode) in enumerate(
            [("PNG", "RGB"), ("PNG", "P"), ("JPEG", "RGB"), ("JPEG", "CMYK"), ("WEBP", "RGB"),
             ("TIFF", "RGB"), ("TIFF", "1"), ("GIF", "P"), ("BMP", "RGB")]
        )
    ]  # fmt: skip
    for n in range(1600):
        data = bytearray(whole[n % len(whole)])
        for _ in range(int(rng.integers(1, 12))):
            data[rng.integers(len(data))] = rng.integers(256)
        yield bytes(data)
    for data in whole:
        for cut in np.linspace(0, len(data) - 1, 40).astype(int):
            yield data[:cut]
    for n in range(60):
        yield rng.bytes(n * 7)
    for size in ((2**31 - 1, 2**31 - 1), (60000, 60000), (0, 5), (1, 1), (400, 400)):
        yield lying_png(*size, zlib.compress(b"\0" * 100))
    text = zlib.compress(b"A" * 50_000_000, 9)
    small = encoded(picture(8, 8))
    yield small[:33] + chunk(b"zTXt", b"Comment\0\0" + text) + small[33:]
    yield small[:33] + chunk(b"iCCP", b"profile\0\0" + text) + small[33:]
    yield lying_png(400, 400, zlib.compress(b"\0" * 100_000_000, 9))
    yield from (
        b"<svg onload='alert(1)'/>",
        b"%PDF-1.4",
        b"\x93NUMPY\x01\0v\0{",
        b"PK\3\4",
        b"GIF8",
    )
    buffer = io.BytesIO()
    Image.new("RGB", (20, 20)).save(buffer, "PPM")
    yield buffer.getvalue()


def test_two_thousand_hostile_images(client):
    ask(client, encoded(picture()))  # what is imported at the first image
    count = 0
    with at_most(MEMORY):
        for data in hostile(np.random.default_rng(0)):
            began = time.monotonic()
            answer = ask(client, data)
            assert time.monotonic() - began < SECONDS, data[:40]
            count += 1
            _check_told(answer, data)
    assert count >= 2000


@pytest.mark.parametrize("name", costly_files())
def test_costly_images(client, name):
    ask(client, encoded(picture()))
    data = costly_files()[name]
    with at_most(60):
        began = time.monotonic()
        answer = ask(client, data)
        assert time.monotonic() - began < SECONDS
    assert answer.status_code == 413
    _check_told(answer, data)


def ask(client, data):
    return client.post("/predict", files={"image": ("x", data)}, data={"format": "npy"})


def _check_told(answer, data):
    assert answer.status_code in ALLOWED, (answer.status_code, answer.text, data[:40])
    if answer.status_code != 200:
        assert 10 < len(answer.json()["detail"]) < 1000


class WithPrior(Quick):
    """Predicts the centre bias alone, the trained or the uploaded one."""

    centerbias = None

    def log_density(self, pixels):
        if self.centerbias is None:
            return super().log_density(pixels)
        return self.centerbias.log_density(pixels)


def test_hostile_centre_biases(monkeypatch, image):
    able = ("on", "off", "uploaded")
    monkeypatch.setattr(Predictor, "centre_biases", lambda predictor, name: able)
    with TestClient(create_app(LIMITS, predictor(prior=WithPrior()))) as client:
        _send_hostile_centre_biases(client, image)


def _send_hostile_centre_biases(client, image):
    rng = np.random.default_rng(1)
    buffer = io.BytesIO()
    np.save(buffer, np.zeros((6, 8)))
    good = buffer.getvalue()
    bad = [good[:n] for n in range(10, len(good), 9)]
    first_changed, last_changed = len(bad), len(bad) + 150
    for _ in range(150):
        data = bytearray(good)
        data[rng.integers(8, 100)] = rng.integers(256)
        bad.append(bytes(data))
    objects = io.BytesIO()
    np.save(objects, np.array([{}], dtype=object), allow_pickle=True)
    bad.append(objects.getvalue())
    for values in (
        np.full((4, 4), np.nan),
        np.full((4, 4), 1e300),
        np.zeros((2, 2, 2)),
        np.zeros(0),
    ):
        buffer = io.BytesIO()
        np.save(buffer, values)
        bad.append(buffer.getvalue())
    huge = good.replace(b"(6, 8)", b"(9999999, 99999)"[: len(b"(6, 8)")])
    bad.append(huge)

    def ask(data):
        return client.post(
            "/predict",
            files={"image": ("x", image), "centre_bias_file": ("b", data)},
            data={"centre_bias": "uploaded", "format": "npy"},
        )

    taken = 0
    for n, data in enumerate(bad):
        answer = ask(data)
        if answer.status_code == 200:  # a number was changed: another density
            assert first_changed <= n < last_changed, data[:60]
            values = np.load(io.BytesIO(answer.content))
            assert np.exp(values.astype(float)).sum() == pytest.approx(1, abs=1e-3)
            taken += 1
        else:
            assert answer.status_code in {413, 415, 422}, (answer.status_code, data[:60])
            assert answer.json()["detail"]
    assert taken < len(bad) / 2
    assert ask(good).status_code == 200


def test_hostile_requests(client, image):
    part = {"image": ("x", image)}
    form = {"content-type": "multipart/form-data"}
    with_boundary = {"content-type": "multipart/form-data; boundary=x"}
    began = time.monotonic()
    answers = [
        client.post("/predict"),
        client.post("/predict", content=b"{}", headers={"content-type": "application/json"}),
        client.post("/predict", content=b"--x", headers=form),
        client.post("/predict", content=b"--x\r\nbroken", headers=with_boundary),
        client.post("/predict", data={"image": "text, no file"}),
        client.post("/predict", files=[("image", ("x", b"x"))] * 1200),
        client.post("/predict", files=part, data={f"f{n}": "1" for n in range(2000)}),
        client.post("/score", files=part, data={"fixations": "x,y\n" * 5000}),
        client.post("/score", files=part, data={"fixations": "\0"}),
        client.post("/score", files=part),
        client.post("/predict", content=b"x", headers={"content-length": "-5"}),
        client.put("/predict"),
        client.get("/predict"),
    ]
    assert time.monotonic() - began < SECONDS * len(answers)
    for n, answer in enumerate(answers):
        assert 400 <= answer.status_code < 500, (n, answer.status_code, answer.text[:200])
        assert answer.json()["detail"]


def test_file_names_go_nowhere(client, image, caplog, capfd):
    secret = "my-holiday\r\nSet-Cookie: a=b.png"
    with caplog.at_level(0):
        answer = client.post("/predict", files={"image": (secret, image)}, data={"format": "png"})
    assert answer.status_code == 200
    assert "set-cookie" not in answer.headers
    assert "holiday" not in str(answer.headers)
    own = [record for record in caplog.records if record.name.startswith(("benchmark", "uvicorn"))]
    assert not any("holiday" in record.getMessage() for record in own)
    assert "holiday" not in "".join(capfd.readouterr())
