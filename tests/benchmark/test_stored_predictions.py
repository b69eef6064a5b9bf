"""Stored predictions come back as they were, and damage is noticed."""

from __future__ import annotations

import numpy as np
import pytest

from benchmark.errors import BenchmarkError
from benchmark.stored_predictions import Prediction, StoredPredictions


@pytest.fixture
def stored(tmp_path):
    return StoredPredictions(tmp_path / "predictions")


def prediction(key="k", seed=0):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(12, 17))
    return Prediction(key, (values - 5).astype(np.float32), rng.normal(size=4))


def test_predictions_come_back(stored):
    assert stored.models() == []
    one, other = prediction(), prediction("l", 1)
    stored.add("b", "x.png", one)
    stored.add("a:plain", "../odd name/x.png", other)
    assert stored.models() == ["a:plain", "b"]
    found = stored.get("b", "x.png")
    assert found.key == "k"
    np.testing.assert_array_equal(found.log_density, one.log_density)
    np.testing.assert_array_equal(found.at_fixations, one.at_fixations)
    np.testing.assert_array_equal(
        stored.log_density("a:plain", "../odd name/x.png"), other.log_density
    )
    assert not list(stored.folder.parent.rglob("odd name"))


def test_similar_names_are_kept_apart(stored):
    stored.add("m", "a b.png", prediction("1"))
    stored.add("m", "a_b.png", prediction("2"))
    assert [stored.get("m", name).key for name in ("a b.png", "a_b.png")] == ["1", "2"]


def test_another_key_is_another_prediction(stored):
    stored.add("m", "x", prediction("old"))
    assert stored.has("m", "x")
    assert stored.has("m", "x", "old")
    assert not stored.has("m", "x", "new")
    assert not stored.has("m", "y")


@pytest.mark.parametrize("damage", ["cut", "empty", "text", "flipped"])
def test_damage_is_noticed(stored, damage):
    stored.add("m", "x", prediction())
    (file,) = stored.folder.rglob("*.npz")
    content = bytearray(file.read_bytes())
    middle = len(content) // 2
    content[middle] ^= 255
    file.write_bytes(
        {"cut": content[:middle], "empty": b"", "text": b"hello", "flipped": content}[damage]
    )
    assert not stored.has("m", "x")
    with pytest.raises(BenchmarkError, match="benchmark paper"):
        stored.get("m", "x")
    stored.add("m", "x", prediction())
    assert stored.has("m", "x")
