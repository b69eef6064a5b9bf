"""The page in a real browser."""

from __future__ import annotations

import shutil
import threading
import time

import numpy as np
import pytest
import uvicorn

from benchmark.web.app import create_app
from tests.benchmark.web.conftest import LIMITS, Quick, encoded, picture, predictor

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


@pytest.fixture(scope="module")
def models():
    return {"quick": Quick(), "other": Quick()}


@pytest.fixture(scope="module")
def address(models):
    app = create_app(LIMITS, predictor(**models))
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(10)


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def page(browser, address):
    opened = browser.new_page(viewport={"width": 1000, "height": 900})
    opened.set_default_timeout(20_000)
    complaints, outside = [], []
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
    opened.on(
        "request",
        lambda r: None if r.url.startswith((address, "data:", "blob:")) else outside.append(r.url),
    )
    opened.goto(address)
    opened.wait_for_selector("#model option >> nth=1", state="attached")
    yield opened
    assert not outside
    assert not [each for each in complaints if "status of 4" not in each]
    opened.close()


@pytest.fixture
def predicted(page):
    upload(page, encoded(picture(80, 120)))
    return page


def upload(page, data):
    page.set_input_files("#file", {"name": "x.png", "mimeType": "image/png", "buffer": data})
    page.wait_for_selector("#result:not([hidden])")


def note(page, text):
    """Wait until the note below the picture says so; the page forbids strings as code."""
    from playwright.sync_api import expect

    expect(page.locator("#note")).to_contain_text(text, timeout=20_000)


def test_an_upload_is_predicted_and_drawn(predicted):
    assert "120 × 80 pixels" in predicted.text_content("#note")
    assert predicted.locator("#lines .contour").count() > 0
    assert predicted.locator("#lines .place").count() == predicted.locator("#places tr").count()
    predicted.check("#show-samples")
    assert predicted.locator("#lines .sample").count() == 50
    predicted.uncheck("#show-contours")
    assert predicted.locator("#lines .contour").count() == 0


def test_opacity_is_set_by_keyboard(predicted):
    predicted.focus("#opacity")
    predicted.keyboard.press("Home")
    assert predicted.evaluate("document.getElementById('heat').style.opacity") == "0"


def test_another_model_is_asked(predicted, models):
    before = models["other"].calls
    predicted.select_option("#model", "other")
    note(predicted, "other, ")
    assert models["other"].calls == before + 1
    assert predicted.locator("#centre-bias option[value=uploaded]").is_disabled()


def test_pixels_per_degree_come_from_the_viewing_distance(predicted):
    predicted.click("summary")
    predicted.fill("#distance", "60")
    predicted.fill("#screen", "4")
    predicted.press("#screen", "Tab")
    note(predicted, "resized")
    degrees = 2 * np.degrees(np.arctan(2 / 60))
    assert float(predicted.input_value("#ppd")) == pytest.approx(120 / degrees, abs=0.06)


def test_clicked_fixations_are_scored(predicted):
    box = predicted.locator("#picture").bounding_box()
    predicted.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    predicted.wait_for_selector("#scores table")
    assert predicted.input_value("#fixations").splitlines()[1] in ("60,40", "59,39", "60,39")
    assert "Information gain" in predicted.text_content("#scores")
    assert predicted.locator("#lines .fixation").count() == 1
    predicted.click("#clear")
    assert predicted.locator("#scores table").count() == 0


def test_a_file_of_fixations_is_scored(predicted):
    data = b"x,y\n1,2\n30,40\n"
    predicted.set_input_files(
        "#fixation-file", {"name": "f.csv", "mimeType": "text/csv", "buffer": data}
    )
    predicted.wait_for_selector("#scores caption")
    assert predicted.text_content("#scores caption") == "2 fixations"


def test_wrong_fixations_are_told(predicted):
    predicted.fill("#fixations", "x,y\n5000,1")
    predicted.click("#score")
    predicted.wait_for_selector("#error:not([hidden])")
    assert "outside" in predicted.text_content("#error")


def test_downloads_arrive_whole(predicted, tmp_path):
    with predicted.expect_download() as download:
        predicted.click("button[data-format=npy]")
    download.value.save_as(tmp_path / "p.npy")
    assert download.value.suggested_filename == "prediction.npy"
    values = np.load(tmp_path / "p.npy")
    assert values.shape == (80, 120)
    assert np.exp(values.astype(float)).sum() == pytest.approx(1, abs=1e-4)


def test_what_is_no_image_is_told(page):
    page.set_input_files(
        "#file", {"name": "x.png", "mimeType": "image/png", "buffer": b"no image at all"}
    )
    page.wait_for_selector("#error:not([hidden])")
    assert "no image" in page.text_content("#error")
    upload(page, encoded(picture(30, 40)))
    assert page.locator("#error").is_hidden()


def test_nothing_is_wider_than_a_phone(predicted):
    predicted.set_viewport_size({"width": 360, "height": 640})
    assert predicted.evaluate("document.documentElement.scrollWidth") <= 360


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("where", ["/", "/docs"])
def test_axe_finds_nothing(browser, address, scheme, where):
    from axe_playwright_python.sync_playwright import Axe

    context = browser.new_context(bypass_csp=True, color_scheme=scheme)
    page = context.new_page()
    page.goto(address + where)
    if where == "/":
        page.wait_for_selector("#model option", state="attached")
        upload(page, encoded(picture(80, 120)))
        page.fill("#fixations", "x,y\n5,5")
        page.click("#score")
        page.wait_for_selector("#scores table")
    found = Axe().run(page)
    context.close()
    assert found.violations_count == 0, found.generate_report()
