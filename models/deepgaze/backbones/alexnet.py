"""AlexNet's convolutions: Caffe's network, which DeepGaze I reads, and torchvision's."""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.deepgaze.backbones.base import (
    Backbone,
    Layer,
    WeightsError,
    backbone,
    check_shape,
    checked_hash,
    collect,
    file_hash,
    load_state,
)
from models.deepgaze.backbones.caffemodel import read_caffemodel
from models.deepgaze.backbones.download import VARIABLE, downloaded, hash_in_name, weights_folder

_NAMES = ("conv1", "conv2", "conv3", "conv4", "conv5")
_POOLED = ("1", "2")  # stages that end with maximum pooling
#: The readouts of DeepGaze I that ship learned from the 8-bit copy, so it goes first.
_FILES = ("bvlc_alexnet_conv_8bit.npz", "bvlc_alexnet.caffemodel")
_CAFFEMODEL = "http://dl.caffe.berkeleyvision.org/bvlc_alexnet.caffemodel"
#: SHA-1 of that file, as Caffe publishes it, and SHA-256 of the 8-bit copy.
_PUBLISHED_SHA1 = "9116a64c0fbe4459d18f4bb6b56d647b63920377"
_EIGHT_BIT = "5c3fc5458e923c8851e10ec60456f7194a4d62547d705c93be458974e00883b8"
#: What the weights of the 8-bit copy come to, see :func:`_signed_sums`.
_EIGHT_BIT_SUMS = {
    "conv1": (268, 288, 10, -48, -217, 665, 348, 65, 300, -1, 460, -1, 457, -106, -389, 26),
    "conv2": (655, -113, 232, 5, 1142, 305, 14, 619, -111, -88, 19, -331, 549, -165, 394, -187),
    "conv3": (321, 60, 721, -120, -314, 349, -515, -229, 61, 939, 450, 339, 890, -28, -681, -470),
    "conv4": (-608, -560, -182, 599, -157, -344, 193, -643, -161, -327, -254, -275, 380, -335,
              -1735, 129),
    "conv5": (322, -193, 203, 334, 731, -195, 192, -400, -631, -513, 53, 313, 402, 329, -185, 200),
}  # fmt: skip
#: Rounding to multiples of 1/128 moves a weight by 0.29 such steps (root mean square); those of a
#: network that was trained anew are 3 or more away.
_ROUNDED = 0.6


class _AlexNet(Backbone):
    """Five convolutions: ``conv1``, ``relu1``, ``norm1`` (Caffe's only), ``pool1``, ``conv2``, ...

    The image is padded so that ``conv5`` has a cell for every 16 pixels, the first one centred on
    pixel 7, and that no window of a layer reaches beyond the padded image.

    Attributes:
        shapes: of the weights, (outputs, inputs of a group, rows, columns).
        groups: of each convolution.
        zeros: pixels of zeros around the input of each convolution.
        normalised: responses are normalised before pooling.
    """

    multiple = 16
    default_layers = ("conv5",)
    shapes: ClassVar[tuple[tuple[int, ...], ...]]
    groups: ClassVar[tuple[int, ...]]
    zeros: ClassVar[tuple[int, ...]]
    normalised: ClassVar[bool]

    def __init__(self, weights: Mapping[str, tuple[Tensor, Tensor]], weights_hash: str):
        super().__init__()
        self.weights_hash = weights_hash
        self.convolutions = nn.ModuleDict()
        for name, shape, groups, zeros in zip(_NAMES, self.shapes, self.groups, self.zeros):
            convolution = nn.Conv2d(
                shape[1] * groups,
                shape[0],
                shape[2],
                stride=4 if name == "conv1" else 1,
                padding=zeros,
                groups=groups,
            )
            weight, bias = weights[name]
            convolution.weight = nn.Parameter(weight.float().contiguous(), requires_grad=False)
            convolution.bias = nn.Parameter(bias.float(), requires_grad=False)
            self.convolutions[name] = convolution
        self.layers = dict(self._layers())
        self.padding = 10 - self.zeros[0]
        self.eval()

    def _layers(self) -> Iterator[tuple[str, Layer]]:
        stride, offset = 4, 5.0 - self.zeros[0]
        for name, shape in zip(_NAMES, self.shapes):
            kinds = ("conv", "relu", "norm") if self._is_normalised(name[-1]) else ("conv", "relu")
            for kind in kinds:
                yield f"{kind}{name[-1]}", Layer(shape[0], stride, offset)
            if name[-1] in _POOLED:
                offset, stride = offset + stride, 2 * stride
                yield f"pool{name[-1]}", Layer(shape[0], stride, offset)

    def _is_normalised(self, stage: str) -> bool:
        return self.normalised and stage in _POOLED

    def _after(self, side: int) -> int:
        # n cells of conv5 see 2n + 1 of pool1 (windows of 3, 2 apart), 4n + 3 of conv1 and, in
        # windows of 11 that are 4 apart, 16n + 19 pixels, conv1's own zeros among them.
        return -side % self.multiple + 9 - self.zeros[0]

    def maps(self, pixels: Tensor, names: Iterable[str]) -> dict[str, Tensor]:
        return collect(self._steps(pixels), names)

    def _steps(self, pixels: Tensor) -> Iterator[tuple[str, Tensor]]:
        maps = pixels
        for name, convolution in self.convolutions.items():
            stage = name[-1]
            maps = convolution(maps)
            yield name, maps
            maps = nn.functional.relu(maps)
            yield f"relu{stage}", maps
            if self._is_normalised(stage):
                maps = _normalised(maps)
                yield f"norm{stage}", maps
            if stage in _POOLED:
                maps = nn.functional.max_pool2d(maps, 3, stride=2, ceil_mode=True)
                yield f"pool{stage}", maps


def _normalised(maps: Tensor) -> Tensor:
    """Local response normalisation over five channels: Caffe's, with alpha 1e-4 and beta 0.75.

    Caffe divides alpha by the number of channels, as does torch, whose own function cannot compute
    it in bfloat16.
    """
    squares = nn.functional.pad(maps.square(), (0, 0, 0, 0, 2, 2))
    total = sum(squares[:, k : k + maps.shape[1]] for k in range(5))
    return maps * (1.0 + 1e-4 / 5 * total) ** -0.75


def _checked(
    file: Path,
    shapes: Iterable[tuple[int, ...]],
    arrays: Mapping[str, tuple[Tensor, Tensor]],
) -> dict[str, tuple[Tensor, Tensor]]:
    """The weights and biases by layer, if their shapes and values are those of a network."""
    for name, shape in zip(_NAMES, shapes):
        weight, bias = arrays[name]
        check_shape(file, f"the weight of {name}", weight.shape, shape)
        check_shape(file, f"the bias of {name}", bias.shape, shape[:1])
        if not (weight.isfinite().all() and bias.isfinite().all()):
            raise WeightsError(f"{file}: {name} holds values that are not finite.")
    return {name: arrays[name] for name in _NAMES}


def _signed_sums(name: str, weight: Tensor) -> NDArray[np.float64]:
    """A layer's weights in steps of 1/128, summed in sixteen parts under signs drawn from its name.

    Copies that differ by rounding have nearly the same sums, since rounding errors cancel.
    """
    values = 128.0 * weight.double().flatten().numpy()
    drawn = hashlib.shake_256(name.encode()).digest(-(-values.size // 8))
    positive = np.unpackbits(np.frombuffer(drawn, np.uint8), count=values.size)
    return np.where(positive, values, -values).reshape(16, -1).sum(axis=1)


def _rounds_to_eight_bits(weights: Mapping[str, tuple[Tensor, Tensor]]) -> bool:
    """Whether the convolutions are those of the 8-bit copy up to rounding."""
    for name, known in _EIGHT_BIT_SUMS.items():
        weight, _ = weights[name]
        apart = (_signed_sums(name, weight) - known) / np.sqrt(weight.numel() / len(known))
        if np.sqrt(np.square(apart).mean()) > _ROUNDED:
            return False
    return True


@backbone(
    name="alexnet-caffe",
    title="AlexNet (Caffe)",
    summary="the network that DeepGaze I reads; weights from a local file",
    source="Caffe's BVLC AlexNet, a local file",
    citation="Krizhevsky, Sutskever and Hinton 2012, doi:10.1145/3065386",
    by_hand="http://dl.caffe.berkeleyvision.org/bvlc_alexnet.caffemodel",
)
class CaffeAlexNet(_AlexNet):
    """Caffe's BVLC AlexNet: responses are normalised, then pooled; conv2, 4 and 5 in two groups.

    The 8-bit copy that readouts of DeepGaze I learned from is an equivalent of the published file,
    and of any other that holds the same convolutions up to rounding.
    """

    shapes = (
        (96, 3, 11, 11),
        (256, 48, 5, 5),
        (384, 256, 3, 3),
        (384, 192, 3, 3),
        (256, 192, 3, 3),
    )
    groups = (1, 2, 1, 2, 2)
    zeros = (0, 2, 1, 1, 1)
    normalised = True

    @classmethod
    def load(cls, file: Path | None = None) -> CaffeAlexNet:
        """Read the convolutions' weights.

        Args:
            file: the public ``bvlc_alexnet.caffemodel``, or a ``.npz`` with the arrays
                ``conv1_w``, ``conv1_b`` ... ``conv5_b``, in which whole numbers are multiples of
                1/128. By default the second (``bvlc_alexnet_conv_8bit.npz``), else the first, in
                the folder of weights or in ``alexnet`` below a folder listed in $BENCHMARK_DATA.

        Raises:
            WeightsError: there is none, or it is damaged or holds another network.
        """
        file = file or _local()
        digest = file_hash(file)
        arrays = _read_npz(file) if zipfile.is_zipfile(file) else _read_caffemodel(file)
        network = cls(_checked(file, cls.shapes, arrays), digest)
        if _rounds_to_eight_bits(arrays) or file_hash(file, "sha1") == _PUBLISHED_SHA1:
            network.equivalents = frozenset({_EIGHT_BIT})
        return network

    def preprocess(self, pixels: Tensor) -> Tensor:
        mean = pixels.new_tensor((104.0, 117.0, 123.0)).view(1, 3, 1, 1)
        return pixels.flip(1) - mean


def _local() -> Path:
    named = os.environ.get("BENCHMARK_DATA", "").split(os.pathsep)
    data = [Path(name).expanduser() for name in named if name]
    folders = (weights_folder(), *(root / "alexnet" for root in data))
    for name in _FILES:
        for folder in folders:
            if (folder / name).is_file():
                return folder / name
    raise WeightsError(
        f"the weights of alexnet-caffe are not on this machine. Copy {_CAFFEMODEL} to "
        f"{weights_folder()} (another folder: set {VARIABLE})."
    )


def _read_npz(file: Path) -> dict[str, tuple[Tensor, Tensor]]:
    def values(array: NDArray) -> Tensor:
        whole = np.issubdtype(array.dtype, np.integer)
        return torch.from_numpy(array.astype(np.float32) / np.float32(128 if whole else 1))

    try:
        with np.load(file, allow_pickle=False) as arrays:
            return {
                name: (values(arrays[f"{name}_w"]), values(arrays[f"{name}_b"])) for name in _NAMES
            }
    except KeyError as error:
        raise WeightsError(
            f"{file}: {error.args[0]}; expected the arrays conv1_w, conv1_b ... conv5_b."
        ) from error
    except Exception as error:  # a damaged archive ends in anything
        raise WeightsError(f"{file}: cannot be read as arrays of numpy ({error}).") from error


def _read_caffemodel(file: Path) -> dict[str, tuple[Tensor, Tensor]]:
    arrays = {}
    for name, blobs in read_caffemodel(file, _NAMES).items():
        if len(blobs) != 2:
            raise WeightsError(
                f"{file}: {name} has {len(blobs)} arrays, expected weights and biases."
            )
        weight, bias = (torch.from_numpy(blob.copy()) for blob in blobs)
        arrays[name] = (weight, bias.flatten())  # Caffe once wrote biases as (1, 1, 1, outputs)
    return arrays


@backbone(
    name="alexnet",
    title="AlexNet (torchvision)",
    summary="weights that torchvision trained; to be downloaded",
    source="torchvision, IMAGENET1K_V1",
    citation="Krizhevsky 2014, arXiv:1404.5997",
    url="https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
    sha256="7be5be79",
)
class TorchvisionAlexNet(_AlexNet):
    """The later variant with fewer channels, in one group and without normalised responses."""

    shapes = (
        (64, 3, 11, 11),
        (192, 64, 5, 5),
        (384, 192, 3, 3),
        (256, 384, 3, 3),
        (256, 256, 3, 3),
    )
    groups = (1, 1, 1, 1, 1)
    zeros = (2, 2, 1, 1, 1)
    normalised = False

    @classmethod
    def load(cls, file: Path | None = None) -> TorchvisionAlexNet:
        """Read torchvision's file of AlexNet, downloaded before or given.

        Raises:
            WeightsError: it cannot be had, or is not an AlexNet in torchvision's layout.
        """
        file = file or downloaded(cls.spec.url, cls.spec.name)
        digest = checked_hash(file, hash_in_name(file.name))
        state = load_state(file)
        try:
            arrays = {
                name: (state[f"features.{index}.weight"], state[f"features.{index}.bias"])
                for name, index in zip(_NAMES, (0, 3, 6, 8, 10))
            }
        except KeyError as error:
            raise WeightsError(
                f"{file}: holds no {error.args[0]}; it is not torchvision's AlexNet."
            ) from error
        return cls(_checked(file, cls.shapes, arrays), digest)

    def preprocess(self, pixels: Tensor) -> Tensor:
        mean = pixels.new_tensor((0.485, 0.456, 0.406)).view(1, 3, 1, 1)
        deviation = pixels.new_tensor((0.229, 0.224, 0.225)).view(1, 3, 1, 1)
        return (pixels / 255.0 - mean) / deviation
