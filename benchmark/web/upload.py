"""What clients send, made into arrays: images, centre biases and fixations, none of them trusted.

Nothing is written to disk. Formats and sizes are checked from headers before anything is decoded.
"""

from __future__ import annotations

import csv
import io
import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmark.datasets.images import is_turned, read_pixels
from benchmark.web.problem import Problem
from benchmark.web.settings import Settings
from benchmark.web.size import banded_rgb, reduced
from benchmark.web.structure import check_structure

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "GIF", "BMP")
#: Rows of a file of fixations.
MAX_FIXATIONS = 100_000
_NPY = b"\x93NUMPY"


def decode_image(data: bytes, settings: Settings) -> NDArray[np.uint8]:
    """Pixels of an uploaded image as a viewer shows them, (height, width, 3).

    The first frame of an animation, turned as its EXIF orientation says.

    Raises:
        Problem: it is no image of a known format (415), too large (413), or damaged (422).
    """
    if not data:
        raise Problem(422, "the image is empty: send the bytes of an image file.")
    check_structure(data)
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as header:
            width, height = header.size
            mode = header.mode
        with Image.open(io.BytesIO(data)) as unlimited:  # how it is decoded below
            if (unlimited.format, unlimited.size) != (header.format, (width, height)):
                raise ValueError(unlimited.format)
    except Image.DecompressionBombError as error:
        raise Problem(
            413, f"the image has too many pixels; at most {settings.max_pixels} are taken."
        ) from error
    except Exception as error:  # image libraries raise anything on damaged files
        raise Problem(
            415, f"this is no image that can be read; send one of {', '.join(FORMATS)}."
        ) from error
    if width * height > settings.max_pixels or max(width, height) > settings.max_side:
        raise Problem(
            413,
            f"the image has {width} x {height} pixels; at most {settings.max_pixels} pixels and "
            f"{settings.max_side} a side are taken. Send a smaller copy.",
        )
    if min(width, height) < 2:
        raise Problem(422, f"the image has {width} x {height} pixels; at least 2 x 2 are needed.")
    options: dict[str, str] = {"mode": "RGB"} if mode == "CMYK" else {}
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            turned = is_turned(image)  # decodes a PNG
        return banded_rgb(read_pixels(data, plugin="pillow", index=0, rotate=turned, **options))
    except Exception as error:
        raise Problem(
            422, "the image is damaged, or of a kind that cannot be read: save it anew as PNG."
        ) from error


def decode_centre_bias(data: bytes, shape: tuple[int, int], settings: Settings) -> NDArray:
    """Natural log of an uploaded centre bias on an image of ``shape``, normalised.

    A npy file holds the log density, (height, width), of any size; an image holds a density in its
    grey values, to which half a grey level is added so that no place is impossible.

    Raises:
        Problem: it is neither, or holds no density.
    """
    if data.startswith(_NPY):
        values = _npy(data, settings)
    else:
        pixels = reduced(decode_image(data, settings), settings.working_pixels)
        grey = pixels.astype(np.float64).mean(axis=2)
        values = np.log(grey + 0.5)
    return resized_log_density(values, shape)


def _npy(data: bytes, settings: Settings) -> NDArray[np.float64]:
    stream = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(stream)
        read = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version]
        shape, _, dtype = read(stream)
        usable = len(shape) == 2 and 0 not in shape and dtype.kind in "fiu"
        if not usable or math.prod(shape) > settings.max_pixels:
            raise ValueError(shape)
        stream.seek(0)
        values = np.load(stream, allow_pickle=False).astype(np.float64)
    except Exception as error:
        raise Problem(
            422,
            "the centre bias is no npy file of a log density: a (height, width) array of numbers, "
            f"of at most {settings.max_pixels} values.",
        ) from error
    if not np.isfinite(values).all() or np.abs(values).max() > 700:
        raise Problem(422, "the centre bias holds values that are no log density: NaN, infinite, "
                      "or beyond 700.")  # fmt: skip
    return values


def resized_log_density(log_density: NDArray, shape: tuple[int, int]) -> NDArray[np.float64]:
    """A log density per pixel on an image of another size: linear between pixels, normalised."""
    values = np.asarray(log_density, dtype=np.float64)
    if values.shape != shape:
        from skimage.transform import resize

        values = resize(values, shape, order=1, mode="edge", anti_aliasing=False)
    highest = values.max()
    return values - (highest + np.log(np.exp(values - highest).sum()))


def parse_fixations(text: str, shape: tuple[int, int]) -> tuple[NDArray, NDArray]:
    """Fixations x, y in pixels of the image, from CSV with the columns x and y, or two columns.

    Returns:
        float arrays (fixations,), x to the right and y down.

    Raises:
        Problem: a row is no fixation, or lies outside of the image (422); says which.
    """
    height, width = shape
    try:
        rows = [row for row in csv.reader(io.StringIO(text)) if any(map(str.strip, row))]
    except csv.Error as error:
        raise Problem(422, f"the fixations are no CSV ({error}).") from error
    if not rows:
        raise Problem(422, "there is no fixation: send CSV with the columns x,y in pixels.")
    header = [cell.strip().lower().lstrip("\ufeff") for cell in rows[0]]
    first = 1
    if "x" in header and "y" in header:
        columns = header.index("x"), header.index("y")
    elif len(header) == 2 and _is_number(header[0]):
        columns, first = (0, 1), 0
    else:
        raise Problem(422, "the fixations need a header with the columns x and y.")
    if len(rows) - first > MAX_FIXATIONS:
        raise Problem(413, f"there are more than {MAX_FIXATIONS} fixations.")
    points = []
    for number, row in enumerate(rows[first:], start=first + 1):
        try:
            x, y = (float(row[column]) for column in columns)
        except (ValueError, IndexError) as error:
            raise Problem(422, f"fixations, row {number}: expected two numbers x,y.") from error
        if not (0 <= x < width and 0 <= y < height):
            raise Problem(
                422,
                f"fixations, row {number}: ({x:g}, {y:g}) is outside of the image of "
                f"{width} x {height} pixels.",
            )
        points.append((x, y))
    if not points:
        raise Problem(422, "there is no fixation: send CSV with the columns x,y in pixels.")
    x, y = np.array(points, dtype=np.float64).T
    return x, y


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
