"""The page in a real browser."""

from __future__ import annotations

import json
import shutil
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
import uvicorn

from benchmark import __version__
from benchmark.web.app import create_app
from tests.benchmark.web.conftest import LIMITS, Quick, encoded, picture, predictor

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


@pytest.fixture(scope="module")
def models():
    return {"quick": Quick(), "other": Quick()}


@pytest.fixture(scope="module")
def address(models):
    app = create_app(replace(LIMITS, working_pixels=100_000), predictor(**models))
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


def shown_size(page):
    """(width, height) of the picture that is shown."""
    return tuple(
        page.evaluate(
            "new Promise((done) => { const shown = document.getElementById('picture');"
            "const tell = () => done([shown.naturalWidth, shown.naturalHeight]);"
            "shown.complete ? tell() : shown.onload = tell })"
        )
    )


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
    assert predicted.text_content("#scores caption") == "2 fixations under quick, centre bias on"


def test_wrong_fixations_are_told(predicted):
    predicted.fill("#fixations", "x,y\n5000,1")
    predicted.click("#score")
    predicted.wait_for_selector("#score-error:not([hidden])")
    assert "outside" in predicted.text_content("#score-error")
    assert predicted.get_attribute("#fixations", "aria-invalid") == "true"
    button, error = (predicted.locator(each).bounding_box() for each in ("#score", "#score-error"))
    assert abs(error["y"] - button["y"]) < 100
    assert 0 <= error["y"] <= 900 - error["height"]


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


def test_what_is_asked_no_more_is_given_up(page, models):
    upload(page, encoded(picture(80, 120, seed=77)))  # that "other" has not predicted before
    models["other"].go.clear()
    try:
        with page.expect_request("**/predict"):
            page.select_option("#model", "other")
        with page.expect_event("requestfailed") as given_up:
            page.select_option("#model", "quick")
        note(page, "quick, ")
    finally:
        models["other"].go.set()
    assert given_up.value.url.endswith("/predict")
    assert given_up.value.failure == "net::ERR_ABORTED"


def test_scores_follow_the_model_and_name_it(predicted):
    from playwright.sync_api import expect

    predicted.fill("#fixations", "x,y\n5,5")
    predicted.click("#score")
    caption = predicted.locator("#scores caption")
    expect(caption).to_have_text("1 fixation under quick, centre bias on")
    heads = predicted.locator("#scores tbody th[scope=row]").all_text_contents()
    assert heads[2:] == ["NSS", "AUC"]
    held = []
    predicted.route("**/predict", lambda route: held.append(route))
    predicted.select_option("#model", "other")
    expect(caption).to_have_count(0)
    predicted.wait_for_timeout(200)
    held[0].continue_()
    expect(caption).to_have_text("1 fixation under other, centre bias on")


def test_an_older_score_does_not_replace_a_newer_one(predicted):
    from playwright.sync_api import expect

    held = []

    def answer(route):
        if held:
            route.continue_()
        else:
            held.append(route)

    predicted.route("**/score", answer)
    predicted.fill("#fixations", "x,y\n5,5")
    predicted.click("#score")
    predicted.fill("#fixations", "x,y\n5,5\n6,6")
    predicted.click("#score")
    expect(predicted.locator("#scores caption")).to_contain_text("2 fixations")
    if held[0].request.failure is None:
        with predicted.expect_event("requestfinished"):
            held[0].continue_()
    predicted.wait_for_timeout(200)
    expect(predicted.locator("#scores caption")).to_contain_text("2 fixations")


@pytest.mark.parametrize(
    "text",
    ['"","x","y"\n"1",30,20', "y,x\n20,30", "Y,X\n20,30", "subject,x,y\n7,30,20", "30,20"],
)
def test_fixations_are_sent_as_they_are_and_drawn_as_they_were_understood(predicted, text):
    from playwright.sync_api import expect

    predicted.fill("#fixations", text)
    predicted.click("#score")
    expect(predicted.locator("#scores caption")).to_contain_text("1 fixation ")
    drawn = predicted.locator("#lines .fixation")
    assert [drawn.get_attribute(each) for each in ("cx", "cy")] == ["30", "20"]
    predicted.locator("#stack").click()
    expect(predicted.locator("#scores caption")).to_contain_text("2 fixations")


def test_pixels_per_degree_follow_the_image(page):
    page.click("summary")
    page.fill("#distance", "60")
    page.fill("#screen", "4")
    degrees = 2 * np.degrees(np.arctan(2 / 60))
    for width in (120, 240):
        upload(page, encoded(picture(80, width)))
        note(page, f"resized from {width} x 80")
        assert float(page.input_value("#ppd")) == pytest.approx(width / degrees, abs=0.06)


@pytest.mark.parametrize(
    ("kind", "options"),
    [("TIFF", {}), ("WEBP", {"exif": 6}), ("WEBP", {"exif": 6, "square": True})],
)
def test_what_a_browser_shows_otherwise_is_shown_as_the_service_reads_it(page, kind, options):
    given = picture(80, 80 if options.get("square") else 120)
    turned = given
    extra = {}
    if "exif" in options:
        exif = given.getexif()
        exif[0x0112] = options["exif"]
        extra = {"exif": exif.tobytes()}
        turned = given.rotate(-90, expand=True)
    asked = []
    page.on("request", lambda r: asked.append(r.url.rpartition("/")[2]))
    upload(page, encoded(given, kind, **extra))
    assert shown_size(page) == turned.size
    assert "preview" in asked
    box = page.locator("#stack").bounding_box()
    assert box["width"] / box["height"] == pytest.approx(turned.width / turned.height, rel=0.02)


def test_resolution_of_an_image_that_a_browser_cannot_show(page):
    page.click("summary")
    page.fill("#distance", "60")
    page.fill("#screen", "4")
    upload(page, encoded(picture(80, 120), "TIFF"))
    note(page, "resized from 120 x 80")


def test_without_a_preview_the_density_is_shown_alone(page):
    page.route("**/preview", lambda route: route.fulfill(status=404, json={"detail": "none"}))
    upload(page, encoded(picture(80, 120), "TIFF"))
    assert page.locator("#unseen").is_visible()
    assert page.locator("#picture").is_hidden()
    box = page.locator("#heat").bounding_box()
    assert box["width"] / box["height"] == pytest.approx(1.5, rel=0.02)
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_selector("#scores table")


def test_small_images_are_enlarged(page):
    upload(page, encoded(picture(40, 60)))
    assert page.locator("#stack").bounding_box()["width"] == 480
    assert page.evaluate("getComputedStyle(document.getElementById('picture')).imageRendering") == (
        "pixelated"
    )


def test_a_large_photo_is_shown_with_how_it_was_reduced(page):
    asked = []
    page.on("request", lambda r: asked.append(r.url.rpartition("/")[2]))
    upload(page, encoded(picture(400, 480), "JPEG"))
    note(page, "480 × 400 pixels; reduced, and its density, from 480 x 400 to 346 x 288 pixels")
    assert shown_size(page) == (480, 400)
    assert "preview" not in asked


def test_a_slow_prediction_is_quiet(page, models):
    complaints = []
    page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
    models["quick"].go.clear()
    try:
        page.set_input_files(
            "#file",
            {"name": "x.png", "mimeType": "image/png", "buffer": encoded(picture(seed=9))},
        )
        page.wait_for_timeout(3500)
        assert page.text_content("#status") == "Predicting…"
        assert page.text_content("#clock").strip().startswith(("2 s", "3 s"))
    finally:
        models["quick"].go.set()
    page.wait_for_selector("#result:not([hidden])")
    assert "Predicted in" in page.text_content("#status")
    assert page.text_content("#clock") == ""
    assert complaints == []


def test_the_citation_names_the_version_and_can_be_taken(page, tmp_path):
    from playwright.sync_api import expect

    page.route(
        "**/models",
        lambda route: route.fulfill(
            body=json.dumps(
                [
                    {
                        **{"name": "deep", "title": "Deep", "summary": "of images"},
                        **{"citation": "Kümmerer, Bethge 2016, arXiv:1", "centre_bias": ["on"]},
                    }
                ]
            )
        ),
    )
    page.reload()
    expect(page.locator("#citation")).to_contain_text(f"deepgaze-benchmark {__version__}")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.click("#copy")
    expect(page.locator("#copied")).to_have_text("Copied.")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == page.text_content("#citation")
    with page.expect_download() as download:
        page.click("#bibtex")
    download.value.save_as(tmp_path / "citation.bib")
    text = (tmp_path / "citation.bib").read_text(encoding="utf-8")
    assert download.value.suggested_filename == "citation.bib"
    assert "author = {Kümmerer and Bethge}" in text
    assert f"version = {{{__version__}}}" in text


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
