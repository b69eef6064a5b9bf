"""CovSal: regions whose features vary together as in no other region of the image are salient."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import correlate1d, gaussian_filter
from skimage.color import rgb2lab

from models.base import model
from models.classical.channels import planes, resized
from models.saliency_map import SaliencyMap

#: Descriptors that differ by less differ by rounding errors. One pixel that is a grey level off
#: makes 0.01 and more in the smallest regions.
_ROUNDING = 1e-3

#: Regions compared with all others at a time, which bounds the memory.
_AT_ONCE = 512


@model(
    name="covsal",
    title="CovSal",
    summary="regions that differ from all others in the means and covariances of their features",
    citation="Erdem, Erdem 2013, Journal of Vision 13(4):11",
    trained_on=("scored",),
    needs=("centerbias",),
)
class CovSal(SaliencyMap):
    """Difference of a region from the regions most like it, in the covariances of its features.

    A region R is a square of the image; its features f are CIELAB colour, the size of the two
    derivatives of lightness, and position. With their mean m and covariance ``C = L L^T`` in R,
    sigma points ``m, m + alpha sqrt(d) L_i, m - alpha sqrt(d) L_i`` (L_i: columns of L, d features,
    alpha = sqrt(2)), one after the other, make the descriptor P(R). Then
    ``s(R) = mean_j |P(R) - P(R_j)| / (1 + |c(R) - c(R_j)|)`` over the tenth of the regions for
    which this is least, c being centres. Maps s for squares of several sizes, each scaled to 0-1,
    are multiplied and smoothed. This is the paper's model with means (covariances and first-order
    statistics), without its optional centre bias.

    What the paper leaves open or this changes:

    - A region's mean position is left out of its descriptor, so that a homogeneous image has a
      constant map; the distance to other regions is in the denominator already.
    - Features are divided by their greatest absolute value in the image, where that exceeds one
      unit of CIELAB; position by the image's width and height. Distances between centres are in
      pixels of the resampled image.
    - ``ridge`` is added to the diagonal of C, so that homogeneous regions have sigma points; it and
      ``smoothing`` are choices made here.
    - The map is returned in cells of the smallest regions, or pixels where these are fewer; larger
      regions are interpolated.

    Args:
        side: height and width that images are resampled to, in pixels, whatever their shape.
        sizes: of the square regions, in pixels, smallest first.
        fraction: of the other regions, those most like a region that it is compared with.
        ridge: added to the variances of the features.
        smoothing: standard deviation of the Gaussian, in pixels of the resampled image.

    Raises:
        ValueError: the regions do not tile the image.
    """

    keeps_aspect_ratio = False

    def __init__(
        self,
        side: int = 512,
        sizes: tuple[int, ...] = (8, 16, 32, 64, 128),
        fraction: float = 0.1,
        ridge: float = 1e-3,
        smoothing: float = 10.0,
    ):
        super().__init__()
        if not sizes or any(size <= 0 or side % size for size in sizes):
            raise ValueError(
                f"sizes of regions have to divide the side, {side} pixels; not {sizes}."
            )
        self.side = side
        self.sizes = sizes
        self.fraction = fraction
        self.ridge = ridge
        self.smoothing = smoothing

    def map_of(self, rgb: NDArray[np.uint8]) -> NDArray[np.floating]:
        described = features(resized(planes(rgb), (self.side, self.side)))
        product = np.ones((self.side // self.sizes[0],) * 2)
        for size in self.sizes:
            saliency = self.saliency(descriptors(described, size, self.ridge))
            product *= resized(saliency[None].astype(np.float32), product.shape)[0]
        smooth = gaussian_filter(product, self.smoothing / self.sizes[0], mode="reflect")
        height, width = (min(cells, pixels) for cells, pixels in zip(smooth.shape, rgb.shape))
        return resized(smooth[None].astype(np.float32), (height, width))[0]

    def saliency(self, regions: NDArray[np.float64]) -> NDArray[np.float64]:
        """Saliency of each region in 0-1; 1 for all if it differs by rounding errors only.

        Args:
            regions: descriptors (rows, columns, values).
        """
        rows, columns = regions.shape[:2]
        flat = torch.from_numpy(regions).reshape(rows * columns, -1)
        y, x = np.mgrid[:rows, :columns].reshape(2, -1)
        centres = torch.from_numpy(np.stack([y / rows, x / columns], axis=1) * self.side)
        # a region is always most like itself, which adds nothing
        count = max(1, round(self.fraction * (len(flat) - 1)))
        sums = []
        for some, where in zip(flat.split(_AT_ONCE), centres.split(_AT_ONCE), strict=True):
            differences = torch.cdist(some, flat) / (1 + torch.cdist(where, centres))
            nearest = np.partition(differences.float().numpy(), count, axis=1)[:, : count + 1]
            sums.append(nearest.sum(axis=1, dtype=np.float64))
        saliency = np.concatenate(sums).reshape(rows, columns) / count
        span = np.ptp(saliency)
        if np.ptp(flat.numpy(), axis=0).max() < _ROUNDING or span <= 1e-6 * saliency.max():
            return np.ones((rows, columns))
        return (saliency - saliency.min()) / span


def features(maps: NDArray[np.float32]) -> NDArray[np.float64]:
    """Features of every pixel (7, height, width): L, a, b, |dL/dx|, |dL/dy|, x, y.

    Args:
        maps: red, green and blue in 0-1, (3, height, width).
    """
    height, width = maps.shape[1:]
    lab = rgb2lab(maps, channel_axis=0).astype(np.float64)
    derivatives = [np.abs(correlate1d(lab[0], [-1, 0, 1], axis, mode="reflect")) for axis in (1, 0)]
    seen = np.stack([*lab, *derivatives])
    seen /= np.maximum(1, np.abs(seen).max(axis=(1, 2), keepdims=True))
    y, x = np.mgrid[:height, :width]
    return np.concatenate([seen, [x / width, y / height]])


def descriptors(described: NDArray[np.float64], size: int, ridge: float) -> NDArray[np.float64]:
    """Sigma points of every square region, (rows, columns, values).

    Distances between them are those between the concatenated ``m, m + a L_i, m - a L_i`` with
    ``a = sqrt(2 d)``: each value that these repeat occurs once, times the root of the repetitions.
    The last two means, those of position, are 0.

    Args:
        described: features (d, height, width); the last two are position.
        size: height and width of a region, which divide those of the image.
        ridge: added to the diagonal of the covariances.
    """
    count, height, width = described.shape
    cells = described.reshape(count, height // size, size, width // size, size)
    samples = cells.transpose(1, 3, 0, 2, 4).reshape(height // size, width // size, count, -1)
    mean = samples.mean(axis=-1)
    deviations = samples - mean[..., None]
    covariance = deviations @ deviations.swapaxes(-1, -2) / size**2 + ridge * np.eye(count)
    root = np.linalg.cholesky(covariance)[(..., *np.tril_indices(count))]
    return np.concatenate(
        [np.sqrt(2 * count + 1) * mean[..., :-2], 2 * np.sqrt(count) * root], axis=-1
    )
