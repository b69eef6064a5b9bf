"""Image files of a data set: which there are, their sizes, and whether they decode."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import pysaliency
from PIL import ExifTags, Image

from benchmark.errors import DataError

SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})


def is_hidden(path: Path) -> bool:
    """Whether a relative path is an operating system's litter (.DS_Store, __MACOSX, Thumbs.db)."""
    return any(
        part.startswith(".") or part in ("__MACOSX", "Thumbs.db", "desktop.ini")
        for part in path.parts
    )


def find_images(root: Path) -> list[Path]:
    """Image files in ``root`` and below, sorted by path; hidden files are left out."""
    return sorted(
        file
        for file in root.rglob("*")
        if file.suffix.lower() in SUFFIXES and not is_hidden(file.relative_to(root))
    )


def _shape(file: Path) -> tuple[int, ...]:
    """Shape of the decoded image, from its header alone: (height, width[, channels])."""
    with Image.open(file) as image:
        width, height = image.size
        channels = 3 if image.mode == "P" else len(image.getbands())
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


def open_stimuli(files: Sequence[Path], as_stored: bool = False) -> pysaliency.FileStimuli:
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
    return pysaliency.FileStimuli([str(file) for file in files], cached=False, shapes=shapes)


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
