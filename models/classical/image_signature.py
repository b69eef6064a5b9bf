"""Hou, Harel and Koch's image signature: the signs of an image's cosine transform."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dctn, idctn
from scipy.ndimage import gaussian_filter
from skimage.color import rgb2lab

from models.base import model
from models.classical.channels import fitted_shape, planes, resized
from models.saliency_map import SaliencyMap

# Coefficients below this share of a uniform image's of value 100 are rounding errors without sign.
_ROUNDING = 1e-11


@model(
    name="image-signature",
    title="Image signature",
    summary="squared reconstruction from the signs of the cosine transform in CIELAB",
    citation="Hou, Harel, Koch 2012, IEEE TPAMI 34(1)",
    trained_on=("scored",),
    needs=("centerbias",),
)
class ImageSignature(SaliencyMap):
    """``S = g * mean_c idct(sign(dct(x_c)))**2`` over CIELAB channels c, 64 pixels wide.

    A foreground that is small beside a background of few cosine components holds most of the energy
    of the reconstruction from signs; g is a Gaussian of 0.045 of the map's width.

    Source: Hou, Harel, Koch 2012, IEEE Transactions on Pattern Analysis and Machine Intelligence
    34(1), and the authors' code. Deviations: 64 and 0.045 refer to the longer side, so that an
    upright picture is treated as a lying one, and small images are not enlarged; g reaches to four
    standard deviations and mirrors the map at the border, where that code stops at two and has
    zeros; grey has exactly no colour.

    Args:
        longest: pixels that the longer side is reduced to.
        blur: standard deviation of g, as share of the longer side.
    """

    def __init__(self, longest: int = 64, blur: float = 0.045):
        super().__init__()
        self.longest = longest
        self.blur = blur

    def map_of(self, rgb: NDArray[np.uint8]) -> NDArray[np.floating]:
        """Saliency of an image (height, width, 3), at its reduced size."""
        small = resized(planes(rgb, np.float64), fitted_shape(rgb.shape[:2], self.longest))
        lab = rgb2lab(small, channel_axis=0)
        lab[1:, np.ptp(small, axis=0) == 0] = 0  # rgb2lab leaves grey a trace of colour
        energy = np.mean([reconstruction(channel) ** 2 for channel in lab], axis=0)
        return gaussian_filter(energy, self.blur * max(energy.shape))


def reconstruction(channel: NDArray[np.float64]) -> NDArray[np.float64]:
    """Inverse cosine transform of the image signature of a channel (height, width) in 0-100."""
    coefficients = dctn(channel, norm="ortho")
    coefficients[np.abs(coefficients) < _ROUNDING * 100 * np.sqrt(channel.size)] = 0
    return idctn(np.sign(coefficients), norm="ortho")
