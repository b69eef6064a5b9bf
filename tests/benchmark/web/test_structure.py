"""Files that cost much more than their header says are refused before they are decoded."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image, PngImagePlugin

from benchmark.web import upload
from benchmark.web.problem import Problem
from benchmark.web.settings import Settings
from benchmark.web.structure import MAX_SCANS, check_structure
from benchmark.web.upload import decode_image
from tests.benchmark.web.conftest import at_most, encoded, picture
from tests.benchmark.web.costly import (
    costly_files,
    gif_with_blocks,
    jpeg_with_scans,
    run_length_bmp,
    tiled_tiff,
)


@pytest.fixture
def decoded(monkeypatch):
    """Images that reached the decoder."""
    seen = []

    def read(*arguments, **options):
        seen.append(arguments)
        return np.zeros((2, 2, 3), np.uint8)

    monkeypatch.setattr(upload, "read_pixels", read)
    return seen


def refusal(data):
    with pytest.raises(Problem) as caught:
        decode_image(data, Settings())
    return caught.value


@pytest.mark.parametrize("name", costly_files())
def test_costly_files_are_not_decoded(decoded, name):
    problem = refusal(costly_files()[name])
    assert problem.status == 413
    assert "save it anew" in problem.message
    assert not decoded


def test_a_tile_that_is_larger_than_its_image_takes_no_memory():
    data = tiled_tiff(8_000)
    assert len(data) < 2**20
    with at_most(60):
        assert refusal(data).status == 413


def test_an_image_of_many_pixels_is_not_decoded_for_its_orientation(monkeypatch):
    def load(_):
        raise AssertionError("decoded")

    data = encoded(Image.new("1", (9000, 9000)))
    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", load)
    assert "9000 x 9000" in refusal(data).message


def test_jpegs_with_few_scans_are_taken():
    data = jpeg_with_scans(MAX_SCANS - 20)
    assert decode_image(data, Settings()).shape == (40, 60, 3)
    assert decode_image(encoded(picture(), "JPEG", progressive=True), Settings()).any()


def test_what_follows_the_end_of_a_jpeg_is_ignored():
    data = encoded(picture(), "JPEG") + b"\xff\xda\0\2" * 1000
    assert decode_image(data, Settings()).shape == (40, 60, 3)


def test_ordinary_gifs_and_bmps_are_taken():
    for data in (gif_with_blocks(100), encoded(picture(mode="P"), "BMP"), run_length_bmp(8, 8)):
        assert decode_image(data, Settings()).ndim == 3


@pytest.mark.parametrize(
    "options",
    [{"tile": (256, 256)}, {"tile": (512, 512), "compression": "zlib"}, {"bigtiff": True},
     {"byteorder": ">"}, {"rowsperstrip": 1}],
)  # fmt: skip
def test_ordinary_tiffs_are_taken(options):
    pixels = np.asarray(picture(40, 60))
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, pixels, photometric="rgb", **options)
    np.testing.assert_array_equal(decode_image(buffer.getvalue(), Settings()), pixels)


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "jpeg", "lzma"])
def test_every_compression_of_tiffs_is_taken(compression):
    data = encoded(picture(40, 60), "TIFF", compression=compression)
    assert decode_image(data, Settings()).shape == (40, 60, 3)


@pytest.mark.parametrize("layout", ["<", ">", "big"])
@pytest.mark.parametrize(
    ("tags", "status", "words"),
    [
        ([(322, 4, 1, 9000), (323, 4, 1, 9000)], 413, "tiles of 9000 x 9000"),
        ([(322, 4, 1, 2**32 - 1), (323, 4, 1, 1)], 413, "tiles of 4294967295 x 1"),
        ([(322, 4, 1, 0), (323, 4, 1, 16)], 422, "no size"),
        ([(322, 4, 1, 16)], 422, "no size"),
        ([(322, 11, 1, 16), (323, 4, 1, 16)], 422, "tag 322"),
        ([(322, 4, 1, 16), (322, 4, 1, 9000)], 422, "two tags 322"),
        ([(279, 4, 1, 10_000)], 422, "beyond its end"),
        ([(273, 4, 2**31, 0)], 413, "too many"),
    ],
)
def test_contradicting_tiffs_are_refused(decoded, layout, tags, status, words):
    order = ">" if layout == ">" else "<"
    entries = [(256, 4, 1, 100), (257, 4, 1, 100), *tags]
    magic = b"MM" if order == ">" else b"II"
    if layout == "big":
        data = magic + struct.pack("<HHHQQ", 43, 8, 0, 16, len(entries))
        data += b"".join(struct.pack("<HHQQ", *entry) for entry in entries)
    else:
        data = magic + struct.pack(order + "HLH", 42, 8, len(entries))
        data += b"".join(struct.pack(order + "HHLL", *entry) for entry in entries)
    problem = refusal(data)
    assert problem.status == status
    assert words in problem.message
    assert not decoded


def test_a_file_of_two_formats_is_refused(decoded, monkeypatch):
    Image.init()
    monkeypatch.setattr(Image, "ID", ["PCD", *Image.ID])
    data = bytearray(encoded(picture(400, 600), "TIFF"))
    data[2048:2052] = b"PCD_"
    assert refusal(bytes(data)).status == 415
    assert not decoded


def test_much_exif_is_refused(decoded):
    exif = b"MM\0*\0\0\0\x08" + bytes(2**20)
    size = struct.pack(">I", len(exif))
    chunk = size + b"eXIf" + exif + struct.pack(">I", zlib.crc32(b"eXIf" + exif))
    data = encoded(picture())
    assert "EXIF" in refusal(data[:33] + chunk + data[33:]).message
    xmp = b"http://ns.adobe.com/xmp/extension/\0"
    depth = (b"\xff\xe1\xff\xff" + xmp + bytes(65_533 - len(xmp))) * 30
    data = encoded(picture(), "JPEG")
    check_structure(data[:2] + depth + data[2:])  # no EXIF, and nobody decodes it
    segments = (b"\xff\xe1\xff\xff" + b"Exif\0\0" + bytes(65_527)) * 20
    data = encoded(picture(), "JPEG")
    assert "EXIF" in refusal(data[:2] + segments + data[2:]).message
    assert not decoded
