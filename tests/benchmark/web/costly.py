"""Small files that take minutes or gigabytes to decode, each by a trick of its format."""

from __future__ import annotations

import struct
import zlib
from functools import cache

from tests.benchmark.web.conftest import encoded, picture


def tiled_tiff(tile, side=100):
    """A deflated tile (tile, tile) in an image (side, side)."""
    deflate = zlib.compressobj(9)
    row = bytes(tile * 3)
    data = b"".join(deflate.compress(row) for _ in range(tile)) + deflate.flush()
    start = 8 + 2 + 11 * 12 + 4
    tags = [
        (256, 4, 1, side), (257, 4, 1, side), (258, 3, 3, start), (259, 3, 1, 8), (262, 3, 1, 2),
        (277, 3, 1, 3), (284, 3, 1, 1), (322, 4, 1, tile), (323, 4, 1, tile),
        (324, 4, 1, start + 6), (325, 4, 1, len(data)),
    ]  # fmt: skip
    directory = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    head = b"II*\0" + struct.pack("<IH", 8, len(tags)) + directory + bytes(4)
    return head + struct.pack("<HHH", 8, 8, 8) + data


def jpeg_with_scans(scans, height=40, width=60):
    """A progressive JPEG whose last scan is there so often again."""
    data = encoded(picture(height, width, "L"), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:-2] + data[last:-2] * scans + data[-2:]


def gif_with_blocks(blocks):
    """A GIF with a comment of blocks of one byte."""
    data = encoded(picture(mode="P"), "GIF")
    head = 13 + (3 << (data[10] & 7) + 1)
    return data[:head] + b"\x21\xfe" + b"\1a" * blocks + b"\0" + data[head:]


def run_length_bmp(height, width):
    """A BMP of runs of one pixel."""
    pixels = (b"\1\1" * width + b"\0\0") * height
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, len(pixels), 0, 0, 256, 0)
    size = 14 + len(header) + 1024
    file = b"BM" + struct.pack("<IHHI", size + len(pixels), 0, 0, size)
    return file + header + bytes(1024) + pixels


@cache
def costly_files():
    """Each below 1 MiB, as a service with the limits of the tests takes, by what is done in it."""
    jpeg, png = encoded(picture(), "JPEG"), encoded(picture(8, 8))
    empty = bytes(4) + b"abCd" + bytes(4)
    return {
        "tile": tiled_tiff(8_000),
        "scans": jpeg_with_scans(5_000),
        "fill": jpeg[:2] + b"\xff" * 900_000 + jpeg[2:],
        "fill without an end": jpeg[:2] + b"\xff" * 900_000,
        "starts": jpeg[:2] + b"\xff\xd8" * 450_000 + jpeg[2:],
        "ends": jpeg[:2] + b"\xff\xd9" * 450_000 + jpeg[2:],
        "segments": jpeg[:2] + b"\xff\xfe\0\2" * 200_000 + jpeg[2:],
        "chunks": png[:33] + empty * 80_000 + png[33:],
        "blocks": gif_with_blocks(400_000),
        "runs": run_length_bmp(3400, 3500)[:1_000_000],
    }
