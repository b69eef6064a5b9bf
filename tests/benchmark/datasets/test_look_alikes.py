"""Copies are found, whatever their encoding; images that only look nearly alike are not linked."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from benchmark.datasets import look_alikes
from benchmark.datasets.look_alikes import (
    CELLS,
    LARGEST,
    MEAN,
    NOISE,
    SHARE,
    SIDE,
    first_alike,
    tell_copies,
)


def alike(a, b):
    """The definition, written out for one pair."""
    a, b = a.astype(float), b.astype(float)
    step = SIDE // CELLS
    cells = (a - b).reshape(CELLS, step, CELLS, step).mean(axis=(1, 3))
    return (
        np.abs(cells).mean() < MEAN
        and np.abs(a - b).max() < LARGEST
        and (a - b).var() < SHARE * (a.var() + b.var()) / 2 + NOISE
    )


def pairwise(thumbnails, sizes):
    """All pairs of one size, linked through however many others."""
    groups = np.arange(len(thumbnails))
    for n in range(1, len(thumbnails)):
        for m in range(n):
            if (sizes[n] == sizes[m]).all() and alike(thumbnails[n], thumbnails[m]):
                first, other = sorted((groups[n], groups[m]))
                groups[groups == other] = first
    return groups


def shown(image):
    """A thumbnail of a grey array."""
    return np.asarray(Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.BILINEAR))


def near(rng, base):
    """A thumbnail that differs by about as much as is allowed."""
    noise = rng.normal(0, rng.choice([0.5, 3.0, 4.0]), base.shape)
    noise[rng.integers(SIDE), rng.integers(SIDE)] += rng.integers(LARGEST - 4, LARGEST + 4)
    shift = rng.choice([0, 0, MEAN - 0.25, MEAN + 0.25])
    return (base + noise + shift).round().clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", ["random", "duplicated", "near", "faint", "chains"])
def test_groups_are_those_of_all_pairs(kind, seed, monkeypatch):
    monkeypatch.setattr(look_alikes, "_AT_ONCE", 7)  # several portions
    monkeypatch.setattr(look_alikes, "_PAIRS", 5)
    monkeypatch.setattr(look_alikes, "_FINE_PAIRS", 3)
    rng = np.random.default_rng(seed)
    base = [shown(rng.integers(20, 230, (9, 9), dtype=np.uint8)) for _ in range(10)]
    if kind == "random":
        thumbnails = rng.integers(0, 256, (40, SIDE, SIDE), dtype=np.uint8)
    elif kind == "duplicated":
        thumbnails = np.array(base)[rng.integers(0, 10, 40)]
    elif kind == "near":
        thumbnails = np.array([near(rng, base[n % 10]) for n in range(40)])
    elif kind == "faint":
        thumbnails = (128 + rng.normal(0, 0.6, (40, SIDE, SIDE)).round()).astype(np.uint8)
        thumbnails[20:] = thumbnails[:20] + (rng.random((20, SIDE, SIDE)) < 0.1)
    else:
        steps = [base[0]]
        for _ in range(39):
            steps.append(near(rng, steps[-1]))
        thumbnails = np.array(steps)
    sizes = rng.integers(1, 3, (len(thumbnails), 2))
    for these in (sizes, np.ones_like(sizes)):
        np.testing.assert_array_equal(first_alike(thumbnails, these), pairwise(thumbnails, these))


def display(rng, contrast):
    """A search display: 12 bars of 24 pixels on grey."""
    image = np.full((384, 512), 128, dtype=np.uint8)
    for _ in range(12):
        x, y, upright = rng.integers(512 - 24), rng.integers(384 - 24), rng.random() < 0.5
        height, width = (24, 6) if upright else (6, 24)
        image[y : y + height, x : x + width] = 128 + contrast
    return image


def noise_with_target(rng):
    image = rng.normal(128, 30, (384, 512))
    x, y = rng.integers(480), rng.integers(350)
    image[y : y + 30, x : x + 30] += 30
    return image.clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    "make", [lambda rng: display(rng, 30), lambda rng: display(rng, 100), noise_with_target]
)
def test_sparse_displays_and_noise_fields_stay_apart(make):
    rng = np.random.default_rng(0)
    thumbnails = np.array([shown(make(rng)) for _ in range(60)])
    assert first_alike(thumbnails, np.ones((60, 2), dtype=int)).tolist() == list(range(60))


def encoded(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def test_encoded_and_rescaled_copies_are_found(tmp_path):
    from benchmark.datasets.base import Dataset
    from benchmark.datasets.folder import path_spec
    from benchmark.datasets.images import open_stimuli
    from benchmark.datasets.photographs import locate_all, select

    contents, expected = [], []
    for number, file in enumerate(locate_all(select())[:4]):
        with Image.open(file) as opened:
            image = opened.convert("RGB").resize((500, 380))
        half = image.resize((250, 190), Image.Resampling.BICUBIC).resize((500, 380))
        contents += [encoded(image, "PNG"), encoded(half, "PNG"), encoded(half, "JPEG")]
        contents += [encoded(image, "JPEG", quality=quality) for quality in (50, 75, 95)]
        expected += [6 * number] * 6
    contents += [encoded(Image.fromarray(display(np.random.default_rng(0), 30)), "PNG")]
    files = [tmp_path / f"{n:02d}" for n in range(len(contents))]
    for file, content in zip(files, contents):
        file.write_bytes(content)
    names = [file.name for file in files]
    dataset = Dataset(path_spec(tmp_path), open_stimuli(files), None, names, ["a"])
    assert dataset.groups.tolist() == [*expected, 24]


def test_few_or_no_images():
    nothing = np.empty((0, SIDE, SIDE), np.uint8)
    assert first_alike(nothing, np.empty((0, 2), int)).tolist() == []
    one = np.zeros((1, SIDE, SIDE), np.uint8)
    assert first_alike(one, np.ones((1, 2), int)).tolist() == [0]


def test_a_large_group_of_copies_is_warned_of():
    assert tell_copies(np.arange(20)) == []
    pair = np.arange(10)
    pair[3] = 1
    (said,) = tell_copies(pair)
    assert said.startswith("1 images look like another one")
    many = np.arange(20)
    many[:3] = 0
    assert "WARNING: 3 of 20 images" in tell_copies(many)[-1]
