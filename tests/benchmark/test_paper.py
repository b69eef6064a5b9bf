"""The paper's figures from a run: drawn from what is stored, and the same when drawn again."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from benchmark import paper as module
from benchmark import recorded
from benchmark.cli import main
from benchmark.errors import BenchmarkError
from benchmark.paper import PaperOptions, paper
from benchmark.report.examples import contrasted_model, leading_model
from benchmark.report.plots import panels
from benchmark.report.results import Results
from benchmark.run import Options, run
from benchmark.stored_predictions import StoredPredictions
from tests.benchmark.tiny import tiny

MODELS = ("gold", "image-signature", "spectral-residual")
FIGURES = ("fig5-best-explained", "fig6-worst-explained", "fig8-gains-most", "fig9-loses-most")


@pytest.fixture
def dataset():
    """Observers who agree with each other on every image."""
    return tiny(seed=5)


@pytest.fixture
def folder(tmp_path, dataset, quick, no_report):
    """Results of a run on the tiny data set; figures are small, which makes them quick."""
    quick.setattr(recorded, "load", lambda name, root: dataset)
    quick.setattr(module, "PANEL_DPI", 30)
    out = tmp_path / "tiny"
    run(Options("tiny", models=MODELS, metrics=("IG",), draws=200, kernel_size=4.0, out=out))
    return out


@pytest.fixture
def few(monkeypatch):
    """Only one of the paper's figures with panels, and no others."""
    original = module.choices
    monkeypatch.setattr(module, "choices", lambda *arguments: original(*arguments)[-1:])
    monkeypatch.setattr(module, "PLOTS", {})


def draw(folder, **changes):
    return paper(PaperOptions(folder, examples=1, **changes))


def content(outcome):
    return {file.name: file.read_bytes() for file in outcome.written}


def test_all_that_the_scores_allow_is_drawn(folder):
    outcome = draw(folder)
    names = {file.name for file in outcome.written}
    drawn = {"fig3-explained", "fig4-images", *FIGURES, *(f"{name}-gain" for name in FIGURES)}
    assert names == {f"{name}.{kind}" for name in drawn for kind in ("pdf", "png")}
    assert set(outcome.missing) == {"fig7-ablation", "table1-holdout"}
    assert "benchmark ablation" in outcome.missing["fig7-ablation"]
    for file in outcome.written:
        with_photographs = file.stem.removesuffix("-gain") in FIGURES
        assert file.parent == folder / "paper" / ("panels" if with_photographs else "")


def test_drawn_again_it_has_the_same_bytes_and_predicts_nothing(folder, few, monkeypatch):
    first = content(draw(folder))

    def never(*arguments):
        raise AssertionError("predicted again")

    monkeypatch.setattr(module, "predicted", never)
    assert content(draw(folder)) == first


def test_killed_it_goes_on_and_damage_is_mended(folder, few, monkeypatch):
    first = content(draw(folder))
    stored = sorted((folder / "predictions").rglob("*.npz"))
    stored[0].write_bytes(b"damaged")
    stored[-1].unlink()
    calls, original = [], module.predicted

    def counted(*arguments):
        calls.append(arguments)
        return original(*arguments)

    monkeypatch.setattr(module, "predicted", counted)
    assert content(draw(folder)) == first
    assert len(calls) == 2


def test_panels_show_what_was_scored(folder, monkeypatch):
    shown = []
    original = panels.examples_figure

    def kept(title, rows, labels):
        shown.extend(rows)
        assert labels == ["simulated observers"]
        return original(title, rows, labels)

    monkeypatch.setattr(module, "examples_figure", kept)
    monkeypatch.setattr(module, "_save", lambda *arguments: [])
    draw(folder)
    scores = pd.read_csv(folder / "scores.csv").set_index(["image", "model"])["value"]
    assert len(shown) == 4
    for row in shown:
        gains = {(panel.title, panel.over): panel.total for panel in row.gains}
        assert all(panel.gains.sum() == pytest.approx(panel.total) for panel in row.gains)
        for panel, model in zip(row.panels, ("gold", *_pair(folder)), strict=True):
            assert panel.gain == scores[row.name, model]
            assert gains[panel.title, module.CENTRE_BIAS] == pytest.approx(panel.gain, abs=1e-6)
            assert len(panel.sampled[0]) == len(row.fixations[0])
            assert np.exp(panel.log_density.astype(float)).sum() == pytest.approx(1, abs=1e-5)
        first, second = row.panels[1:]
        assert gains[first.title, second.title] == pytest.approx(first.gain - second.gain, abs=1e-6)


def _pair(folder):
    results = Results.read(folder)
    leading = leading_model(results)
    return leading, contrasted_model(results, leading)


def test_another_model_is_predicted_anew(folder, few, monkeypatch):
    draw(folder)
    store = StoredPredictions(folder / "predictions")
    assert store.models() == sorted(("centerbias", *MODELS))
    monkeypatch.setattr(module, "model_hash", lambda model, dataset: "another")
    told = []
    paper(PaperOptions(folder, examples=1), told.append)
    assert any("has changed since it was scored" in text for text in told)
    images = [text.split()[1] for text in told if text.startswith("predicting")]
    assert images
    assert all(store.has(model, image, "another") for image in images for model in MODELS)


def test_a_gain_that_is_not_the_one_scored_is_marked(folder, few, monkeypatch):
    scores = pd.read_csv(folder / "scores.csv")
    leading = scores["model"] == _pair(folder)[0]
    scores.loc[leading, "value"] += 0.5
    scores.to_csv(folder / "scores.csv", index=False)
    shown = []

    def kept(title, rows, labels):
        shown.append((rows, labels))

    for name in ("examples_figure", "gains_figure"):
        monkeypatch.setattr(module, name, kept)
    monkeypatch.setattr(module, "_save", lambda *arguments: [])
    draw(folder)
    (rows, labels), _ = shown
    assert "‡ changed since it was scored" in labels[-1]
    marked = [panel.title.endswith("‡") for panel in rows[0].panels]
    assert marked == [False, True, False]
    first, total = rows[0].panels[1], rows[0].gains[1].total
    assert first.gain == pytest.approx(total)


def test_figures_that_can_no_longer_be_drawn_are_removed(folder):
    names = ["fig4-images", "fig7-ablation", *(f"panels/{n}" for n in FIGURES)]
    names += [f"panels/{n}-gain" for n in FIGURES]
    for name in names:
        (folder / "paper" / f"{name}.png").parent.mkdir(parents=True, exist_ok=True)
        (folder / "paper" / f"{name}.png").touch()
    for table in ("scores", "summary", "differences"):
        frame = pd.read_csv(folder / f"{table}.csv")
        frame[frame["model"] != "gold"].to_csv(folder / f"{table}.csv", index=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_predict", lambda *arguments: None)
        patch.setattr(module, "_row", lambda *arguments: None)
        patch.setattr(module, "_labels", lambda *arguments: [])
        patch.setattr(module, "examples_figure", lambda *arguments: None)
        patch.setattr(module, "gains_figure", lambda *arguments: None)
        patch.setattr(module, "_save", lambda *arguments: [])
        outcome = draw(folder)
    assert "gold standard" in outcome.missing["fig4-images"]
    assert "gold standard" in outcome.missing["fig5-best-explained"]
    left = {file.stem for file in (folder / "paper").rglob("*.png")}
    kept = FIGURES[2:]
    assert left == {*kept, *(f"{name}-gain" for name in kept)}


def test_the_ablation_s_part_of_the_paper(folder, tmp_path):
    ablation = tmp_path / "some-ablation"
    ablation.mkdir()
    rows = pd.DataFrame(
        {
            "group": ["paper", "prior"], "variation": ["a", "b"], "description": ["A", "B"],
            "gain": [0.5, 0.6], "ci_low": [0.4, 0.5], "ci_high": [0.6, 0.7],
            "explained": [0.5, 0.6],
        }
    )  # fmt: skip
    rows.to_csv(ablation / "ablation.csv", index=False)
    outcome = paper(PaperOptions(folder, examples=0, ablation=ablation))
    assert {file.name for file in outcome.written} >= {"fig7-ablation.pdf", "fig7-ablation.png"}
    assert "fig7-ablation" not in outcome.missing
    rows[1:].to_csv(ablation / "ablation.csv", index=False)
    outcome = paper(PaperOptions(folder, examples=0, ablation=ablation))
    assert "no variation" in outcome.missing["fig7-ablation"]


def test_without_the_data_the_plots_are_drawn_all_the_same(folder, monkeypatch):
    def gone(name, root):
        raise BenchmarkError("tiny: not found")

    monkeypatch.setattr(recorded, "load", gone)
    outcome = draw(folder)
    assert {file.stem for file in outcome.written} == {"fig3-explained", "fig4-images"}
    assert outcome.missing["panels"] == "tiny: not found"
    with pytest.raises(BenchmarkError, match="not found"):
        draw(folder, contrast="image-signature")


def test_changed_data_are_not_shown(folder, few, monkeypatch):
    monkeypatch.setattr(recorded, "load", lambda name, root: tiny(seed=1))
    assert "is not the one" in draw(folder).missing["panels"]


def test_the_command(folder):
    done = CliRunner().invoke(main, ["paper", str(folder), "--examples", "0"])
    assert done.exit_code == 0, done.output
    assert "fig3-explained.pdf" in done.output
    done = CliRunner().invoke(main, ["paper", str(folder), "--model", "nobody"])
    assert done.exit_code == 1
    assert "no scores of a model 'nobody'" in done.output
