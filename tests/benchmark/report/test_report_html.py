"""The HTML page: all that the tables say, nothing that a browser would fetch or run unasked."""

from __future__ import annotations

import json
import math
import re
import shutil
from contextlib import contextmanager
from html.parser import HTMLParser

import pytest

from benchmark.report.html import Shown, data_address, html_page
from benchmark.report.results import Results
from benchmark.report.table import columns
from tests.benchmark.report.conftest import make_folder

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
PIXEL = data_address(
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4"
    b"\x89\x00\x00\x00\nIDATx\x9cc\x00\x01\x00\x00\x05\x00\x01\r\n-\xb4\x00\x00\x00\x00IEND\xaeB`\x82",
    "png",
)
GALLERY = [
    Shown(f"<i>{n}</i>.png", 40, 30, PIXEL, [(1, 2), (3, 4)],
          [("First", "1.00 bit", PIXEL), ("Second", "0.50 bit", PIXEL if n else "")])
    for n in range(2)
]  # fmt: skip


class Page(HTMLParser):
    """Elements, attributes and text of a page."""

    def __init__(self, text: str):
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[list[str]] = []
        self.inside = False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self.inside = True

    def handle_endtag(self, tag):
        self.inside = self.inside and tag not in ("td", "th")

    def handle_data(self, data):
        if self.inside:
            self.rows[-1][-1] += data.strip("\n")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_folder(tmp_path_factory.mktemp("html") / "results", n_models=7, nasty=True).write()


@pytest.fixture(scope="module")
def text(folder):
    return html_page(Results.read(folder), GALLERY)


def test_the_table_has_every_value_and_interval(folder, text):
    results = Results.read(folder)
    rows = {row[0].strip(): row[1:] for row in Page(text).rows if row}
    for model in results.models:
        cells = rows[model.title.strip()]
        for cell, column in zip(cells, columns(results), strict=True):
            assert cell == column.text(model.name) + column.interval(model.name)


def test_nothing_is_fetched_and_names_stay_text(text):
    page = Page(text)
    for tag, attributes in page.elements:
        for name in ("src", "href", "action", "srcset", "data"):
            assert (attributes.get(name) or "data:").startswith(("data:", "#")), (tag, attributes)
        assert not any(name.startswith("on") for name in attributes)
    assert "<b>html</b>" not in text
    assert "<i>0</i>" not in text
    assert [tag for tag, _ in page.elements].count("script") == 2
    assert "default-src 'none'" in text
    assert not re.search(r"url\(|@import|https?://(?!www.w3.org)[^\s<]*\.(js|css|png|woff)", text)


def test_the_data_by_image_are_those_of_the_scores(folder, text):
    found = re.search(r'<script type="application/json" id="gains">(.*?)</script>', text, re.S)
    assert found is not None
    assert not set(found[1]) & set("<>&")
    content, results = json.loads(found[1]), Results.read(folder)
    gains = results.per_image("IG")
    assert content["images"] == list(gains.index)
    titles = {model.title: model.name for model in results.models}
    for title, values in zip(content["models"], content["gains"], strict=True):
        assert values == pytest.approx(list(gains[titles[title]].round(3)))


def test_equal_results_give_equal_bytes(folder, text):
    assert html_page(Results.read(folder), GALLERY) == text


def test_published_values_stand_apart(tmp_path):
    folder = make_folder(tmp_path / "r", n_models=1)
    for frame in (folder.scores, folder.summary, folder.differences):
        frame["dataset"] = "mit1003"
    folder.run["dataset"]["name"] = "mit1003"
    page = html_page(Results.read(folder.write()))
    assert "not to be ranked" in page
    assert "DeepGaze IIE" in page
    assert page.index("DeepGaze IIE") > page.index("Image by image")
    assert "Published by others" not in html_page(Results.read(make_folder(tmp_path / "s").write()))


def test_an_incomplete_run_says_so(tmp_path):
    folder = make_folder(tmp_path / "r", complete=False)
    folder.run["failures"] = [{"model": "model-1", "image": "a.png", "reason": "<script>"}]
    page = html_page(Results.read(folder.write()))
    assert "incomplete" in page
    assert "a.png: &lt;script&gt;" in page
    assert 'class="best"' not in page


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    arguments = [
        "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
        "--disable-background-networking", "--disable-component-update",
    ]  # fmt: skip
    with playwright.sync_playwright() as running:
        started = running.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield started
        started.close()


@pytest.fixture
def page(browser, text, tmp_path):
    with shown(browser, text, tmp_path / "report.html") as opened:
        yield opened


@contextmanager
def shown(browser, text, file):
    """The page as a browser shows it; whatever it says or asks for is collected."""
    file.write_text(text, encoding="utf-8")
    opened = browser.new_page()
    opened.said, opened.asked = [], []
    opened.on("console", lambda message: opened.said.append(message.text))
    opened.on("pageerror", lambda error: opened.said.append(str(error)))
    opened.on("request", lambda request: opened.asked.append(request.url))
    opened.goto(file.as_uri())
    yield opened
    opened.close()


def test_in_a_browser_the_table_sorts(page, folder):
    results = Results.read(folder)
    shown = columns(results)
    number = [column.label for column in shown].index("AUC")
    button = page.locator("#table thead button").nth(number + 1)

    def order():
        return [
            cell.strip() for cell in page.locator("#table tbody td:first-child").all_inner_texts()
        ]

    def expected(descending):
        values = {m.title: shown[number].cells[m.name].value for m in results.models}
        return [" ".join(t.split()) for t in sorted(values, key=values.get, reverse=descending)]

    button.click()
    assert (
        page.locator("#table thead th").nth(number + 1).get_attribute("aria-sort") == "descending"
    )
    assert order() == expected(descending=True)
    button.focus()
    page.keyboard.press("Enter")
    assert order() == expected(descending=False)


@pytest.fixture(scope="module")
def infinite(tmp_path_factory):
    """A page with scores that JSON has no numbers for: of images, and means of two models."""
    folder = make_folder(
        tmp_path_factory.mktemp("infinite") / "r", n_models=3, names=("one", "two")
    )
    for image, value in (("0000", -math.inf), ("0001", math.inf), ("0002", math.nan)):
        scores = folder.scores
        rows = (scores["model"] == "one") & (scores["image"] == image) & (scores["metric"] == "IG")
        scores.loc[rows, "value"] = value
    for model, value in (("one", -math.inf), ("two", math.nan)):
        rows = (folder.summary["model"] == model) & (folder.summary["metric"] == "IG")
        folder.summary.loc[rows, ["mean", "ci_low", "ci_high"]] = value
    return html_page(Results.read(folder.write()))


def test_infinite_scores_are_json(infinite):
    def refused(constant):
        raise AssertionError(constant)

    found = re.search(r'<script type="application/json" id="gains">(.*?)</script>', infinite, re.S)
    content = json.loads(found[1], parse_constant=refused)
    one = content["gains"][content["models"].index("one")]
    assert one[:3] == ["-Infinity", "Infinity", None]


def test_in_a_browser_infinite_scores_are_shown_and_sorted(browser, infinite, tmp_path):
    with shown(browser, infinite, tmp_path / "report.html") as page:
        assert page.said == []
        page.select_option("#order", label="one")
        where = page.locator("#per-image thead th").all_inner_texts().index("one")
        lines = page.locator("#per-image tbody tr").all()
        cells = [line.locator("td").all_inner_texts() for line in lines]
        column = [(row[0], row[where]) for row in cells]
        page.locator("#table thead button", has_text="IG (bit").first.click()
        names = page.locator("#table tbody td:first-child").all_inner_texts()
    assert column[0] == ("0001", "∞")
    assert column[-2:] == [("0000", "−∞"), ("0002", "–")]
    finite = [float(value.replace("−", "-")) for _, value in column[1:-2]]
    assert finite == sorted(finite, reverse=True)
    assert [name.strip() for name in names[-2:]] == ["one", "two"]


def test_in_a_browser_nothing_is_asked_for_and_nothing_goes_wrong(page):
    assert [url for url in page.asked if not url.startswith(("file:", "data:"))] == []
    assert page.said == []


def test_in_a_browser_models_and_themes_can_be_switched(page):
    heat = page.locator(".heat:visible")
    assert {each.get_attribute("data-model") for each in heat.all()} == {"0"}
    captions = page.locator(".gallery figcaption")
    assert not any("no density" in text for text in captions.all_inner_texts())
    page.focus("#model")
    page.keyboard.press("ArrowDown")
    assert page.locator("#model option:checked").inner_text() == "Second (1 of 2 images)"
    assert [each.get_attribute("alt") for each in heat.all()] == [
        "Density of Second on <i>1</i>.png"
    ]
    without, having = captions.all_inner_texts()
    assert without.endswith("Second: 0.50 bit; no density of it is stored for this image")
    assert having.endswith("Second: 0.50 bit")
    page.locator("#dots").uncheck()
    assert page.locator(".dots:visible").count() == 0
    before = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.click("#theme")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != before
    page.fill("#filter", "0003")
    assert page.locator("#per-image tbody tr").count() == 1


@pytest.mark.parametrize("width", [360, 1280])
def test_in_a_browser_nothing_is_wider_than_the_screen(page, width):
    page.set_viewport_size({"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
