"""Predictions kept beside the scores of a run, for pictures: made once, then read by reports.

One file for a model and image. Log densities are kept in single precision (an error of less than
2e-6 nats where the density matters), values at fixations in double precision.
"""

from __future__ import annotations

import hashlib
import io
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import BenchmarkError
from benchmark.files import write_whole

FOLDER = "predictions"


@dataclass(frozen=True)
class Prediction:
    """What a model predicts for an image of a run.

    Attributes:
        key: hash of the model and its data; another key, another prediction.
        log_density: natural log, (height, width). The gold standard's is from all subjects.
        at_fixations: natural log at the image's fixations in their order in the data set; the gold
            standard's from all subjects but the fixation's own.
    """

    key: str
    log_density: NDArray[np.float32]
    at_fixations: NDArray[np.float64]


class StoredPredictions:
    """The predictions in a folder.

    Args:
        folder: usually ``predictions`` in the folder of a run; made when something is added.
    """

    def __init__(self, folder: Path):
        self.folder = folder

    def models(self) -> list[str]:
        """Names of the models that have predictions, sorted."""
        names = self.folder.glob("*/model.txt")
        return sorted(file.read_text(encoding="utf-8") for file in names)

    def has(self, model: str, image: str, key: str | None = None) -> bool:
        """Whether a readable prediction is there, of this key if one is given."""
        found = self._read(model, image)
        return found is not None and key in (None, found.key)

    def get(self, model: str, image: str) -> Prediction:
        """The prediction of a model for an image, by their names in the results.

        Raises:
            BenchmarkError: there is none, or its file is damaged.
        """
        found = self._read(model, image)
        if found is None:
            raise BenchmarkError(
                f"{self._file(model, image)} is missing or damaged. Make the predictions again "
                "with `python -m benchmark paper`."
            )
        return found

    def log_density(self, model: str, image: str) -> NDArray[np.float32]:
        """Natural log of a model's density for an image, (height, width)."""
        return self.get(model, image).log_density

    def add(self, model: str, image: str, prediction: Prediction) -> None:
        """Keep a prediction; its file appears whole or not at all."""
        buffer = io.BytesIO()
        np.savez_compressed(
            buffer,
            key=np.array(prediction.key),
            log_density=prediction.log_density.astype(np.float32),
            at_fixations=prediction.at_fixations.astype(np.float64),
        )
        file = self._file(model, image)
        write_whole(file, buffer.getvalue())
        write_whole(file.parent / "model.txt", model)

    def _file(self, model: str, image: str) -> Path:
        return self.folder / _safe(model) / f"{_safe(image)}.npz"

    def _read(self, model: str, image: str) -> Prediction | None:
        try:
            with np.load(self._file(model, image), allow_pickle=False) as content:
                key = content["key"]
                if key.ndim or key.dtype.kind != "U":
                    return None
                found = Prediction(str(key), content["log_density"], content["at_fixations"])
        # numpy raises anything on damaged files.
        except Exception:
            return None
        ours = _is(found.log_density, np.float32, 2) and _is(found.at_fixations, np.float64, 1)
        return found if ours else None


def _is(values: NDArray, kind: type, dimensions: int) -> bool:
    """Whether an array is of this type, and holds numbers."""
    return values.dtype == kind and values.ndim == dimensions and not np.isnan(values).any()


def _safe(name: str) -> str:
    """A file name for any name, different for different ones."""
    plain = re.sub(r"[^A-Za-z0-9_-]+", "_", name)[:60]
    return f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:10]}"
