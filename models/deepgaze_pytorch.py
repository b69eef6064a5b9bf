"""The authors' own DeepGaze I and IIE, from their package deepgaze_pytorch if it is installed."""

from __future__ import annotations

import hashlib
import importlib
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
import pysaliency
import torch
from numpy.typing import NDArray

from models.base import TrainingData, UnavailableError, model
from models.centerbias import CenterBias
from models.deepgaze.images import as_rgb

PACKAGE = "deepgaze_pytorch"
#: Pixels per degree of visual angle that its networks were trained at.
PIXELS_PER_DEGREE = 35.0
_INSTALL = "pip install git+https://github.com/matthias-k/DeepGaze"


def _device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@lru_cache  # once a process: sending it along with every piece of work would take longer
def _network(name: str) -> Any:
    try:
        package = importlib.import_module(PACKAGE)
    except ImportError as error:
        raise UnavailableError(
            f"the package {PACKAGE}, or what it needs, is not on this machine ({error}); get it "
            f"with `{_INSTALL}`."
        ) from error
    kind = getattr(package, name, None)
    if kind is None:
        raise UnavailableError(
            f"the {PACKAGE} that has {name} is not on this machine, but another version; get it "
            f"with `{_INSTALL}`."
        )
    try:
        network = kind(pretrained=True)
    except OSError as error:  # of which those of connections are
        raise UnavailableError(
            f"the weights of {name} are not on this machine and cannot be fetched ({error}); its "
            "package downloads them when it is first used."
        ) from error
    network.to(_device())
    network.eval()  # returns nothing for some of these networks
    return network


@lru_cache
def _weights_hash(name: str) -> str:
    digest = hashlib.sha256()
    for key, values in _network(name).state_dict().items():
        digest.update(key.encode() + b"\0" + values.cpu().numpy().tobytes())
    return digest.hexdigest()


def _resized(values: torch.Tensor, shape: tuple[int, int]) -> torch.Tensor:
    """Bilinear, (1, channels, height, width); averaged where pixels are made larger."""
    if tuple(values.shape[-2:]) == shape:
        return values
    return torch.nn.functional.interpolate(
        values, size=shape, mode="bilinear", align_corners=False, antialias=True
    )


class DeepGazePytorch(pysaliency.Model):
    """A network of the package, given the data set's centre bias as its prior.

    ``network(image, centerbias)`` takes RGB of 0 to 255 as (1, 3, height, width) and the natural
    log of a density over the same pixels as (1, height, width), both float32, and returns the log
    density, (1, height, width) or (1, 1, height, width); as the package's documentation has it.

    Where the pixels per degree are known and not PIXELS_PER_DEGREE, image and prior are resized to
    that, and the predicted log density is interpolated back.

    Args:
        centerbias: prior, with the scored image left out.
        pixels_per_degree: of the images, None where unknown: they are taken as they are.

    Raises:
        UnavailableError: the package is not on this machine, or its weights cannot be fetched.
    """

    network_class: ClassVar[str]

    def __init__(self, centerbias: CenterBias, pixels_per_degree: float | None = None):
        super().__init__(caching=False)
        self.centerbias = centerbias
        self.zoom = PIXELS_PER_DEGREE / pixels_per_degree if pixels_per_degree else 1.0
        _network(self.network_class)  # what is missing, is missing now

    @property
    def content_hash(self) -> str:
        """Of the network's weights: another hash, other predictions."""
        return _weights_hash(self.network_class)

    @property
    def parameters(self) -> dict[str, float]:
        """By what images are resized before the network sees them, for the record."""
        return {"zoom": self.zoom}

    @classmethod
    def fit(cls, data: TrainingData, centerbias: CenterBias) -> DeepGazePytorch:
        """The network as its authors trained it, with the data set's centre bias."""
        return cls(centerbias, data.pixels_per_degree)

    @torch.inference_mode()
    def log_density(self, stimulus: Any) -> NDArray[np.float64]:
        """Natural log of the density of a stimulus or image array, (height, width)."""
        rgb = as_rgb(stimulus).astype(np.float32).transpose(2, 0, 1)
        image = torch.from_numpy(np.ascontiguousarray(rgb))[None]
        prior = torch.from_numpy(self.centerbias.log_density(stimulus).astype(np.float32))[None]
        shape = (int(prior.shape[1]), int(prior.shape[2]))
        seen = (max(1, round(shape[0] * self.zoom)), max(1, round(shape[1] * self.zoom)))
        image = _resized(image, seen)
        if seen != shape:
            prior = _resized(prior[None], seen)[0]
            prior = prior - prior.logsumexp(dim=(1, 2), keepdim=True)
        predicted = _network(self.network_class)(image.to(_device()), prior.to(_device()))
        predicted = _resized(predicted.cpu().reshape(1, 1, *seen), shape)
        log_density = predicted.numpy().reshape(shape).astype(np.float64)
        # single precision leaves the sum of a large image's density off by more than 1e-5
        peak = log_density.max()
        return log_density - (peak + np.log(np.exp(log_density - peak).sum()))  # type: ignore[no-any-return]

    def centerbias_exponent(self, centerbias: Any, stimulus: Any) -> float:
        """1 for the centre bias that is the prior (:mod:`models.base`)."""
        return float(centerbias is self.centerbias)

    def _log_density(self, stimulus: Any) -> NDArray[np.float64]:
        return self.log_density(stimulus)


@model(
    name="deepgaze1-pytorch",
    title="DeepGaze I (deepgaze_pytorch)",
    summary="the authors' retrained DeepGaze I, from their package",
    citation="Kümmerer, Theis, Bethge 2015, arXiv:1411.1045",
    trained_on=("mit1003",),
    needs=("centerbias",),
)
class DeepGazeIPytorch(DeepGazePytorch):
    """Trained by its authors on the 463 images of MIT1003 that are 1024x768, with none held out."""

    network_class = "DeepGazeI"


@model(
    name="deepgaze2e-pytorch",
    title="DeepGaze IIE (deepgaze_pytorch)",
    summary="the authors' mixture over four backbones, from their package",
    citation="Linardos, Kümmerer, Press, Bethge 2021, arXiv:2105.12441",
    trained_on=("salicon", "mit1003"),
    needs=("centerbias",),
)
class DeepGazeIIEPytorch(DeepGazePytorch):
    """The mean of the readouts of all folds, so that no image of MIT1003 is held out."""

    network_class = "DeepGazeIIE"
