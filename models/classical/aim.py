"""Attention by information maximisation: rare responses of independent filters are salient."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from models.base import model
from models.classical import ica
from models.classical.channels import fitted_shape, planes, resized
from models.saliency_map import SaliencyMap

#: Responses have unit variance over natural images; bins are at least this wide.
_FINEST_BIN = 1e-3


@model(
    name="aim",
    title="AIM",
    summary="self-information of independent components among those of the same image",
    citation="Bruce, Tsotsos 2009, Journal of Vision 9(3):5",
    trained_on=("scored",),
    needs=("centerbias",),
)
class AIM(SaliencyMap):
    """Self-information of a patch's independent components, given the image.

    ``s(x) = sum_k -log p_k(w_k . patch(x))``, in nats, smoothed by a Gaussian. w_k are independent
    components of natural patches, p_k the histogram of w_k's responses over the image, whose bins
    divide the range of all responses.

    Deviations from the authors' program (AIM.m with the basis 21infomax950):

    - The basis was learned here, by FastICA instead of infomax and from eight photographs (see
      ``models.classical.ica``). It has the same size: 25 components, which hold 95 % of the
      variance of patches of 21 x 21 pixels.
    - Images are reduced to one length, half of that of the paper's images (681 x 511).
    - Patches are mirrored beyond the border, where the program leaves the map empty.
    - Bins are centred on multiples of their width, so that responses of 0 never straddle two.

    Args:
        longest: longer side of the image at which it is analysed, in pixels; never enlarged.
        bins: of the histograms.
        smoothing: standard deviation of the Gaussian, in pixels of the reduced image; it is cut off
            at 15.
    """

    def __init__(self, longest: int = 340, bins: int = 256, smoothing: float = 8.0):
        super().__init__()
        self.longest = longest
        self.bins = bins
        self.smoothing = smoothing

    def map_of(self, rgb: NDArray[np.uint8]) -> NDArray[np.floating]:
        small = resized(planes(rgb), fitted_shape(rgb.shape[:2], self.longest))
        # a shift of all responses of a filter changes no probability
        small = small - small.mean(axis=(1, 2), keepdims=True)
        information = self_information(ica.responses(small, ica.load("aim")), self.bins)
        return gaussian_filter(information, self.smoothing, mode="reflect", radius=15)


def self_information(responses: NDArray[np.floating], bins: int) -> NDArray[np.float64]:
    """Sum over filters of the negative log of the share of responses in the same bin, in nats.

    Args:
        responses: (filters, height, width).
        bins: into which the range of all responses is divided.
    """
    span = float(responses.max()) - float(responses.min())
    index = np.rint(responses / max(span / (bins - 1), _FINEST_BIN)).astype(np.intp)
    index -= index.min()
    information = np.zeros(responses.shape[1:])
    for of_filter in index:
        share = np.bincount(of_filter.ravel()) / of_filter.size
        information -= np.log(share, where=share > 0, out=np.zeros_like(share))[of_filter]
    return information
