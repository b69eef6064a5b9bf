"""The interface for programs: right numbers, clear refusals, and nothing kept on disk."""

from __future__ import annotations

import asyncio
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image, ImageOps

from benchmark.predict import build, predict, read_image
from benchmark.web.app import create_app
from benchmark.web.predictor import (
    KEPT_PRIORS,
    Predictor,
    _prior_tables,
    default_centre_bias,
)
from benchmark.web.settings import Settings
from benchmark.web.upload import decode_image
from metrics.auc import auc
from metrics.information_gain import information_gain, log_likelihood
from metrics.nss import nss
from models.deepgaze.images import as_rgb
from models.deepgaze.prior import log_prior
from models.deepgaze.readout import Lattice
from models.deepgaze.weights import Weights
from tests.benchmark.web.conftest import LIMITS, encoded, picture, predictor


def ask(client, image, address="/predict", files=None, **fields):
    return client.post(address, files={"image": ("x", image), **(files or {})}, data=fields)


def density(answer):
    assert answer.status_code == 200, answer.text
    return np.load(io.BytesIO(answer.content))


def test_answers_are_the_command_lines_to_the_last_bit(tmp_path):
    image = encoded(picture(96, 128))
    (tmp_path / "x.png").write_bytes(image)
    client = TestClient(create_app(LIMITS, Predictor(("deepgaze2", "aim"))))
    for model in ("deepgaze2", "aim"):
        predict([tmp_path / "x.png"], model, tmp_path / model)
        for kind, name in (("npy", "x.png.npy"), ("png", "x.png.png")):
            answer = ask(client, image, model=model, format=kind)
            assert answer.content == (tmp_path / model / name).read_bytes()
    predict([tmp_path / "x.png"], "deepgaze2", tmp_path / "off", centre_bias=False)
    answer = ask(client, image, centre_bias="off", format="npy")
    assert answer.content == (tmp_path / "off" / "x.png.npy").read_bytes()


def test_csv_holds_the_same_numbers_as_npy(client, image):
    table = ask(client, image, format="csv").text
    values = np.loadtxt(io.StringIO(table), delimiter=",").astype(np.float32)
    assert np.array_equal(values, density(ask(client, image, format="npy")))


def test_json_tells_places_contours_and_samples(client):
    pixels = np.zeros((80, 120, 3), np.uint8)
    pixels[19:22, 89:92] = 255
    found = ask(client, encoded(Image.fromarray(pixels)), samples=20, seed=3).json()
    assert (found["height"], found["width"], found["model"]) == (80, 120, "quick")
    assert (found["places"][0]["x"], found["places"][0]["y"]) in {
        (x, y) for x in (89, 90, 91) for y in (19, 20, 21)
    }
    assert len(found["samples"]) == 20
    assert all(0 <= x < 120 and 0 <= y < 80 for x, y in found["samples"])
    assert found["heat"].startswith("data:image/png;base64,")
    assert any(level for level in found["contours"])
    again = ask(client, encoded(Image.fromarray(pixels)), samples=20, seed=3).json()
    assert again["samples"] == found["samples"]


def test_scores_are_those_of_the_metrics(client, quick, image):
    answer = ask(client, image, "/score", fixations="x,y\n3,4\n50,30\n59.9,39.9").json()
    log_density = quick.log_density(np.asarray(Image.open(io.BytesIO(image))))
    x, y = np.array([3, 50, 59]), np.array([4, 30, 39])
    baseline = default_centre_bias(log_density.shape)
    assert answer["n_fixations"] == 3
    assert answer["LL"] == pytest.approx(log_likelihood(log_density, x, y).mean(), abs=1e-12)
    assert answer["IG"] == pytest.approx(
        information_gain(log_density, baseline, x, y).mean(), abs=1e-12
    )
    assert answer["NSS"] == pytest.approx(nss(np.exp(log_density), x, y).mean(), abs=1e-12)
    assert answer["AUC"] == pytest.approx(auc(np.exp(log_density), x, y).mean(), abs=1e-12)


@pytest.mark.parametrize("alone", ["x,y\n60,2", "x,y\n1,zwei", ""])
def test_wrong_fixations_are_told_before_anything_is_predicted(client, quick, image, alone):
    assert ask(client, image, "/score", fixations=alone).status_code == 422
    assert quick.calls == 0


def test_scored_fixations_are_told_again(client, image, monkeypatch):
    text = "y,subject,x\n4,a,3\n39.9,b,59.9\n30,a,50"
    answer = ask(client, image, "/score", fixations=text).json()
    assert answer["fixations"] == [[3, 4], [59.9, 39.9], [50, 30]]
    monkeypatch.setattr("benchmark.web.answers.SCORED_POINTS", 2)
    answer = ask(client, image, "/score", fixations=text).json()
    assert answer["fixations"] == [[3, 4], [59.9, 39.9]]
    assert answer["n_fixations"] == len(answer["IG_per_fixation"]) == 3


def test_fixations_are_taken_as_a_file(quick, image):
    client = TestClient(create_app(replace(LIMITS, max_bytes=2**22), predictor(quick=quick)))
    text = "\ufeffx,y\n" + "12.3456789,23.456789\n" * 100_000
    assert len(text) > 2**20
    answer = ask(client, image, "/score", {"fixations_file": ("f.csv", text.encode())})
    assert answer.json()["n_fixations"] == 100_000
    both = {"fixations_file": ("f.csv", b"x,y\n1,2")}
    assert ask(client, image, "/score", both, fixations="x,y\n1,2").status_code == 422
    broken = ask(client, image, "/score", {"fixations_file": ("f.csv", b"x,y\n\xff,2")})
    assert broken.status_code == 422
    assert "UTF-8" in broken.json()["detail"]


def test_the_default_centre_bias_is_a_density():
    assert np.exp(default_centre_bias((37, 91))).sum() == pytest.approx(1, abs=1e-9)


def test_the_default_centre_bias_is_the_mean_of_the_folds_and_kept():
    shape = (37, 91)
    lattice = Lattice.of_pixels(*shape)
    folds = [np.exp(log_prior(table, lattice).astype(float)) for table in _prior_tables()]
    mean = np.mean(folds, axis=0)
    np.testing.assert_array_equal(default_centre_bias(shape), np.log(mean / mean.sum()))
    assert default_centre_bias(shape) is default_centre_bias(shape)
    for side in range(10, 30):
        default_centre_bias((side, side))
    assert default_centre_bias.cache_info().currsize == KEPT_PRIORS


def test_an_uploaded_centre_bias_replaces_the_trained_one(monkeypatch):
    client = TestClient(create_app(LIMITS, Predictor(("deepgaze2",))))
    image = encoded(picture(64, 96))
    left = np.full((32, 48), -12.0)
    left[:, :10] = 0.0
    buffer = io.BytesIO()
    np.save(buffer, left)
    files = {"centre_bias_file": ("b", buffer.getvalue())}
    answer = ask(client, image, files=files, centre_bias="uploaded", format="npy")
    found = np.exp(density(answer).astype(float))
    assert found.sum() == pytest.approx(1, abs=1e-4)
    assert found[:, :24].sum() > 0.95
    assert np.exp(density(ask(client, image, format="npy")).astype(float))[:, :24].sum() < 0.8
    scored = ask(client, image, "/score", files, centre_bias="uploaded", fixations="x,y\n5,5")
    assert scored.status_code == 200
    # also on an image that the readouts were trained on
    monkeypatch.setattr(Weights, "known_as", lambda self, rgb: ("mit1003", 5))
    other = encoded(picture(64, 96, seed=1))
    found = density(ask(client, other, files=files, centre_bias="uploaded", format="npy"))
    assert np.exp(found.astype(float))[:, :24].sum() > 0.95


def test_an_image_is_resized_to_what_models_expect(client, quick):
    image = encoded(picture(40, 60))
    answer = ask(client, image, pixels_per_degree=70).json()
    assert (answer["predicted_height"], answer["predicted_width"]) == (20, 30)
    assert "resized" in answer["note"]
    values = np.exp(density(ask(client, image, pixels_per_degree=70, format="npy")).astype(float))
    assert values.shape == (40, 60)
    assert values.sum() == pytest.approx(1, abs=1e-4)


def test_an_image_of_the_expected_resolution_is_not_resized(client):
    answer = ask(client, encoded(picture(40, 60)), pixels_per_degree=35).json()
    assert (answer["predicted_height"], answer["predicted_width"]) == (40, 60)
    assert answer["note"] == "predicted as it is, at 35 pixels per degree"


def test_images_are_turned_as_their_exif_says(client):
    image = picture(40, 60)
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = ask(client, encoded(image, "JPEG", exif=exif), format="npy")
    assert density(turned).shape == (60, 40)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_the_service_and_the_command_line_see_the_same_pixels(tmp_path, kind, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(picture(40, 60), kind, exif=exif)
    file = tmp_path / f"image.{kind.lower()}"
    file.write_bytes(data)
    seen = decode_image(data, LIMITS)
    with Image.open(file) as image:
        expected = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    np.testing.assert_array_equal(seen, expected)
    np.testing.assert_array_equal(as_rgb(read_image(file)), expected)


@pytest.mark.parametrize(
    ("kind", "mode"),
    [("PNG", "L"), ("PNG", "RGBA"), ("PNG", "P"), ("PNG", "1"), ("JPEG", "CMYK"), ("WEBP", "RGB"),
     ("TIFF", "RGB"), ("GIF", "P"), ("BMP", "RGB"), ("PNG", "LA"), ("TIFF", "CMYK")],
)  # fmt: skip
def test_every_format_is_taken(client, kind, mode):
    answer = ask(client, encoded(picture(mode=mode), kind), format="npy")
    assert density(answer).shape == (40, 60)


@pytest.mark.parametrize(
    ("fields", "status", "words"),
    [
        ({"model": "nobody"}, 404, "Known: quick"),
        ({"model": "../../etc/passwd\r\nX: y"}, 404, "Known: quick"),
        ({"centre_bias": "uploaded"}, 422, "centre bias of quick"),
        ({"centre_bias": "perhaps"}, 422, "centre_bias"),
        ({"pixels_per_degree": "0"}, 422, "pixels_per_degree"),
        ({"pixels_per_degree": "nan"}, 422, "pixels_per_degree"),
        ({"pixels_per_degree": "1e9"}, 422, "expected"),
        ({"samples": "100000"}, 422, "samples"),
        ({"format": "exe"}, 422, "format"),
        ({"seed": "-1"}, 422, "seed"),
    ],
)
def test_wrong_fields_are_told(client, fields, status, words):
    image = encoded(picture(200, 300))
    answer = ask(client, image, **fields)
    assert answer.status_code == status, answer.text
    assert words in answer.json()["detail"]


@pytest.mark.parametrize(
    ("text", "words"),
    [("", ""), ("x,y\n", "no fixation"), ("a,b\n1,2", "columns x and y"), ("x,y\n1", "row 2"),
     ("x,y\n1,nan", "row 2"), ("x,y\n1,2\n60,2", "row 3"), ("x,y\n-1,2", "outside"),
     ("x,y\n1,zwei", "two numbers"), ('x,y\n"1,2', "row 2")],
)  # fmt: skip
def test_wrong_fixations_are_told(client, image, text, words):
    answer = ask(client, image, "/score", fixations=text)
    assert answer.status_code == 422
    assert words in answer.json()["detail"]


def test_large_images_are_refused_before_they_are_decoded(client, quick):
    for side in (3000, 30000):
        answer = ask(client, encoded(Image.new("1", (side, side))))
        assert answer.status_code == 413
        assert "at most 200000" in answer.json()["detail"]
    assert quick.calls == 0


def test_large_bodies_are_refused(client):
    answer = ask(client, b"\0" * (LIMITS.max_bytes + 1))
    assert answer.status_code == 413
    assert "MiB" in answer.json()["detail"]


def test_every_answer_has_the_headers(client, image):
    answers = [
        client.get("/"),
        client.get("/nowhere"),
        ask(client, image),
        ask(client, b"nothing"),
        ask(client, b"\0" * (LIMITS.max_bytes + 1)),
    ]
    with TestClient(create_app(Settings(), predictor(quick=object()))) as local:
        answers.append(local.get("/health", headers={"host": "evil.example"}))
        assert "host" in answers[-1].json()["detail"]
    for answer in answers:
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"] == "no-store"


def test_other_hosts_are_refused():
    with TestClient(create_app(Settings(), predictor(quick=object()))) as client:
        assert client.get("/health", headers={"host": "evil.example"}).status_code == 400
        assert client.get("/health", headers={"host": "localhost:8000"}).status_code == 200


def test_nothing_is_written_to_disk(client, monkeypatch):
    import tempfile

    def refuse(*_, **__):
        raise AssertionError("a file was made")

    large = encoded(picture(400, 480))
    assert len(large) > 500_000
    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    monkeypatch.setattr(tempfile, "NamedTemporaryFile", refuse)
    monkeypatch.setattr(tempfile.SpooledTemporaryFile, "rollover", refuse)
    assert ask(client, large).status_code == 200


def test_equal_requests_share_a_computation_and_a_full_queue_refuses(quick):
    import httpx

    app = create_app(LIMITS, predictor(quick=quick))

    async def scenario():
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:

            def post(seed):
                files = {"image": ("x", encoded(picture(seed=seed)))}
                return asyncio.create_task(
                    client.post("/predict", files=files, data={"format": "npy"})
                )

            quick.go.clear()
            same = [post(0) for _ in range(5)]
            await asyncio.sleep(0.5)
            other = post(1)
            await asyncio.sleep(0.3)
            refused = await post(2)
            health = (await client.get("/health")).json()
            quick.go.set()
            return [await each for each in same], await other, refused, health

    same, other, refused, health = asyncio.run(scenario())
    assert {each.status_code for each in same} == {200}
    assert len({each.content for each in same}) == 1
    assert other.status_code == 200
    assert quick.calls == 2
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) >= 1
    assert health["waiting"] == 2


def at_once(app, images):
    """Answers to requests for predictions of all images in flight together."""
    import httpx

    async def scenario():
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            requests = [
                client.post("/predict", files={"image": ("x", image)}, data={"format": "npy"})
                for image in images
            ]
            return await asyncio.gather(*requests)

    return asyncio.run(scenario())


def test_waiting_images_get_the_bytes_that_the_command_line_writes(tmp_path):
    shapes = [(64, 96), (64, 96), (64, 96), (96, 64)]
    images = [encoded(picture(*shape, seed=seed)) for seed, shape in enumerate(shapes)]
    for n, image in enumerate(images):
        (tmp_path / f"{n}.png").write_bytes(image)
    predict([tmp_path], "deepgaze2", tmp_path / "out", formats=["npy"])
    answers = at_once(create_app(replace(LIMITS, queue=4), Predictor(("deepgaze2",))), images)
    for n, answer in enumerate(answers):
        assert answer.content == (tmp_path / "out" / f"{n}.png.npy").read_bytes()


def test_one_of_many_that_wait_fails_alone(quick):
    from benchmark.errors import BenchmarkError

    predicts = quick.log_density

    def fails_on_wide_ones(pixels):
        if pixels.shape[1] == 80:
            raise BenchmarkError("too wide")
        return predicts(pixels)

    quick.log_density = fails_on_wide_ones
    images = [encoded(picture(40, width)) for width in (50, 60, 80, 70)]
    answers = at_once(create_app(replace(LIMITS, queue=4), predictor(quick=quick)), images)
    assert [answer.status_code for answer in answers] == [200, 200, 422, 200]
    assert [density(answer).shape[1] for answer in answers if answer.status_code == 200] == [
        50,
        60,
        70,
    ]


def test_progress_of_a_request(quick):
    import httpx

    app = create_app(LIMITS, predictor(quick=quick))

    async def scenario():
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:

            def post(ticket, seed):
                files = {"image": ("x", encoded(picture(seed=seed)))}
                return asyncio.create_task(
                    client.post("/predict", files=files, data={"ticket": ticket})
                )

            quick.go.clear()
            first = post("first", 0)
            await asyncio.sleep(0.5)
            second = post("second", 1)
            await asyncio.sleep(0.3)
            told = [
                (await client.get(f"/progress/{ticket}")).json() for ticket in ("first", "second")
            ]
            twice = await post("second", 2)
            unknown = await client.get("/progress/third")
            quick.go.set()
            answers = [(await each).status_code for each in (first, second)]
            after = await client.get("/progress/second")
            return told, twice, unknown, answers, after

    told, twice, unknown, answers, after = asyncio.run(scenario())
    assert [(each["state"], each["ahead"]) for each in told] == [("predicting", 0), ("waiting", 1)]
    assert 0 <= told[0]["seconds"] <= 2 < told[1]["seconds"] <= 4
    assert twice.status_code == 409
    assert unknown.status_code == after.status_code == 404
    assert answers == [200, 200]


def test_tickets_are_plain(client, image):
    assert ask(client, image, ticket="../x").status_code == 422
    assert client.get("/progress/%0d%0aSet-Cookie").status_code == 404


def test_a_slow_prediction_is_given_up_and_later_ones_are_answered(quick):
    app = create_app(replace(LIMITS, timeout=3.0), predictor(quick=quick))
    with TestClient(app) as client:
        quick.go.clear()
        answer = ask(client, encoded(picture()), format="npy")
        assert answer.status_code == 504
        quick.go.set()
        assert ask(client, encoded(picture(seed=1)), format="npy").status_code == 200


def test_a_slow_upload_is_given_up():
    from benchmark.web.guard import Guard

    sent = []

    async def receive():
        await asyncio.sleep(0.04)
        return {"type": "http.request", "body": b"x", "more_body": True}

    async def send(message):
        sent.append(message)

    guard = Guard(None, Settings(upload_timeout=0.3, hosts=("*",)))
    scope = {"type": "http", "headers": []}
    asyncio.run(guard(scope, receive, send))
    assert sent[0]["status"] == 408
    assert "0.3 s" in json.loads(sent[1]["body"])["detail"]


def test_a_model_that_fails_is_told(client, quick, image):
    from benchmark.errors import BenchmarkError

    def fails(pixels):
        raise BenchmarkError("no such luck")

    quick.log_density = fails
    answer = ask(client, image)
    assert answer.status_code == 422
    assert "no such luck" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (RuntimeError("a secret of the upload"), 500),
        (KeyError("x"), 500),
        (SystemExit(1), 500),
        (MemoryError(), 503),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), 503),
    ],
)
def test_a_model_that_breaks_is_told_and_counted(client, quick, image, caplog, error, status):
    def breaks(pixels):
        raise error

    quick.log_density = breaks
    answer = ask(client, image)
    assert answer.status_code == status
    assert ("memory" in answer.json()["detail"]) == (status == 503)
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    counted = f'benchmark_requests_total{{address="/predict",status="{status}"}} 1.0'
    assert counted in client.get("/metrics").text
    assert "in breaks" in caplog.text
    assert "secret" not in caplog.text


def test_what_breaks_elsewhere_is_told_and_counted(quick, monkeypatch):
    app = create_app(LIMITS, predictor(quick=quick))
    client = TestClient(app, raise_server_exceptions=False)
    monkeypatch.setattr(app.state.predictor, "describe", lambda: 1 / 0)
    answer = client.get("/models")
    assert answer.status_code == 500
    assert "log" in answer.json()["detail"]
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    text = client.get("/metrics").text
    assert 'benchmark_requests_total{address="/models",status="500"} 1.0' in text


def test_pages_have_heads(client):
    for address in ("/", "/docs", "/health", "/static/page.js", "/examples"):
        answer = client.head(address)
        assert answer.status_code == 200, address


def test_metrics_and_health(client, image):
    ask(client, image)
    ask(client, image)
    text = client.get("/metrics").text
    assert 'benchmark_requests_total{address="/predict",status="200"} 2.0' in text
    assert "benchmark_predictions_computed_total 1.0" in text
    assert "benchmark_predictions_repeated_total 1.0" in text
    assert client.get("/health").json()["status"] == "ok"


def test_models_say_what_they_can(client):
    (only,) = client.get("/models").json()
    assert only["name"] == "quick"
    assert only["centre_bias"] == ["on", "off"]


def test_a_model_without_centre_bias_says_none(image):
    client = TestClient(create_app(LIMITS, Predictor(("uniform",))))
    assert client.get("/models").json()[0]["centre_bias"] == ["none"]
    assert ask(client, image).json()["centre_bias"] == "none"
    assert ask(client, image, centre_bias="on").json()["centre_bias"] == "none"
    refused = ask(client, image, centre_bias="off")
    assert refused.status_code == 422
    assert "possible: none" in refused.json()["detail"]


def test_documentation_names_every_address(client):
    text = client.get("/docs").text
    for path in client.get("/openapi.json").json()["paths"]:
        assert path in text
    assert "pixels_per_degree" in text
    assert "//" not in text.replace("http://127.0.0.1:8000", "")


def test_examples_can_be_predicted(client):
    names = client.get("/examples").json()
    assert len(names) >= 3
    for name in names:
        assert Image.open(io.BytesIO(client.get(f"/examples/{name}").content)).size[0] > 100
    assert client.get("/examples/../app.py").status_code == 404
    assert client.get("/static/..%2Fapp.py").status_code == 404


def test_no_pickle_is_ever_loaded():
    """torch.load is used with weights alone, and numpy never with pickles.

    But for what a run itself writes for its own workers.
    """
    root = Path(__file__).resolve().parents[3]
    for package in ("benchmark", "metrics", "models"):
        for file in (root / package).rglob("*.py"):
            text = file.read_text(encoding="utf-8")
            for call in text.split("torch.load(")[1:]:
                assert "weights_only=True" in call.split("\n\n")[0][:300], file
            assert "allow_pickle=True" not in text, file
            own = file.relative_to(root).as_posix() == "benchmark/parallel/shared.py"
            assert own or "pickle.load" not in text, file


def test_the_predictor_holds_what_the_command_line_builds():
    made = Predictor(("uniform",))
    assert type(made.models["uniform"]) is type(build("uniform"))


def test_few_images_are_kept_in_memory():
    from benchmark.web.predictor import KEPT_IMAGES, Question

    made = Predictor(("deepgaze2",))
    for seed in range(KEPT_IMAGES + 3):
        made.log_density(Question(np.asarray(picture(seed=seed)), "deepgaze2"))
    assert len(made.models["deepgaze2"].weights.kept) == KEPT_IMAGES
