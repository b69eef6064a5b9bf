"""Sizes at which images are worked on, and images brought to them."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.deepgaze.images import as_rgb

#: Rows that are brought to eight bits at a time: large images would else be held as floats whole.
BAND = 256


def limited(height: float, width: float, pixels: int) -> tuple[int, int]:
    """(height, width) of the same proportions with at most that many pixels; at least 2 a side."""
    scale = math.sqrt(pixels / (height * width))
    if scale >= 1:
        return max(2, round(height)), max(2, round(width))
    return max(2, math.floor(height * scale)), max(2, math.floor(width * scale))


def resized(pixels: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """An image at another (height, width), smoothed against aliasing; itself at its own."""
    if pixels.shape[:2] == size:
        return pixels
    height, width = size
    resampled = Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(resampled)


def reduced(pixels: NDArray[np.uint8], limit: int) -> NDArray[np.uint8]:
    """An image with at most ``limit`` pixels; itself if it has no more."""
    height, width = pixels.shape[:2]
    return resized(pixels, limited(height, width, limit))


def banded_rgb(pixels: NDArray) -> NDArray[np.uint8]:
    """What :func:`models.deepgaze.images.as_rgb` makes of an image, a band of rows at a time.

    Raises:
        ValueError: the array is no image.
    """
    if pixels.dtype == np.uint8 and pixels.ndim == 3 and pixels.shape[2] == 3:
        return np.ascontiguousarray(pixels)
    if pixels.ndim not in (2, 3):
        return as_rgb(pixels)
    made = np.empty((*pixels.shape[:2], 3), np.uint8)
    for row in range(0, len(pixels), BAND):
        made[row : row + BAND] = as_rgb(pixels[row : row + BAND])
    return made
