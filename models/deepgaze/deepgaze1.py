"""DeepGaze I: a linear readout of AlexNet's last convolution, trained on MIT1003."""

from __future__ import annotations

from models.base import model
from models.deepgaze.model import FOLDER, DeepGaze


@model(
    name="deepgaze1",
    title="DeepGaze I",
    summary="linear readout of AlexNet's conv5 features, Gaussian blur, centre bias",
    citation="Kümmerer, Theis, Bethge 2015, arXiv:1411.1045",
    trained_on=("mit1003",),
    held_out=True,
    needs=("centerbias",),
)
class DeepGaze1(DeepGaze):
    """The model of the paper with readouts trained in this project; see the folder of weights.

    It needs the convolutions of Caffe's AlexNet, which no package carries. Its readouts learned
    from an 8-bit copy of them; with the published file, features and scores differ a little.
    """

    file = FOLDER / "deepgaze1.safetensors"
