"""How the models that ship were trained."""

from __future__ import annotations

from dataclasses import replace

from models.deepgaze.features import FeatureSet
from models.deepgaze.readout import ReadoutConfig
from models.deepgaze.training import Recipe

_LITE0 = ("block4", "block7", "block10", "block14", "block15", "head")
_LITE1 = _LITE2 = ("block6", "block10", "block14", "block19", "block20", "head")
_ICF = tuple(
    f"{kind}{scale}" for scale in (5, 10, 20, 40, 80) for kind in ("intensity", "contrast")
)

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
# The parts of the mixture are trained like DeepGaze II, each on its own backbone.
for name, layers in (("lite0", _LITE0), ("lite1", _LITE1), ("lite2", _LITE2)):
    RECIPES[f"deepgaze-{name}"] = replace(
        RECIPES["deepgaze2"],
        features=tuple(
            FeatureSet(f"efficientnet-{name}", layers, scale) for scale in (0.75, 0.375)
        ),
    )
# One readout of both backbones; in the mixture it gained too little to ship.
RECIPES["deepgaze-joint"] = replace(
    RECIPES["deepgaze2"],
    features=RECIPES["deepgaze2"].features + RECIPES["deepgaze-lite2"].features,
)
# The model without features of objects, too; a mirror image tells it nothing new.
RECIPES["icf"] = replace(
    RECIPES["deepgaze2"],
    features=(FeatureSet("icf", _ICF, 1.0),),
    channel_dropout=0.0,
    mirrored=False,
    both_views=False,
)
