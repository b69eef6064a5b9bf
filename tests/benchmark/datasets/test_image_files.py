"""Image files are read with their transparency, and ordinary ones as imageio reads them."""

from __future__ import annotations

import io
import struct
import zlib

import imageio.v3 as imageio
import numpy as np
import pytest
from PIL import Image

from benchmark.datasets.images import open_stimuli, read_pixels
from benchmark.datasets.locate import load
from benchmark.predict import read_image
from benchmark.web.settings import Settings
from benchmark.web.upload import decode_image
from models.deepgaze.images import as_rgb
from tests.models.deepgaze.bright import picture

PALETTE = bytes(range(10, 22))  # four colours


def chunk(name: bytes, content: bytes) -> bytes:
    check = struct.pack(">I", zlib.crc32(name + content))
    return struct.pack(">I", len(content)) + name + content + check


def png(depth: int, kind: int, row: bytes, transparent: bytes, palette: bytes = b"") -> bytes:
    """Two equal rows of four pixels, some of which a chunk tRNS makes transparent."""
    header = struct.pack(">IIBBBBB", 4, 2, depth, kind, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"PLTE", palette), (b"tRNS", transparent)]
    chunks += [(b"IDAT", zlib.compress(2 * (b"\0" + row))), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*c) for c in chunks if c[1] or c[0] == b"IEND")


#: Files, and the rows of RGB that a viewer shows on white.
W = (255, 255, 255)
SEEN_THROUGH = {
    "two levels": (
        png(1, 0, bytes([0b01010000]), struct.pack(">H", 0)),
        [W, W, W, W],
    ),
    "four levels": (
        png(2, 0, bytes([0b00011011]), struct.pack(">H", 1)),
        [(0,) * 3, W, (170,) * 3, W],
    ),
    "sixteen levels": (
        png(4, 0, bytes([0x05, 0xAC]), struct.pack(">H", 10)),
        [(0,) * 3, (85,) * 3, W, (204,) * 3],
    ),
    "grey": (
        png(8, 0, bytes([0, 5, 10, 200]), struct.pack(">H", 10)),
        [(0,) * 3, (5,) * 3, W, (200,) * 3],
    ),
    "deep grey": (
        png(16, 0, struct.pack(">4H", 257, 300, 514, 25700), struct.pack(">H", 300)),
        [(1,) * 3, W, (2,) * 3, (100,) * 3],
    ),
    "colours": (
        png(8, 2, bytes([0, 0, 0, 1, 2, 3, 1, 2, 4, 7, 8, 9]), struct.pack(">3H", 1, 2, 3)),
        [(0, 0, 0), W, (1, 2, 4), (7, 8, 9)],
    ),
    "deep colours": (
        png(16, 2, struct.pack(">12H", *range(0, 3072, 256)), struct.pack(">3H", 768, 1024, 1280)),
        [(0, 1, 2), W, (6, 7, 8), (9, 10, 11)],
    ),
    "palette": (
        png(8, 3, bytes([0, 1, 2, 3]), bytes([255, 0]), PALETTE),
        [(10, 11, 12), W, (16, 17, 18), (19, 20, 21)],
    ),
    "palette with shades": (
        png(8, 3, bytes([0, 1, 2, 3]), bytes([255, 0, 51]), PALETTE),
        [(10, 11, 12), W, (207, 207, 208), (19, 20, 21)],
    ),
    "small palette": (
        png(2, 3, bytes([0b00011011]), bytes([255, 0]), PALETTE),
        [(10, 11, 12), W, (16, 17, 18), (19, 20, 21)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", SEEN_THROUGH)
def test_what_is_transparent_is_seen_on_white(kind, tmp_path):
    """By `predict`, the service and data sets alike."""
    content, row = SEEN_THROUGH[kind]
    file = tmp_path / "image.png"
    file.write_bytes(content)
    expected = np.array([row, row], np.uint8)
    np.testing.assert_array_equal(as_rgb(read_image(file)), expected)
    np.testing.assert_array_equal(decode_image(content, Settings()), expected)
    stimuli = open_stimuli([file])
    np.testing.assert_array_equal(as_rgb(stimuli[0]), expected)
    assert stimuli.stimuli[0].shape == stimuli.shapes[0]
    np.testing.assert_array_equal(as_rgb(stimuli[[0]][0]), expected)


def test_a_transparent_colour_of_an_animation():
    drawn = Image.fromarray(picture(1)).quantize(16)
    index = int(np.asarray(drawn)[5, 5])
    content = io.BytesIO()
    drawn.save(content, "gif", transparency=index, save_all=True, append_images=[drawn])
    hidden = np.asarray(drawn) == index
    expected = np.where(hidden[..., None], np.uint8(255), np.asarray(drawn.convert("RGB")))
    assert 0 < hidden.mean() < 1
    np.testing.assert_array_equal(decode_image(content.getvalue(), Settings()), expected)


@pytest.mark.parametrize("mode", ["P", "PA"])
def test_palettes_of_tiff_files_are_applied(mode, tmp_path):
    drawn = Image.fromarray(picture(1)).convert("P")
    expected = np.asarray(drawn.convert("RGB"))
    drawn.convert(mode).save(tmp_path / "image.tif")
    (stimulus,) = open_stimuli([tmp_path / "image.tif"])
    np.testing.assert_array_equal(as_rgb(stimulus), expected)
    np.testing.assert_array_equal(as_rgb(read_image(tmp_path / "image.tif")), expected)


@pytest.mark.parametrize(
    ("kind", "mode"),
    [("png", "1"), ("png", "L"), ("png", "LA"), ("png", "P"), ("png", "RGB"), ("png", "RGBA"),
     ("png", "I;16"), ("jpeg", "L"), ("jpeg", "RGB"), ("bmp", "P"), ("bmp", "RGB"), ("webp", "RGB"),
     ("webp", "RGBA"), ("tiff", "L"), ("tiff", "RGB"), ("tiff", "RGBA"), ("gif", "P")],
)  # fmt: skip
def test_other_images_are_as_imageio_reads_them(kind, mode, tmp_path):
    file = tmp_path / f"image.{kind}"
    image = Image.fromarray(picture(2))
    if mode == "I;16":
        image = Image.fromarray(picture(2)[..., 0].astype(np.uint16) * 250)
    (image if mode == "I;16" else image.convert(mode)).save(file)
    expected = imageio.imread(file)
    for found in (read_pixels(file), read_pixels(file.read_bytes(), extension=f".{kind}")):
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)
    if kind != "gif":  # which data sets do not hold
        (stimulus,) = open_stimuli([file])
        assert stimulus.stimulus_data.tobytes() == expected.tobytes()
        assert stimulus.shape == expected.shape


@pytest.mark.parametrize("declared", [True, False], ids=["colour", "channel"])
def test_images_that_differ_in_transparency_alone_are_no_copies(declared, tmp_path):
    """Drawings in black, whose background is transparent black."""
    for n, columns in enumerate((slice(5, 20), slice(30, 45), slice(30, 45))):
        drawn = np.zeros((40, 60), np.uint8)
        drawn[10:30, columns] = 1
        if declared:
            image = Image.fromarray(drawn).convert("P")
            image.putpalette(6 * [0])
            image.save(tmp_path / f"{n}.png", transparency=0)
        else:
            black = np.zeros_like(drawn)
            Image.fromarray(np.dstack([black, black, black, 255 * drawn])).save(
                tmp_path / f"{n}.png"
            )
    rows = "\n".join(f"{n}.png,amy,5,5" for n in range(3))
    (tmp_path / "fixations.csv").write_text(f"image,subject,x,y\n{rows}\n")
    assert load(tmp_path).groups.tolist() == [0, 1, 1]
