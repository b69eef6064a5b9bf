"""Independent components of colour patches: what AIM and SUN describe an image by.

The bases of the papers are not published under a licence to pass on, so these were learned with
``python -m models.classical.ica``, from photographs that installed packages ship. No fixations are
involved.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy.optimize import brentq
from sklearn.decomposition import FastICA
from sklearn.feature_extraction.image import extract_patches_2d

FOLDER = Path(__file__).parent / "bases"

#: Package and path of each photograph that bases are learned from.
PHOTOGRAPHS = (
    ("skimage", "data/astronaut.png"),
    ("skimage", "data/chelsea.png"),
    ("skimage", "data/coffee.png"),
    ("skimage", "data/motorcycle_left.png"),
    ("skimage", "data/rocket.jpg"),
    ("sklearn", "datasets/images/china.jpg"),
    ("sklearn", "datasets/images/flower.jpg"),
    ("matplotlib", "mpl-data/sample_data/grace_hopper.jpg"),
)


@dataclass(frozen=True)
class Recipe:
    """How a basis is learned.

    Attributes:
        size: height and width of a patch, in pixels.
        skipped: leading principal components that are left out; the first is the mean luminance.
        components: principal components kept after them, which is the number of filters.
        patches: number of patches, as many from each photograph.
    """

    size: int
    skipped: int
    components: int
    patches: int = 80_000
    seed: int = 0


RECIPES = {
    "aim": Recipe(size=21, skipped=0, components=25),
    "sun": Recipe(size=11, skipped=1, components=180),
}


@dataclass(frozen=True)
class Basis:
    """Filters whose responses to natural patches are as independent as can be, of unit variance.

    The response of a filter w to a patch x of RGB values in 0-1 is ``sum(w * (x - mean))``. Over
    natural patches it is distributed about as ``exp(-|response / scale| ** exponent)``.

    Attributes:
        filters: float32 (filters, size, size, 3).
        mean: the mean patch, float32 (size, size, 3).
        scale, exponent: of the generalised Gaussians, float32 (filters,).
    """

    filters: NDArray[np.float32]
    mean: NDArray[np.float32]
    scale: NDArray[np.float32]
    exponent: NDArray[np.float32]

    @property
    def size(self) -> int:
        """Height and width of the filters."""
        return self.filters.shape[1]

    def save(self, path: Path) -> None:
        """Write an npz file, in half precision."""
        np.savez_compressed(
            path, **{name: value.astype(np.float16) for name, value in vars(self).items()}
        )


@lru_cache
def load(name: str) -> Basis:
    """The basis of this name that ships with the package; its arrays are read-only."""
    with np.load(FOLDER / f"{name}.npz") as stored:
        arrays = {key: stored[key].astype(np.float32) for key in stored.files}
    for array in arrays.values():
        array.flags.writeable = False
    return Basis(**arrays)


def responses(maps: NDArray[np.float32], basis: Basis) -> NDArray[np.float32]:
    """``sum(w * x)`` for every filter and the patch around every pixel, (filters, height, width).

    Args:
        maps: red, green and blue in 0-1, (3, height, width); mirrored beyond its border.
    """
    radius = basis.size // 2
    padded = np.pad(maps, ((0, 0), (radius, radius), (radius, radius)), mode="symmetric")
    weights = torch.tensor(basis.filters).permute(0, 3, 1, 2).contiguous()
    return torch.nn.functional.conv2d(torch.from_numpy(padded)[None], weights)[0].numpy()


def photographs() -> list[NDArray[np.uint8]]:
    """The photographs that the bases are learned from, each (height, width, 3).

    Raises:
        FileNotFoundError: a package is missing, or does not ship its photograph.
    """
    found = []
    for package, path in PHOTOGRAPHS:
        spec = importlib.util.find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            raise FileNotFoundError(f"{path}: expected in the package {package}; install it.")
        file = Path(next(iter(spec.submodule_search_locations)), path)
        found.append(np.asarray(Image.open(file).convert("RGB")))
    return found


def learn(images: Sequence[NDArray[np.uint8]], recipe: Recipe) -> Basis:
    """Learn a basis: principal components of patches, whitened, then FastICA (log cosh).

    Args:
        images: RGB, each (height, width, 3) and at least as large as a patch.
    """
    patches = _patches(images, recipe)
    mean = patches.mean(axis=0)
    patches -= mean
    variances, directions = np.linalg.eigh(patches.T @ patches / np.float32(len(patches)))
    kept = slice(recipe.skipped, recipe.skipped + recipe.components)
    whitening = (directions / np.sqrt(np.maximum(variances, 1e-12)))[:, ::-1][:, kept]
    ica = FastICA(whiten=False, max_iter=400, tol=1e-3, random_state=recipe.seed)
    ica.fit(patches @ whitening)
    filters = (ica.components_ @ whitening.T).astype(np.float16).astype(np.float32)
    fitted = np.array([generalised_gaussian(row) for row in filters @ patches.T], dtype=np.float32)
    shape = (recipe.size, recipe.size, 3)
    return Basis(filters.reshape(-1, *shape), mean.reshape(shape), fitted[:, 0], fitted[:, 1])


def _patches(images: Sequence[NDArray[np.uint8]], recipe: Recipe) -> NDArray[np.float32]:
    """Random patches, RGB in 0-1, (patches, size * size * 3); half of them mirrored."""
    count = recipe.patches // len(images)
    size = (recipe.size, recipe.size)
    patches = [
        extract_patches_2d(image, size, max_patches=count, random_state=recipe.seed)
        for image in images
    ]
    drawn = np.concatenate(patches)
    drawn[::2] = drawn[::2, :, ::-1].copy()
    return drawn.reshape(len(drawn), -1).astype(np.float32) / np.float32(255)


def generalised_gaussian(values: NDArray[np.floating]) -> tuple[float, float]:
    """Scale and exponent of a density ``exp(-|value / scale| ** exponent)`` fitted to values.

    The exponent t solves ``mean(|v| ** 2t) / mean(|v| ** t) ** 2 = t + 1`` (Song 2006, IEEE
    Transactions on Information Theory 52(2)), within 0.1 to 5; the scale is the maximum of the
    likelihood given t, ``(t * mean(|v| ** t)) ** (1 / t)``.
    """
    size = np.abs(values, dtype=np.float64)
    size = size[size > 0]
    log_size = np.log(size)

    def excess(exponent: float) -> float:
        power = np.exp(exponent * log_size)
        return float((power**2).mean() / power.mean() ** 2 - exponent - 1)

    exponent = float(brentq(excess, 0.1, 5.0, xtol=1e-4))
    return float((exponent * np.exp(exponent * log_size).mean()) ** (1 / exponent)), exponent


def main() -> None:
    """Learn every basis, and store it where the models look for it."""
    FOLDER.mkdir(exist_ok=True)
    images = photographs()
    for name, recipe in RECIPES.items():
        learn(images, recipe).save(FOLDER / f"{name}.npz")


if __name__ == "__main__":
    main()
