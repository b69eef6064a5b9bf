"""A run's data set and own models are found again from run.json, and what is gone is told."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmark import paper as module
from benchmark import recorded
from benchmark.datasets import locate
from benchmark.errors import BenchmarkError
from benchmark.evaluate import model_hash
from benchmark.paper import PaperOptions, paper
from benchmark.recorded import dataset_of, models_of
from benchmark.report.examples import choices
from benchmark.report.results import Results
from benchmark.run import Options, run
from benchmark.stored_predictions import StoredPredictions
from tests.benchmark.tiny import Blob


def record(folder):
    return json.loads((folder / "run.json").read_text(encoding="utf-8"))


@pytest.fixture
def own(tmp_path, dataset, quick, no_report):
    """A run of a model of one's own, of densities and of saliency maps from files."""
    quick.setattr(recorded, "load", lambda name, root: dataset)
    for kind in ("densities", "maps"):
        (tmp_path / kind).mkdir()
        for number, name in enumerate(dataset.image_names):
            values = np.exp(Blob(0.3 + 0.1 * number).log_density(dataset.stimuli[number]))
            np.save(tmp_path / kind / f"{name}.npy", values)
    out = tmp_path / "out"
    run(
        Options(
            "tiny", models=("gold",), external=("tests.benchmark.tiny:Blob",),
            predictions=(f"mine={tmp_path / 'densities'}", f"map={tmp_path / 'maps'}"),
            kind=("mine=density", "map=saliency-map"), trained_on=("none",), plain=True,
            metrics=("IG",), draws=200, kernel_size=4.0, out=out,
        )
    )  # fmt: skip
    return out


def test_own_models_are_built_again_as_they_were(own, dataset):
    results = Results.read(own)
    names = ["gold", "mine", "map", "map:plain", "blob"]
    built = models_of(results, dataset, names, lambda text: None)
    models = record(own)["models"]
    assert models["blob"]["given"] == {"model": "tests.benchmark.tiny:Blob"}
    assert "given" not in models["gold"]
    for name in names:
        assert model_hash(built[name], dataset) == models[name]["content_hash"]


def test_own_models_have_panels(own, monkeypatch):
    monkeypatch.setattr(module, "PLOTS", {})
    monkeypatch.setattr(module, "PANEL_DPI", 30)
    monkeypatch.setattr(module, "choices", lambda *given: choices(*given)[-1:])
    outcome = paper(PaperOptions(own, model="blob", contrast="mine", examples=1))
    assert {file.stem for file in outcome.written} == {"fig9-loses-most", "fig9-loses-most-gain"}
    assert set(StoredPredictions(own / "predictions").models()) >= {"blob", "mine"}


def test_what_is_gone_is_named_with_the_remedy(own, dataset, tmp_path):
    results = Results.read(own)
    (tmp_path / "densities").rename(tmp_path / "elsewhere")
    with pytest.raises(BenchmarkError, match=r"(?s)mine: .*densities.*Put it back, start in"):
        models_of(results, dataset, ["mine"], lambda text: None)
    content = record(own)
    content["models"]["blob"]["given"] = {"model": "nowhere:Blob"}
    del content["models"]["mine"]["given"]
    (own / "run.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(BenchmarkError, match=r"'blob' .*no module 'nowhere'.*Put it back"):
        models_of(results, dataset, ["blob"], lambda text: None)
    with pytest.raises(BenchmarkError, match="does not say where the model 'mine' comes from"):
        models_of(results, dataset, ["mine"], lambda text: None)


@pytest.mark.parametrize("held_out", [False, True])
def test_a_data_set_is_found_by_the_path_that_the_run_was_given(
    tmp_path, quick, no_report, make_folder, held_out
):
    quick.setattr("benchmark.run.load", locate.load)
    folder = make_folder().rename(tmp_path / "pics-40x30")
    fixations = None
    if held_out:
        (csv,) = folder.glob("*.csv")
        fixations = csv.rename(tmp_path / "fixations.csv")
    chosen = {"dataset": str(folder), "fixations": fixations, "subset": "40x30"}
    out = tmp_path / "out"
    run(Options(**chosen, models=("uniform",), metrics=("IG",), draws=200, out=out))
    results, content = Results.read(out), record(out)
    assert dataset_of(results).content_hash == content["dataset"]["content_hash"]
    folder.rename(tmp_path / "moved")
    with pytest.raises(BenchmarkError, match=r"pics-40x30.*Put it back"):
        dataset_of(results)
    del content["dataset"]["given"]
    (out / "run.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(BenchmarkError, match="does not say which"):
        dataset_of(results)


def test_a_registered_data_set_is_found_by_its_name(own):
    assert "given" not in record(own)["dataset"]
    assert dataset_of(Results.read(own)).content_hash == record(own)["dataset"]["content_hash"]
