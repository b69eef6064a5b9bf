"""A data set as training sees it: for each image its features, its fixations and its prior.

Everything a fold learns from comes through :meth:`Corpus.part`, which hands on the images of one
part alone; what is fitted on the way (centre bias, feature statistics) is fitted on that part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
import pysaliency
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.base import TrainingData
from models.centerbias import CenterBias
from models.deepgaze.cache import FeatureCache
from models.deepgaze.features import FeatureMap, FeatureSet
from models.deepgaze.geometry import interpolation_matrix
from models.deepgaze.images import as_rgb, look, pixel_hash
from models.deepgaze.readout import Lattice


@dataclass(frozen=True)
class Corpus:
    """A data set and its folds.

    Attributes:
        folds: the fold of each image, int array (images,).
        image_hashes: of the pixels of each image.
        looks: what each image looks like, uint8 array (images, 32).
    """

    name: str
    data: TrainingData
    content_hash: str
    folds: NDArray[np.int64]
    image_hashes: tuple[str, ...]
    looks: NDArray[np.uint8]

    @classmethod
    def of(
        cls,
        name: str,
        data: TrainingData,
        content_hash: str,
        folds: NDArray[np.int64],
        progress: Callable[[Iterable], Iterable] = iter,
    ) -> Corpus:
        """Read every image once, to recognise it by."""
        hashes, looks = [], []
        for stimulus in progress(data.stimuli):
            rgb = as_rgb(stimulus)
            hashes.append(pixel_hash(rgb))
            looks.append(look(rgb))
        return cls(name, data, content_hash, folds, tuple(hashes), np.array(looks))

    def read(self, index: int) -> NDArray[np.uint8]:
        """Pixels of an image, (height, width, 3)."""
        return as_rgb(self.data.stimuli[index])

    def shape(self, index: int) -> tuple[int, int]:
        """Height and width of an image."""
        height, width = self.data.stimuli.sizes[index]
        return int(height), int(width)

    def zoom(self, first: Corpus) -> float:
        """Pixels per degree relative to the first data set; 1 where either is unknown."""
        return relative_zoom(self.data.pixels_per_degree, first.data.pixels_per_degree)

    def centerbias(self, indices: Iterable[int]) -> CenterBias:
        """The centre bias of some of the images, fitted on their fixations alone."""
        chosen = [int(index) for index in indices]
        stimuli, fixations = pysaliency.create_subset(
            self.data.stimuli, self.data.fixations, chosen
        )
        return CenterBias.fit(TrainingData(stimuli, fixations, self.data.groups[chosen]))


def relative_zoom(pixels_per_degree: float | None, first: float | None) -> float:
    """Pixels per degree relative to those of the first data set; 1 where either is unknown."""
    return pixels_per_degree / first if pixels_per_degree and first else 1.0


@dataclass
class Example:
    """One image to train or to test on.

    Attributes:
        index: of the image in its data set.
        features: gives the maps of the image; of its mirror image, mirrored back, if asked to.
        lattice: where the log density is evaluated in training.
        log_prior: on the lattice, (rows, columns).
        down, across: interpolation from the lattice to the fixations, (fixations, rows) and
            (fixations, columns).
    """

    index: int
    features: Callable[[bool], list[FeatureMap]]
    lattice: Lattice
    log_prior: Tensor
    down: Tensor
    across: Tensor

    @property
    def n_fixations(self) -> int:
        return len(self.down)

    def at_fixations(self, log_density: Tensor) -> Tensor:
        """Values at the fixations of a map on the lattice, (fixations,)."""
        return torch.einsum("ni,ij,nj->n", self.down, log_density, self.across)

    def baseline(self) -> Tensor:
        """Log density of the prior alone at the fixations, (fixations,)."""
        values = self.log_prior
        pixels = self.lattice.height * self.lattice.width / values.numel()
        return self.at_fixations(values - values.flatten().logsumexp(0)) - float(np.log(pixels))


@dataclass
class Examples:
    """Makes examples of a corpus: with its features, and a prior from the part trained on.

    Attributes:
        trained: indices of the images that ``centerbias`` was fitted on; an example of one of them
            leaves its own fixations out of its prior, as the examples it will be tested on do.
        step: pixels from one position of the lattice to the next.
        zoom: see :class:`models.deepgaze.readout.Lattice`.
    """

    corpus: Corpus
    trained: NDArray[np.int64]
    centerbias: CenterBias
    feature_sets: tuple[FeatureSet, ...]
    cache: FeatureCache
    step: float
    zoom: float = 1.0
    _positions: dict[int, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._positions = {int(index): n for n, index in enumerate(self.trained)}

    def make(self, indices: Iterable[int]) -> list[Example]:
        """Examples of images that somebody looked at."""
        made = (self._make(int(index)) for index in indices)
        return [example for example in made if example.n_fixations]

    def maps(self, index: int, mirrored: bool = False) -> list[FeatureMap]:
        """The feature maps of an image, of all feature sets in order."""
        found: list[FeatureMap] = []
        for features in self.feature_sets:
            maps = self.cache.get(
                self.corpus.image_hashes[index],
                lambda: self.corpus.read(index),
                self.corpus.shape(index),
                features,
                mirrored,
            )
            found += maps.values()
        return found

    def _make(self, index: int) -> Example:
        height, width = self.corpus.shape(index)
        lattice = Lattice.of_step(height, width, self.step, self.zoom)
        prior = self.centerbias.log_density_without(
            (lattice.rows.cells, lattice.columns.cells), self._positions.get(index)
        )
        fixations = self.corpus.data.fixations
        own = np.flatnonzero(fixations.n == index)
        return Example(
            index=index,
            features=lambda mirrored: self.maps(index, mirrored),
            lattice=lattice,
            log_prior=torch.from_numpy(prior).float(),
            down=_matrix(lattice.rows, fixations.y_int[own]),
            across=_matrix(lattice.columns, fixations.x_int[own]),
        )


def _matrix(axis, positions: NDArray) -> Tensor:
    return torch.from_numpy(interpolation_matrix(axis, positions)).float()
