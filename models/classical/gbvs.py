"""Graph-based visual saliency: where a random walk between unlike places of an image ends up."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from models.base import model
from models.classical.channels import (
    ROUNDING,
    Maps,
    dkl,
    fitted_shape,
    gabor_bank,
    gabor_responses,
    planes,
    pyramid,
    resized,
)
from models.saliency_map import SaliencyMap

#: Levels of the pyramid that features are taken from: 1/4, 1/8 and 1/16 of the image's size.
LEVELS = (2, 3, 4)
_GABORS = gabor_bank(frequency=1 / np.pi, sigma_x=2, sigma_y=4, n_stds=3)


@model(
    name="gbvs",
    title="GBVS",
    summary="equilibrium of random walks between unlike places, over colour and orientation",
    citation="Harel, Koch, Perona 2006, NeurIPS",
    trained_on=("scored",),
    needs=("centerbias",),
)
class GBVS(SaliencyMap):
    """Sum over feature maps M of the equilibrium of a Markov chain on the equilibrium of another.

    Activation A: from cell i to j with weight ``|M(i) - M(j)| G(i, j; s)``, G a Gaussian of their
    distance. Normalisation: from i to j with weight ``A(j) G(i, j; t)``, which concentrates mass.
    Features are intensity, DKL colour (3) and Gabor energy (4 angles), each at three levels of a
    pyramid, in maps of 32 cells along the longer side. Cells near the centre have more neighbours,
    so the model prefers the centre of itself; nothing is added to that.

    Source: Harel, Koch, Perona 2006, Advances in Neural Information Processing Systems 19; features
    and widths as in the authors' code. The dissimilarity is the difference, as in that code; the
    paper says that it works as well as its ``|log(M(i) / M(j))|``. Deviations: equilibria are
    exact, not iterated to a tolerance; nothing is faded out towards the border, as that code does
    with orientation maps and the result; a map without contrast is left out; what that code has
    instead of the paper's second chain, "power", is an option.

    Args:
        longest: cells along the longer side; of a smaller image, its pixels.
        dissimilarity: "difference", or "log", of maps scaled to [0.01, 1].
        normalisation: "chain", or "power", ``A**1.5``.
        activation_width: s as share of the mean of the map's height and width.
        normalisation_width: t, likewise.
        blur: standard deviation of a final Gaussian, as share of the longer side.

    Raises:
        ValueError: there is no such dissimilarity or normalisation.
    """

    def __init__(
        self,
        longest: int = 32,
        dissimilarity: str = "difference",
        normalisation: str = "chain",
        activation_width: float = 0.15,
        normalisation_width: float = 0.06,
        blur: float = 0.02,
    ):
        super().__init__()
        if dissimilarity not in ("difference", "log"):
            raise ValueError(f'dissimilarity is "difference" or "log", not {dissimilarity!r}.')
        if normalisation not in ("chain", "power"):
            raise ValueError(f'normalisation is "chain" or "power", not {normalisation!r}.')
        self.longest = longest
        self.dissimilarity = dissimilarity
        self.normalisation = normalisation
        self.activation_width = activation_width
        self.normalisation_width = normalisation_width
        self.blur = blur

    def map_of(self, rgb: NDArray[np.uint8]) -> NDArray[np.floating]:
        """Saliency of an image (height, width, 3), its longer side of ``longest`` cells."""
        maps = feature_maps(rgb, fitted_shape(rgb.shape[:2], self.longest))
        total = np.zeros(maps.shape[1:])
        for feature in maps:
            activation = activated(feature, self.activation_width, self.dissimilarity)
            if self.normalisation == "power":
                total += activation**1.5
            else:
                total += concentrated(activation, self.normalisation_width)
        return gaussian_filter(total, self.blur * max(total.shape))


def feature_maps(rgb: NDArray[np.uint8], shape: tuple[int, int]) -> Maps:
    """Intensity, three DKL and four orientation maps at each level, (24, *shape)."""
    colours = planes(rgb)
    # the largest channel is the authors' intensity
    stack = np.concatenate([colours, colours.max(axis=0, keepdims=True)])
    levels = pyramid(stack, max(LEVELS))
    maps = []
    for level in LEVELS:
        scaled = levels[level]
        responses = gabor_responses(scaled[3], _GABORS)
        energy = np.abs(responses.real) + np.abs(responses.imag)
        maps.append(resized(np.concatenate([scaled[3:], dkl(scaled[:3]), energy]), shape))
    return np.concatenate(maps)


def activated(
    feature: NDArray[np.floating], width: float, dissimilarity: str = "difference"
) -> NDArray[np.float64]:
    """Equilibrium of the chain that moves between dissimilar cells, (rows, columns); sums to 1.

    The weights are symmetric, so the chain is reversible, and a cell's probability at equilibrium
    is its share of all weights. A constant map has none, and becomes 0 everywhere.

    Args:
        feature: (rows, columns); scaled to [0, 1] first, to [0.01, 1] for "log".
        width: standard deviation of the Gaussian as share of the mean of rows and columns.
        dissimilarity: "difference" or "log".
    """
    values = feature.ravel().astype(np.float64)
    span = np.ptp(values)
    if span < ROUNDING:
        return np.zeros(feature.shape)
    values = (values - values.min()) / span
    if dissimilarity == "log":
        values = np.log(0.01 + 0.99 * values)
    weights = np.abs(values[:, None] - values[None, :])
    strength = np.einsum("ij,ij->i", weights, nearness(feature.shape, width))
    return (strength / strength.sum()).reshape(feature.shape)


def concentrated(activation: NDArray[np.float64], width: float) -> NDArray[np.float64]:
    """Equilibrium of the chain that moves to near cells of high activation; sums to 1.

    The weights ``A(j) G(i, j)`` from i to j are in detailed balance with the probabilities
    ``A(i) sum_k A(k) G(i, k)``. Where nothing is active, 0 everywhere.
    """
    mass = activation.ravel()
    weight = mass * (nearness(activation.shape, width) @ mass)
    total = weight.sum()
    return (weight / total if total else weight).reshape(activation.shape)


@lru_cache(maxsize=8)
def nearness(shape: tuple[int, int], width: float) -> NDArray[np.float64]:
    """``exp(-D / (2 s**2))``, D the squared distance of two cells, (cells, cells).

    s is ``width`` times the mean of rows and columns.
    """
    sigma = width * (shape[0] + shape[1]) / 2
    down, across = (
        np.exp(-0.5 * (np.subtract.outer(np.arange(side), np.arange(side)) / sigma) ** 2)
        for side in shape
    )
    return np.kron(down, across)
