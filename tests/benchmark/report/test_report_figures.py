"""Figures: what they show, that text is readable, that equal scores give equal bytes."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from benchmark.report.figures import FIGURES, write_figures
from benchmark.report.plots.limits import robust_limits
from benchmark.report.plots.scatter import scatter_figure
from benchmark.report.plots.style import COLUMN_WIDTH, PAGE_WIDTH, short_names, style
from benchmark.report.results import Results


def drawn_texts(figure: Figure) -> list[Text]:
    """All text that can be seen in a figure that has been drawn."""
    texts = [*figure.texts, *(t for legend in figure.legends for t in legend.get_texts())]
    for axes in figure.axes:
        texts += [axes.title, axes.xaxis.label, axes.yaxis.label, *axes.texts]
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            ticks = axis.get_major_ticks()
            texts += [
                tick.label1
                for tick in ticks
                if low <= tick.get_loc() <= high and tick.label1.get_visible()
            ]
    return [text for text in texts if text.get_visible() and text.get_text()]


def draw(figure: Figure) -> list[Text]:
    with style():
        figure.set_dpi(200)
        FigureCanvasAgg(figure).draw()
    return drawn_texts(figure)


def shown(figure: Figure) -> set[str]:
    return {text.get_text() for text in draw(figure)}


@pytest.mark.parametrize("name", list(FIGURES))
@pytest.mark.parametrize(
    "options",
    [
        {"n_models": 4, "simulated": True},
        {"n_models": 40, "nasty": True, "n_images": 20},
        {"n_models": 1, "complete": False},
    ],
    ids=["four", "forty", "one"],
)
def test_text_neither_overlaps_nor_leaves_the_page_nor_is_tiny(make, name, options):
    figure = FIGURES[name](Results.read(make(**options).write()))
    texts = draw(figure)
    assert len(texts) >= 5
    assert min(text.get_fontsize() for text in texts) >= 6
    boxes = [(text.get_text(), text.get_window_extent()) for text in texts]
    for (one, a), (other, b) in itertools.combinations(boxes, 2):
        apart = a.x1 <= b.x0 or b.x1 <= a.x0 or a.y1 <= b.y0 + 1 or b.y1 <= a.y0 + 1
        assert apart, f"{one!r} overlaps {other!r}"
    page = figure.bbox
    for text, box in boxes:
        inside = box.x0 >= -1 and box.y0 >= -1 and box.x1 <= page.x1 + 1 and box.y1 <= page.y1 + 1
        assert inside, f"{text!r} leaves the page"
    assert figure.get_figwidth() in (COLUMN_WIDTH, PAGE_WIDTH)
    assert figure.get_figheight() < 9.2


@pytest.mark.parametrize("name", list(FIGURES))
def test_simulated_observers_and_incomplete_runs_are_labelled(make, name):
    draw_one = FIGURES[name]
    label = "simulated observers · incomplete run, not ranked"
    marked = draw_one(Results.read(make("a", n_models=2, simulated=True, complete=False).write()))
    plain = draw_one(Results.read(make("b", n_models=2).write()))
    assert label in shown(marked)
    assert not any("simulated" in text or "incomplete" in text for text in shown(plain))


def test_bars_print_the_explained_per_cent(make):
    results = Results.read(make(n_models=3).write())
    texts = shown(FIGURES["explained"](results))
    for model in ("model-0", "model-1", "model-2", "gold-insample"):
        assert f"{100 * results.explained(model).value:.1f}" in texts
    assert "100.0" in texts


def test_overview_has_a_panel_for_each_metric_that_is_defined(make):
    folder = make(n_models=2)
    folder.summary.loc[folder.summary["metric"] == "SIM", ["mean", "ci_low", "ci_high"]] = np.nan
    figure = FIGURES["overview"](Results.read(folder.write()))
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["IG ↑", "LL ↑", "AUC ↑", "sAUC ↑", "NSS ↑", "CC ↑", "KL ↓"]


def gains(folder, model: str) -> np.ndarray:
    rows = (folder.scores["model"] == model) & (folder.scores["metric"] == "IG")
    return folder.scores.loc[rows, "value"].to_numpy()


def set_gains(folder, model: str, values: np.ndarray) -> None:
    folder.scores = folder.scores.reset_index(drop=True)
    rows = (folder.scores["model"] == model) & (folder.scores["metric"] == "IG")
    folder.scores.loc[rows, "value"] = values


def test_scatter_pairs_images_and_counts_those_below_zero(make):
    folder = make(n_models=2, n_images=10)
    values = np.array([-0.3, -0.2, 0.0, 0.3, 0.4, 0.5, np.nan, 0.7, -np.inf, 0.9])
    set_gains(folder, "model-1", values)
    figure = scatter_figure(Results.read(folder.write()))
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["model-1", "model-0"]  # display order
    panel = figure.axes[0]
    assert "3 of 9 below 0" in {text.get_text() for text in panel.texts}
    inside, beyond = (np.asarray(points.get_offsets()) for points in panel.collections)
    assert len(beyond) == 1  # minus infinity, on the lower edge
    assert beyond[0, 1] == panel.get_ylim()[0]
    keep = np.isfinite(values)
    np.testing.assert_array_equal(inside[:, 1], values[keep])
    np.testing.assert_array_equal(inside[:, 0], gains(folder, "gold")[keep])
    assert all(axes.get_xlim() == axes.get_ylim() == panel.get_xlim() for axes in figure.axes)


def test_scatter_without_models_shows_baselines_and_bounds(make):
    folder = make(n_models=0, n_images=10)
    set_gains(folder, "centerbias", np.zeros(10))
    figure = scatter_figure(Results.read(folder.write()))
    titles = {axes.get_title() for axes in figure.axes}
    assert "Uniform" in titles
    assert not titles & {"Centre bias", "Gold standard"}  # 0 over itself; the x axis


def test_panels_are_square(make):
    for n_models in (1, 4, 9):
        results = Results.read(make(str(n_models), n_models=n_models).write())
        figure = scatter_figure(results)
        box = figure.axes[0].get_window_extent()
        assert box.width == pytest.approx(box.height)


@pytest.mark.parametrize(
    ("values", "anchor", "higher", "expected"),
    [
        ([0.0, 1.0, -0.5], 0.0, True, (-0.5, 1.0)),
        ([0.0, 1.0, -9.0, -np.inf, np.nan], 0.0, True, (-1.0, 1.0)),
        ([0.7, 0.9], 0.5, True, (0.5, 0.9)),
        ([-3.0, -1.0], 0.0, True, (-3.0, 0.0)),
        ([0.2, 0.3, 0.4, 99.0], None, False, (0.2, 0.95)),
    ],
)
def test_limits_hold_all_but_what_is_out_of_proportion(values, anchor, higher, expected):
    low, high = robust_limits(values, anchor, higher)
    padding = 0.05 * (expected[1] - expected[0])
    assert (low, high) == pytest.approx((expected[0] - padding, expected[1] + padding))


def test_short_names_stay_distinct():
    long = "a model with a very long name, variant one of the many that exist"
    names = short_names([long, long + " ", long.replace("variant", "version"), "short"], 20)
    assert len(set(names)) == 4
    assert all(len(name) <= 20 for name in names)
    assert names[3] == "short"


def test_without_a_gold_standard_there_is_nothing_to_compare_with(make):
    folder = make(n_models=2)
    path = folder.write()
    first = write_figures(Results.read(path), path / "figures")
    assert {file.name for file in first} == {
        f"{name}.{extension}" for name in FIGURES for extension in ("pdf", "png")
    }
    for name in ("scores", "summary", "differences"):
        frame = getattr(folder, name)
        setattr(folder, name, frame[~frame["model"].str.startswith("gold")])
    folder.summary[["explained", "explained_low", "explained_high"]] = np.nan
    for name in ("gold", "gold-insample"):
        del folder.run["models"][name]
    folder.write()
    second = write_figures(Results.read(path), path / "figures")
    assert {file.stem for file in second} == {"information", "overview"}
    # the figures of the earlier scores would lie beside the new ones
    assert {file.stem for file in (path / "figures").iterdir()} == {"information", "overview"}


def test_equal_scores_give_equal_bytes_in_every_process(make, tmp_path):
    path = make(n_models=3, simulated=True, n_images=12).write()
    code = (
        "import sys; from benchmark.report.figures import write_figures; "
        "from benchmark.report.results import Results; "
        "write_figures(Results.read(sys.argv[1]), sys.argv[2])"
    )
    contents = []
    for seed in ("1", "2"):
        out = tmp_path / seed
        # another hash seed, and a matplotlibrc that must have no influence
        (tmp_path / "matplotlibrc").write_text(f"font.size: {10 + int(seed)}\n")
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        environment["MATPLOTLIBRC"] = str(tmp_path / "matplotlibrc")
        environment["SOURCE_DATE_EPOCH"] = seed
        subprocess.run([sys.executable, "-c", code, path, out], check=True, env=environment)
        contents.append({f.name: f.read_bytes() for f in out.iterdir()})
    assert len(contents[0]) == 2 * len(FIGURES)
    assert contents[0] == contents[1]
