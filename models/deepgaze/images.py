"""Images as models see them: RGB in 0-255, whatever the file held; and how to recognise them."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from pysaliency.datasets import as_stimulus
from torch import Tensor


def as_rgb(stimulus: Any) -> NDArray[np.uint8]:
    """Pixels of a stimulus or image array as (height, width, 3), 0-255.

    Grey images get three equal channels; transparent ones are shown on white; 16-bit values are
    scaled to 8 bits; floating-point values have to be in 0-255.

    Raises:
        ValueError: the array is no image.
    """
    pixels = np.asarray(as_stimulus(stimulus).stimulus_data)
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    if pixels.ndim != 3 or pixels.shape[2] not in (1, 2, 3, 4) or 0 in pixels.shape:
        raise ValueError(
            f"an image has shape (height, width) or (height, width, 1 to 4 channels), not "
            f"{pixels.shape}."
        )
    pixels = _eight_bits(pixels)
    if pixels.shape[2] in (2, 4):
        alpha = pixels[:, :, -1:] / 255.0
        pixels = np.rint(pixels[:, :, :-1] * alpha + 255.0 * (1.0 - alpha)).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3)))


def _eight_bits(pixels: NDArray) -> NDArray[np.uint8]:
    if pixels.dtype == np.uint8:
        return pixels
    if pixels.dtype == bool:
        return pixels.astype(np.uint8) * np.uint8(255)
    if pixels.dtype == np.uint16:
        return np.rint(pixels / 257.0).astype(np.uint8)
    values = pixels.astype(np.float64)
    if not (values.min() >= 0 and values.max() <= 255):
        raise ValueError(
            f"pixel values of type {pixels.dtype} have to be in 0-255; these go from "
            f"{values.min():g} to {values.max():g}."
        )
    return np.rint(values).astype(np.uint8)


def pixel_hash(rgb: NDArray[np.uint8]) -> str:
    """SHA-256 of size and pixels: the same for the same picture in whatever lossless format."""
    return hashlib.sha256(f"{rgb.shape}".encode() + rgb.tobytes()).hexdigest()


def resized(rgb: NDArray[np.uint8], scale: float) -> Tensor:
    """The image scaled by ``scale``, smoothed against aliasing: float (3, height, width), 0-255."""
    pixels = torch.tensor(rgb).permute(2, 0, 1).float()
    if scale == 1.0:
        return pixels
    size = [max(1, round(side * scale)) for side in rgb.shape[:2]]
    return torch.nn.functional.interpolate(
        pixels[None], size=size, mode="bilinear", antialias=True, align_corners=False
    )[0]


def look(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """What an image looks like, in 32 bytes that hardly change when it is re-encoded or resized.

    A bit for each of 16 x 16 places says whether the picture becomes brighter, by more than a grey
    level, from there to the right.
    """
    grey = Image.fromarray(rgb).convert("L").resize((17, 16), Image.Resampling.BOX, reducing_gap=3)
    values = np.asarray(grey, dtype=np.int64)
    return np.packbits(values[:, 1:] - values[:, :-1] > 1)


def differing_bits(one: NDArray[np.uint8], others: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Number of bits in which a look differs from each of ``others`` (images, 32)."""
    return np.unpackbits(one[None] ^ others, axis=1).sum(axis=1, dtype=np.int64)
