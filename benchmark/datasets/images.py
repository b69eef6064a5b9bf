"""Image files: which there are, their sizes and pixels, and whether they decode."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import imageio.v3 as imageio
import numpy as np
import pysaliency
from numpy.typing import NDArray
from PIL import ExifTags, Image

from benchmark.errors import DataError

SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})


def is_hidden(path: Path) -> bool:
    """Whether a relative path is an operating system's litter (.DS_Store, __MACOSX, Thumbs.db)."""
    return any(
        part.startswith(".") or part in ("__MACOSX", "Thumbs.db", "desktop.ini")
        for part in path.parts
    )


#: Files that only folders of results hold.
OF_RUNS = ("run.json", "scores.sqlite")


def find_images(root: Path) -> list[Path]:
    """Image files in ``root`` and below, sorted by path.

    Hidden files are left out, and what is below a folder that a run has written: its figures are no
    stimuli.
    """
    files = list(root.rglob("*"))
    written = {file.parent for file in files if file.name in OF_RUNS} - {root}
    return sorted(
        file
        for file in files
        if file.suffix.lower() in SUFFIXES
        and not is_hidden(file.relative_to(root))
        and written.isdisjoint(file.parents)
    )


#: Modes whose files may state which colour is transparent, and grey levels of the few-bit ones.
_WITH_COLOUR_KEY = ("1", "L", "P", "RGB", "I;16")
_GREY_STEPS = {"L;2": 85, "L;4": 17}


def read_pixels(source: Path | bytes, **options: Any) -> NDArray:
    """Pixels of an image file as imageio reads them, (height, width[, channels]).

    Where the file states which colour, or how much of each colour of a palette, is transparent, an
    alpha channel is added, and palettes of TIFF files are applied; imageio does neither.

    Args:
        source: a file, or what is in one.
        options: of ``imageio.imread``.
    """
    with Image.open(_opened(source)) as image:
        is_palette, is_transparent = image.mode in ("P", "PA"), _has_colour_key(image)
        key = _transparent_colour(image) if is_transparent and not is_palette else None
        if is_palette and (is_transparent or image.format == "TIFF"):
            options = {"plugin": "pillow", "mode": "RGBA" if is_transparent else "RGB", **options}
    pixels = np.asarray(imageio.imread(_opened(source), **options))
    return pixels if key is None else _with_alpha(pixels, key)


def _opened(source: Path | bytes) -> Path | io.BytesIO:
    return io.BytesIO(source) if isinstance(source, bytes) else source


def _has_colour_key(image: Image.Image) -> bool:
    """Whether a palette or a colour that is stated to be transparent makes it so."""
    return image.mode == "PA" or (image.mode in _WITH_COLOUR_KEY and "transparency" in image.info)


def has_transparency(image: Image.Image) -> bool:
    """Whether parts of an opened image may be transparent, by its header."""
    return "A" in image.getbands() or _has_colour_key(image)


def _transparent_colour(image: Image.Image) -> NDArray[np.int64]:
    """The transparent grey level or colour, as it is in the decoded pixels."""
    colour = np.atleast_1d(np.asarray(image.info["transparency"], dtype=np.int64))
    tile = getattr(image, "tile", None)
    stored = str(tile[0].args) if tile else ""
    if stored == "RGB;16B":  # of which Pillow keeps the upper eight bits
        return colour >> 8
    return colour * _GREY_STEPS.get(stored, 1)


def _with_alpha(pixels: NDArray, colour: NDArray[np.int64]) -> NDArray:
    """Pixels with a channel that is 0 where they have this colour, and at its highest elsewhere."""
    if pixels.dtype == bool:
        pixels = pixels.astype(np.uint8) * np.uint8(255)
    values = pixels if len(colour) == 3 else pixels[..., None]
    opaque = np.zeros(values.shape[:-1], dtype=bool)
    for channel, level in enumerate(colour):  # one at a time, for the sake of memory
        opaque |= values[..., channel] != level
    alpha = opaque.astype(pixels.dtype) * np.iinfo(pixels.dtype).max
    return np.concatenate([values, alpha[..., None]], axis=-1)


class ImageFiles(pysaliency.FileStimuli):
    """Stimuli in files, with their transparency; see :func:`read_pixels`."""

    def load_stimulus(self, n: int) -> NDArray:
        return read_pixels(Path(self.filenames[n]))


def _shape(file: Path) -> tuple[int, ...]:
    """Shape of the decoded image, from its header alone: (height, width[, channels])."""
    with Image.open(file) as image:
        width, height = image.size
        if image.format == "TIFF" and image.getexif().get(ExifTags.Base.Orientation, 1) >= 5:
            width, height = height, width  # Pillow states the size of a TIFF as turned
        channels = 3 if image.mode in ("P", "PA") else len(image.getbands())
        channels += _has_colour_key(image)
    return (height, width) if channels == 1 else (height, width, channels)


def is_turned(image: Image.Image) -> bool:
    """Whether an image's EXIF orientation has viewers turn or mirror it; decodes a PNG."""
    return image.getexif().get(ExifTags.Base.Orientation, 1) != 1


def _turned(file: Path) -> str:
    return (
        f"{file}: is stored turned, with an EXIF orientation, so it is unknown which way fixations "
        "and predictions lie; save it upright, without the tag."
    )


def _turned_by_header(file: Path) -> bool:
    with Image.open(file) as image:
        # a PNG without the tag in front would be decoded in search of it
        return (image.format != "PNG" or "exif" in image.info) and is_turned(image)


def _unreadable(file: Path, error: Exception) -> str:
    return f"{file}: cannot be read as an image ({error}); replace it with an intact copy."


def open_stimuli(files: Sequence[Path], as_stored: bool = False) -> ImageFiles:
    """Stimuli that are read from ``files`` when needed, and not kept in memory.

    Args:
        as_stored: fixations are known to lie on the pixels as they are stored, whatever an EXIF
            orientation says.

    Raises:
        DataError: lists every file that is missing, is no image or is stored turned. Pixels are not
            decoded here.
    """
    shapes, problems = [], []
    for file in files:
        try:
            shapes.append(_shape(file))
            if not as_stored and _turned_by_header(file):
                problems.append(_turned(file))
        except FileNotFoundError:
            problems.append(f"{file}: this image is missing; put it there.")
        # Image libraries raise anything from OSError to SyntaxError on bytes that are no image.
        except Exception as error:
            problems.append(_unreadable(file, error))
    if problems:
        raise DataError(*problems)
    return ImageFiles([str(file) for file in files], cached=False, shapes=shapes)


def decode_problem(file: Path) -> str | None:
    """What is wrong with an image file, found by decoding all of it; None if nothing is."""
    try:
        with Image.open(file) as image:
            turned = is_turned(image)  # before Pillow turns a TIFF
            image.load()
            mode, frames = image.mode, getattr(image, "n_frames", 1)
            is_photo_with_extras = image.format == "MPO"
    except FileNotFoundError:
        return f"{file}: this image is missing; put it there."
    except Exception as error:
        return _unreadable(file, error)
    if turned:
        return _turned(file)
    if mode not in ("L", "LA", "P", "RGB", "RGBA"):
        return f"{file}: has the colour mode {mode}; convert it to 8-bit RGB or grey."
    if frames > 1 and not is_photo_with_extras:
        return f"{file}: holds {frames} images; save one image a file."
    return None


def decode_problems(files: Iterable[Path]) -> list[str]:
    """The problems of all files, in order; empty if every image decodes."""
    return [problem for file in files if (problem := decode_problem(file))]
