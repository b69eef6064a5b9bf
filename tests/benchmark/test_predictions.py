"""Own predictions from files: scored like the model that made them, faults told and survived."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile

import h5py
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from PIL import Image
from scipy.io import savemat

from benchmark.cli import main
from benchmark.errors import BenchmarkError
from benchmark.run import Options, fit_models, run
from models.saliency_map import SaliencyMap
from tests.benchmark.tiny import Blob, Interrupted

METRICS = ("LL", "IG", "AUC", "sAUC", "NSS", "KL", "CC", "SIM")


class Busy(Blob):
    """A Blob that knows the image, nowhere with equal values."""

    def log_density(self, stimulus):
        pixels = np.asarray(getattr(stimulus, "stimulus_data", stimulus), dtype=float)
        grey = pixels.reshape(*pixels.shape[:2], -1).mean(axis=2)
        values = super().log_density(stimulus) + grey / 255
        values = values + 0.01 * np.random.default_rng(int(grey.sum())).random(values.shape)
        return values - np.log(np.exp(values).sum())


@pytest.fixture
def predictions(dataset, tmp_path):
    """Log densities of Busy in a folder, one npy of double precision for each image."""
    folder = tmp_path / "busy"
    folder.mkdir()
    for name, stimulus in zip(dataset.image_names, dataset.stimuli):
        np.save(folder / f"{name}.npy", Busy().log_density(stimulus))
    return folder


def options(path, out, **changes):
    given = {
        "models": ("uniform",), "predictions": (str(path),), "kind": ("log-density",),
        "metrics": ("IG", "AUC"), "draws": 200, "kernel_size": 4.0, "out": out,
    }  # fmt: skip
    return Options(dataset="tiny", **{**given, **changes})


def scored(out, model):
    frame = pd.read_csv(out / "scores.csv")
    return frame[frame["model"] == model].set_index(["image", "metric"])["value"]


def record(out):
    return json.loads((out / "run.json").read_text(encoding="utf-8"))


def invoke(*arguments):
    result = CliRunner().invoke(main, ["run", "--draws", "200", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


# Scored like the model that made them


def as_hdf5(folder, dtype):
    with h5py.File(folder.parent / "busy.hdf5", "w") as file:
        for path in folder.glob("*.npy"):
            file.create_dataset(path.stem, data=np.load(path).astype(dtype), compression="gzip")
    return folder.parent / "busy.hdf5"


def as_zip(folder, dtype):
    with zipfile.ZipFile(folder.parent / "busy.zip", "w") as archive:
        for path in folder.glob("*.npy"):
            buffer = io.BytesIO()
            np.save(buffer, np.load(path).astype(dtype))
            archive.writestr(f"some/folder/{path.name}", buffer.getvalue())
    return folder.parent / "busy.zip"


def as_tar(folder, dtype):
    again = as_folder(folder, dtype)
    with tarfile.open(folder.parent / "busy.tar.gz", "w:gz") as archive:
        archive.add(again, "busy")
    return folder.parent / "busy.tar.gz"


def as_folder(folder, dtype):
    for path in folder.glob("*.npy"):
        np.save(path, np.load(path).astype(dtype))
    return folder


@pytest.mark.parametrize("write", [as_folder, as_hdf5, as_zip, as_tar])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_predictions_score_as_the_model_did(
    predictions, tmp_path, quick, no_report, dataset, write, dtype
):
    models = {**fit_models(dataset, ["centerbias"]), "direct": Busy()}
    out = tmp_path / "direct"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("benchmark.run.fit_models", lambda *_: models)
        run(options("", out, models=(), predictions=(), kind=(), metrics=METRICS))
    expected = scored(out, "direct")
    again = tmp_path / "from files"
    assert run(options(write(predictions, dtype), again, metrics=METRICS)).failures == []
    found = scored(again, "busy")
    assert len(found) == len(expected) == 4 * len(METRICS)
    if dtype == "float64":
        pd.testing.assert_series_equal(found, expected, check_exact=True)
    else:
        pd.testing.assert_series_equal(found, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "has_prior"), [("image-signature:plain", False), ("deepgaze2", True)]
)
def test_a_registered_model_scores_the_same_through_files(
    tmp_path, quick, no_report, name, has_prior
):
    from pysaliency.precomputed_models import export_model_to_hdf5

    from benchmark.datasets.locate import load

    photographs = load("photographs")
    smallest = np.argsort(photographs.sizes.prod(axis=1), kind="stable")[:2]
    dataset = photographs.subset(smallest, "photographs")
    quick.setattr("benchmark.run.load", lambda *_: dataset)
    try:
        model = fit_models(dataset, [name])[name]
    except BenchmarkError as error:
        pytest.skip(f"needs the weights of a backbone: {error}")
    export_model_to_hdf5(model, dataset.stimuli, str(tmp_path / "double.hdf5"))
    (tmp_path / "single").mkdir()
    for image, stimulus in zip(dataset.image_names, dataset.stimuli):
        values = model.log_density(stimulus).astype(np.float32)
        np.save(tmp_path / "single" / f"{image}.npy", values)
    files, out = (str(tmp_path / "double.hdf5"), str(tmp_path / "single")), tmp_path / "out"
    run(options("", out, models=(name,), predictions=files, metrics=METRICS))
    expected = scored(out, name)
    assert len(expected) == 2 * len(METRICS)
    assert expected.notna().all()
    if has_prior:
        # files do not say that the scored data set's centre bias is in them
        direct = expected.xs("sAUC", level="metric")
        assert (scored(out, "double").xs("sAUC", level="metric") < direct).all()
        expected = expected.drop("sAUC", level="metric")
    double, single = (scored(out, each)[expected.index] for each in ("double", "single"))
    pd.testing.assert_series_equal(double, expected, check_exact=True)
    # rounding to single precision makes ties, which AUC and SIM see
    pd.testing.assert_series_equal(single, expected, rtol=0, atol=3e-6)


def test_what_predict_writes_is_scored(make_folder, tmp_path, quick, no_report):
    """Files of `predict` are called like the images, endings included."""
    from benchmark.datasets import locate

    quick.setattr("benchmark.run.load", locate.load)
    root = make_folder()
    done = CliRunner().invoke(
        main,
        ["predict", str(root / "images"), "--model", "uniform", "--format", "npy,hdf5", "--out",
         str(tmp_path / "made")],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    for name, path in (("files", "made"), ("file", "made/predictions.hdf5")):
        out = tmp_path / name
        chosen = Options(
            dataset=str(root), predictions=(f"mine={tmp_path / path}",), kind=("log-density",),
            models=("uniform",), metrics=("IG", "AUC"), draws=200, out=out,
        )  # fmt: skip
        assert run(chosen).failures == []
        pd.testing.assert_series_equal(
            scored(out, "mine"), scored(out, "uniform"), rtol=1e-6, atol=1e-6
        )


def test_densities_and_single_models_alone(predictions, tmp_path, quick, no_report):
    for path in predictions.glob("*.npy"):
        np.save(path, np.exp(np.load(path)))
    out = tmp_path / "out"
    run(options(predictions, out, models=("none",), kind=("density",), name="mine"))
    assert list(record(out)["models"]) == ["mine"]
    assert record(out)["models"]["mine"]["parameters"] == {"kind": "density"}


def test_saliency_maps_are_made_densities_and_their_plain_form_is_beside(
    dataset, tmp_path, quick, no_report
):
    folder = tmp_path / "grey"
    folder.mkdir()
    for name, stimulus in zip(dataset.image_names, dataset.stimuli):
        density = np.exp(Busy().log_density(stimulus))
        Image.fromarray(np.uint8(255 * density / density.max())).save(folder / f"{name}.png")
    out = tmp_path / "out"
    assert run(options(folder, out, kind=("saliency-map",))).failures == []
    written = record(out)["models"]
    assert list(written) == ["uniform", "grey", "grey:plain"]
    assert len(written["grey"]["parameters"]["fits"]) > 1
    assert written["grey:plain"]["parameters"]["fits"] == []
    assert (scored(out, "grey") != scored(out, "grey:plain")).any()
    with pytest.MonkeyPatch.context() as patch:
        again = Interrupted(patch)
        run(options(folder, out, kind=("saliency-map",)))
        assert again.images == []


# Which models run


def test_baselines_and_ceilings_run_beside_predictions(predictions, tmp_path, quick, no_report):
    out = tmp_path / "out"
    run(options(predictions, out, models=()))
    names = set(record(out)["models"])
    assert {"uniform", "centerbias", "gold", "gold-insample", "simulated-truth", "busy"} == names


def test_several_predictions(predictions, tmp_path, quick, no_report):
    out = tmp_path / "out"
    two = (f"first={predictions}", f"second={as_hdf5(predictions, 'float64')}")
    run(options("", out, predictions=two, models=("none",), trained_on=("second=salicon,cat2000",)))
    written = record(out)["models"]
    assert list(written) == ["first", "second"]
    assert written["second"]["trained_on"] == ["salicon", "cat2000"]
    assert written["first"]["trained_on"] == ["unknown"]
    pd.testing.assert_series_equal(scored(out, "first"), scored(out, "second"))


def test_where_results_go(predictions, tmp_path, quick, no_report):
    quick.chdir(tmp_path)
    given = {"models": (), "metrics": (), "kernel_size": None, "draws": 10_000, "out": None}
    outcome = run(options(predictions, **given, name="my model"))
    assert outcome.folder.name == "scenes-my_model"


def test_the_command(predictions, tmp_path, quick, no_figures):
    arguments = ("--metrics", "IG", "--models", "uniform", "--out", tmp_path / "out")
    result = invoke("--predictions", predictions, "--kind", "log-density", *arguments)
    assert result.exit_code == 0, result.output
    assert "busy: 4 of 4 images have a log density in" in result.output
    assert "busy: what it was trained on is not known; state it with --trained-on" in result.output
    assert "| busy |" in result.output


# Options


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": ()}, "the predictions 'busy' need --kind, one of log-density, density, sal"),
        ({"kind": ("logs",)}, "unknown kind 'logs'; expected one of log-density"),
        ({"kind": ("bus=density",)}, "no own model 'bus' in this run; there are busy"),
        ({"kind": ("density", "log-density")}, "--kind is given twice"),
        ({"name": "gold"}, "'gold' is that of a registered model"),
        ({"name": "a,b"}, "a model cannot be called 'a,b'"),
        ({"name": "a:plain"}, "a model cannot be called 'a:plain'"),
        ({"name": "x", "external": ("a:b",)}, "--name names one model"),
        ({"trained_on": ("other=osie",)}, "no own model 'other'"),
        ({"predictions": ()}, "--kind is about --predictions"),
        ({"predictions": (), "kind": (), "models": ("none",)}, "leaves nothing to score"),
        ({"models": ("uniform:plain",)}, "'uniform' predicts densities, so there is no"),
        ({"models": ("unifrom:plain",)}, "unknown model 'unifrom'. Did you mean 'uniform'"),
    ],
    ids=str,
)
def test_options_that_cannot_be_used(predictions, tmp_path, quick, changes, message):
    with pytest.raises(BenchmarkError, match=message.replace("(", r"\(")):
        run(options(predictions, tmp_path / "out", **changes))
    assert not (tmp_path / "out").exists()


def test_two_models_of_one_name(predictions, tmp_path, quick):
    with pytest.raises(BenchmarkError, match="several models are called 'busy'"):
        run(options("", tmp_path / "out", predictions=(str(predictions), f"busy={predictions}")))


# Faults


def refused(predictions, tmp_path, message, **changes):
    with pytest.raises(BenchmarkError, match=message):
        run(options(predictions, tmp_path / "out", **changes))
    assert not (tmp_path / "out").exists()


def test_a_wrong_kind_stops_the_run_before_it_scores(predictions, tmp_path, quick):
    refused(
        predictions, tmp_path, r"scene-00000\.npy: .*negative.* Is --kind right", kind=("density",)
    )
    for path in predictions.glob("*.npy"):
        np.save(path, np.load(path) + np.log(0.97))
    refused(predictions, tmp_path, r"scene-00000\.npy: .*sums to 0\.97; .* Is --kind right")


def test_predictions_for_other_images_stop_the_run(predictions, tmp_path, quick):
    with h5py.File(tmp_path / "other.hdf5", "w") as file:
        for n in range(3):
            file[f"i{n}.jpeg"] = np.zeros((3, 4))
    refused(tmp_path / "other.hdf5", tmp_path, r"none of its 3 maps \(i0\.jpeg.* is called like")
    zipfile.ZipFile(tmp_path / "empty.zip", "w").close()
    refused(tmp_path / "empty.zip", tmp_path, r"empty\.zip: holds no map")
    refused(tmp_path / "missing", tmp_path, "missing: expected a folder of")
    (tmp_path / "cut.zip").write_bytes(as_zip(predictions, "float64").read_bytes()[:999])
    refused(tmp_path / "cut.zip", tmp_path, r"cut\.zip: is no intact archive")


def damaged(path, change):
    """Replace the prediction of the second image."""
    (path / "scene-00001.npy").unlink()
    change(path)


def truncated(path):
    buffer = io.BytesIO()
    np.save(buffer, np.zeros((41, 27)))
    (path / "scene-00001.npy").write_bytes(buffer.getvalue()[:-8])


def nan_in(path):
    values = np.full((41, 27), -np.log(41 * 27))
    values[3, 4] = np.nan
    np.save(path / "scene-00001.npy", values)


def double(path):
    for ending in ("png", "tif"):
        Image.new("L", (27, 41)).save(path / f"scene-00001.{ending}")


@pytest.mark.parametrize(
    ("change", "message", "early"),
    [
        (lambda p: None, "no prediction for the image scene-00001", True),
        (
            lambda p: Image.new("L", (20, 41)).save(p / "scene-00001.png"),
            "has the size 20x41, th",
            True,
        ),
        (truncated, "is cut off", True),
        (double, "2 predictions are called scene-00001", True),
        (lambda p: np.save(p / "scene-00001.npy", np.array([None])), "Python objects", True),
        (
            lambda p: savemat(p / "scene-00001.mat", {"a": np.ones((41, 27)), "b": 1}),
            "holds 2 variables",
            True,
        ),
        (nan_in, "1 values are NaN", False),
        (
            lambda p: Image.new("L", (27, 41), 9).save(p / "scene-00001.png"),
            "holds values up to 9",
            False,
        ),
        (
            lambda p: Image.new("RGB", (27, 41), "red").save(p / "scene-00001.png"),
            "is coloured",
            False,
        ),
    ],
)
def test_one_fault_costs_one_score(predictions, tmp_path, quick, no_report, change, message, early):
    out, said = tmp_path / "out", []
    damaged(predictions, change)
    outcome = run(options(predictions, out, metrics=("IG", "AUC", "sAUC")), said.append)
    assert [(f.model, f.image) for f in outcome.failures] == [("busy", 1)]
    assert message in outcome.failures[0].reason
    assert "scene-00001" in outcome.failures[0].reason
    assert any(message in line for line in said) == early
    assert any("busy: 3 of 4 images" in line for line in said) == early
    counts = pd.read_csv(out / "scores.csv")["model"].value_counts()
    assert dict(counts) == {"uniform": 12, "busy": 9}
    assert record(out)["complete"] is False


def test_half_a_folder(predictions, tmp_path, quick, no_figures):
    for n in (1, 3):
        (predictions / f"scene-0000{n}.npy").unlink()
    np.save(predictions / "surplus.npy", np.zeros(3))
    arguments = ("--metrics", "IG", "--models", "uniform", "--out", tmp_path / "out")
    result = invoke("--predictions", predictions, "--kind", "log-density", *arguments)
    assert result.exit_code == 1
    assert "busy: 2 of 4 images have a log density" in result.output
    assert "surplus.npy: no image is called so; not used." in result.output
    assert "2 predictions could not be scored" in result.output
    shown = invoke("--predictions", predictions, "--kind", "log-density", *arguments, "--images", 1)
    assert shown.exit_code == 0, shown.output  # what is missing is not scored
    assert "no prediction" not in shown.output


# Scores are kept as long as the files are the same


def test_changed_files_alone_are_scored_again(predictions, tmp_path, quick, no_report):
    out = tmp_path / "out"
    run(options(predictions, out))
    with pytest.MonkeyPatch.context() as patch:
        again = Interrupted(patch)
        run(options(predictions, out, trained_on=("osie",)))  # says nothing of the densities
        assert again.images == []
    np.save(predictions / "scene-00002.npy", np.full((30, 40), -np.log(1200)))
    with pytest.MonkeyPatch.context() as patch:
        again = Interrupted(patch)
        run(options(predictions, out))
        assert again.images == [0, 1, 2, 3]
    assert scored(out, "busy")["scene-00002", "AUC"] == 0.5


def test_processes_score_the_same(predictions, tmp_path, quick, no_report):
    for jobs in (1, 2):
        source = as_zip(predictions, "float64")
        run(options(source, tmp_path / str(jobs), metrics=("IG", "sAUC"), jobs=jobs))
    one, two = (scored(tmp_path / jobs, "busy") for jobs in "12")
    pd.testing.assert_series_equal(one, two, check_exact=True)


# Plain forms


def test_plain_forms_of_registered_models(tmp_path, quick, no_report):
    out = tmp_path / "out"
    given = {"predictions": (), "kind": ()}
    run(options("", out, **given, models=("uniform", "image-signature:plain")))
    assert list(record(out)["models"]) == ["uniform", "image-signature:plain"]
    run(options("", out, **given, models=("uniform", "image-signature"), plain=True))
    assert list(record(out)["models"]) == ["uniform", "image-signature", "image-signature:plain"]
    assert not record(out)["models"]["image-signature:plain"]["trained_on"]


def test_every_map_model_has_a_plain_form():
    from benchmark import registry, selection

    for name, entry in registry.models().items():
        kind = entry.load()
        if isinstance(kind, type) and issubclass(kind, SaliencyMap):
            assert selection.registered(f"{name}:plain") is entry


# Contamination


def test_training_data_are_never_ranked(predictions, tmp_path, quick, no_figures):
    out = tmp_path / "out"
    two = (f"first={predictions}", f"second={predictions}")
    given = {
        "predictions": two,
        "models": ("uniform", "centerbias"),
        "trained_on": ("second=scenes",),
    }
    run(options("", out, **given))
    written = record(out)["models"]
    assert [name for name in written if written[name]["contaminated"]] == ["second"]
    summary = pd.read_csv(out / "summary.csv").set_index(["model", "metric"])["contaminated"]
    assert summary["second", "IG"]
    assert not summary["first", "IG"]
    assert "second" not in set(pd.read_csv(out / "differences.csv")["model"])
    text = (out / "summary.md").read_text(encoding="utf-8")
    (row,) = [line for line in text.splitlines() if line.startswith("| *second†*")]
    assert "**" not in row
    assert "† Trained on this data set, with no image held out: not ranked." in text
    assert "Trained: second† on scenes." in text
    assert r"second$^\dagger$" in (out / "summary.tex").read_text(encoding="utf-8")
