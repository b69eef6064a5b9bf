"""Large photographs are predicted at a size that can be served, and drawings of them are small."""

from __future__ import annotations

import io
import time
from dataclasses import replace

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from benchmark.web import answers
from benchmark.web.app import create_app
from benchmark.web.predictor import Question
from benchmark.web.settings import Settings
from benchmark.web.size import banded_rgb, limited, reduced
from metrics.information_gain import log_likelihood
from models.deepgaze.images import as_rgb
from tests.benchmark.web.conftest import LIMITS, Quick, encoded, picture, predictor
from tests.benchmark.web.test_api import ask, density


@pytest.fixture
def small(quick):
    """A service that predicts at most 6000 pixels."""
    return TestClient(create_app(replace(LIMITS, working_pixels=6000), predictor(quick=quick)))


def spot(height, width, y, x):
    """An image with one bright spot."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[y - 10 : y + 11, x - 10 : x + 11] = 255
    return encoded(Image.fromarray(pixels))


def test_a_phones_photograph_is_predicted():
    client = TestClient(create_app(Settings(hosts=("*",)), predictor(quick=Quick())))
    pixels = np.zeros((3024, 4032, 3), np.uint8)
    pixels[1950:2050, 2950:3050] = 255
    image = encoded(Image.fromarray(pixels), "JPEG")
    found = ask(client, image, samples=50).json()
    assert (found["width"], found["height"]) == (4032, 3024)
    rows, columns = found["density_height"], found["density_width"]
    assert 1_990_000 < rows * columns <= 2_000_000
    assert (found["predicted_height"], found["predicted_width"]) == (rows, columns)
    assert f"from 4032 x 3024 to {columns} x {rows} pixels" in found["note"]
    assert abs(found["places"][0]["x"] - 3000) < 60
    assert abs(found["places"][0]["y"] - 2000) < 60
    answer = ask(client, image, format="npy")
    assert answer.headers["prediction-note"] == found["note"]
    assert density(answer).shape == (rows, columns)
    scored = ask(client, image, "/score", fixations="x,y\n3000,2000\n4031.9,3023.9").json()
    assert scored["IG_per_fixation"][0] > 3
    assert scored["IG_per_fixation"][1] is not None


def test_scores_are_those_of_the_density_that_is_returned(small):
    image = spot(200, 300, 50, 220)
    log_density = density(ask(small, image, format="npy")).astype(float)
    height, width = log_density.shape
    assert height * width <= 6000
    found = ask(small, image, "/score", fixations="x,y\n220,50\n299.9,199.9").json()
    x, y = np.array([220, 299.9]) * width / 300, np.array([50, 199.9]) * height / 200
    expected = log_likelihood(log_density, x, y).mean()
    assert found["LL"] == pytest.approx(expected, abs=1e-5)
    assert found["fixations"] == [[220, 50], [299.9, 199.9]]


def test_the_last_place_inside_of_an_image_is_inside_of_its_density(small):
    x, y = float(np.nextafter(397, 0)), float(np.nextafter(211, 0))
    answer = ask(small, spot(211, 397, 50, 220), "/score", fixations=f"x,y\n{x!r},{y!r}")
    assert answer.status_code == 200, answer.text


def test_what_is_drawn_is_in_pixels_of_the_image_sent(small):
    found = ask(small, spot(200, 300, 50, 220), samples=40).json()
    assert abs(found["places"][0]["x"] - 220) < 15
    assert abs(found["places"][0]["y"] - 50) < 15
    x, y = np.array(found["samples"]).T
    assert x.max() > 200
    assert x.max() < 300
    assert y.max() < 200
    y, x = np.mgrid[:200, :300]
    hill = 255 * np.exp(-((y - 50) ** 2 + (x - 220) ** 2) / 800)
    hill = encoded(Image.fromarray(hill.astype(np.uint8)))
    ((line,), *_) = reversed(ask(small, hill).json()["contours"])
    corners = np.reshape(line, (-1, 2))
    middle = (corners.min(axis=0) + corners.max(axis=0)) / 2
    np.testing.assert_allclose(middle, [220, 50], atol=2)


@pytest.mark.parametrize(
    ("resolution", "size", "words"),
    [(70, (50, 75), "resized from 150 x 100 to 75 x 50 pixels, which are 35"),
     (35, (63, 94), "to 94 x 63 pixels, the most that are predicted here"),
     (20, (63, 94), "would be 262 x 175; the density is of 94 x 63")],
)  # fmt: skip
def test_pixels_per_degree_are_those_of_the_image_sent(small, resolution, size, words):
    found = ask(small, encoded(picture(100, 150)), pixels_per_degree=resolution).json()
    assert (found["predicted_height"], found["predicted_width"]) == size
    assert (found["density_height"], found["density_width"]) == (63, 94)
    assert words in found["note"]


def test_a_small_image_is_enlarged_to_no_more_than_is_predicted(quick):
    client = TestClient(create_app(LIMITS, predictor(quick=quick)))
    found = ask(client, encoded(picture(200, 300)), pixels_per_degree=4.4).json()
    assert 1_980_000 < found["predicted_height"] * found["predicted_width"] <= 2_000_000
    assert (found["density_height"], found["density_width"]) == (200, 300)


def test_questions_about_images_of_other_sizes_have_other_keys():
    pixels = np.asarray(picture())
    one, other = (Question(pixels, "quick", source_size=(h, 600)) for h in (400, 401))
    assert one.key != other.key


@pytest.mark.parametrize("shape", [(3024, 4032), (2, 11_000), (8000, 6000), (40, 60)])
def test_sizes_stay_in_the_limit(shape):
    height, width = limited(*shape, 10_000)
    assert height * width <= max(10_000, 2 * shape[1]) or min(height, width) == 2
    assert limited(*shape, shape[0] * shape[1]) == shape


def test_an_image_that_is_small_enough_is_left_alone():
    pixels = np.asarray(picture())
    assert reduced(pixels, 2400) is pixels
    assert reduced(pixels, 2399).shape[0] < 40


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "1", "I;16"])
def test_bands_of_an_image_are_its_colours(mode):
    pixels = np.random.default_rng(0).integers(0, 256, (600, 7, 4)).astype(np.uint8)
    if mode == "I;16":
        pixels = pixels[..., 0].astype(np.uint16) * 250
    elif mode == "1":
        pixels = pixels[..., 0] > 100
    else:
        pixels = pixels[..., : len(mode)] if len(mode) > 1 else pixels[..., 0]
    np.testing.assert_array_equal(banded_rgb(pixels), as_rgb(pixels))


def test_contours_of_noise_are_few_and_quick():
    values = np.random.default_rng(0).normal(size=(1200, 1600))
    log_density = values - np.log(np.exp(values).sum())
    began = time.perf_counter()
    levels = answers.contours(log_density, (2400, 3200))
    assert time.perf_counter() - began < 10
    points = sum(len(line) for level in levels for line in level) / 2
    assert 1000 < points <= answers.CONTOUR_POINTS
    assert max(max(line) for level in levels for line in level) > 2500


def test_contours_of_small_densities_are_drawn_whole(quick):
    import contourpy

    log_density = quick.log_density(np.asarray(picture()))
    found = answers.contours(log_density, log_density.shape)
    level = answers.contour_levels(np.exp(log_density))[0]
    lines = contourpy.contour_generator(z=np.exp(log_density)).lines(level)
    assert sorted(map(len, found[0])) == sorted(line.size for line in lines)


def test_a_long_contour_is_thinned():
    line = np.arange(2000.0).reshape(1000, 2)
    (thin,) = answers._longest([line, line[:5]], 100)
    assert 50 <= len(thin) <= 101
    np.testing.assert_array_equal(thin[[0, -1]], line[[0, -1]])


def test_csv_is_what_numpy_writes(quick):
    log_density = quick.log_density(np.asarray(picture()))
    log_density[0, 0] = -np.inf
    buffer = io.StringIO()
    np.savetxt(buffer, log_density.astype(np.float32), fmt="%.9g", delimiter=",")
    assert answers.csv(log_density) == buffer.getvalue().encode()


def test_previews_are_turned_and_small(client):
    exif = Image.Exif()
    exif[0x0112] = 6
    for kind in ("TIFF", "WEBP"):
        files = {"image": ("x", encoded(picture(40, 60), kind, exif=exif))}
        answer = client.post("/preview", files=files)
        assert answer.headers["content-type"] == "image/png"
        assert Image.open(io.BytesIO(answer.content)).size == (40, 60)
    large = client.post("/preview", files={"image": ("x", encoded(Image.new("L", (1900, 100))))})
    assert Image.open(io.BytesIO(large.content)).size == (1024, 54)
    assert client.post("/preview", files={"image": ("x", b"nothing")}).status_code == 415
