"""Hold-out sets: images here, fixations elsewhere; submitted files score as their model does."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from PIL import Image

from benchmark import provenance
from benchmark.check import check
from benchmark.cli import main
from benchmark.datasets.folder import load_held_out
from benchmark.datasets.locate import load
from benchmark.errors import BenchmarkError, DataError
from benchmark.predict import predict
from benchmark.run import Options, run
from benchmark.submission import SubmitOptions, submit
from models.centerbias import CenterBias
from models.deepgaze.deepgaze2 import DeepGaze2
from tests.models.deepgaze.bright import looked_at, pictures, tiny_weights

METRICS = ("LL", "IG", "AUC", "sAUC", "NSS", "CC", "KL", "SIM")


@pytest.fixture(autouse=True)
def surroundings(tmp_path, monkeypatch):
    """Runs in a folder of their own, without figures, with a centre bias not fitted."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(provenance, "commit", lambda: {"commit": "0" * 40, "dirty": False})
    monkeypatch.setattr(CenterBias, "fit", classmethod(lambda kind, data: kind(data, 0.15, 0.05)))
    monkeypatch.setattr("benchmark.report.writer.write_figures", lambda results, folder: [])


@pytest.fixture
def small_deepgaze(tmp_path, monkeypatch):
    """DeepGaze II with random readouts of a small network; they were trained on three images."""
    file = tmp_path / "weights" / "small.safetensors"
    tiny_weights({"bright": pictures(3)}).save(file)
    monkeypatch.setattr(DeepGaze2, "file", file)


def write_fixations(file: Path, rows) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([("image", "subject", "x", "y"), *rows])
    return file


def held_out(seed: int = 0) -> tuple[Path, Path]:
    """A folder with nothing but images, and the fixations on them elsewhere."""
    images = pictures(3, seed)
    Path("images").mkdir()
    for n, image in enumerate(images):
        Image.fromarray(image).save(f"images/i{n}.png")
    data = looked_at(images)
    rows = [
        (f"i{n}.png", f"s{k % 3}", x, y)
        for k, (n, x, y) in enumerate(zip(data.fixations.n, data.fixations.x, data.fixations.y))
    ]
    return Path("images"), write_fixations(Path("kept/hidden.csv"), rows)


def scored(images, hidden, **options) -> pd.DataFrame:
    """Scores of a run, a row an image and model, a column a metric."""
    given = {"draws": 100, "kernel_size": 6.0, "metrics": METRICS, "out": Path("results")} | options
    outcome = run(Options(dataset=str(images), fixations=hidden, **given))
    assert outcome.failures == []
    frame = pd.read_csv(outcome.folder / "scores.csv")
    table = frame.pivot(index=["model", "image"], columns="metric", values="value")
    return table[[metric for metric in given["metrics"] if metric in table]]


def record() -> dict:
    return json.loads(Path("results/run.json").read_text(encoding="utf-8"))


# The whole way


def test_submitted_densities_score_as_their_model(small_deepgaze):
    """On images that the readouts know, the prior is theirs, whether there are fixations or not."""
    images, hidden = held_out()
    direct = scored(images, hidden, models=("deepgaze2",)).loc["deepgaze2"]
    submission = submit(SubmitOptions(images, out=Path("out")))
    file = submission.folder / "log_densities.hdf5"
    assert check(file, predictions_for=images, fixations=hidden, kind="log density").ok
    submitted = scored(
        images, hidden, models=("none",), predictions=(f"sent={file}",), kind=("log-density",)
    ).loc["sent"]
    assert list(direct.columns) == list(METRICS)
    assert direct.notna().all(axis=None)
    np.testing.assert_allclose(submitted, direct, atol=2e-5)  # written in single precision
    assert np.ptp(direct["IG"]) > 0.01


def test_on_unknown_images_only_the_prior_differs(small_deepgaze, monkeypatch):
    """Scored directly, the model takes the hidden fixations' centre bias; a submitter has none."""
    images, hidden = held_out(seed=5)
    direct = scored(images, hidden, models=("deepgaze2",)).loc["deepgaze2"]
    file = submit(SubmitOptions(images, out=Path("out"))).folder / "log_densities.hdf5"
    own = {"models": ("none",), "predictions": (f"sent={file}",), "kind": ("log-density",)}
    submitted = scored(images, hidden, **own).loc["sent"]
    assert np.abs(submitted["IG"] - direct["IG"]).min() > 1e-3
    monkeypatch.setattr(DeepGaze2, "fit", classmethod(lambda kind, data, centerbias: kind()))
    as_submitted = scored(images, hidden, models=("deepgaze2",)).loc["deepgaze2"]
    np.testing.assert_allclose(submitted, as_submitted, atol=2e-5)


def test_submitted_grey_maps_keep_auc(small_deepgaze):
    """256 levels cost little AUC under the older protocol, which sees ranks only."""
    images, hidden = held_out()
    out = submit(SubmitOptions(images, out=Path("out"))).folder
    sent = [
        ("density", out / "log_densities.hdf5", "log-density"),
        ("png", out / "png/with_centre_bias", "saliency-map"),
        ("jpeg", out / "jpeg/with_centre_bias", "saliency-map"),
    ]
    table = scored(
        images,
        hidden,
        models=("none",),
        predictions=tuple(f"{name}={path}" for name, path, _ in sent),
        kind=tuple(f"{name}={kind}" for name, _, kind in sent),
        protocol="mit2014",
        kernel_size=None,
        maps="naive",
        metrics=("AUC",),
    )["AUC"]
    for name in ("png:plain", "jpeg:plain"):
        np.testing.assert_allclose(table[name], table["density"], atol=0.005)


def test_submitted_grey_maps_without_centre_bias_keep_shuffled_auc(small_deepgaze):
    images, hidden = held_out()
    out = submit(SubmitOptions(images, out=Path("out"))).folder
    predict([images], out=Path("exact"), formats=["hdf5"], centre_bias=False)
    table = scored(
        images,
        hidden,
        models=("none",),
        predictions=("density=exact/predictions.hdf5", f"jpeg={out}/jpeg/without_centre_bias"),
        kind=("density=log-density", "jpeg=saliency-map"),
        maps="naive",
        metrics=("sAUC",),
    )["sAUC"]
    np.testing.assert_allclose(table["jpeg:plain"], table["density"], atol=0.005)
    assert np.ptp(table["density"]) > 0.05


def test_the_readme_of_a_submission_says_how_to_score_it(small_deepgaze, monkeypatch):
    images, hidden = (path.resolve() for path in held_out())
    monkeypatch.chdir(submit(SubmitOptions(images, out=Path("out"))).folder)
    lines = Path("README.md").read_text(encoding="utf-8").splitlines()
    commands = [line for line in lines if line.startswith("python -m benchmark run ")]
    assert len(commands) == 3
    rows = []
    for command in commands:
        names = {"IMAGES": str(images), "FIXATIONS.csv": str(hidden)}
        arguments = [names.get(word, word) for word in command.split()[3:]]
        shutil.rmtree("scores", ignore_errors=True)
        result = CliRunner().invoke(main, [*arguments, "--draws", "100", "--out", "scores"])
        assert result.exit_code == 0, result.output
        assert "--trained-on mit1003,osie" in command
        summary = pd.read_csv("scores/summary.csv")
        rows.append(set(zip(summary["model"], summary["metric"])))
    assert {("log_densities", metric) for metric in METRICS} <= rows[0]
    assert ("with_centre_bias:plain", "AUC") in rows[1]
    assert ("without_centre_bias:plain", "sAUC") in rows[2]


def test_the_commands(tmp_path):
    images, hidden = held_out()
    calls = [
        ("submit", "--images", images, "--model", "uniform", "--out", "out"),
        ("check", "out/log_densities.hdf5", "--dataset", images, "--fixations", hidden),
        ("run", "--dataset", images, "--fixations", hidden, "--predictions",
         "out/log_densities.hdf5", "--kind", "log-density", "--models", "none", "--metrics", "LL",
         "--draws", "100", "--out", "results"),
    ]  # fmt: skip
    for arguments in calls:
        result = CliRunner().invoke(main, [str(argument) for argument in arguments])
        assert result.exit_code == 0, result.output
    scores = pd.read_csv("results/scores.csv")
    assert len(scores) == 3
    np.testing.assert_allclose(scores["value"], 0.0, atol=1e-6)


# Fixations elsewhere


def test_the_same_data_set_as_with_the_file_in_the_folder():
    images, hidden = held_out()
    apart = load_held_out(images, hidden)
    assert apart.name == "images-hidden"
    write_fixations(images / "fixations.csv", list(csv.reader(hidden.open()))[1:])
    together = load(images)
    assert apart.content_hash == together.content_hash
    np.testing.assert_array_equal(apart.fixations.x, together.fixations.x)
    assert apart.image_names == together.image_names


def test_images_of_one_name_in_several_folders_are_scored_by_theirs():
    """As a benchmark's images may lie, and as `submit` takes them."""
    images, hidden = held_out()
    rows = list(csv.reader(hidden.open()))[1:]
    folders = {f"i{n}.png": f"{name}/1" for n, name in enumerate(("action", "art", "random"))}
    flat = scored(images, hidden, models=("uniform",), metrics=("LL",), out=None)
    for old, new in folders.items():
        (images / new).parent.mkdir()
        (images / old).rename(images / f"{new}.png")
    write_fixations(hidden, [(folders[image], *rest) for image, *rest in rows])
    dataset = load_held_out(images, hidden)
    assert dataset.image_names == ["action/1.png", "art/1.png", "random/1.png"]
    maps = Path("maps")
    for n, name in enumerate(folders.values()):
        (maps / name).parent.mkdir(parents=True)
        values = np.random.default_rng(n).random(dataset.sizes[n])
        np.save(maps / f"{name}.npy", np.log(values / values.sum()))
    report = check(maps, predictions_for=images, fixations=hidden)
    assert (report.errors, report.warnings) == ([], [])
    table = scored(images, hidden, models=("uniform",), metrics=("LL",), out=Path("again"))
    np.testing.assert_array_equal(table["LL"], flat["LL"])
    write_fixations(hidden, [("1.png", "s0", 1, 1)])
    with pytest.raises(DataError, match=r"hidden\.csv:2: 3 images are called '1\.png'; expected"):
        load_held_out(images, hidden)


def test_a_file_in_the_folder_does_not_count():
    images, hidden = held_out()
    expected = load_held_out(images, hidden).content_hash
    write_fixations(images / "public.csv", [("i0.png", "s0", 1, 1)])
    assert load_held_out(images, hidden).content_hash == expected


def test_the_content_hash_knows_the_fixations():
    images, hidden = held_out()
    before = load_held_out(images, hidden)
    rows = list(csv.reader(hidden.open()))[1:]
    rows[0][2] = str(float(rows[0][2]) + 1)
    moved = load_held_out(images, write_fixations(Path("other/hidden.csv"), rows))
    assert moved.content_hash != before.content_hash
    assert moved.extras["fixation_file"] != before.extras["fixation_file"]


def test_other_fixations_meet_no_stale_score():
    images, hidden = held_out()
    first = scored(images, hidden, models=("centerbias",), metrics=("LL",))
    assert record()["dataset"]["fixation_file"]["name"] == "hidden.csv"
    assert len(record()["dataset"]["fixation_file"]["sha256"]) == 64
    rows = list(csv.reader(hidden.open()))[1:]
    write_fixations(hidden, [(image, subject, 2, 3) for image, subject, *_ in rows])
    again = scored(images, hidden, models=("centerbias",), metrics=("LL",))
    assert (again["LL"] != first["LL"]).all()


def test_results_of_two_files_do_not_meet(monkeypatch):
    images, hidden = held_out()
    other = write_fixations(Path("kept/more.csv"), list(csv.reader(hidden.open()))[1:])
    for file in (hidden, other):
        scored(images, file, models=("uniform",), metrics=("LL",), out=None)
    found = sorted(folder.name for folder in Path("results").iterdir())
    assert found == ["images-hidden-selection-kernel6-draws100",
                     "images-more-selection-kernel6-draws100"]  # fmt: skip


def test_what_is_missing_is_named():
    images, hidden = held_out()
    with pytest.raises(DataError) as raised:
        load_held_out(Path("nowhere"), Path("gone.csv"))
    assert [problem.partition(":")[0] for problem in raised.value.problems] == [
        "nowhere", "gone.csv",
    ]  # fmt: skip
    write_fixations(hidden, [("i9.png", "s0", 1, 1)])
    with pytest.raises(DataError, match=r"hidden\.csv:2: there is no image 'i9\.png'"):
        load_held_out(images, hidden)
    with pytest.raises(BenchmarkError, match=r"mit1003: there is no such folder"):
        run(Options(dataset="mit1003", fixations=hidden))


def test_a_folder_of_images_alone_says_how_to_name_the_fixations():
    images, _ = held_out()
    with pytest.raises(DataError, match=r"holds images only; .*--fixations"):
        load(images)
