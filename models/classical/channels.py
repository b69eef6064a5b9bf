"""What classical models share: planes of an image, resampling, pyramids, Gabor filters, DKL colour.

Maps are stacked (maps, height, width). Each covers the whole image with equal cells: cell k of n
along a side of the image is centred at share ``(k + 1/2) / n`` of it, at every resolution.
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.signal import fftconvolve
from skimage.color import rgb2xyz
from skimage.filters import gabor_kernel

Maps = NDArray[np.float32]
Real = TypeVar("Real", np.float32, np.float64)

#: Differences below this share of the full range are rounding errors of single precision, not
#: contrast: a map that varies less counts as constant.
ROUNDING = 1e-5

# Cone excitations from CIE XYZ, scaled so that L + M is luminance (Smith and Pokorny 1975).
_XYZ_TO_LMS = np.array(
    [[0.15514, 0.54312, -0.03286], [-0.15514, 0.45684, 0.03286], [0.0, 0.0, 0.00801]]
)


def planes(rgb: NDArray[np.uint8], dtype: type[Any] = np.float32) -> NDArray[Any]:
    """Red, green and blue of an image (height, width, 3) in 0-1, (3, height, width)."""
    return np.moveaxis(rgb, 2, 0).astype(dtype, order="C") / dtype(255)


def fitted_shape(shape: tuple[int, int], longest: int) -> tuple[int, int]:
    """(height, width) of an image whose longer side is reduced to ``longest``; never enlarged."""
    scale = min(1.0, longest / max(shape))
    return max(1, round(shape[0] * scale)), max(1, round(shape[1] * scale))


def resized(maps: NDArray[Real], shape: tuple[int, int]) -> NDArray[Real]:
    """Maps (maps, height, width) resampled to ``shape``: linear, smoothed against aliasing."""
    if maps.shape[1:] == shape:
        return maps
    return torch.nn.functional.interpolate(
        torch.from_numpy(maps)[None],
        size=list(shape),
        mode="bilinear",
        antialias=True,
        align_corners=False,
    )[0].numpy()


def pyramid(maps: Maps, levels: int) -> list[Maps]:
    """Dyadic Gaussian pyramid: the maps, and ``levels`` times half of the level before.

    The filter is binomial, (1, 3, 3, 1) / 8 along each side, so that cells stay centred. A side of
    n cells becomes one of n / 2, rounded up.
    """
    stack = [maps]
    for _ in range(levels):
        height, width = stack[-1].shape[1:]
        stack.append(resized(stack[-1], ((height + 1) // 2, (width + 1) // 2)))
    return stack


def gabor_bank(frequency: float, sigma_x: float, sigma_y: float, n_stds: float) -> list[NDArray]:
    """Complex Gabor kernels at 0, 45, 90 and 135 degrees, without response to constant input.

    The mean is taken out of the even part as a multiple of the Gaussian envelope.

    Args:
        frequency: cycles per cell.
        sigma_x, sigma_y: standard deviations across and along the preferred edge, in cells.
        n_stds: half the kernel's size in standard deviations.
    """
    bank = []
    for theta in np.arange(4) * np.pi / 4:
        kernel = gabor_kernel(frequency, theta, sigma_x=sigma_x, sigma_y=sigma_y, n_stds=n_stds)
        envelope = np.abs(kernel)
        kernel = kernel - envelope * (kernel.sum() / envelope.sum())
        bank.append(kernel.astype(np.complex64))
    return bank


def gabor_responses(level: Maps, bank: list[NDArray]) -> NDArray[np.complex64]:
    """Responses of a plane (height, width) to each kernel, (kernels, height, width).

    Beyond the border the plane is mirrored.
    """
    responses = []
    for kernel in bank:
        rows, columns = kernel.shape[0] // 2, kernel.shape[1] // 2
        padded = np.pad(level, ((rows, rows), (columns, columns)), mode="symmetric")
        responses.append(fftconvolve(padded, kernel, mode="valid"))
    return np.stack(responses)


def dkl(colours: Maps) -> Maps:
    """Cone-opponent coordinates of sRGB planes in 0-1, (3, height, width).

    Luminance L + M, red-green L - M and blue-yellow S - (L + M), of cone excitations relative to
    those of white, so that grey is (luminance, 0, 0) (Derrington, Krauskopf, Lennie 1984, Journal
    of Physiology 357).
    """
    lms = np.tensordot(_XYZ_TO_LMS, rgb2xyz(colours, channel_axis=0), 1)
    white = np.tensordot(_XYZ_TO_LMS, rgb2xyz(np.ones((3, 1, 1)), channel_axis=0), 1)
    luminance = lms[0] + lms[1]
    red_green = lms[0] / white[0] - lms[1] / white[1]
    blue_yellow = lms[2] / white[2] - luminance / (white[0] + white[1])
    return np.stack([luminance, red_green, blue_yellow]).astype(np.float32)
