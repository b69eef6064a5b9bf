"""What a backbone is: a frozen network whose feature maps are named and located in the image."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import torch
from torch import Tensor, nn

from models.base import UnavailableError
from models.deepgaze.geometry import Axis

if TYPE_CHECKING:
    from typing_extensions import Self

Registered = TypeVar("Registered", bound=type)


class WeightsError(UnavailableError):
    """Weights are missing, damaged, or of another network; the message says what to do."""


@dataclass(frozen=True)
class BackboneSpec:
    """Metadata of a backbone.

    Attributes:
        source: where its weights come from, for the record.
        packaged: the weights install with a package: nothing is downloaded.
        url: address of the file with the weights, if they can be downloaded.
        sha256: of that file, or the first digits of it.
        by_hand: address of a file that users have to fetch themselves.
    """

    name: str
    title: str
    summary: str
    source: str
    citation: str = ""
    packaged: bool = False
    url: str = ""
    sha256: str = ""
    by_hand: str = ""


def backbone(**metadata: Any) -> Callable[[Registered], Registered]:
    """Register a Backbone class; the arguments are those of BackboneSpec, as literals."""
    spec = BackboneSpec(**metadata)

    def mark(registered: Registered) -> Registered:
        registered.spec = spec  # type: ignore[attr-defined]
        return registered

    return mark


@dataclass(frozen=True)
class Layer:
    """A feature map: its channels, and where its cells lie in the padded input.

    Attributes:
        stride: input pixels from one cell to the next.
        offset: input pixel at the centre of the first cell's receptive field; 0 is the centre of
            the first pixel.
    """

    channels: int
    stride: int
    offset: float


class Backbone(nn.Module):
    """A frozen feature extractor, always in evaluation mode.

    Attributes:
        default_layers: those that a readout takes if it is told nothing else.
        layers: the named feature maps, in the order of the network.
        padding: pixels that repeat the border, left and above, before the network sees the image.
        multiple: the padded image's height and width are made multiples of this.
        weights_hash: SHA-256 of the file that the weights come from.
        equivalents: SHA-256 of other files that hold the same weights up to rounding: readouts that
            learned from them may read this network, though features and scores differ a little.
    """

    spec: ClassVar[BackboneSpec]
    default_layers: ClassVar[tuple[str, ...]]
    layers: Mapping[str, Layer]
    padding: int = 0
    multiple: int = 1
    weights_hash: str
    equivalents: frozenset[str] = frozenset()

    @classmethod
    def load(cls, file: Path | None = None) -> Backbone:
        """The network with its weights, from ``file`` or where they are found without it.

        Raises:
            WeightsError: the weights cannot be had, are damaged, or are of another network.
        """
        raise NotImplementedError

    def maps(self, pixels: Tensor, names: Iterable[str]) -> dict[str, Tensor]:
        """Feature maps (1, channels, h, w) by name; pixels: preprocessed (1, 3, height, width)."""
        raise NotImplementedError

    def preprocess(self, pixels: Tensor) -> Tensor:
        """From RGB in 0-255 to what the network was trained on."""
        raise NotImplementedError

    def train(self, mode: bool = True) -> Self:
        """Stays in evaluation mode, also as a part of a model that is being trained."""
        return super().train(False)

    @property
    def dtype(self) -> torch.dtype:
        """Type of the numbers that it computes with."""
        return next(self.parameters()).dtype

    def check_layers(self, names: Iterable[str]) -> None:
        """Raise ValueError if a layer is unknown."""
        for name in names:
            if name not in self.layers:
                raise ValueError(
                    f"the backbone {self.spec.name!r} has no layer {name!r}; it has "
                    f"{', '.join(self.layers)}."
                )

    @torch.inference_mode()
    def forward(self, image: Tensor, names: Iterable[str]) -> dict[str, Tensor]:
        """Feature maps of an image.

        Args:
            image: RGB in 0-255, float (3, height, width).

        Returns:
            (channels, h, w) by layer name; :meth:`axis` tells where the cells lie.

        Raises:
            ValueError: a layer is unknown.
        """
        names = list(names)
        self.check_layers(names)
        height, width = image.shape[-2:]
        pads = [(self.padding, self._after(side)) for side in (width, height)]
        pixels = nn.functional.pad(image[None], (*pads[0], *pads[1]), mode="replicate")
        pixels = self.preprocess(pixels).to(self.dtype, memory_format=torch.channels_last)
        maps = self.maps(pixels, names)
        return {name: maps[name][0] for name in names}

    def _after(self, side: int) -> int:
        """Pixels that repeat the border on the right of, or below, a side of so many pixels."""
        return -(side + self.padding) % self.multiple

    def axis(self, layer: str, side: int, cells: int) -> Axis:
        """Where the cells of a layer lie along a side of the (unpadded) input."""
        known = self.layers[layer]
        return Axis(known.offset - self.padding, known.stride, cells)


def file_hash(file: Path, algorithm: str = "sha256") -> str:
    """SHA-256, or another hash, of a file.

    Raises:
        WeightsError: it is not there.
    """
    digest = hashlib.new(algorithm, usedforsecurity=False)
    try:
        with file.open("rb") as content:
            while piece := content.read(2**20):
                digest.update(piece)
        return digest.hexdigest()
    except OSError as error:
        raise WeightsError(f"{file}: cannot be read ({error.strerror}).") from error


def checked_hash(file: Path, expected: str) -> str:
    """SHA-256 of a file, which has to start with ``expected``.

    Raises:
        WeightsError: it is another file, or a damaged one.
    """
    found = file_hash(file)
    if not found.startswith(expected):
        raise WeightsError(
            f"{file}: the SHA-256 is {found}, expected {expected}; the file is damaged or holds "
            "other weights. Install or download it again."
        )
    return found


def load_state(file: Path) -> dict[str, Tensor]:
    """Tensors by name from a file that torch has written; nothing in it is executed.

    Raises:
        WeightsError: it is not such a file.
    """
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file ends in anything
        raise WeightsError(
            f"{file}: cannot be read as weights saved by torch; the file is damaged or of another "
            "kind. Download it again."
        ) from error
    if not isinstance(state, dict):
        raise WeightsError(f"{file}: holds a {type(state).__name__}, not tensors by name.")
    return state


def check_shape(file: Path, name: str, found: Sequence[int], expected: Sequence[int]) -> None:
    """Raise WeightsError unless a weight read from ``file`` has the shape of this network's."""
    if tuple(found) != tuple(expected):
        raise WeightsError(
            f"{file}: {name} has the shape {tuple(found)}, expected {tuple(expected)}; the file "
            "holds another network."
        )


def collect(steps: Iterable[tuple[str, Tensor]], names: Iterable[str]) -> dict[str, Tensor]:
    """Those of a network's successive maps that are wanted; the rest of it is not computed."""
    wanted, found = set(names), {}
    for name, maps in steps:
        if name in wanted:
            found[name] = maps
        if wanted == found.keys():
            break
    return found
