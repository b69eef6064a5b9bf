"""Boolean map saliency: what is surrounded in thresholded channels of an image is salient."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, maximum_filter, median_filter
from skimage.color import rgb2lab
from skimage.morphology import reconstruction

from models.base import model
from models.classical.channels import fitted_shape, planes, resized
from models.saliency_map import SaliencyMap

_EIGHT_NEIGHBOURS = np.ones((3, 3), dtype=bool)


@model(
    name="bms",
    title="BMS",
    summary="surrounded regions of thresholded colour channels",
    citation="Zhang, Sclaroff 2016, IEEE TPAMI 38(5); 2013, ICCV",
    trained_on=("scored",),
    needs=("centerbias",),
)
class BMS(SaliencyMap):
    """Mean attention map of all Boolean maps of an image.

    A Boolean map B is a channel above a threshold. Its attention maps are the regions of B, and
    those of its complement, that do not touch the image's border, dilated by a square and divided
    by their Euclidean norm, so that small regions count more. Their mean over thresholds and
    channels is dilated and smoothed. Channels are CIELAB in 8 bits, whitened by principal
    components, each scaled to 0-255 and cleared of single pixels by a 3 x 3 median.

    That a pixel is surrounded at a threshold is read from one morphological reconstruction per
    channel and sign: the highest threshold at which a path leads from it to the border. This equals
    flood filling every Boolean map.

    The parameters are those of the authors' program of 2016 for fixations; as there, the median
    takes the place of the opening of 2013. Deviation: images smaller than ``longest`` are not
    enlarged.

    Args:
        longest: longer side of the image at which it is analysed, in pixels.
        step: between thresholds, on the scale of 0-255.
        regularisation: added to the variances of the channels before whitening, in squared levels.
        dilation: width of the square that regions are dilated by, in pixels of the reduced image.
        final_dilation: the same for the mean attention map.
        smoothing: standard deviation of the Gaussian, in pixels of the reduced image; it is cut off
            at twice this.
    """

    def __init__(
        self,
        longest: int = 400,
        step: int = 8,
        regularisation: float = 50.0,
        dilation: int = 7,
        final_dilation: int = 9,
        smoothing: float = 9.0,
    ):
        super().__init__()
        self.longest = longest
        self.step = step
        self.regularisation = regularisation
        self.dilation = dilation
        self.final_dilation = final_dilation
        self.smoothing = smoothing

    def map_of(self, rgb: NDArray[np.uint8]) -> NDArray[np.floating]:
        small = resized(planes(rgb), fitted_shape(rgb.shape[:2], self.longest))
        channels = levels(whitened(lab(small), self.regularisation))
        attention = maximum_filter(self.mean_attention(channels), self.final_dilation)
        return gaussian_filter(attention, self.smoothing, mode="mirror", truncate=2.0)

    def mean_attention(self, channels: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Mean over channels and thresholds of the attention maps, (height, width).

        Args:
            channels: (channels, height, width).
        """
        total, count = np.zeros(channels.shape[1:]), 0
        for channel in channels:
            above, below = border_levels(channel), 255 - border_levels(255 - channel)
            for threshold in range(int(channel.min()), int(channel.max()), self.step):
                count += 1
                for surrounded in (
                    (above <= threshold) & (channel > threshold),
                    (below > threshold) & (channel <= threshold),
                ):
                    if surrounded.any():
                        dilated = maximum_filter(surrounded, self.dilation)
                        total += dilated / np.sqrt(np.count_nonzero(dilated))
        return total / max(1, count)


def lab(maps: NDArray[np.float32]) -> NDArray[np.float64]:
    """CIELAB in whole numbers of 0-255, (3, height, width), of RGB in 0-1 of the same shape."""
    lightness, a, b = np.moveaxis(rgb2lab(maps, channel_axis=0).astype(np.float64), 0, 0)
    return np.rint([lightness * 2.55, a + 128, b + 128])


def whitened(channels: NDArray[np.float64], regularisation: float) -> NDArray[np.float64]:
    """Principal components of channels (channels, height, width), scaled to a variance near 1."""
    flat = channels.reshape(len(channels), -1)
    flat = flat - flat.mean(axis=1, keepdims=True)
    covariance = flat @ flat.T / flat.shape[1]
    variances, directions = np.linalg.eigh(covariance + regularisation * np.eye(len(flat)))
    largest = np.abs(directions).argmax(axis=0)
    directions *= np.sign(directions[largest, np.arange(len(largest))])  # else either sign
    return ((directions / np.sqrt(variances)).T @ flat).reshape(channels.shape)


def levels(channels: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Each channel (channels, height, width) scaled to 0-255, then a median of 3 x 3 pixels."""
    low = channels.min(axis=(1, 2), keepdims=True)
    span = channels.max(axis=(1, 2), keepdims=True) - low
    span[span < 1e-6] = np.inf  # a constant channel, but for rounding errors
    scaled = np.rint((channels - low) / span * 255).astype(np.uint8)
    return median_filter(scaled, size=(1, 3, 3))


def border_levels(channel: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """For each pixel, the lowest level on the way to the border on which this is highest.

    Ways lead from pixel to pixel by sides and corners, and begin with the pixel itself.
    """
    marker = np.full_like(channel, channel.min())
    for border in (np.s_[0], np.s_[-1], np.s_[:, 0], np.s_[:, -1]):
        marker[border] = channel[border]
    return reconstruction(marker, channel, footprint=_EIGHT_NEIGHBOURS).astype(np.uint8)
