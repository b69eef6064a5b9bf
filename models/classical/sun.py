"""Saliency using natural statistics: responses that are rare in natural images are salient."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from models.base import model
from models.classical import ica
from models.classical.channels import fitted_shape, planes, resized
from models.saliency_map import SaliencyMap


@model(
    name="sun",
    title="SUN",
    summary="self-information of independent components among those of natural images",
    citation="Zhang, Tong, Marks, Shan, Cottrell 2008, Journal of Vision 8(7):32",
    trained_on=("scored",),
    needs=("centerbias",),
)
class SUN(SaliencyMap):
    """Self-information of a patch's independent components, given natural images.

    ``s(x) = sum_k |w_k . (patch(x) - mean) / sigma_k| ** theta_k``, in nats up to a constant. w_k
    are independent components of natural patches, sigma_k and theta_k the parameters of the
    generalised Gaussian that their responses follow over natural patches. The map is local: it
    depends on the patch alone. It is not smoothed, as in the paper.

    Deviations from the paper (its ICA version):

    - The basis was learned here, from eight photographs instead of the Kyoto images (see
      ``models.classical.ica``). Of the 363 principal components of patches of 11 x 11 pixels the
      first is left out, as there; the 180 after it are kept instead of all 362, and hold 99.7 %
      of the rest of the variance.
    - Images are reduced to one length; the paper's are 681 x 511.
    - Patches are mirrored beyond the border.

    Args:
        longest: longer side of the image at which it is analysed, in pixels; never enlarged.
    """

    def __init__(self, longest: int = 340):
        super().__init__()
        self.longest = longest

    def map_of(self, rgb: NDArray[np.uint8]) -> NDArray[np.floating]:
        small = resized(planes(rgb), fitted_shape(rgb.shape[:2], self.longest))
        basis = ica.load("sun")
        expected = (basis.filters * basis.mean).sum(axis=(1, 2, 3))
        responses = torch.from_numpy(ica.responses(small, basis))
        information = torch.zeros(responses.shape[1:])
        for response, shift, scale, exponent in zip(
            responses, expected, basis.scale, basis.exponent, strict=True
        ):
            information += ((response - float(shift)) / float(scale)).abs() ** float(exponent)
        return information.numpy()
