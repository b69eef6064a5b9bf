"""Small images with one bright disk each, observers who look at it, and tiny trained weights."""

from __future__ import annotations

import numpy as np
import pysaliency
import torch

from models.base import TrainingData
from models.deepgaze.cache import FeatureCache
from models.deepgaze.corpus import Corpus
from models.deepgaze.features import FeatureSet, loaded
from models.deepgaze.images import look, pixel_hash
from models.deepgaze.prior import CELLS
from models.deepgaze.readout import Readout, ReadoutConfig
from models.deepgaze.training import Recipe
from models.deepgaze.weights import Member, TrainedOn, Weights, hashes_as_bytes

#: Early layers of a small network: an image takes milliseconds.
FEATURES = FeatureSet("efficientnet-lite0", ("stem", "block2"), 1.0)
CHANNELS = (32, 24)
SIZES = ((48, 64), (61, 45), (49, 67))

RECIPE = Recipe(
    features=(FEATURES,),
    readout=ReadoutConfig(widths=(4, 1), blur=4.0),
    epochs=3,
    pretraining_epochs=2,
    batch_size=2,
    learning_rate=3e-2,
    finetuning_rate=1e-2,
)


def picture(seed: int, height: int = 48, width: int = 64) -> np.ndarray:
    """Dark noise on coarse blocks and a bright disk, uint8 (height, width, 3)."""
    random = np.random.default_rng([7, seed])
    rows, columns = np.mgrid[:height, :width]
    blocks = random.integers(20, 90, (8, 8, 3))[rows * 8 // height, columns * 8 // width]
    y, x = random.uniform(0.15, 0.85, 2) * (height, width)
    disk = np.hypot(rows - y, columns - x) < 9
    noise = random.integers(0, 20, (height, width, 3))
    return np.where(disk[:, :, None], 235, blocks + noise).astype(np.uint8)


def pictures(count: int, seed: int = 0) -> list[np.ndarray]:
    return [picture(100 * seed + n, *SIZES[n % len(SIZES)]) for n in range(count)]


def looked_at(images, per_image: int = 12, seed: int = 0) -> TrainingData:
    """Fixations drawn where an image is bright, and now and then anywhere."""
    random = np.random.default_rng(seed)
    x, y, n = [], [], []
    for index, image in enumerate(images):
        density = (image.mean(axis=2).ravel() / 255.0) ** 6
        density = 0.95 * density / density.sum() + 0.05 / density.size
        found = random.choice(density.size, per_image + index % 3, p=density)
        y += list(found // image.shape[1])
        x += list(found % image.shape[1])
        n += [index] * len(found)
    return with_fixations(images, x, y, n)


def with_fixations(images, x, y, n) -> TrainingData:
    fixations = pysaliency.Fixations.create_without_history(
        np.array(x, float), np.array(y, float), np.array(n, int)
    )
    return TrainingData(pysaliency.Stimuli(list(images)), fixations, np.arange(len(images)))


def corpus(count: int = 9, n_folds: int = 3, seed: int = 0, name: str = "bright") -> Corpus:
    """Images in folds 0, 1, 2, 0, 1, ..."""
    data = looked_at(pictures(count, seed), seed=seed)
    return Corpus.of(name, data, f"hash of {name}", np.arange(count) % n_folds)


def no_cache() -> FeatureCache:
    return FeatureCache(None)


def random_readout(seed: int, config: ReadoutConfig | None = None, channels=CHANNELS) -> Readout:
    """A readout with random parameters and normalisation, frozen."""
    generator = torch.Generator().manual_seed(seed)
    readout = Readout(channels, config or ReadoutConfig(widths=(4, 1), blur=4.0))
    with torch.no_grad():
        for convolution in readout.convolutions:
            for parameter in convolution.parameters():
                parameter.copy_(0.5 * torch.randn(parameter.shape, generator=generator))
        readout.mean.copy_(torch.randn(readout.mean.shape, generator=generator))
        readout.deviation.copy_(0.5 + 3 * torch.rand(readout.mean.shape, generator=generator))
    return readout.eval().requires_grad_(False)


def random_table(seed: int) -> torch.Tensor:
    """Log density of a Gaussian somewhere near the middle, (CELLS, CELLS)."""
    y, x = np.random.default_rng(seed).uniform(0.3, 0.7, 2)
    cells = (np.arange(CELLS) + 0.5) / CELLS
    exponent = -0.5 * ((cells[:, None] - y) ** 2 + (cells[None, :] - x) ** 2) / 0.2**2
    density = np.exp(exponent) + 0.05
    return torch.from_numpy(np.log(density / density.sum()).astype(np.float32))


def trained_on(images, folds, pixels_per_degree: float | None = None) -> TrainedOn:
    return TrainedOn(
        "abc",
        np.array(folds, np.uint8),
        hashes_as_bytes([pixel_hash(image) for image in images]),
        np.array([look(image) for image in images]),
        pixels_per_degree,
    )


def tiny_weights(known=None, folds=(0, 1, 2), recipe: Recipe = RECIPE, seeds: int = 1) -> Weights:
    """Random readouts of three folds; ``known``: images by data set, in folds 0, 1, 2, 0, ..."""
    known = {"bright": pictures(3)} if known is None else known
    members = [
        Member(
            fold,
            seed,
            random_readout(10 * seed + fold, recipe.readout),
            {name: random_table(100 * n + fold) for n, name in enumerate(known)},
        )
        for seed in range(seeds)
        for fold in folds
    ]
    return Weights(
        recipe,
        {FEATURES.backbone: loaded(FEATURES.backbone).weights_hash},
        members,
        {name: trained_on(images, np.arange(len(images)) % 3) for name, images in known.items()},
        next(iter(known)),
        {"command": "made up", "scheme": "8-1-1"},
    )
