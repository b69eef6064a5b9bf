"""What decoding an image file would cost, read from the file's structure before it is decoded.

The size in a header bounds neither memory nor time: a TIFF's tiles may be larger than its image, a
JPEG may hold thousands of scans, and any file thousands of empty parts.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

from benchmark.web.problem import Problem

#: Passes over a JPEG's pixels; encoders make 1 to 14.
MAX_SCANS = 100
#: Segments of a JPEG and bytes between them, chunks of a PNG, or blocks before a GIF's picture.
MAX_PARTS = 20_000
#: Numbers in the directory of a TIFF: two for each strip or tile, and few others.
MAX_NUMBERS = 400_000
#: Pixels of a tile that may be larger than its image.
SMALL_TILE = 2**20
#: Pixels or bytes of a run-length coded BMP, which Pillow decodes one byte at a time.
MAX_RUN_LENGTH = 2**20
MAX_EXIF = 2**20
#: A JPEG marker with a meaning outside of a scan; in a scan, 0xff is followed by 0 or D0 to D7.
_MARKER = re.compile(rb"\xff([\xc0-\xcf\xd8-\xfe])")
_START, _END, _SCAN, _APP1 = 0xD8, 0xD9, 0xDA, 0xE1
_WIDTH, _HEIGHT, _STRIP_BYTES, _TILE_WIDTH, _TILE_HEIGHT, _TILE_BYTES = 256, 257, 279, 322, 323, 325
#: Bytes of a TIFF's whole numbers by their type's code. Signed ones are read as large ones.
_WHOLE = {1: 1, 3: 2, 4: 4, 6: 1, 8: 2, 9: 4, 13: 4, 16: 8, 17: 8, 18: 8}
#: Bytes of what Pillow makes one Python object of for each value: rationals, floats, doubles.
_OTHER = {5: 8, 10: 8, 11: 4, 12: 8}


def check_structure(data: bytes) -> None:
    """Refuse an image file that costs much more to decode than its size in pixels says.

    Damage that does not matter for that is left to the decoder.

    Raises:
        Problem: it would cost too much (413), or contradicts itself (422).
    """
    if data.startswith(b"\xff\xd8"):
        _check_jpeg(data)
    elif data.startswith(b"\x89PNG"):
        _check_png(data)
    elif data.startswith(b"GIF8"):
        _check_gif(data)
    elif data.startswith(b"BM"):
        _check_bmp(data)
    elif data[:2] in (b"II", b"MM"):
        _check_tiff(data)


def _check_jpeg(data: bytes) -> None:
    scans = parts = exif = 0
    place = 2
    while found := _MARKER.search(data, place):
        code, start = found[1][0], place
        place = found.end()
        if code == _END and scans:
            return
        # Pillow reads what fills the space before the first scan one byte at a time
        parts += 1 if scans else found.start() - start + 1
        _check_parts(parts)
        if code in (_START, _END):
            continue
        scans += code == _SCAN
        if scans > MAX_SCANS:
            raise Problem(413, f"the image has more than {MAX_SCANS} scans: save it anew.")
        length = int.from_bytes(data[place : place + 2], "big")
        if code == _APP1 and data.startswith(b"Exif\0\0", place + 2):
            exif += length
            _check_exif(exif)
        place += max(2, length)
    if not scans:
        _check_parts(parts + len(data) - place)


def _check_png(data: bytes) -> None:
    place, parts = 8, 0
    while place + 8 <= len(data):
        length, name = struct.unpack_from(">I4s", data, place)
        parts += 1
        _check_parts(parts)
        if name == b"eXIf":
            _check_exif(length)
        place += 12 + length


def _check_gif(data: bytes) -> None:
    flags = data[10] if len(data) > 10 else 0
    place, parts = 13 + (3 << (flags & 7) + 1 if flags & 0x80 else 0), 0
    while place < len(data) and data[place] not in b",;":
        extension = data[place] == 0x21
        place += 2 if extension else 1
        parts += 1
        while extension and place < len(data) and data[place]:
            place += 1 + data[place]
            parts += 1
            _check_parts(parts)
        place += extension
        _check_parts(parts)


def _check_bmp(data: bytes) -> None:
    if len(data) < 34 or int.from_bytes(data[14:18], "little") < 40:
        return
    width, height, _, _, compression = struct.unpack_from("<iiHHI", data, 18)
    if compression in (1, 2) and max(len(data), abs(width * height)) > MAX_RUN_LENGTH:
        raise Problem(413, "the image is a large run-length coded BMP: save it anew as PNG.")


def _check_tiff(data: bytes) -> None:
    tags: dict[int, tuple[int, ...]] = {}
    numbers = size = 0
    for tag, kind, count, value in _tiff_entries(data):
        if tag in tags:
            raise Problem(422, f"the image is damaged: it has two tags {tag}. Save it anew as PNG.")
        tags[tag] = ()
        width = _WHOLE.get(kind, 0)
        size += count * (width or _OTHER.get(kind, 1))
        numbers += count if kind in _OTHER or width > 1 else 0
        if numbers > MAX_NUMBERS or size > len(data):
            raise Problem(413, "the image has too many tags, strips or tiles: save it anew as PNG.")
        if tag in (_WIDTH, _HEIGHT, _STRIP_BYTES, _TILE_WIDTH, _TILE_HEIGHT, _TILE_BYTES):
            if not width or len(value) < count * width:
                raise Problem(422, f"the image is damaged in its tag {tag}: save it anew as PNG.")
            order = "big" if data.startswith(b"MM") else "little"
            tags[tag] = tuple(
                int.from_bytes(value[n : n + width], order)  # type: ignore[arg-type]
                for n in range(0, count * width, width)
            )
    if any(each > len(data) for tag in (_STRIP_BYTES, _TILE_BYTES) for each in tags.get(tag, ())):
        raise Problem(422, "the image is cut off: strips or tiles go beyond its end.")
    _check_tiles(tags)


def _tiff_entries(data: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """Tag, type, number of values and their bytes of the first directory, as far as it goes."""
    order = ">" if data.startswith(b"MM") else "<"
    large = 43 in data[2:4]
    head, entry, inline = ("Q", "HHQ8s", 8) if large else ("H", "HHL4s", 4)
    try:
        (place,) = struct.unpack_from(order + ("Q" if large else "L"), data, 8 if large else 4)
        (entries,) = struct.unpack_from(order + head, data, place)
        place += struct.calcsize(order + head)
        for _ in range(entries):
            tag, kind, count, value = struct.unpack_from(order + entry, data, place)
            place += struct.calcsize(order + entry)
            size = count * (_WHOLE.get(kind) or _OTHER.get(kind, 1))
            if size > inline:
                start = int.from_bytes(value, "big" if order == ">" else "little")
                value = data[start : start + size]
            yield tag, kind, count, value
    except struct.error:
        return


def _check_tiles(tags: dict[int, tuple[int, ...]]) -> None:
    if not (tags.get(_TILE_WIDTH) or tags.get(_TILE_HEIGHT)):
        return
    width, height, tile_width, tile_height = (
        max(tags.get(tag, ()), default=0) for tag in (_WIDTH, _HEIGHT, _TILE_WIDTH, _TILE_HEIGHT)
    )
    if 0 in (width, height, tile_width, tile_height):
        raise Problem(422, "the image is damaged: its tiles have no size. Save it anew as PNG.")
    if tile_width * tile_height > max(SMALL_TILE, 2 * width * height):
        raise Problem(
            413,
            f"the image has {width} x {height} pixels in tiles of {tile_width} x {tile_height}: "
            "save it anew, without tiles.",
        )
    if -(-width // tile_width) * -(-height // tile_height) > MAX_NUMBERS:
        raise Problem(413, "the image has too many tiles: save it anew, without tiles.")


def _check_parts(parts: int) -> None:
    if parts > MAX_PARTS:
        raise Problem(413, f"the image has more than {MAX_PARTS} parts: save it anew.")


def _check_exif(size: int) -> None:
    if size > MAX_EXIF:
        raise Problem(413, "the image has more than 1 MiB of EXIF: save it anew, without.")
