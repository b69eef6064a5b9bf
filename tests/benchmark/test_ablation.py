"""Variations are trained on a small folder, scored on what they never saw, and compared."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from benchmark import ablation as ablation_module
from benchmark import train as train_module
from benchmark.ablation import AblationOptions, Variation, ablation, variations
from benchmark.cli import main
from benchmark.datasets.base import training_data
from benchmark.datasets.locate import load
from benchmark.errors import BenchmarkError
from benchmark.train import corpus
from models.centerbias import CenterBias
from models.deepgaze.cache import FeatureCache
from models.deepgaze.folds import Plan, train_fold
from models.deepgaze.training import Training
from models.gold_standard import GoldStandard
from tests.benchmark.test_train import full, write_folder
from tests.models.deepgaze.bright import RECIPE

FAST = replace(RECIPE, epochs=2, averaging=0.5)
OTHER = replace(FAST, learning_rate=FAST.learning_rate * 3)
VARIATIONS = [
    Variation("reference", "reference", "as it is", (FAST,)),
    Variation("other", "training", "faster", (OTHER,)),
    Variation("mixture", "backbones", "of both", (FAST, OTHER)),
    Variation("seeds", "backbones", "of two seeds", (FAST,), seeds=2),
]


@pytest.fixture(autouse=True)
def quick(monkeypatch, tmp_path):
    monkeypatch.setattr(CenterBias, "fit", classmethod(lambda kind, data: kind(data, 0.15, 0.1)))
    monkeypatch.setattr(train_module, "default_folder", lambda: tmp_path / "features")
    monkeypatch.setattr(ablation_module, "variations", lambda pretrain: VARIATIONS)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def options(tmp_path):
    folder = write_folder(tmp_path / "mine")
    table = pd.read_csv(folder / "fixations.csv")
    table["subject"] = [("amy", "bob", "cem")[n % 3] for n in range(len(table))]
    table.to_csv(folder / "fixations.csv", index=False)
    return AblationOptions(str(folder), (), test_folds=(1,), n_folds=3, out=tmp_path / "out")


def invoke(*arguments):
    """The command's result; whatever goes wrong, it must not be an unexpected exception."""
    result = CliRunner().invoke(main, ["ablation", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def test_gains_and_differences_are_those_of_the_densities(options):
    """The oracle goes from trained readouts to bits by the formulas, an image at a time."""
    table = ablation(options).table.set_index("variation")
    dataset = load(options.dataset)
    data = training_data(dataset)
    centerbias = CenterBias.fit(data)
    gold = GoldStandard.fit(data, centerbias)
    corpora = corpus(dataset, train_module.TrainOptions(options.dataset, n_folds=3))

    def readout(recipe, seed=0):
        plan = Plan(recipe, (corpora,), n_folds=3)
        return train_fold(plan, 1, seed, FeatureCache(None)).log_densities

    own = {
        "reference": [readout(FAST)],
        "other": [readout(OTHER)],
        "mixture": [readout(FAST), readout(OTHER)],
        "seeds": [readout(FAST), readout(FAST, 1)],
    }
    images = sorted(own["reference"][0])
    fixations = {image: dataset.fixations[dataset.fixations.n == image] for image in images}
    limits, gains = [], {}
    for image in images:
        here = fixations[image]
        baseline = centerbias.log_density_at(
            tuple(dataset.sizes[image]), here.x_int, here.y_int, image
        )
        limits.append((gold.log_likelihoods(dataset.stimuli, here) - baseline).mean() / np.log(2))
        for name, parts in own.items():
            density = np.mean([np.exp(part[image]) for part in parts], axis=0)
            gain = np.mean(np.log2(density) - baseline / np.log(2))
            gains.setdefault(name, []).append(gain)
    counts = [len(fixations[image]) for image in images]
    for name, values in gains.items():
        mean = np.average(values, weights=counts)
        np.testing.assert_allclose(table.gain[name], mean, rtol=1e-6)
        np.testing.assert_allclose(
            table.explained[name], mean / np.average(limits, weights=counts), rtol=1e-6
        )
        np.testing.assert_allclose(
            table.difference[name], mean - np.average(gains["reference"], weights=counts), atol=1e-6
        )
        assert table.ci_low[name] <= table.gain[name] <= table.ci_high[name]
    assert table.n_fixations.unique().tolist() == [sum(counts)]
    assert len(set(table.gain)) == 4


def test_the_folder_tells_what_was_done(options):
    outcome = ablation(options)
    written = pd.read_csv(outcome.folder / "ablation.csv")
    pd.testing.assert_frame_equal(written, outcome.table, check_dtype=False, rtol=1e-9)
    record = json.loads((outcome.folder / "ablation.json").read_text())
    assert list(record["variations"]) == ["reference", "other", "mixture", "seeds"]
    text = (outcome.folder / "README.md").read_text(encoding="utf-8")
    assert "| of both |" in text
    assert (outcome.folder / "figures" / "ablation.pdf").exists()


def test_what_was_trained_is_not_trained_again(options, monkeypatch):
    first = ablation(options)
    files = ("ablation.csv", "README.md", "figures/ablation.png")
    before = [(first.folder / name).read_bytes() for name in files]
    epochs = []
    monkeypatch.setattr(Training, "_one_epoch", lambda *_: epochs.append(1))
    again = ablation(options)
    assert (epochs, again.folder) == ([], first.folder)
    assert [(again.folder / name).read_bytes() for name in files] == before


def test_some_variations_come_with_the_reference(options):
    table = ablation(replace(options, only=("seeds",))).table
    assert table.variation.tolist() == ["reference", "seeds"]


def test_a_variation_that_there_is_not(options):
    with pytest.raises(BenchmarkError, match=r"unknown variation 'blue'.*reference, other"):
        ablation(replace(options, only=("blue",)))


def test_pretraining_on_the_data_set_itself(tmp_path, options):
    """The default of --pretrain is a data set that may be named with --dataset, too."""
    result = invoke("--dataset", options.dataset, "--pretrain", options.dataset)
    assert result.exit_code == 1
    assert "both are called 'mine'" in result.output
    assert "Name another for --pretrain, or none" in result.output
    assert not (tmp_path / "results").exists()


ELSEWHERE = replace(OTHER, features=(replace(OTHER.features[0], backbone="vgg91"),))


@pytest.mark.parametrize("cache", [True, False])
def test_variations_without_weights_are_named_and_left_out(options, monkeypatch, cache):
    mixture = Variation("mixture", "backbones", "of both", (FAST, ELSEWHERE))
    chosen = [VARIATIONS[0], Variation("other", "backbones", "", (ELSEWHERE,)), mixture]
    monkeypatch.setattr(ablation_module, "variations", lambda pretrain: chosen)
    said = []
    outcome = ablation(replace(options, cache=cache), said.append)
    assert outcome.table.variation.tolist() == ["reference"]
    assert set(outcome.skipped) == {"other", "mixture"}
    assert any(text.startswith("skipped other: unknown backbone 'vgg91'") for text in said)

    monkeypatch.setattr(ablation_module, "variations", lambda pretrain: chosen[1:])
    with pytest.raises(BenchmarkError, match="no variation can be trained"):
        ablation(options)


@pytest.mark.parametrize("cache", [True, False])
def test_features_are_only_computed_beforehand_to_be_kept(tmp_path, options, monkeypatch, cache):
    filled = []
    monkeypatch.setattr(ablation_module, "fill_cache", lambda plan, *_: filled.append(plan.recipe))
    ablation(replace(options, only=("other",), cache=cache))
    assert filled == ([FAST, OTHER] if cache else [])
    assert bool([*tmp_path.rglob("*.npy")]) is cache


# The command


@pytest.fixture
def ten_folds(monkeypatch):
    """A folder for the command, which takes ten folds; one recipe of one epoch."""
    one = [Variation("reference", "reference", "as it is", (replace(FAST, epochs=1),))]
    monkeypatch.setattr(ablation_module, "variations", lambda pretrain: one)
    folder = write_folder(Path("ten"), 10)
    table = pd.read_csv(folder / "fixations.csv")
    table["subject"] = [("amy", "bob")[n % 2] for n in range(len(table))]
    table.to_csv(folder / "fixations.csv", index=False)
    return folder.resolve()


def test_the_folder_is_called_like_the_data_set_and_a_fold_named_twice_counts_once(
    ten_folds, monkeypatch
):
    trained = ablation_module.train_fold
    folds = []

    def counted(plan, fold, *rest):
        folds.append(fold)
        return trained(plan, fold, *rest)

    monkeypatch.setattr(ablation_module, "train_fold", counted)
    result = invoke("--dataset", ten_folds, "--pretrain", "", "--test-folds", "1,0,1")
    assert result.exit_code == 0, result.output
    folder = Path("results/ablation-ten")
    assert f"Written to {folder}" in result.output
    assert json.loads((folder / "ablation.json").read_text())["test_folds"] == [1, 0]
    assert folds == [1, 0]
    assert len(list((folder / "checkpoints").iterdir())) == 2


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ("10", "expected at least one of the folds 0 to 9, such as 0,3; not 10."),
        ("0,12", "expected at least one of the folds 0 to 9, such as 0,3; not 0,12."),
        ("", "expected at least one of the folds 0 to 9, such as 0,3; not none."),
        ("one", "folds are numbers from 0, not one."),
    ],
)
def test_folds_that_there_are_not(named, message):
    """Said before the data set is looked for."""
    result = invoke("--dataset", "nowhere", "--test-folds", named)
    assert result.exit_code == 1
    assert message in result.output
    assert "nowhere" not in result.output


def test_checkpoints_that_cannot_be_gone_on_from(ten_folds, truncate):
    command = ("--dataset", ten_folds, "--pretrain", "", "--out", "out")
    assert invoke(*command).exit_code == 0
    checkpoint = Path("out/checkpoints/reference-0-fold0-seed0.pt")
    table = pd.read_csv(ten_folds / "fixations.csv")
    table.iloc[1:].to_csv(ten_folds / "fixations.csv", index=False)
    result = invoke(*command)
    assert result.exit_code == 1
    assert f"Error: {checkpoint}: is the checkpoint of another training" in result.output
    truncate(checkpoint)
    result = invoke(*command)
    assert result.exit_code == 1
    assert f"Error: {checkpoint}: cannot be read as a checkpoint; it is damaged" in result.output


@pytest.mark.parametrize("option", ["--out", "--features"])
def test_a_file_in_the_place_of_a_folder(ten_folds, monkeypatch, option):
    Path("file").touch()
    monkeypatch.setattr(ablation_module, "fill_cache", None)  # before anything is computed
    result = invoke("--dataset", ten_folds, "--pretrain", "", option, "file/folder")
    assert result.exit_code == 1
    assert "file is a file, so nothing can be written to file/folder" in result.output


def test_room_is_looked_for_once_for_all_variations(options, monkeypatch):
    usage = shutil.disk_usage(".")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
    with pytest.raises(BenchmarkError, match=r"features to compute: about .* 0\.00 GiB left"):
        ablation(options)
    assert not Path("features").exists()
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    said = []
    ablation(replace(options, only=("other",)), said.append)
    assert len([text for text in said if text.startswith("features to compute: about")]) == 1


@pytest.mark.parametrize(
    ("writer", "place"),
    [("models.deepgaze.cache.save_array", "maps"), ("models.deepgaze.training.torch.save", "out")],
)
def test_a_disk_that_gets_full(ten_folds, monkeypatch, writer, place):
    monkeypatch.setattr(writer, full)
    command = ("--dataset", ten_folds, "--pretrain", "", "--features", "maps", "--out", "out")
    result = invoke(*command)
    assert result.exit_code == 1
    assert f"Error: {place} cannot be read or written: No space left on device." in result.output


def test_the_papers_figure_is_whole():
    rows = [each for each in variations(("osie",)) if each.group == "paper"]
    assert len(rows) == 8
    assert rows[1].description == "AlexNet, linear readout (DeepGaze I), pretrained on OSIE"
    assert [each.pretrain for each in rows] == [(), ("osie",)] * 4
    assert len({each.name for each in variations(("osie",))}) == len(variations(("osie",)))
