"""DeepGaze II: VGG-19's features under a small pointwise readout, trained on MIT1003 and OSIE."""

from __future__ import annotations

from models.base import model
from models.deepgaze.model import FOLDER, DeepGaze


@model(
    name="deepgaze2",
    title="DeepGaze II",
    summary="pointwise readout of VGG-19's conv5 features, Gaussian blur, centre bias",
    citation="Kümmerer, Wallis, Bethge 2016, arXiv:1610.01563",
    trained_on=("mit1003", "osie"),
    held_out=True,
    needs=("centerbias",),
)
class DeepGaze2(DeepGaze):
    """The model of the paper with readouts trained in this project; see the folder of weights."""

    file = FOLDER / "deepgaze2.safetensors"
