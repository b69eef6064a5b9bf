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
    "deepgaze2": Recipe(
        features=(FeatureSet(scale=0.5), FeatureSet(scale=0.25)),
        readout=ReadoutConfig(widths=(64, 32, 16, 1), stride=16.0, learn_prior_weight=True),
        epochs=8,
        loss="image",
        averaging=0.99,
        both_views=True,
    ),
    "deepgaze1": Recipe(
        features=(FeatureSet("alexnet-caffe", ("conv5",), 1.0),),
        readout=ReadoutConfig(widths=(1,)),
        epochs=6,
        channel_dropout=0.2,
        mirrored=False,
    ),
}
