"""Features on disk: computed once for an image, then read by every fold, epoch and ablation.

One file a feature map, in half precision, named by everything that its values depend on: backbone
and the hash of its weights, precision, scale, layer, and the pixels of the image. Files appear
whole or not at all, so that processes can share a cache and an interruption costs one image. Each
has a checksum: what is damaged is computed again. A folder that cannot be written to costs time
only, unless the cache is a required one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import platformdirs
import torch
from numpy.typing import NDArray

from models.best_effort import save_if_possible
from models.deepgaze.features import FeatureMap, FeatureSet, axes, extract, loaded
from models.deepgaze.files import VARIABLE, folder_in, load_array, save_array

#: Rises when the same weights and pixels give other features.
VERSION = 1


def default_folder() -> Path:
    """The folder that training keeps features in: $BENCHMARK_FEATURES, or the user's cache."""
    cache = platformdirs.user_cache_path("deepgaze-benchmark")
    return folder_in(VARIABLE) or cache / "features"


@dataclass(frozen=True)
class FeatureCache:
    """Reads features from a folder, computing what is missing.

    Attributes:
        folder: None keeps nothing: features are computed each time they are asked for.
        required: raise OSError if features cannot be kept there. Training asks for them in every
            epoch, which would take days without a cache.
    """

    folder: Path | None
    precision: str = "float32"
    required: bool = False

    def get(
        self,
        image_hash: str,
        read: Callable[[], NDArray[np.uint8]],
        shape: tuple[int, int],
        features: FeatureSet,
        mirrored: bool = False,
    ) -> dict[str, FeatureMap]:
        """Features by layer, in half precision, memory-mapped if they come from the cache.

        Args:
            image_hash: of the pixels, see :func:`models.deepgaze.images.pixel_hash`.
            read: gives the pixels (height, width, 3); called only if something is missing.
            shape: height and width of the image.
        """
        network = loaded(features.backbone, self.precision)
        found, missing = {}, []
        for layer in features.layers:
            channels = network.layers[layer].channels if layer in network.layers else 0
            values = None
            if self.folder is not None:
                values = _read(self.file(image_hash, features, layer, mirrored), channels)
            if values is None:
                missing.append(layer)
                continue
            tensor = torch.from_numpy(values)
            at = axes(network, layer, features.scale, shape, tensor.shape[:2], mirrored)
            found[layer] = FeatureMap(tensor, *at)
        if missing:
            for layer, computed in extract(
                read(), features, mirrored, self.precision, missing
            ).items():
                half = _half(computed.values, layer)
                if self.folder is not None:
                    file = self.file(image_hash, features, layer, mirrored)
                    if self.required:
                        save_array(file, half.numpy())
                    else:
                        save_if_possible(self.folder, file, half.numpy())
                found[layer] = replace(computed, values=half)
        return {layer: found[layer] for layer in features.layers}

    def has(self, image_hash: str, features: FeatureSet, mirrored: bool = False) -> bool:
        """Whether all of an image's features are on disk."""
        return self.folder is not None and all(
            self.file(image_hash, features, layer, mirrored).is_file() for layer in features.layers
        )

    def file(self, image_hash: str, features: FeatureSet, layer: str, mirrored: bool) -> Path:
        """Where a feature map is, or would be."""
        assert self.folder is not None
        weights = loaded(features.backbone, self.precision).weights_hash
        kind = f"{features.backbone}-{weights[:16]}-{self.precision}-v{VERSION}"
        view = f"{features.scale:g}{'-mirrored' if mirrored else ''}"
        return self.folder / kind / view / layer / image_hash[:2] / f"{image_hash}.npy"

    def size(self) -> int:
        """Bytes of all feature maps in the folder."""
        if self.folder is None:
            return 0
        return sum(file.stat().st_size for file in self.folder.rglob("*.npy"))


def _half(values: torch.Tensor, layer: str) -> torch.Tensor:
    half = values.half()
    if not torch.isfinite(half).all():
        raise ValueError(
            f"the features of {layer} reach {values.abs().max():g}, beyond what half precision "
            "holds."
        )
    return half


def _read(file: Path, channels: int) -> NDArray[np.float16] | None:
    """A feature map of so many channels; None if there is none, or the file is damaged."""
    values = load_array(file)
    if values is None or values.dtype != np.float16 or values.ndim != 3:
        return None
    return values if values.shape[2] == channels else None
