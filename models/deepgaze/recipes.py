"""How the models that ship were trained."""

from __future__ import annotations

from models.deepgaze.features import FeatureSet
from models.deepgaze.readout import ReadoutConfig
from models.deepgaze.training import Recipe

RECIPES = {
    # The paper's network and loss; its stopping rule needs no more epochs than these here.
    "deepgaze2-paper": Recipe(
        readout=ReadoutConfig(nonlinearity="relu"), channel_dropout=0.0, mirrored=False
    ),
    "deepgaze2": Recipe(),
    "deepgaze1": Recipe(
        features=(FeatureSet("alexnet-caffe", ("conv5",), 1.0),),
        readout=ReadoutConfig(widths=(1,)),
    ),
}
