"""A made-up data set: noise images and random fixations, as a user's own folder holds them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

#: Cells of the coarse pattern that makes images look different when they are small.
COARSE = (9, 12)


class Counts:
    """What follows from the numbers of images, subjects and pixels."""

    images: int
    width: int
    height: int
    subjects: int
    per_trial: int

    @property
    def fixations(self) -> int:
        return self.images * self.subjects * self.per_trial

    @property
    def pixels(self) -> int:
        return self.width * self.height


@dataclass(frozen=True)
class Workload(Counts):
    """How much there is of everything.

    Attributes:
        width, height: of each image, in pixels.
        per_trial: fixations of a subject on an image.
    """

    images: int
    width: int = 160
    height: int = 120
    subjects: int = 5
    per_trial: int = 6
    seed: int = 0

    def write(self, folder: Path) -> Path:
        """Write images and fixations.csv; equal workloads give equal files."""
        folder.mkdir(parents=True, exist_ok=True)
        lines = ["image,subject,x,y"]
        for number in range(self.images):
            rng = np.random.default_rng((self.seed, number))
            name = f"noise{number:07d}.jpg"
            self._picture(rng).save(folder / name, quality=90)
            shape = (self.subjects, self.per_trial)
            x, y = self._positions(rng, self.width, shape), self._positions(rng, self.height, shape)
            lines += [
                f"{name},s{subject:03d},{x[subject, n]:.1f},{y[subject, n]:.1f}"
                for subject in range(self.subjects)
                for n in range(self.per_trial)
            ]
        (folder / "fixations.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        return folder

    def _picture(self, rng: np.random.Generator) -> Image.Image:
        coarse = Image.fromarray(rng.integers(40, 216, (*COARSE, 3), dtype=np.uint8))
        smooth = np.asarray(coarse.resize((self.width, self.height), Image.Resampling.BILINEAR))
        noise = rng.integers(-30, 31, smooth.shape, dtype=np.int16)
        return Image.fromarray((smooth + noise).clip(0, 255).astype(np.uint8))

    @staticmethod
    def _positions(rng: np.random.Generator, length: int, shape: tuple[int, int]) -> np.ndarray:
        """Normal around the centre, drawn into the image."""
        return np.clip(rng.normal(0.5, 0.2, shape), 0.01, 0.99) * (length - 1)
