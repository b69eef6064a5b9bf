"""Hou and Zhang's spectral residual: what an image's spectrum holds beyond its local average."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, uniform_filter
from skimage.color import rgb2gray

from models.base import model
from models.classical.channels import fitted_shape, planes, resized
from models.saliency_map import SaliencyMap

# Amplitudes up to this share of the largest are rounding errors, and have no phase.
_ROUNDING = 1e-11


@model(
    name="spectral-residual",
    title="Spectral residual",
    summary="log spectrum minus its local average, transformed back with the image's phase",
    citation="Hou, Zhang 2007, CVPR",
    trained_on=("scored",),
    needs=("centerbias",),
)
class SpectralResidual(SaliencyMap):
    """``S = g * |ifft(exp(log A - h * log A + i P))|**2`` of the grey image, 64 pixels wide.

    A and P are amplitude and phase of the Fourier spectrum, h the mean over 3 x 3 frequencies, g a
    Gaussian. An image of twice the contrast and brightness has the same map.

    Source: Hou, Zhang 2007, IEEE Conference on Computer Vision and Pattern Recognition, and the
    authors' code, which gives g's width (8 in the paper) and continues the spectrum beyond its ends
    with the nearest value. Deviations: 64 is the length of the longer side, so that an upright
    picture is treated as a lying one, and small images are not enlarged; g reaches to four standard
    deviations and mirrors the map at the border, where that code has 10 x 10 pixels and zeros.

    Args:
        longest: pixels that the longer side is reduced to.
        window: side of h, in frequencies.
        sigma: standard deviation of g, in pixels of the reduced image.
    """

    def __init__(self, longest: int = 64, window: int = 3, sigma: float = 2.5):
        super().__init__()
        self.longest = longest
        self.window = window
        self.sigma = sigma

    def map_of(self, rgb: NDArray[np.uint8]) -> NDArray[np.floating]:
        """Saliency of an image (height, width, 3), at its reduced size."""
        small = resized(planes(rgb, np.float64), fitted_shape(rgb.shape[:2], self.longest))
        grey = rgb2gray(small, channel_axis=0)
        return gaussian_filter(residual(grey, self.window), self.sigma)


def residual(grey: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    """Squared inverse transform of the spectral residual of an image (height, width).

    A frequency that the image does not have remains absent, and is left out of the means.
    """
    spectrum = np.fft.fft2(grey)
    amplitude = np.abs(spectrum)
    present = amplitude > _ROUNDING * amplitude.max()
    log_amplitude = np.log(amplitude, out=np.zeros_like(amplitude), where=present)
    near = uniform_filter(present.astype(np.float64), window, mode="nearest")
    average = uniform_filter(log_amplitude, window, mode="nearest") / np.where(present, near, 1)
    # exp(log A + i P) is the spectrum itself
    return np.abs(np.fft.ifft2(np.where(present, spectrum * np.exp(-average), 0))) ** 2
