"""Intensity and contrast features: what an image offers without any knowledge of objects."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor, nn

from models.deepgaze.backbones.base import Backbone, Layer, WeightsError, backbone, collect

#: Luminance, and the two opponent axes that decorrelate natural images (Ohta et al. 1980), rows.
CHANNELS = ((1 / 3, 1 / 3, 1 / 3), (1 / 2, 0.0, -1 / 2), (-1 / 4, 1 / 2, -1 / 4))
#: Standard deviations of the Gaussian windows in pixels.
SCALES = (5, 10, 20, 40, 80)
#: A window is computed on means over squares of so many pixels a side, 2 / 5 of its width ...
POOLED = {5: 2, 10: 4, 20: 8, 40: 16, 80: 32}
#: ... and sampled at least this far apart, in pixels.
STRIDE = 8
#: The Gaussian is cut off at so many standard deviations.
CUT = 3.0


@backbone(
    name="icf",
    title="Intensity and contrast",
    summary="local mean and contrast of luminance and two colour axes in five Gaussian windows",
    source="computed, no weights",
    citation="Kümmerer, Wallis, Gatys, Bethge 2017, ICCV",
    packaged=True,
)
class IntensityContrast(Backbone):
    """Local mean and standard deviation of three colour channels in windows of five widths.

    ``intensity_s = G_s * c`` and ``contrast_s = sqrt(G_s * c^2 - (G_s * c)^2)``, c being a colour
    channel in 0 to 1 (the opponent ones in -1/2 to 1/2) and G_s a Gaussian of s pixels, s = 5, 10,
    20, 40, 80. The border is repeated. They are computed on means of c and of c^2 over squares of
    2 s / 5 pixels, under a Gaussian, and averaged over the squares of a sample; the Gaussian is
    narrower by the variance of a sample's pixels.

    The paper's colour channels and the form of its contrast are not stated in full; those here are
    a fixed decorrelating transform (Ohta, Kanade, Sakai 1980) and the standard deviation. Nothing
    is trained, and the arithmetic is in single precision whatever the model's precision is.
    """

    default_layers = tuple(
        f"{kind}{scale}" for scale in SCALES for kind in ("intensity", "contrast")
    )
    multiple = 32

    def __init__(self) -> None:
        super().__init__()
        content = [CHANNELS, SCALES, POOLED, STRIDE, CUT, 2]
        self.weights_hash = hashlib.sha256(json.dumps(content).encode()).hexdigest()
        self.layers = {}
        for scale in SCALES:
            stride = max(STRIDE, POOLED[scale])
            for kind in ("intensity", "contrast"):
                self.layers[f"{kind}{scale}"] = Layer(len(CHANNELS), stride, (stride - 1) / 2)
        self.mixing = torch.tensor(CHANNELS)
        self.eval()

    @classmethod
    def load(cls, file: Path | None = None) -> IntensityContrast:
        """The features; there is no file of weights.

        Raises:
            WeightsError: a file is named.
        """
        if file is not None:
            raise WeightsError(f"{file}: the backbone 'icf' is computed and reads no weights.")
        return cls()

    @property
    def dtype(self) -> torch.dtype:
        return torch.float32  # a variance is a small difference of large numbers

    def preprocess(self, pixels: Tensor) -> Tensor:
        return torch.einsum("kc,nchw->nkhw", self.mixing, pixels / 255.0)

    def maps(self, pixels: Tensor, names: Iterable[str]) -> dict[str, Tensor]:
        return collect(self._steps(pixels), names)

    def _steps(self, pixels: Tensor) -> Iterator[tuple[str, Tensor]]:
        moments = torch.cat([pixels, pixels.square()], dim=1)
        for scale in SCALES:
            cell = POOLED[scale]
            small = nn.functional.avg_pool2d(moments, cell)
            apart = max(STRIDE // cell, 1)
            within = ((cell * apart) ** 2 - 1) / 12  # variance of the positions in a sample
            blurred = _blurred(small, (scale**2 - within) ** 0.5 / cell)
            mean, square = nn.functional.avg_pool2d(blurred, apart).chunk(2, dim=1)
            yield f"intensity{scale}", mean
            yield f"contrast{scale}", (square - mean.square()).clamp(min=0).sqrt()


def _blurred(maps: Tensor, sigma: float) -> Tensor:
    """Gaussian-weighted means of maps (1, n, h, w), the border repeated."""
    blurred = gaussian_filter(maps.numpy(), (0, 0, sigma, sigma), mode="nearest", truncate=CUT)
    return torch.from_numpy(blurred)
