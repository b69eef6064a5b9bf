"""Own models by --model and by entry point: found, scored, marked, and no harm to the others."""

from __future__ import annotations

import json
import re
import sys

import pandas as pd
import pytest
from click.testing import CliRunner

from benchmark import registry
from benchmark.cli import main
from benchmark.errors import BenchmarkError
from benchmark.run import Options, run
from tests.benchmark.tiny import Interrupted

SOURCE = '''
"""Models of somebody else."""
import numpy as np
import pysaliency
from models.base import ModelSpec, model
from models.saliency_map import SaliencyMap

SHIFT = 0.0

class Flat(pysaliency.Model):
    def _log_density(self, image):
        values = np.linspace(0, SHIFT, image.shape[0] * image.shape[1]).reshape(image.shape[:2])
        return values - np.log(np.exp(values).sum())

class Grey(pysaliency.SaliencyMapModel):
    def _saliency_map(self, image):
        return image.astype(float).reshape(*image.shape[:2], -1).mean(axis=2)[::2, ::2]

class Fussy(Flat):
    def _log_density(self, image):
        if image.shape[0] == 41:
            raise RuntimeError("cannot see tall images")
        return super()._log_density(image)

class Heavy(Flat):
    def _log_density(self, image):
        return super()._log_density(image) + np.log(0.97)

@model(
    name="seen", title="Seen", summary="x", trained_on=("Scenes",), needs=("centerbias",)
)
class Seen(Flat):
    @classmethod
    def fit(cls, data, centerbias):
        assert len(data.stimuli) == 4
        assert centerbias.log_density(data.stimuli[0]).ndim == 2
        return cls()

class Bright(SaliencyMap):
    spec = ModelSpec(name="bright", title="Bright", summary="x", trained_on=("salicon",))
    def map_of(self, rgb):
        return rgb.mean(axis=2)

class Odd(Flat):
    spec = ModelSpec(name="odd", title="Odd", summary="x", kind="magic")
'''


@pytest.fixture
def module(tmp_path, monkeypatch):
    """The name of a module of models outside this package."""
    name = f"somebodys_{abs(hash(tmp_path))}"
    (tmp_path / f"{name}.py").write_text(SOURCE, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    return name


@pytest.fixture
def package(tmp_path, module):
    """The same as an installed package that offers two of them."""
    folder = tmp_path / "somebodys_models-1.5.dist-info"
    folder.mkdir()
    described = "Metadata-Version: 2.1\nName: somebodys-models\nVersion: 1.5\n"
    (folder / "METADATA").write_text(described)
    offered = f"theirs = {module}:Flat\ntheirs-seen = {module}:Seen\nbroken = {module}:Absent\n"
    (folder / "entry_points.txt").write_text(f"[{registry.GROUP}]\n{offered}")
    forget = registry.installed.cache_clear
    forget()
    yield module
    forget()


def options(out, *external, **changes):
    given = {
        "models": ("uniform",), "external": external, "metrics": ("IG", "AUC", "sAUC"),
        "draws": 200, "kernel_size": 4.0, "out": out,
    }  # fmt: skip
    return Options(dataset="tiny", **{**given, **changes})


def scored(out, model):
    frame = pd.read_csv(out / "scores.csv")
    return frame[frame["model"] == model].set_index(["image", "metric"])["value"]


def record(out):
    return json.loads((out / "run.json").read_text(encoding="utf-8"))


# --model


def test_own_models_are_scored(module, tmp_path, quick, no_figures):
    out = tmp_path / "out"
    given = (f"{module}:Flat", f"grey={module}:Grey", f"{module}:Seen")
    assert run(options(out, *given, plain=True)).failures == []
    assert list(record(out)["models"]) == ["uniform", "Flat", "grey", "grey:plain", "seen"]
    pd.testing.assert_series_equal(scored(out, "Flat"), scored(out, "uniform"), check_names=False)
    assert (scored(out, "grey") != scored(out, "grey:plain")).any()
    text = (out / "summary.md").read_text(encoding="utf-8")
    (silent,) = re.findall(r"Training data not stated: (.*)\.", text)
    assert set(re.split(", | and ", silent)) == {"Flat", "grey", "grey (plain)"}
    assert "Trained: Seen† on Scenes." in text


def test_pysaliencys_own_model_by_the_command(tmp_path, quick, no_figures):
    result = CliRunner().invoke(
        main,
        ["run", "--model", "flat=pysaliency:UniformModel", "--trained-on", "none", "--models",
         "uniform", "--metrics", "IG", "--draws", "200", "--out", str(tmp_path)],
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "not known" not in result.output
    assert record(tmp_path)["models"]["flat"]["trained_on"] == []
    pd.testing.assert_series_equal(scored(tmp_path, "flat"), scored(tmp_path, "uniform"))


@pytest.mark.parametrize("given", ["Bright", "a_bright"])
def test_a_saliency_map_is_fitted_whether_its_class_or_an_instance_is_named(
    module, tmp_path, quick, no_report, given
):
    source = tmp_path / f"{module}.py"
    source.write_text(source.read_text(encoding="utf-8") + "\na_bright = Bright()\n")
    out = tmp_path / "out"
    assert run(options(out, f"{module}:{given}", plain=True)).failures == []
    models = record(out)["models"]
    assert list(models) == ["uniform", "bright", "bright:plain"]
    assert models["bright"]["trained_on"] == ["scored", "salicon"]
    assert models["bright"]["parameters"]["fitted_on"] == 4
    assert models["bright:plain"]["parameters"]["fits"] == []


def test_a_model_that_raises_on_one_image_costs_that_score(module, tmp_path, quick, no_report):
    outcome = run(options(tmp_path, f"{module}:Fussy"))
    assert [(f.model, f.image, f.reason) for f in outcome.failures] == [
        ("Fussy", 1, "RuntimeError: cannot see tall images")
    ]
    counts = pd.read_csv(tmp_path / "scores.csv")["model"].value_counts()
    assert dict(counts) == {"uniform": 12, "Fussy": 9}


def test_what_is_no_density_costs_its_own_scores_alone(module, tmp_path, quick, no_report):
    outcome = run(options(tmp_path, f"{module}:Heavy"))
    assert {f.model for f in outcome.failures} == {"Heavy"}
    assert "the density sums to 0.97 instead of 1" in outcome.failures[0].reason
    assert len(scored(tmp_path, "uniform")) == 12


@pytest.mark.parametrize(
    ("origin", "message"),
    [
        ("gold", r"'gold' is not understood; .*registered models are named with --models"),
        ("{}:Flut", r"there is no 'Flut' in it\. Did you mean 'Flat'"),
        ("{}:Odd", "the kind in its spec is 'magic'; expected one of baseline, model, ceiling"),
        ("not_there:Model", "there is no module 'not_there'; install its package"),
    ],
)
def test_what_is_no_model_is_named_before_data_are_read(module, tmp_path, quick, origin, message):
    with pytest.raises(BenchmarkError, match=f"--model .*{message}"):
        run(options(tmp_path / "out", origin.format(module)))
    assert not (tmp_path / "out").exists()


def test_other_predictions_of_the_same_source_are_scored_again(module, tmp_path, quick, no_report):
    run(options(tmp_path, f"{module}:Flat"))
    with pytest.MonkeyPatch.context() as patch:
        again = Interrupted(patch)
        run(options(tmp_path, f"{module}:Flat"))
        assert again.images == []
        patch.setattr(sys.modules[module], "SHIFT", 1.0)  # as new weights would
        run(options(tmp_path, f"{module}:Flat"))
        assert again.images == [0, 1, 2, 3]
    assert (scored(tmp_path, "Flat") != scored(tmp_path, "uniform")).any()


# Training data


@pytest.mark.parametrize("name", ["scenes", "SCENES"])
def test_training_data_are_marked_however_they_are_spelt(module, tmp_path, quick, no_report, name):
    run(options(tmp_path, f"{module}:Flat", trained_on=(name,)))
    assert record(tmp_path)["models"]["Flat"]["contaminated"] is True


@pytest.mark.parametrize(("name", "meant"), [("mit-1003", "mit1003"), ("scene", None), ("x", None)])
def test_misspelt_training_data_are_told(module, tmp_path, quick, no_report, name, meant):
    said = []
    run(options(tmp_path, f"{module}:Flat", trained_on=(f"osie,{name}",)), said.append)
    told = [line for line in said if "no data set is called" in line]
    expected = f"Flat: no data set is called {name!r}; is {meant!r} meant?"
    assert told == ([expected] if meant else [])


# Entry points


def test_models_of_installed_packages_are_listed(package):
    result = CliRunner().invoke(main, ["list", "models"])
    (line,) = [line for line in result.output.splitlines() if line.split()[:1] == ["theirs"]]
    assert line.endswith(f"{package}:Flat, of somebodys-models 1.5")
    assert package not in sys.modules  # listing imports nothing


def test_models_of_installed_packages_are_scored(package, tmp_path, quick, no_figures):
    run(options(tmp_path, models=("uniform", "theirs", "theirs-seen")))
    written = record(tmp_path)["models"]
    assert list(written) == ["uniform", "theirs", "theirs-seen"]
    assert written["theirs"]["trained_on"] == ["unknown"]
    assert written["theirs-seen"]["contaminated"] is True
    pd.testing.assert_series_equal(scored(tmp_path, "theirs"), scored(tmp_path, "uniform"))


def test_an_installed_model_that_fails_is_left_out_unless_it_is_named(package, dataset, quick):
    from benchmark import selection
    from benchmark.run import fit_models

    quick.setattr(selection, "applicable", lambda dataset: ["uniform", "broken"])
    said = []
    assert "broken" not in fit_models(dataset, (), said.append)
    assert any("without broken" in line and "no 'Absent' in it" in line for line in said)
    with pytest.raises(BenchmarkError, match=r"somebodys-models 1\.5: .* there is no 'Absent'"):
        fit_models(dataset, ["broken"])


def test_an_installed_model_cannot_take_a_name(package, monkeypatch):
    entry = registry.installed()["theirs"]
    monkeypatch.setattr(registry, "installed", lambda: {"gold": entry})
    with pytest.raises(BenchmarkError, match=r"'gold' is registered twice.* somebodys-models 1\.5"):
        registry.models()
