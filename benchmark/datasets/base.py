"""What a data set is: stimuli, fixations, and everything a score needs to state about them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pysaliency
from PIL import Image

from benchmark.datasets.images import has_transparency, read_pixels
from benchmark.datasets.look_alikes import SIDE, first_alike
from benchmark.errors import DataError
from models.base import TrainingData


@dataclass(frozen=True)
class DatasetSpec:
    """What is known of a data set before it is read.

    Attributes:
        fixation_rule: which fixations count, in one sentence.
        pixels_per_degree: pixels of the image per degree of visual angle, None where unknown.
        kernel_size: standard deviation, in pixels, of the Gaussian of empirical maps (CC, KL, SIM).
        drop_initial: the first fixation of every trial was forced, and is dropped.
        folder: where the data lies below a data root.
        simulated: fixations are drawn from a known density, not measured.
    """

    name: str
    title: str
    summary: str
    fixation_rule: str
    citation: str
    licence: str
    folder: str = ""
    pixels_per_degree: float | None = None
    kernel_size: float = 24.0
    drop_initial: bool = False
    simulated: bool = False


Loader = Callable[[Path, DatasetSpec], "Dataset"]


def dataset(**metadata: Any) -> Callable[[Loader], Loader]:
    """Register a loader ``load(root, spec) -> Dataset``; the arguments are those of DatasetSpec.

    ``root`` is the folder that holds this data set. One loader can be registered several times, for
    data sets that share a layout.
    """
    DatasetSpec(**metadata)  # a wrong argument fails where it is written
    return lambda loader: loader


@dataclass
class Dataset:
    """Stimuli with measured (or simulated) fixations.

    Attributes:
        stimuli: pysaliency stimuli, in a deterministic order.
        fixations: pysaliency scanpaths; x to the right, y down, pixels of the original image, all
            inside the image; ``n`` indexes ``stimuli``, ``subjects`` indexes ``subject_names``.
        image_names: file names of the stimuli, unique.
        dropped: how many fixations (or trials) were left out, by reason.
        dropped_by_image: the same an image, int arrays (images,), where the reader counted so;
            a subset then states its own counts.
    """

    spec: DatasetSpec
    stimuli: pysaliency.Stimuli
    fixations: pysaliency.FixationTrains
    image_names: Sequence[str]
    subject_names: Sequence[str]
    dropped: dict[str, int] = field(default_factory=dict)
    extras: dict[str, Any] = field(default_factory=dict)
    dropped_by_image: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.spec.name

    def __len__(self) -> int:
        return len(self.image_names)

    @cached_property
    def sizes(self) -> np.ndarray:
        """Image sizes, int array of shape (images, 2): height, width."""
        return np.array([tuple(size) for size in self.stimuli.sizes], dtype=np.int64)

    @property
    def seen(self) -> set[tuple[int, int]]:
        """Pairs of an image and a subject that has fixations on it, by their numbers."""
        return set(zip(self.fixations.n.tolist(), self.fixations.subjects.tolist()))

    @cached_property
    def image_hashes(self) -> tuple[str, ...]:
        """SHA-256 of each image: of the file's bytes, or of the pixels where there is no file."""
        if isinstance(self.stimuli, pysaliency.FileStimuli):
            return tuple(
                hashlib.sha256(Path(f).read_bytes()).hexdigest() for f in self.stimuli.filenames
            )
        return tuple(
            hashlib.sha256(f"{s.shape}{s.dtype}".encode() + s.tobytes()).hexdigest()
            for s in self.stimuli.stimuli
        )

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 over images, fixations and subjects: equal hashes, equal scores."""
        digest = hashlib.sha256()
        for text in (*self.image_hashes, *self.subject_names):
            digest.update(text.encode() + b"\0")
        for values in (self.fixations.n, self.fixations.subjects):
            digest.update(np.asarray(values, dtype="<i8").tobytes())
        for values in (self.fixations.x, self.fixations.y):
            digest.update(np.asarray(values, dtype="<f8").tobytes())
        return digest.hexdigest()

    @cached_property
    def groups(self) -> np.ndarray:
        """Index of the first image that looks the same, int array (images,).

        Duplicates, also re-encoded ones, are images of one size whose grey thumbnails differ by
        little on average and nowhere by much (:func:`benchmark.datasets.look_alikes.first_alike`).
        They share folds, so that none leaks into another.

        Raises:
            DataError: an image file is damaged.
        """
        # Looking the same is not transitive: whatever is linked, through however many copies, is
        # one group, so that groups do not depend on the order of the images.
        return first_alike(self.thumbnails(), self.sizes)

    def thumbnails(self) -> np.ndarray:
        """Grey levels of the images made small, uint8 array (images, SIDE, SIDE).

        Raises:
            DataError: an image file is damaged.
        """
        made = np.empty((len(self), SIDE, SIDE), dtype=np.uint8)
        for n in range(len(self)):
            made[n] = self._thumbnail(n)
        return made

    def _thumbnail(self, n: int) -> np.ndarray:
        if isinstance(self.stimuli, pysaliency.FileStimuli):
            file = self.stimuli.filenames[n]
            try:
                with Image.open(file) as image:
                    image.draft("L", (4 * SIDE, 4 * SIDE))
                    seen_through = has_transparency(image)
                    grey = _on_white(file) if seen_through else image.convert("L")
            # Image libraries raise anything from OSError to SyntaxError on damaged files.
            except Exception as error:
                raise DataError(
                    f"{file}: cannot be read as an image ({error}); replace it with an intact copy."
                ) from error
        else:
            grey = Image.fromarray(np.asarray(self.stimuli.stimuli[n])).convert("L")
        # boxes would hold a pixel more or less, and so differ between a copy's encodings
        return np.asarray(grey.resize((SIDE, SIDE), Image.Resampling.BILINEAR))

    def subset(self, indices: Sequence[int] | np.ndarray, name: str) -> Dataset:
        """The data set of the images ``indices`` alone, under a new name."""
        indices = [int(i) for i in indices]
        stimuli, fixations = pysaliency.create_subset(self.stimuli, self.fixations, indices)
        by_image = {reason: counts[indices] for reason, counts in self.dropped_by_image.items()}
        return replace(
            self,
            spec=replace(self.spec, name=name),
            stimuli=stimuli,
            fixations=fixations,
            image_names=[self.image_names[i] for i in indices],
            dropped={**self.dropped, **{reason: int(c.sum()) for reason, c in by_image.items()}},
            dropped_by_image=by_image,
            extras={
                key: value.subset(indices) if hasattr(value, "subset") else value
                for key, value in self.extras.items()
            },
        )


def _on_white(file: str) -> Image.Image:
    """A transparent image in grey levels, on white: hidden colours do not make it look another."""
    from models.deepgaze.images import as_rgb

    return Image.fromarray(as_rgb(read_pixels(Path(file)))).convert("L")


def training_data(dataset: Dataset) -> TrainingData:
    """A data set as models are fitted on it."""
    return TrainingData(
        dataset.stimuli, dataset.fixations, dataset.groups, dataset.spec.pixels_per_degree
    )
