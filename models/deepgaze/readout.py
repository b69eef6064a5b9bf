"""The trained part of DeepGaze II: from features to the log density over an image's pixels.

    features --normalise, first 1x1 convolution--> few coarse maps --interpolate--> readout grid
    --further 1x1 convolutions--> one map --Gaussian--> + log prior --softmax--> log density

The first convolution runs on the coarse grid of the features, since a 1x1 convolution commutes with
linear interpolation: a few maps are interpolated instead of thousands.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import cast

import torch
from torch import Tensor, nn

from models.deepgaze.features import FeatureMap
from models.deepgaze.geometry import Axis, interpolation_matrix, tiling

NONLINEARITIES: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": nn.functional.relu,
    "softplus": nn.functional.softplus,
}


@dataclass(frozen=True)
class ReadoutConfig:
    """The shape of a readout.

    Attributes:
        widths: output channels of the 1x1 convolutions; (1,) is the linear readout of DeepGaze I.
        nonlinearity: after every convolution but the last, "relu" or "softplus".
        rectified: apply it after the last one as well.
        stride: pixels of the original image from one cell of the readout grid to the next.
        blur: initial standard deviation of the Gaussian, in pixels of the original images of the
            first data set; in others it is as wide in degrees, where their resolution is known.
        prior_weight: factor of the log prior, the initial one if it is learned.
        learn_blur, learn_prior_weight: train them with the convolutions.
    """

    widths: tuple[int, ...] = (16, 32, 2, 1)
    nonlinearity: str = "softplus"
    rectified: bool = False
    stride: float = 8.0
    blur: float = 24.0
    prior_weight: float = 1.0
    learn_blur: bool = True
    learn_prior_weight: bool = False

    def __post_init__(self) -> None:
        if not self.widths or self.widths[-1] != 1 or min(self.widths) < 1:
            raise ValueError(f"widths are positive and end with 1 (one map), not {self.widths}.")
        if self.nonlinearity not in NONLINEARITIES:
            raise ValueError(
                f"nonlinearity is {' or '.join(NONLINEARITIES)}, not {self.nonlinearity!r}."
            )
        if not (self.stride > 0 and self.blur > 0):
            raise ValueError(f"stride ({self.stride}) and blur ({self.blur}) have to be positive.")
        for name in ("stride", "blur", "prior_weight"):
            if not math.isfinite(getattr(self, name)):
                raise ValueError(f"{name} has to be finite, not {getattr(self, name)}.")


@dataclass(frozen=True)
class Lattice:
    """Where a log density is evaluated: ``rows`` x ``columns`` positions in an image.

    The output stands for a density over the pixels of the image of ``height`` x ``width``: a
    position stands for as many pixels as there are pixels to a position.

    Attributes:
        zoom: pixels per degree of visual angle, relative to the images that the readout's Gaussian
            is stated for: the Gaussian has the same width in degrees everywhere.
    """

    height: int
    width: int
    rows: Axis
    columns: Axis
    zoom: float = 1.0

    @classmethod
    def of_pixels(cls, height: int, width: int, zoom: float = 1.0) -> Lattice:
        """Every pixel."""
        return cls(height, width, Axis(0.0, 1.0, height), Axis(0.0, 1.0, width), zoom)

    @classmethod
    def of_step(cls, height: int, width: int, step: float, zoom: float = 1.0) -> Lattice:
        """About one position every ``step`` pixels."""
        return cls(height, width, tiling(height, step), tiling(width, step), zoom)


class Readout(nn.Module):
    """Normalisation, 1x1 convolutions, Gaussian and prior weight.

    Args:
        channels: of the feature maps that are read out together, in order.
    """

    mean: Tensor
    deviation: Tensor
    convolutions: nn.ModuleList

    def __init__(self, channels: Sequence[int], config: ReadoutConfig):
        super().__init__()
        self.config = config
        self.channels = tuple(channels)
        total = sum(channels)
        self.register_buffer("mean", torch.zeros(total))
        self.register_buffer("deviation", torch.ones(total))
        self.convolutions = nn.ModuleList(
            nn.Linear(before, after)
            for before, after in zip((total, *config.widths), config.widths)
        )
        self.log_blur = nn.Parameter(
            torch.tensor(config.blur).log(), requires_grad=config.learn_blur
        )
        self.prior_weight = nn.Parameter(
            torch.tensor(float(config.prior_weight)), requires_grad=config.learn_prior_weight
        )

    def forward(
        self,
        maps: Sequence[FeatureMap],
        lattice: Lattice,
        log_prior: Tensor | None = None,
        kept: Tensor | None = None,
    ) -> Tensor:
        """Natural log of the density per pixel on a lattice, (rows, columns).

        Args:
            maps: feature maps of one image.
            log_prior: log density on the lattice, up to a constant; None leaves the prior out.
            kept: factor of each normalised channel, for dropout, (channels,).
        """
        return self.log_density(
            self.priority(maps, lattice.height, lattice.width, kept), lattice, log_prior
        )

    def priority(
        self, maps: Sequence[FeatureMap], height: int, width: int, kept: Tensor | None = None
    ) -> Tensor:
        """Output of the convolutions on the readout grid, before the Gaussian, (rows, columns)."""
        rows, columns = tiling(height, self.config.stride), tiling(width, self.config.stride)
        return self.pointwise(self.interpolated(maps, rows, columns, kept))

    def log_density(
        self, priority: Tensor, lattice: Lattice, log_prior: Tensor | None = None
    ) -> Tensor:
        """From the output of the convolutions to the log density per pixel on a lattice."""
        rows = tiling(lattice.height, self.config.stride)
        columns = tiling(lattice.width, self.config.stride)
        sigma = self.log_blur.exp() * lattice.zoom
        down = _gaussian(lattice.rows, rows, sigma)
        across = _gaussian(lattice.columns, columns, sigma)
        values = down @ priority @ across.T
        if log_prior is not None:
            values = values + self.prior_weight * log_prior
        pixels = lattice.height * lattice.width / values.numel()
        return values - values.flatten().logsumexp(0) - math.log(pixels)

    def interpolated(
        self, maps: Sequence[FeatureMap], rows: Axis, columns: Axis, kept: Tensor | None = None
    ) -> Tensor:
        """First convolution on each coarse grid, then interpolated to (rows, columns, width)."""
        first = cast(nn.Linear, self.convolutions[0])
        weight = first.weight / self.deviation
        if kept is not None:
            weight = weight * kept
        shift = first.bias - weight @ self.mean
        parts = weight.split(self.channels, dim=1)  # in one step, whose gradient is one, too
        total: Tensor | None = None
        for grid, group in _by_grid(maps, self.channels):
            coarse: Tensor | None = None
            for values, number in group:
                flat = values.reshape(-1, values.shape[2]).to(weight.dtype)
                part = flat @ parts[number].T
                coarse = part if coarse is None else coarse + part
            assert coarse is not None
            coarse = coarse.reshape(grid[0].cells, grid[1].cells, -1)
            down = _interpolation(grid[0], rows).to(weight.dtype)
            across = _interpolation(grid[1], columns).to(weight.dtype)
            fine = torch.einsum("rh,hwc->rwc", down, coarse)
            fine = torch.einsum("sw,rwc->rsc", across, fine)
            total = fine if total is None else total + fine
        assert total is not None
        return total + shift

    def pointwise(self, values: Tensor) -> Tensor:
        """From the first convolution's output (..., width) to one value each, (...)."""
        activation = NONLINEARITIES[self.config.nonlinearity]
        for convolution in self.convolutions[1:]:
            values = convolution(activation(values))
        if self.config.rectified:
            values = activation(values)
        return values[..., 0]


def _by_grid(
    maps: Sequence[FeatureMap], channels: Sequence[int]
) -> list[tuple[tuple[Axis, Axis], list[tuple[Tensor, int]]]]:
    """Maps with their number, those on the same grid together."""
    found = tuple(int(m.values.shape[2]) for m in maps)
    if found != tuple(channels):
        raise ValueError(f"the readout reads maps of {channels} channels; these have {found}.")
    groups: dict[tuple[Axis, Axis], list[tuple[Tensor, int]]] = {}
    for number, feature_map in enumerate(maps):
        group = groups.setdefault((feature_map.rows, feature_map.columns), [])
        group.append((feature_map.values, number))
    return list(groups.items())


#: Matrices of distances that are kept, for the sides of 16 sizes of images. To make one takes a
#: tenth of a millisecond at a side of 1024, while that of a side of 4000 has 4 MB.
_KEPT = 32


@lru_cache(maxsize=4 * _KEPT)
def _interpolation(source: Axis, target: Axis) -> Tensor:
    with torch.inference_mode(False):  # kept, and read by training too
        return torch.from_numpy(interpolation_matrix(source, target.positions)).float()


@lru_cache(maxsize=_KEPT)
def _squared_distances(targets: Axis, sources: Axis) -> Tensor:
    difference = targets.positions[:, None] - sources.positions[None, :]
    with torch.inference_mode(False):
        return torch.from_numpy(difference**2).float()


def _gaussian(targets: Axis, sources: Axis, sigma: Tensor) -> Tensor:
    """Gaussian-weighted means of the sources at the targets, (targets, sources); rows sum to 1."""
    distances = _squared_distances(targets, sources).to(sigma.dtype)
    return torch.softmax(-0.5 * distances / sigma**2, dim=1)
