"""The training command from a folder of images to weights that predict, and what it refuses."""

from __future__ import annotations

import csv
import errno
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from benchmark import train as train_module
from benchmark.cli import main
from benchmark.datasets.locate import load
from benchmark.datasets.splits import image_folds
from benchmark.errors import BenchmarkError
from benchmark.report import curves as curves_module
from benchmark.train import TrainOptions, parse_changes, recipe_of, train
from models.centerbias import CenterBias
from models.deepgaze.backbones import alexnet, known
from models.deepgaze.features import FeatureSet, loaded
from models.deepgaze.images import as_rgb
from models.deepgaze.model import FOLDER, DeepGaze
from models.deepgaze.recipes import RECIPES
from models.deepgaze.training import Recipe
from models.deepgaze.weights import Weights
from tests.models.deepgaze.bright import FEATURES, RECIPE, looked_at, pictures
from tests.models.deepgaze.test_backbones import random_features

SHIPPED = FOLDER / "deepgaze2.safetensors"
DRAW_CURVES = curves_module.draw_curves


@pytest.fixture(autouse=True)
def quick(monkeypatch, tmp_path):
    """Early layers of a small network, two epochs, no search for a centre bias, no figure."""
    recipe = replace(RECIPE, epochs=2, pretraining_epochs=1, averaging=0.5)
    monkeypatch.setitem(RECIPES, "deepgaze2", recipe)
    monkeypatch.setattr(CenterBias, "fit", classmethod(lambda kind, data: kind(data, 0.15, 0.1)))
    monkeypatch.setattr(train_module, "default_folder", lambda: tmp_path / "user" / "features")
    monkeypatch.setattr(curves_module, "draw_curves", lambda curves, folder: [])
    monkeypatch.chdir(tmp_path)


def write_folder(root: Path, count: int = 6, seed: int = 0) -> Path:
    """A folder of images and fixations, as a user would have it."""
    root.mkdir()
    images = pictures(count, seed)
    for n, image in enumerate(images):
        Image.fromarray(image).save(root / f"{n}.png")
    fixations = looked_at(images, seed=seed).fixations
    with (root / "fixations.csv").open("w", newline="") as file:
        rows = zip(fixations.n, fixations.x, fixations.y)
        csv.writer(file).writerows(
            [("image", "subject", "x", "y"), *((f"{n}.png", "amy", x, y) for n, x, y in rows)]
        )
    return root


@pytest.fixture
def folder(tmp_path):
    return write_folder(tmp_path / "mine")


def invoke(*arguments):
    """The command's result; whatever goes wrong, it must not be an unexpected exception."""
    result = CliRunner().invoke(main, ["train", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def options(folder, **changes) -> TrainOptions:
    return TrainOptions(**{"dataset": str(folder), "n_folds": 3, **changes})


def files(folder):
    return sorted(str(f.relative_to(folder)) for f in folder.rglob("*") if f.is_file())


# From the folder to the weights


def test_the_command_trains_every_fold(tmp_path, folder, monkeypatch):
    monkeypatch.setattr(curves_module, "draw_curves", DRAW_CURVES)
    result = invoke("--dataset", folder, "--folds", 3, "--seeds", 2, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert files(tmp_path / "out") == [
        *(f"checkpoints/fold{fold}-seed{seed}.pt" for fold in range(3) for seed in range(2)),
        "curves.csv", "curves.pdf", "curves.png", "deepgaze2.safetensors",
        "test.csv", "training.json",
    ]  # fmt: skip
    weights = Weights.load(tmp_path / "out" / "deepgaze2.safetensors")
    assert [(m.fold, m.seed) for m in weights.members] == [
        (fold, seed) for seed in range(2) for fold in range(3)
    ]
    assert weights.recipe == RECIPES["deepgaze2"]
    dataset = load(folder)
    assert weights.first == "mine"
    assert weights.corpora["mine"].content_hash == dataset.content_hash
    assert weights.corpora["mine"].folds.tolist() == image_folds(dataset, 3, 0).tolist()

    test = pd.read_csv(tmp_path / "out" / "test.csv")
    assert list(test.columns) == ["fold", "seed", "test"]
    assert len(test) == 6
    gain = test["test"].mean()
    assert f"Mean information gain on the test images: {gain:.4f} bits" in result.output
    assert f"Written to {tmp_path / 'out' / 'deepgaze2.safetensors'}" in result.output
    curves = pd.read_csv(tmp_path / "out" / "curves.csv")
    assert list(curves.columns) == train_module.CURVES
    assert len(curves) == 6 * 2
    assert np.isfinite(curves[["training", "stopping", "blur"]]).all(axis=None)

    record = json.loads((tmp_path / "out" / "training.json").read_text())
    assert record["scheme"] == "8-1-1"
    assert record["n_folds"] == 3
    np.testing.assert_allclose(record["test"], test["test"])
    assert record["recipe"]["epochs"] == 2
    assert record["backbones"] == weights.backbones


def test_the_trained_weights_predict(folder):
    outcome = train(options(folder))
    model = DeepGaze(outcome.weights)
    dataset = load(folder)
    folds = image_folds(dataset, 3, 0)
    for n, stimulus in enumerate(dataset.stimuli):
        rgb = as_rgb(stimulus)
        assert model.weights.known_as(rgb) == ("mine", folds[n])
        log_density = model.log_density(stimulus)
        assert log_density.shape == rgb.shape[:2]
        np.testing.assert_allclose(np.exp(log_density).sum(), 1, atol=1e-9)


def test_the_shipped_recipe_trains(tmp_path, folder, monkeypatch):
    """The real network at the real layers, an epoch long."""
    recipe = Recipe(features=(FeatureSet(),), epochs=1, both_views=True)
    monkeypatch.setitem(RECIPES, "deepgaze2", recipe)
    outcome = train(options(folder, folds=(1,), cache=False))
    weights = Weights.load(outcome.weights)
    assert weights.members[0].readout.channels == (512,) * 5
    assert np.isfinite(outcome.test["test"]).all()
    state = weights.members[0].readout.state_dict()
    assert all(torch.isfinite(value).all() for value in state.values())
    log_density = DeepGaze(weights).log_density(pictures(1, seed=7)[0])
    assert np.isfinite(log_density).all()


def test_twice_gives_the_same_bytes(tmp_path, folder, monkeypatch):
    monkeypatch.setattr("sys.argv", ["benchmark", "train"])
    outcomes = [
        train(options(folder, out=tmp_path / name, cache=cached))
        for name, cached in (("a", True), ("b", True), ("c", False))
    ]
    content = {outcome.weights.read_bytes() for outcome in outcomes}
    assert len(content) == 1
    other = train(options(folder, out=tmp_path / "d", seed=1))
    assert other.weights.read_bytes() not in content


def test_other_data_sets_join_or_come_before(tmp_path, folder):
    joint = write_folder(tmp_path / "joint", seed=1)
    before = write_folder(tmp_path / "before", seed=2)
    result = invoke(
        "--dataset", folder, "--with", joint, "--pretrain", before, "--folds", 3, "--only", "0",
        "--out", tmp_path / "out",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    weights = Weights.load(tmp_path / "out" / "deepgaze2.safetensors")
    assert list(weights.corpora) == ["mine", "joint", "before"]
    assert weights.first == "mine"
    assert set(weights.members[0].priors) == {"mine", "joint", "before"}
    assert weights.record["trained_together"] == ["mine", "joint"]
    assert weights.record["pretrained_on"] == ["before"]
    curves = pd.read_csv(tmp_path / "out" / "curves.csv")
    assert list(curves["stage"]) == ["pretraining", "training", "training"]


@pytest.mark.parametrize("option", ["--with", "--pretrain"])
def test_an_image_of_two_data_sets_has_one_fold(tmp_path, folder, option):
    second = write_folder(tmp_path / "second", seed=1)
    own = image_folds(load(folder), 3)
    fixations = [f"{n}.png,amy,{x},20\n" for n in range(6) for x in range(5, 40)]
    (second / "fixations.csv").write_text("image,subject,x,y\n" + "".join(fixations))
    for copy in range(6):  # until folds that are drawn apart differ
        Image.open(folder / "2.png").save(second / f"{copy}.png")
        expected = image_folds(load(second), 3)
        if expected[copy] != own[2]:
            break
        Image.fromarray(pictures(6, 1)[copy]).save(second / f"{copy}.png")
    expected[copy] = own[2]
    result = invoke("--dataset", folder, option, second, "--folds", 3, "--only", 0, "--out", "out")
    assert result.exit_code == 0, result.output
    assert "1 images of second take the folds that they have in another data set" in result.output
    corpora = Weights.load(Path("out") / "deepgaze2.safetensors").corpora
    assert corpora["mine"].folds.tolist() == own.tolist()
    assert corpora["second"].folds.tolist() == expected.tolist()


def test_the_default_folder_is_called_by_model_and_data_set(tmp_path, folder):
    outcome = train(options(folder, folds=(0,)))
    assert outcome.folder == Path("training/deepgaze2-mine")
    assert (tmp_path / "training" / "deepgaze2-mine" / "deepgaze2.safetensors").is_file()


# Backbones


def test_another_backbone_from_training_to_scores(tmp_path, folder):
    result = invoke("--dataset", folder, "--folds", 3, "--backbone", "icf")
    assert result.exit_code == 0, result.output
    file = tmp_path / "training" / "deepgaze2-icf-mine" / "deepgaze2-icf.safetensors"
    assert f"Written to {file.relative_to(tmp_path)}" in result.output
    weights = Weights.load(file)
    assert weights.recipe == replace(
        RECIPES["deepgaze2"],
        features=(FeatureSet("icf", known()["icf"].default_layers, FEATURES.scale),),
    )
    assert list(weights.backbones) == ["icf"]
    run = ["run", "--dataset", folder, "--model", file, "--models", "centerbias", "--metrics", "IG"]
    result = CliRunner().invoke(main, [*map(str, run), "--draws", "100", "--out", "scores"])
    assert result.exit_code == 0, result.output
    assert "deepgaze2-icf" in result.output


def test_a_downloaded_backbone(tmp_path, folder, monkeypatch):
    """The file that `download alexnet` puts there, if with random weights."""
    monkeypatch.setenv("BENCHMARK_WEIGHTS", str(tmp_path))
    monkeypatch.setattr(alexnet, "hash_in_name", lambda name: "")
    state = random_features(alexnet.TorchvisionAlexNet.shapes)
    torch.save(state, tmp_path / Path(alexnet.TorchvisionAlexNet.spec.url).name)
    loaded.cache_clear()
    chosen = {"backbone": "alexnet", "layers": ("conv3", "conv5", "conv3")}
    outcome = train(options(folder, folds=(0,), **chosen))
    weights = Weights.load(outcome.weights)
    assert weights.recipe.features == (FeatureSet("alexnet", ("conv3", "conv5"), FEATURES.scale),)
    assert weights.members[0].readout.channels == (384, 256)
    log_density = DeepGaze(weights).log_density(pictures(1, seed=7)[0])
    np.testing.assert_allclose(np.exp(log_density).sum(), 1, atol=1e-9)
    loaded.cache_clear()


def test_other_layers_of_the_same_backbone(folder, monkeypatch):
    two = (FEATURES, replace(FEATURES, scale=0.5))
    monkeypatch.setitem(RECIPES, "deepgaze2", replace(RECIPE, features=two))
    recipe = recipe_of(options(folder, layers=("block4",)))
    assert recipe.features == tuple(replace(f, layers=("block4",)) for f in two)
    assert recipe_of(options(folder, backbone=FEATURES.backbone)).features == two
    assert recipe_of(options(folder, changes=(("epochs", 9),), layers=("stem",))).epochs == 9
    both = (FEATURES, replace(FEATURES, backbone="icf"))
    monkeypatch.setitem(RECIPES, "deepgaze2", replace(RECIPE, features=both))
    (features,) = recipe_of(options(folder, backbone="icf", layers=("contrast5",))).features
    assert features == FeatureSet("icf", ("contrast5",), FEATURES.scale)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--backbone", "vgg-19"], "unknown backbone 'vgg-19'. Did you mean 'vgg19'? Known: alexn"),
        (
            ["--backbone", "icf", "--layers", "conv5"],
            "has no layer 'conv5'; it has intensity5, con",
        ),
        (
            ["--layers", "conv5"],
            "the backbone 'efficientnet-lite0' has no layer 'conv5'; it has st",
        ),
        (["--backbone", "alexnet"], "python -m benchmark download alexnet"),
    ],
)
def test_backbones_that_cannot_be_read(folder, tmp_path, monkeypatch, arguments, message):
    monkeypatch.setenv("BENCHMARK_WEIGHTS", str(tmp_path / "none"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "none"))
    loaded.cache_clear()
    result = invoke("--dataset", folder, "--folds", 3, *arguments)
    assert result.exit_code == 1
    assert message in result.output
    assert not (tmp_path / "training").exists()


# Options


def test_only_some_folds(tmp_path, folder):
    result = invoke("--dataset", folder, "--folds", 3, "--only", "2,0", "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    weights = Weights.load(tmp_path / "out" / "deepgaze2.safetensors")
    assert [m.fold for m in weights.members] == [2, 0]


def test_a_fold_that_is_named_twice_counts_once(tmp_path, folder):
    outcome = train(options(folder, folds=(1, 1), out=tmp_path / "out"))
    assert [m.fold for m in Weights.load(outcome.weights).members] == [1]
    assert list(outcome.test["fold"]) == [1]


@pytest.mark.parametrize(
    ("only", "message"),
    [
        ("3", "there are folds 0 to 2; asked for 3"),
        ("0,7", "there are folds 0 to 2; asked for 0, 7"),
        ("x", "--only x: expected numbers of folds"),
        ("-1", "--only -1: expected numbers of folds"),
    ],
)
def test_folds_that_there_are_not(tmp_path, folder, only, message):
    result = invoke("--dataset", folder, "--folds", 3, "--only", only, "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert message in result.output


def test_more_folds_than_images(folder):
    result = invoke("--dataset", folder, "--folds", 7)
    assert result.exit_code == 1
    assert "7 folds need at least as many different images, but there are 6" in result.output


@pytest.mark.parametrize("count", [2, 257])
def test_as_many_folds_as_weights_can_tell_apart(folder, count):
    """The fold of an image is a byte there: fold 256 would pass for fold 0."""
    result = invoke("--dataset", folder, "--folds", count)
    assert result.exit_code == 2
    assert f"{count} is not in the range 3<=x<=256" in result.output
    with pytest.raises(BenchmarkError, match=f"{count} folds: expected 3 .* to 256"):
        train(options(folder, n_folds=count))


def test_every_fold_of_the_most_is_kept():
    """The oracle is the type in which weights keep them."""
    most = np.arange(train_module.MOST_FOLDS)
    assert most.astype(Weights.load(SHIPPED).corpora["mit1003"].folds.dtype).tolist() == list(most)


def test_features_are_kept_where_asked_for(tmp_path, folder):
    train(options(folder, folds=(0,), features=tmp_path / "maps"))
    assert len(list((tmp_path / "maps").rglob("*.npy"))) == 6 * 2 * 2  # images, layers, views
    assert not (tmp_path / "user").exists()
    train(options(folder, folds=(0,), out=tmp_path / "out"))
    assert len(list((tmp_path / "user" / "features").rglob("*.npy"))) == 24


def test_without_a_cache_nothing_is_kept(tmp_path, folder):
    result = invoke(
        "--dataset", folder, "--folds", 3, "--only", "0", "--no-cache", "--out", tmp_path / "out"
    )
    assert result.exit_code == 0, result.output
    assert not list(tmp_path.rglob("*.npy"))


def test_an_unknown_model(folder):
    result = invoke("--model", "deepgaze9", "--dataset", folder)
    assert result.exit_code == 1
    assert f"'deepgaze9' cannot be trained. There are recipes for {', '.join(RECIPES)}." in (
        result.output
    )
    with pytest.raises(BenchmarkError, match="'deepgaze9' cannot be trained"):
        train(TrainOptions(model="deepgaze9", dataset=str(folder)))


@pytest.mark.parametrize("option", ["--with", "--pretrain"])
@pytest.mark.parametrize("second", ["lab1/data", "./lab1/data", "lab2/data"])
def test_two_data_sets_of_one_name(tmp_path, monkeypatch, option, second):
    """One would be learned from in place of the other, or twice."""
    for n, lab in enumerate(("lab1", "lab2")):
        (tmp_path / lab).mkdir()
        write_folder(tmp_path / lab / "data", seed=n)
    monkeypatch.setattr(train_module, "corpus", None)  # nothing is read
    result = invoke("--dataset", "lab1/data", option, second, "--folds", 3, "--out", "out")
    assert result.exit_code == 1
    assert f"--dataset lab1/data and {option} {second}: both are called 'data'" in result.output
    assert f"Name another for {option}" in result.output
    assert "rename the folder of one" in result.output
    assert not Path("out").exists()


def test_a_data_set_in_two_roles(tmp_path, folder):
    before = write_folder(tmp_path / "before", seed=2)
    result = invoke("--dataset", folder, "--with", before, "--pretrain", before, "--folds", 3)
    assert result.exit_code == 1
    assert f"--with {before} and --pretrain {before}: both are called 'before'" in result.output


def test_an_unknown_data_set():
    result = invoke("--dataset", "mit1004")
    assert result.exit_code == 1
    assert "mit1003" in result.output


def test_weights_that_cannot_be_had(folder, monkeypatch):
    recipe = replace(RECIPE, features=(FeatureSet("vgg91", ("conv5_1",)),))
    monkeypatch.setitem(RECIPES, "deepgaze2", recipe)
    result = invoke("--dataset", folder, "--folds", 3)
    assert result.exit_code == 1
    assert "unknown backbone 'vgg91'" in result.output


def test_the_defaults_of_the_command_are_those_of_the_function():
    context = main.commands["train"].make_context("train", [])
    params = context.params
    assert params.pop("only") == ()
    assert TrainOptions(**{**params, "changes": tuple(params["changes"])}) == TrainOptions()


# Going on


def test_an_interrupted_training_goes_on(tmp_path, folder, monkeypatch):
    monkeypatch.setattr("sys.argv", ["benchmark", "train"])
    expected = train(options(folder, out=tmp_path / "whole")).weights.read_bytes()
    out = tmp_path / "out"
    original = train_module.train_fold
    calls = []

    def interrupted(plan, fold, seed, cache, checkpoint, report, device):
        def stop(epoch):
            report(epoch)
            if fold == 1 and not calls:
                calls.append(fold)
                raise KeyboardInterrupt

        return original(plan, fold, seed, cache, checkpoint, stop, device)

    monkeypatch.setattr(train_module, "train_fold", interrupted)
    result = invoke("--dataset", folder, "--folds", 3, "--out", out)
    assert result.exit_code == 130
    assert files(out) == ["checkpoints/fold0-seed0.pt", "checkpoints/fold1-seed0.pt"]
    epochs = []

    def watched(plan, fold, seed, cache, checkpoint, report, device):
        return original(
            plan, fold, seed, cache, checkpoint, lambda e: epochs.append((fold, e.epoch)), device
        )

    monkeypatch.setattr(train_module, "train_fold", watched)
    result = invoke("--dataset", folder, "--folds", 3, "--out", out)
    assert result.exit_code == 0, result.output
    assert epochs == [(1, 1), (2, 0), (2, 1)]
    assert (out / "deepgaze2.safetensors").read_bytes() == expected


def test_other_options_need_another_folder(tmp_path, folder):
    train(options(folder, out=tmp_path / "out"))
    result = invoke(
        "--dataset", folder, "--folds", 3, "--out", tmp_path / "out", "--set", "epochs=3"
    )
    assert result.exit_code == 1
    assert "fold0-seed0.pt: is the checkpoint of another training" in result.output


def test_a_damaged_checkpoint_is_named(tmp_path, folder, truncate):
    train(options(folder, out=tmp_path / "out", folds=(0,)))
    truncate(tmp_path / "out" / "checkpoints" / "fold0-seed0.pt")
    result = invoke("--dataset", folder, "--folds", 3, "--only", "0", "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert "fold0-seed0.pt: cannot be read as a checkpoint" in result.output


@pytest.mark.parametrize("before", [False, True], ids=["training", "pretraining"])
def test_a_training_that_diverges_is_no_success(tmp_path, folder, before):
    other = ("--pretrain", write_folder(tmp_path / "other", seed=1)) if before else ()
    result = invoke(
        "--dataset", folder, *other, "--folds", 3, "--only", 1, "--out", "out",
        "--set", "learning_rate=1e30",
    )  # fmt: skip
    assert result.exit_code == 1
    stage, epochs = ("pretraining", 1) if before else ("training", 2)
    assert (
        f"Error: fold 1, seed 0: {stage} has diverged: after none of its {epochs} epochs at the "
        "learning rate 1e+30"
    ) in result.output
    assert "Lower the recipe's learning_rate" in result.output
    assert not list(Path("out").glob("*.safetensors"))


# The disk


def full(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("option", ["--out", "--features"])
@pytest.mark.parametrize("below", ["", "folder"])
def test_a_file_in_the_place_of_a_folder(folder, monkeypatch, option, below):
    Path("file").touch()
    monkeypatch.setattr(train_module, "fill_cache", None)  # before anything is computed
    result = invoke("--dataset", folder, "--folds", 3, option, Path("file", below))
    assert result.exit_code == 1
    assert "file is a file, so nothing can be written to" in result.output
    assert f"Choose another folder with {option}." in result.output


def test_features_are_only_computed_if_there_is_room_for_them(folder, monkeypatch):
    usage = shutil.disk_usage(folder)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
    command = ("--dataset", folder, "--folds", 3, "--only", 0, "--features", "maps")
    result = invoke(*command)
    assert result.exit_code == 1
    assert "features to compute: about 0.00 GiB, in maps; its disk has 0.00 GiB left" in (
        result.output
    )
    assert "--no-cache" in result.output
    assert not Path("maps").exists()


def test_what_features_take_is_said_if_there_are_any_to_compute(folder):
    said = []
    train(options(folder, folds=(0,), features=Path("maps")), said.append)
    size = sum(file.stat().st_size for file in Path("maps").rglob("*.npy"))
    assert f"features to compute: about {size / 2**30:.2f} GiB, in maps" in said
    said.clear()
    train(options(folder, folds=(0,), features=Path("maps")), said.append)
    train(options(folder, folds=(1,), cache=False), said.append)
    assert not any("to compute" in text for text in said)


def test_a_disk_that_gets_full_while_features_are_written(folder, monkeypatch):
    monkeypatch.setattr("models.deepgaze.cache.save_array", full)
    result = invoke("--dataset", folder, "--folds", 3, "--features", "maps")
    assert result.exit_code == 1
    assert "Error: maps cannot be read or written: No space left on device." in result.output
    assert "with --features." in result.output


def test_a_disk_that_gets_full_while_checkpoints_are_written(folder, monkeypatch):
    monkeypatch.setattr("models.deepgaze.training.torch.save", full)
    result = invoke("--dataset", folder, "--folds", 3, "--out", "out")
    assert result.exit_code == 1
    assert "Error: out cannot be read or written: No space left on device." in result.output
    assert "Free some space, or choose a folder" in result.output
    assert files(Path("out")) == []


def test_weights_that_cannot_be_written(folder):
    (Path("out") / "deepgaze2.safetensors" / "in-the-way").mkdir(parents=True)
    result = invoke("--dataset", folder, "--folds", 3, "--only", 0, "--out", "out")
    assert result.exit_code == 1
    assert "out/deepgaze2.safetensors cannot be read or written: Is a directory" in result.output


# Changes of the recipe


def test_changes_have_the_type_of_what_they_change():
    changes = parse_changes(
        "deepgaze2",
        [
            "epochs=7", "learning_rate=0.5", "mirrored=False", "loss=image", "readout.stride=4",
            "readout.widths=8,2,1", "readout.learn_blur=false", "readout.nonlinearity=relu",
        ],
    )  # fmt: skip
    recipe = replace(RECIPES["deepgaze2"], **dict(changes))
    assert (recipe.epochs, recipe.learning_rate, recipe.loss) == (7, 0.5, "image")
    assert recipe.mirrored is False
    assert recipe.readout.stride == 4.0
    assert recipe.readout.widths == (8, 2, 1)
    assert recipe.readout.learn_blur is False
    assert recipe.readout.nonlinearity == "relu"
    assert recipe.readout.blur == RECIPES["deepgaze2"].readout.blur
    assert recipe.features == RECIPES["deepgaze2"].features


def test_no_changes():
    assert parse_changes("deepgaze2", []) == ()
    assert parse_changes("deepgaze2", [f"epochs={RECIPES['deepgaze2'].epochs}"]) == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epoch=3", "--set epoch=3: the recipe has no 'epoch'; it has .*epochs, .*readout.widths"),
        ("readout.epochs=3", "the recipe has no 'readout.epochs'"),
        ("features.scale=1", "the recipe has no 'features.scale'"),
        ("features=vgg19", "the recipe has no 'features'; .* is chosen by --backbone and --layers"),
        ("readout=3", "the recipe has no 'readout'"),
        ("=3", "the recipe has no ''"),
        ("epochs", "--set epochs: '' is not of the type int"),
        ("epochs=3.5", "'3.5' is not of the type int"),
        ("epochs=many", "'many' is not of the type int"),
        ("learning_rate=fast", "'fast' is not of the type float"),
        ("mirrored=perhaps", "'perhaps' is not of the type true or false"),
        ("readout.widths=16;1", "'16;1' is not of the type tuple"),
        ("readout.widths=16,2", "--set readout.widths=16,2: widths are positive and end with 1"),
        ("readout.nonlinearity=tanh", "nonlinearity is relu or softplus, not 'tanh'"),
        ("loss=pixel", "--set loss=pixel: loss is fixation or image, not 'pixel'"),
        ("stopping=never", "stopping is best or paper"),
        ("epochs=0", "epochs has to be positive, not 0"),
        ("channel_dropout=1", "channel_dropout is in 0 to below 1, not 1.0"),
        ("learning_rate=inf", "--set learning_rate=inf: learning_rate has to be finite, not inf"),
        ("readout.prior_weight=nan", "--set .*: prior_weight has to be finite, not nan"),
    ],
)
def test_changes_that_cannot_be_made(folder, text, message):
    with pytest.raises(BenchmarkError, match=message):
        parse_changes("deepgaze2", [text])
    result = invoke("--dataset", folder, "--set", text)
    assert result.exit_code == 1
    assert result.output.startswith("Error: --set")


def test_a_changed_recipe_is_trained_and_recorded(tmp_path, folder):
    result = invoke(
        "--dataset", folder, "--folds", 3, "--only", 0, "--out", tmp_path / "out",
        "--set", "epochs=1", "--set", "readout.widths=3,1", "--set", "loss=image",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    weights = Weights.load(tmp_path / "out" / "deepgaze2.safetensors")
    assert weights.recipe.loss == "image"
    assert [c.out_features for c in weights.members[0].readout.convolutions] == [3, 1]
    assert len(pd.read_csv(tmp_path / "out" / "curves.csv")) == 1


def test_the_papers_scheme_and_fewer_images(tmp_path, folder):
    result = invoke(
        "--dataset", folder, "--folds", 3, "--only", 0, "--out", tmp_path / "out",
        "--scheme", "9-1", "--training-images", 3,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    record = Weights.load(tmp_path / "out" / "deepgaze2.safetensors").record
    assert (record["scheme"], record["training_images"]) == ("9-1", 3)
    best = pd.read_csv(tmp_path / "out" / "curves.csv")["stopping"].max()
    np.testing.assert_allclose(record["test"], [best], atol=1e-5)
