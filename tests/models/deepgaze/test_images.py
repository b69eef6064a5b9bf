"""Images of every kind become RGB, and are recognised again."""

from __future__ import annotations

import io

import numpy as np
import pysaliency
import pytest
import torch
from PIL import Image

from benchmark.datasets.photographs import locate_all, select
from models.deepgaze.images import (
    LEAST_STRUCTURE,
    as_rgb,
    differing_bits,
    look,
    nearest_copy,
    pixel_hash,
    resized,
    same_look,
    structure,
)
from tests.models.deepgaze.bright import picture, pictures

NAMES = ("astronaut", "camera", "chelsea", "china", "coffee", "flower", "rocket", "grace_hopper")


@pytest.fixture(scope="module")
def photographs():
    files = locate_all(select(NAMES))
    return [np.asarray(Image.open(file).convert("RGB")) for file in files]


# As RGB


def test_rgb_stays_as_it_is():
    rgb = picture(0)
    for form in (rgb, rgb.astype(np.int64), rgb.astype(np.float32), np.asfortranarray(rgb)):
        found = as_rgb(form)
        assert found.dtype == np.uint8
        assert found.flags.c_contiguous
        np.testing.assert_array_equal(found, rgb)


def test_a_stimulus_is_its_pixels():
    stimuli = pysaliency.Stimuli(pictures(2))
    np.testing.assert_array_equal(as_rgb(stimuli[1]), pictures(2)[1])


def test_grey_images_get_three_equal_channels():
    grey = picture(0)[:, :, 0]
    for form in (grey, grey[:, :, None]):
        found = as_rgb(form)
        assert found.shape == (*grey.shape, 3)
        for channel in range(3):
            np.testing.assert_array_equal(found[:, :, channel], grey)


def test_transparent_images_are_shown_on_white():
    rgba = np.zeros((1, 4, 4), np.uint8)
    rgba[0, :, :3] = (10, 100, 200)
    rgba[0, :, 3] = (0, 255, 51, 128)
    # value * alpha + 255 * (1 - alpha)
    expected = [[255, 255, 255], [10, 100, 200], [206, 224, 244], [132, 177, 227]]
    np.testing.assert_array_equal(as_rgb(rgba)[0], expected)
    white = Image.new("RGBA", (4, 1), "white")
    white.alpha_composite(Image.fromarray(rgba))
    np.testing.assert_allclose(as_rgb(rgba), np.asarray(white)[:, :, :3], atol=1)
    np.testing.assert_array_equal(as_rgb(rgba[:, :, [0, 3]])[0, :, 2], [255, 10, 206, 132])


def test_16_bits_are_scaled_to_8():
    values = np.array([[0, 128, 129, 257, 65534, 65535]], np.uint16)
    np.testing.assert_array_equal(as_rgb(values)[0, :, 0], [0, 0, 1, 1, 255, 255])
    transparent = np.array([[[65535, 0, 0, 0]]], np.uint16)
    np.testing.assert_array_equal(as_rgb(transparent)[0, 0], [255, 255, 255])


def test_black_and_white():
    np.testing.assert_array_equal(as_rgb(np.array([[True, False]]))[0, :, 1], [255, 0])


def test_fractions_are_rounded():
    found = as_rgb(np.array([[0.4, 0.6, 254.6, 255.0]]))
    np.testing.assert_array_equal(found[0, :, 0], [0, 1, 255, 255])


@pytest.mark.parametrize(
    "shape", [(5,), (4, 5, 5), (2, 4, 5, 3), (0, 5, 3), (5, 0), (4, 5, 0)], ids=str
)
def test_what_is_no_image_is_refused(shape):
    with pytest.raises(ValueError, match="an image has shape"):
        as_rgb(np.zeros(shape, np.uint8))


@pytest.mark.parametrize("value", [-1.0, 255.5, 1000.0, np.nan, np.inf])
def test_values_out_of_range_are_refused(value):
    with pytest.raises(ValueError, match=r"float64 have to be in 0-255; these go from"):
        as_rgb(np.array([[0.0, value]]))


def test_negative_integers_are_refused():
    with pytest.raises(ValueError, match="these go from -3 to 7"):
        as_rgb(np.array([[-3, 7]]))


# Resized


def test_scale_1_changes_nothing():
    rgb = picture(1, 31, 45)
    found = resized(rgb, 1.0)
    assert found.dtype == torch.float32
    np.testing.assert_array_equal(found.permute(1, 2, 0).numpy(), rgb)


def test_half_scale():
    rgb = np.repeat(np.repeat(picture(1, 16, 22), 4, axis=0), 4, axis=1)
    found = resized(rgb, 0.5)
    assert found.shape == (3, 32, 44)
    # Inside a block of 4 x 4 equal pixels nothing but the block is seen ... smoothed by neighbours.
    pillow = [
        np.asarray(
            Image.fromarray(rgb[:, :, c].astype(np.float32)).resize(
                (44, 32), Image.Resampling.BILINEAR
            )
        )
        for c in range(3)
    ]
    np.testing.assert_allclose(found.numpy(), pillow, atol=0.01)
    assert resized(np.zeros((1, 1, 3), np.uint8), 0.3).shape == (3, 1, 1)
    assert resized(picture(1, 45, 67), 0.5).shape == (3, 22, 34)  # 22.5 and 33.5, to even


# Recognised


def test_the_hash_is_of_pixels_and_size():
    rgb = picture(0, 32, 64)
    assert pixel_hash(rgb) == pixel_hash(rgb.copy())
    assert len(bytes.fromhex(pixel_hash(rgb))) == 32
    changed = rgb.copy()
    changed[3, 4, 1] ^= 1
    others = [changed, rgb.reshape(64, 32, 3), rgb[:, ::-1].copy(), rgb[:, :, ::-1].copy()]
    assert len({pixel_hash(rgb), *map(pixel_hash, others)}) == 5


def test_the_hash_does_not_depend_on_the_lossless_format():
    rgb = picture(0)
    for kind in ("png", "bmp", "tiff"):
        stream = io.BytesIO()
        Image.fromarray(rgb).save(stream, kind)
        assert pixel_hash(as_rgb(np.asarray(Image.open(stream)))) == pixel_hash(rgb)


def reencoded(rgb, quality: int, scale: float = 1.0) -> np.ndarray:
    size = round(rgb.shape[1] * scale), round(rgb.shape[0] * scale)
    stream = io.BytesIO()
    image = Image.fromarray(rgb).resize(size, Image.Resampling.LANCZOS)
    image.save(stream, "jpeg", quality=quality)
    return np.asarray(Image.open(stream))


@pytest.mark.parametrize(("quality", "scale"), [(90, 1.0), (50, 1.0), (90, 0.5), (75, 0.7)])
def test_a_look_survives_encoding_and_resizing(photographs, quality, scale):
    for name, rgb in zip(NAMES, photographs):
        copy = reencoded(rgb, quality, scale)
        assert pixel_hash(copy) != pixel_hash(rgb)
        assert same_look(look(copy), look(rgb)[None]).tolist() == [True], name


def test_different_pictures_look_different(photographs):
    looks = np.array([look(rgb) for rgb in photographs])
    assert looks.shape == (len(NAMES), 32)
    assert looks.dtype == np.uint8
    for n, own in enumerate(looks):
        bits = differing_bits(own, looks)
        assert bits[n] == 0
        assert np.delete(bits, n).min() > 56
        assert same_look(own, looks).tolist() == [m == n for m in range(len(looks))]
        assert not same_look(look(photographs[n][:, ::-1].copy()), looks).any()


def test_sizes_do_not_count(photographs):
    for rgb in photographs:
        square = np.asarray(Image.fromarray(rgb).resize((400, 400), Image.Resampling.BICUBIC))
        assert same_look(look(square), look(rgb)[None]).all()


def packed(bits) -> np.ndarray:
    return np.packbits(np.asarray(bits, dtype=bool).ravel())


def test_bits_count_relative_to_those_that_are_set():
    """Few bits have to agree as well as many."""
    random = np.random.default_rng(0)
    for places, allowed in ((40, 10), (100, 25), (160, 40), (220, 40)):
        chosen = random.permutation(256)
        bits = np.zeros(256)
        bits[chosen[:places]] = 1
        assert structure(packed(bits)) >= LEAST_STRUCTURE
        others = []
        for fewer in (allowed, allowed + 1):
            other = bits.copy()
            other[chosen[:fewer]] = 0
            others.append(packed(other))
        assert same_look(packed(bits), np.array(others)).tolist() == [True, False]


def test_structure():
    assert structure(np.zeros(32, np.uint8)) == structure(np.full(32, 255, np.uint8)) == 0
    board = np.indices((16, 16)).sum(axis=0) % 2
    assert structure(packed(board)) == 2 * 16 * 15
    half = np.zeros((16, 16))
    half[:, :8] = 1
    assert structure(packed(half)) == 16
    half[3, 12] = 1
    assert structure(packed(half)) == 20


def test_the_nearest_copy():
    board = np.indices((16, 16)).sum(axis=0) % 2
    others = []
    for apart in (200, 7, 3, 9):
        other = board.copy().ravel()
        other[:apart] ^= 1
        others.append(packed(other))
    assert nearest_copy(packed(board), np.array(others)) == (3, 2)
    assert nearest_copy(packed(board), np.array(others[:1])) is None
    assert nearest_copy(packed(board), np.empty((0, 32), np.uint8)) is None


def test_plain_looks_are_those_of_no_picture():
    half = np.zeros((16, 16))
    half[:, :8] = 1
    for plain in (np.zeros((16, 16)), half):
        assert not same_look(packed(plain), packed(plain)[None]).any()


def test_a_look_says_where_it_becomes_brighter():
    ramp = np.tile(np.arange(0, 240, 2, dtype=np.uint8)[None, :, None], (64, 1, 3))
    assert np.unpackbits(look(ramp)).all()
    assert not np.unpackbits(look(ramp[:, ::-1].copy())).any()
    assert not np.unpackbits(look(np.full((64, 64, 3), 99, np.uint8))).any()


def test_differing_bits():
    others = np.zeros((3, 32), np.uint8)
    others[1, 5], others[2] = 0b1011, 255
    assert differing_bits(np.zeros(32, np.uint8), others).tolist() == [0, 3, 256]
