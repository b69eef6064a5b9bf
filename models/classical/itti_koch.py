"""Itti and Koch's model: centre-surround contrast of intensity, colour and orientation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter

from models.base import model
from models.classical.channels import (
    ROUNDING,
    Maps,
    gabor_bank,
    gabor_responses,
    planes,
    pyramid,
    resized,
)
from models.saliency_map import SaliencyMap

CENTRES = (2, 3, 4)
DELTAS = (3, 4)
#: Scale of the conspicuity maps and of the saliency map.
SCALE = 4
_GABORS = gabor_bank(frequency=1 / 7, sigma_x=7 / 3, sigma_y=7 / 3, n_stds=2)


@model(
    name="itti-koch",
    title="Itti-Koch",
    summary="centre-surround contrast of intensity, colour and orientation across scales",
    citation="Itti, Koch, Niebur 1998, IEEE TPAMI 20(11)",
    trained_on=("scored",),
    needs=("centerbias",),
)
class IttiKoch(SaliencyMap):
    """``S = (N(I) + N(C) + N(O)) / 3``: conspicuity of intensity, colour and orientation.

    42 feature maps ``|F(c) - F(s)|``, the difference between a pyramid's levels c = 2, 3, 4 and
    s = c + 3, c + 4 at the resolution of c, for F: intensity, red-green, blue-yellow, and Gabor
    energy at four angles. N scales a map to [0, 1] and multiplies it by ``(1 - m)**2``, m the mean
    of its local maxima but the highest, so that maps with one peak count and uniform ones do not.
    Normalised maps are added at scale 4 (1/16) to ``I``, ``C`` and, after a further N at each
    angle, ``O``.

    Source: Itti, Koch, Niebur 1998, IEEE Transactions on Pattern Analysis and Machine Intelligence
    20(11). What it leaves open is as in Walther and Koch's SaliencyToolbox (2006, Neural Networks
    19): local maxima count above a tenth of the map's highest value, and Gabor filters have a
    period of 7 cells and an envelope of 7/3. Deviations: red-green and blue-yellow are subtracted
    between centre and surround, as is usual, where formulas (2) and (3) taken literally add them
    (and call a uniformly red image conspicuous); orientation is the energy of a quadrature pair;
    pyramids keep their cells centred, so sides are halved rounding up. Scales are in pixels of
    the image, made for 640x480.
    """

    def map_of(self, rgb: NDArray[np.uint8]) -> NDArray[np.floating]:
        """Saliency of an image (height, width, 3), (height / 16, width / 16) rounded up."""
        levels = [
            np.concatenate([level, np.abs(gabor_responses(level[0], _GABORS))])
            for level in pyramid(opponency(planes(rgb)), max(CENTRES) + max(DELTAS))[CENTRES[0] :]
        ]
        shape = levels[SCALE - CENTRES[0]].shape[1:]
        features = np.zeros((len(levels[0]), *shape), dtype=np.float32)
        for centre in range(len(CENTRES)):
            for delta in DELTAS:
                surround = resized(levels[centre + delta], levels[centre].shape[1:])
                contrast = normalised(np.abs(levels[centre] - surround))
                features += resized(contrast, shape)
        conspicuity = [features[0], features[1] + features[2], normalised(features[3:]).sum(axis=0)]
        return normalised(np.stack(conspicuity)).mean(axis=0)


def opponency(colours: Maps) -> Maps:
    """Intensity, red-green and blue-yellow of planes in 0-1, (3, height, width).

    ``I = (r + g + b) / 3``, ``R - G`` and ``B - Y``, of channels divided by I where I exceeds a
    tenth of its maximum and 0 elsewhere: ``R = r - (g + b) / 2``, G and B likewise, and
    ``Y = (r + g) / 2 - |r - g| / 2 - b``, negative values set to 0.
    """
    red, green, blue = colours
    total = red + green + blue
    intensity = total / 3
    bright = intensity > intensity.max() / 10
    weight = np.divide(1, intensity, out=np.zeros_like(intensity), where=bright)
    # a grey pixel's differences are 0 exactly when taken before the division
    r = np.maximum(red - (green + blue) / 2, 0)
    g = np.maximum(green - (red + blue) / 2, 0)
    b = np.maximum(blue - (red + green) / 2, 0)
    y = np.maximum(np.minimum(red, green) - blue, 0)  # the smaller is (r + g) / 2 - |r - g| / 2
    return np.stack([intensity, (r - g) * weight, (b - y) * weight])


def normalised(maps: Maps) -> Maps:
    """The operator N on each of the maps (maps, height, width): promotes maps with few peaks.

    A map is scaled to [0, 1] and multiplied by ``(1 - m)**2``, m the mean of its local maxima
    (among eight neighbours, above 0.1) other than the highest. A constant map becomes 0.
    """
    low = maps.min(axis=(1, 2), keepdims=True)
    span = maps.max(axis=(1, 2), keepdims=True) - low
    scaled = np.divide(maps - low, span, out=np.zeros_like(maps), where=span > ROUNDING)
    peaks = (maximum_filter(scaled, size=(1, 3, 3)) == scaled) & (scaled > 0.1)
    others = np.maximum(peaks.sum(axis=(1, 2)) - 1, 0)
    heights = np.where(peaks, scaled, 0).sum(axis=(1, 2)) - 1
    mean = np.divide(heights, others, out=np.zeros_like(heights), where=others > 0)
    return scaled * np.square(1 - mean)[:, None, None]
