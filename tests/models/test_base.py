"""Whether scores are on training data is told from names, parts and copies included."""

from __future__ import annotations

import pytest

from models.base import ModelSpec, seen_in_training


@pytest.mark.parametrize(
    ("trained_on", "dataset", "seen"),
    [
        (("mit1003",), "mit1003", True),
        (("mit1003",), "mit1003-1024x768", True),
        (("mit1003-1024x768",), "mit1003", True),
        (("mit1003",), "pysaliency-mit1003", True),
        (("pysaliency-mit1003",), "mit1003-1024x768", True),
        (("salicon",), "salicon-train", True),
        (("salicon-train",), "salicon-validation", False),
        (("osie", "mit1003"), "mit1003", True),
        (("mit1003",), "osie", False),
        (("mit",), "mit1003", False),
        (("scored",), "mit1003", False),
        (("scored-in-sample",), "mit1003", True),
        ((), "mit1003", False),
    ],
)
def test_seen_in_training(trained_on, dataset, seen):
    spec = ModelSpec(name="a", title="A", summary="a", trained_on=trained_on)
    assert seen_in_training(spec, dataset) == seen
    held_out = ModelSpec(name="a", title="A", summary="a", trained_on=trained_on, held_out=True)
    assert not seen_in_training(held_out, dataset)
