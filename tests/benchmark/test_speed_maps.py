"""Every model with a saliency map is timed."""

from __future__ import annotations

from benchmark import registry
from benchmark.speed_maps import map_models, map_times


def test_every_model_with_a_map_is_timed():
    classical = {n for n, e in registry.models().items() if e.module.startswith("models.classical")}
    assert classical <= set(map_models())
    assert not {"uniform", "centerbias", "deepgaze2"} & set(map_models())
    frame = map_times(rounds=1, shape=(48, 64))
    assert list(frame["model"]) == list(map_models())
    assert (frame["seconds"] > 0).all()
