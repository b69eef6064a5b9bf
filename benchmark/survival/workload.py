"""A small run to do harm to: made-up images and fixations, cheap models, the same every time."""

from __future__ import annotations

import csv
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pysaliency
from PIL import Image

#: A baseline, a model with fits and the gold standard; beside a model of one's own.
MODELS = ("uniform", "centerbias", "gold")
#: A model whose maps are cached.
CACHED = ("image-signature",)
#: Seconds that the own model takes for an image, so that many a run is killed while it scores.
PAUSE = 0.03
METRICS = ("IG", "AUC", "sAUC", "NSS", "CC")
#: What a run writes that must have the same bytes, however it came about.
TABLES = ("scores.csv", "summary.csv", "differences.csv", "summary.md", "summary.tex")
SIZE = (64, 48)
SUBJECTS = 4


def write_dataset(folder: Path, images: int, seed: int) -> Path:
    """A folder with images of noise and one CSV file of fixations on them."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    rows = []
    for index in range(images):
        coarse = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize(SIZE).save(folder / f"{index:03d}.png")
        for subject in range(SUBJECTS):
            for x, y in rng.uniform((0, 0), SIZE, (3, 2)):
                rows.append((f"{index:03d}.png", f"s{subject}", f"{x:.2f}", f"{y:.2f}"))
    with (folder / "fixations.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("image", "subject", "x", "y"), *rows])
    return folder


class SlowBlob(pysaliency.Model):
    """A Gaussian in the middle, after a pause; its mean prediction must be computed from it."""

    def __init__(self) -> None:
        super().__init__(caching=False)

    def _log_density(self, stimulus: np.ndarray) -> np.ndarray:
        time.sleep(PAUSE)
        height, width = stimulus.shape[:2]
        y, x = np.mgrid[:height, :width]
        squares = ((x - width / 2) / width) ** 2 + ((y - height / 2) / height) ** 2
        exponent = -8 * squares + 0.5 * stimulus.mean(axis=2) / 255
        return exponent - np.log(np.exp(exponent).sum())  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Workload:
    """The run: its data, and the command.

    Attributes:
        models: names. slow: with the own model, too.
    """

    data: Path
    models: tuple[str, ...] = MODELS
    slow: bool = True

    def command(self, out: Path, *options: str) -> list[str]:
        """The command that scores into ``out``."""
        own = ["--model", f"slow={__name__}:SlowBlob", "--trained-on", "none"]
        return [
            sys.executable, "-m", "benchmark", "run", "--dataset", str(self.data),
            "--models", ",".join(self.models), "--metrics", ",".join(METRICS), "--draws", "200",
            *(own if self.slow else []), "--out", str(out), *options,
        ]  # fmt: skip


def tables(out: Path) -> dict[str, bytes]:
    """What a finished run wrote, by name; what is missing is left out."""
    return {name: (out / name).read_bytes() for name in TABLES if (out / name).is_file()}
