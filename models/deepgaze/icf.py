"""ICF: intensity and contrast under DeepGaze II's readout, trained on MIT1003 and OSIE."""

from __future__ import annotations

from models.base import model
from models.deepgaze.model import FOLDER, DeepGaze


@model(
    name="icf",
    title="ICF",
    summary="pointwise readout of local intensity and contrast: no features of objects",
    citation="Kümmerer, Wallis, Gatys, Bethge 2017, ICCV",
    trained_on=("mit1003", "osie"),
    needs=("centerbias",),
    held_out=True,
)
class ICF(DeepGaze):
    """The low-level counterpart of DeepGaze II; readouts trained in this project."""

    file = FOLDER / "icf.safetensors"
