"""Predictions for images alone: the model's values in every format, and errors before any work."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pysaliency
import pytest
from click.testing import CliRunner
from PIL import Image

from benchmark import predict as predict_module
from benchmark.cli import main
from benchmark.errors import BenchmarkError, DataError, UnknownNameError
from benchmark.predict import Predicted, collect, predict, read_image
from models.deepgaze import features
from models.deepgaze.backbones import WeightsError
from models.deepgaze.deepgaze2 import DeepGaze2
from models.deepgaze.model import DeepGaze
from tests.benchmark.tiny import Blob
from tests.models.deepgaze.bright import picture, pictures, tiny_weights

SIZES = ((33, 47), (30, 61), (41, 26))


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def folder(tmp_path) -> Path:
    """Images of three kinds and sizes, one of them a folder further down."""
    root = tmp_path / "mine"
    (root / "more").mkdir(parents=True)
    (root / ".hidden").mkdir()
    colour, grey, transparent = (picture(n, *size) for n, size in enumerate(SIZES))
    Image.fromarray(colour).save(root / "a.png")
    Image.fromarray(grey[:, :, 0]).save(root / "b.tif")
    alpha = np.full(SIZES[2], 128, np.uint8)
    Image.fromarray(np.dstack([transparent, alpha])).save(root / "more" / "c.png")
    Image.fromarray(colour).save(root / ".hidden" / "d.png")
    (root / "notes.txt").write_text("no image")
    return root


@pytest.fixture
def blob(monkeypatch):
    """Predict with a Gaussian."""
    monkeypatch.setattr(predict_module, "build", lambda name: Blob())
    return Blob()


@pytest.fixture
def small_deepgaze(tmp_path, monkeypatch):
    """DeepGaze II with random readouts of a small network."""
    file = tmp_path / "weights" / "small.safetensors"
    tiny_weights({"bright": pictures(3)}).save(file)
    monkeypatch.setattr(DeepGaze2, "file", file)
    return DeepGaze(file)


def invoke(*arguments):
    """The command's result; whatever goes wrong, it must not be an unexpected exception."""
    result = CliRunner().invoke(main, ["predict", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def files(folder):
    return sorted(f.relative_to(folder).as_posix() for f in folder.rglob("*") if f.is_file())


def save_noise(file: Path, seed: int = 0, size=(20, 30)) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture(seed, *size)).save(file)
    return file


# What is written


def test_the_command_writes_densities_and_pictures(folder, small_deepgaze):
    result = invoke(folder, "--out", "out")
    assert result.exit_code == 0, result.output
    out = Path("out")
    names = ("a.png", "b.tif", "more/c.png")
    assert files(out) == sorted(f"{name}.{end}" for name in names for end in ("npy", "png"))
    assert set(map(str, (out / f for f in files(out)))) <= set(result.stdout.split("\n"))
    for name, size in zip(names, SIZES):
        values = np.load(out / f"{name}.npy")
        assert values.dtype == np.float32
        assert values.shape == size
        expected = small_deepgaze.log_density(read_image(folder / name))
        np.testing.assert_array_equal(values, expected.astype(np.float32))
        np.testing.assert_allclose(np.exp(values.astype(np.float64)).sum(), 1.0, atol=1e-5)
        assert np.ptp(values) > 0.5
        with Image.open(out / f"{name}.png") as drawn:
            assert drawn.size == size[::-1]
            assert np.asarray(drawn.convert("L")).std() > 5


def test_without_centre_bias(folder, small_deepgaze):
    pixels = read_image(folder / "a.png")
    expected = small_deepgaze.log_density_without_prior(pixels)
    assert np.abs(expected - small_deepgaze.log_density(pixels)).max() > 0.1
    result = invoke(folder / "a.png", "--no-centre-bias", "--format", "npy", "--out", "out")
    assert result.exit_code == 0, result.output
    assert files(Path("out")) == ["a.png.npy"]
    np.testing.assert_array_equal(np.load("out/a.png.npy"), expected.astype(np.float32))


def test_a_model_without_centre_bias_has_nothing_to_leave_out(folder):
    result = invoke(folder, "--model", "uniform", "--no-centre-bias")
    assert result.exit_code == 1
    assert "'uniform' has no prediction without centre bias" in result.output


@pytest.mark.parametrize("chosen", [["."], ["a.png"], ["b.tif", "more/c.png"]])
def test_pysaliency_reads_the_hdf5_file(folder, blob, chosen):
    images = [folder / name for name in chosen]
    done = predict(images, formats=("hdf5",))
    assert files(Path("predictions")) == ["predictions.hdf5"]
    assert {file for each in done for file in each.files} == {Path("predictions/predictions.hdf5")}
    stimuli = pysaliency.FileStimuli([str(each.image) for each in done])
    assert len(stimuli) == (3 if chosen == ["."] else len(chosen))
    model = pysaliency.HDF5Model(stimuli, "predictions/predictions.hdf5")
    for stimulus in stimuli:
        expected = blob.log_density(stimulus)
        np.testing.assert_allclose(model.log_density(stimulus), expected, atol=1e-5)


def test_what_the_hdf5_file_holds(folder, blob):
    predict([folder], formats=("hdf5", "npy"))
    with h5py.File("predictions/predictions.hdf5") as content:
        assert content.attrs["unit"] == "natural log of the density per pixel"
        for name in ("a.png", "b.tif", "more/c.png"):
            assert content[name].dtype == np.float32
            np.testing.assert_array_equal(content[name], np.load(f"predictions/{name}.npy"))


def test_what_is_returned(folder, blob):
    done = predict([folder / "more", folder / "a.png"], formats=("png", "npy"))
    assert done == [
        Predicted(folder / name, tuple(Path(f"predictions/{name}.{end}") for end in ("npy", "png")))
        for name in ("more/c.png", "a.png")
    ]


def test_images_are_predicted_again(folder, monkeypatch):
    for x in (0.2, 0.8):
        monkeypatch.setattr(predict_module, "build", lambda name, x=x: Blob(x))
        predict([folder], formats=("npy", "hdf5"))
        expected = Blob(x).log_density(read_image(folder / "a.png")).astype(np.float32)
        np.testing.assert_array_equal(np.load("predictions/a.png.npy"), expected)
        with h5py.File("predictions/predictions.hdf5") as content:
            np.testing.assert_array_equal(content["a.png"], expected)


def test_a_registered_model(folder):
    result = invoke(folder, "--model", "uniform")
    assert result.exit_code == 0, result.output
    values = np.load("predictions/b.tif.npy")
    np.testing.assert_allclose(values, -np.log(SIZES[1][0] * SIZES[1][1]), rtol=1e-6)
    with Image.open("predictions/b.tif.png") as drawn:
        assert drawn.size == SIZES[1][::-1]


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_interruption_leaves_the_old_hdf5_file(folder, monkeypatch, error):
    monkeypatch.setattr(predict_module, "build", lambda name: Blob())
    predict([folder], formats=("hdf5",))
    before = Path("predictions/predictions.hdf5").read_bytes()
    calls = []

    def stop(log_density):
        calls.append(1)
        if len(calls) == 2:
            raise error
        return log_density

    class Stopping(Blob):
        def log_density(self, stimulus):
            return stop(super().log_density(stimulus))

    monkeypatch.setattr(predict_module, "build", lambda name: Stopping())
    with pytest.raises(error):
        predict([folder], formats=("hdf5",))
    assert len(calls) == 2
    assert files(Path("predictions")) == ["predictions.hdf5"]
    assert Path("predictions/predictions.hdf5").read_bytes() == before


# Names


def test_equal_names_in_different_folders(tmp_path, blob):
    one, other = save_noise(tmp_path / "x" / "a.png"), save_noise(tmp_path / "y" / "a.png", 1)
    found = collect([one, other])
    assert found == {os.path.join("x", "a.png"): one, os.path.join("y", "a.png"): other}
    predict([one, other], formats=("npy",))
    assert files(Path("predictions")) == ["x/a.png.npy", "y/a.png.npy"]


def test_equal_names_with_different_endings(tmp_path, blob):
    images = [save_noise(tmp_path / "x" / name) for name in ("a.bmp", "a.png", "a.tiff")]
    predict(images, formats=("npy", "png"))
    names = [f"{image.name}.{end}" for image in images for end in ("npy", "png")]
    assert files(Path("predictions")) == sorted(names)


def test_an_image_named_twice_is_predicted_once(tmp_path):
    image = save_noise(tmp_path / "x" / "a.png")
    again = [image, image.parent, Path("x/a.png"), Path("x/../x/a.png"), Path("x")]
    assert collect(again) == {"a.png": image}


def test_predictions_stay_in_their_folder(tmp_path, blob):
    """A name leads nowhere else, however the image was named."""
    save_noise(tmp_path / "x" / "a.png")
    save_noise(tmp_path / "b.png")
    (tmp_path / "z").mkdir()
    for paths in (["x/a.png", "x/../b.png"], ["z/../b.png", "x/a.png"], ["x/../x/a.png", "b.png"]):
        found = collect([Path(path) for path in paths])
        assert sorted(found) == ["b.png", os.path.join("x", "a.png")]
    predict([Path("x/../b.png"), Path("x/a.png")], formats=("npy",), out=Path("z/out"))
    assert files(tmp_path / "z") == ["out/b.png.npy", "out/x/a.png.npy"]


@pytest.mark.parametrize("out", ["mine/predictions", "mine/more/deep"])
def test_predictions_are_not_predicted(folder, blob, out):
    """A folder that is searched may hold the predictions of the last time."""
    for _ in range(2):
        done = predict([folder], out=Path(out))
        assert [each.image.name for each in done] == ["a.png", "b.tif", "c.png"]
    assert len(files(Path(out))) == 6


def test_images_in_the_folder_of_predictions_can_be_named(folder, blob):
    predict([folder], out=folder / "out")
    drawn = folder / "out" / "a.png.png"
    assert list(collect([drawn], folder / "out").values()) == [drawn]
    assert [f.name for f in collect([folder], folder).values()] == [
        "a.png", "b.tif", "c.png", *(f"{n}.png" for n in ("a.png", "b.tif", "c.png")),
    ]  # fmt: skip


# Kinds of images


def test_images_of_every_kind(tmp_path, small_deepgaze):
    rgb = picture(3, 31, 43)
    image = Image.fromarray(rgb)
    made = {
        "grey.png": image.convert("L"),
        "grey-alpha.png": image.convert("LA"),
        "palette.png": image.convert("P"),
        "two.png": image.convert("1"),
        "alpha.webp": image.convert("RGBA"),
        "inks.jpg": image.convert("CMYK"),
        "deep.png": Image.fromarray(rgb[:, :, 0].astype(np.uint16) * 257),
        "plain.bmp": image,
    }
    for name, kind in made.items():
        kind.save(tmp_path / name)
    result = invoke(*made, "--out", "out")
    assert result.exit_code == 0, result.output
    for name in made:
        values = np.load(f"out/{name}.npy")
        assert values.shape == (31, 43)
        assert np.isfinite(values).all()
        with Image.open(f"out/{name}.png") as drawn:
            assert drawn.size == (43, 31)
    grey, deep = np.load("out/grey.png.npy"), np.load("out/deep.png.npy")
    assert not np.array_equal(grey, deep)
    np.testing.assert_array_equal(
        deep, small_deepgaze.log_density(rgb[:, :, 0]).astype(np.float32)
    )  # 16 bits are scaled to 8


def test_four_inks_are_colours(tmp_path):
    image = Image.fromarray(picture(3, 31, 43))
    image.convert("CMYK").save(tmp_path / "inks.jpg", quality=100)
    found = read_image(tmp_path / "inks.jpg")
    assert found.shape == (31, 43, 3)
    with Image.open(tmp_path / "inks.jpg") as inks:
        np.testing.assert_allclose(found, np.asarray(inks.convert("RGB")), atol=1)
    assert np.abs(found.astype(int) - np.asarray(image)).mean() < 12


def test_an_animation_is_its_first_image(tmp_path):
    frames = [Image.fromarray(picture(n, 20, 30)) for n in range(3)]
    for name in ("moving.png", "moving.tif"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
        np.testing.assert_array_equal(read_image(tmp_path / name), picture(0, 20, 30))


# Errors


def test_all_that_is_no_image_is_listed_before_anything_is_predicted(folder, tmp_path, blob):
    (tmp_path / "empty").mkdir()
    result = invoke(
        folder, "gone.png", "nowhere/", folder / "notes.txt", "empty", "--out", tmp_path / "out"
    )
    assert result.exit_code == 1
    lines = result.output.removeprefix("Error: ").strip().split("\n")
    assert lines == [
        "gone.png: there is no such file or folder.",
        "nowhere: there is no such file or folder.",
        f"{folder / 'notes.txt'}: is not an image; the ending has to be one of "
        ".bmp .jpeg .jpg .png .tif .tiff .webp",
        "empty: there is no image in this folder.",
    ]
    assert not (tmp_path / "out").exists()


def test_all_damaged_images_are_listed_before_anything_is_predicted(folder, truncate, blob):
    save_noise(folder / "e.png")
    truncate(folder / "e.png")
    (folder / "f.jpg").write_text("words")
    (folder / "g.bmp").write_bytes(b"")
    loud = np.full((20, 30), 1000.0, np.float32)
    Image.fromarray(loud).save(folder / "h.tif")
    with pytest.raises(DataError) as raised:
        predict([folder], formats=("npy", "png", "hdf5"))
    assert len(raised.value.problems) == 4
    for name, problem in zip(("e.png", "f.jpg", "g.bmp"), raised.value.problems):
        assert problem.startswith(f"{folder / name}: cannot be read as an image (")
    assert raised.value.problems[3].startswith(f"{folder / 'h.tif'}: pixel values of type float32")
    assert not Path("predictions").exists()


def test_nothing_was_named():
    with pytest.raises(DataError, match="no image was named"):
        predict([], model="uniform")
    assert invoke().exit_code == 2


@pytest.mark.parametrize("name", ["centerbias", "gold"])
def test_models_that_need_measured_fixations(folder, name):
    result = invoke(folder, "--model", name)
    assert result.exit_code == 1
    assert f"the model '{name}' needs the measured fixations of a data set" in result.output
    assert "Models that can: " in result.output
    assert "deepgaze2" in result.output.partition("Models that can: ")[2]
    assert "centerbias" not in result.output.partition("Models that can: ")[2]


def test_unknown_names(folder):
    result = invoke(folder, "--model", "deepgaze3")
    assert result.exit_code == 1
    assert "deepgaze2" in result.output
    with pytest.raises(UnknownNameError):
        predict([folder], model="deepgaze3")
    result = invoke(folder, "--model", "uniform", "--format", "npy,jpg")
    assert result.exit_code == 1
    assert "unknown format 'jpg'. Known: npy, hdf5, png." in result.output
    result = invoke(folder, "--model", "uniform", "--format", "")
    assert result.exit_code == 1
    assert "no format was named. Known: npy, hdf5, png." in result.output
    assert not Path("predictions").exists()


def test_weights_that_are_not_there(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(DeepGaze2, "file", tmp_path / "none.safetensors")
    result = invoke(folder)
    assert result.exit_code == 1
    assert "none.safetensors: these weights are not there" in result.output


def test_a_prediction_that_is_no_density_names_the_image(folder, monkeypatch):
    class Excessive(Blob):
        def log_density(self, stimulus):
            return super().log_density(stimulus) + 1.0

    monkeypatch.setattr(predict_module, "build", lambda name: Excessive())
    with pytest.raises(BenchmarkError, match=r"a\.png: the density sums to 2\.718"):
        predict([folder])


def test_an_image_that_the_model_cannot_predict_is_named(folder, monkeypatch):
    class Lacking(Blob):
        def log_density(self, stimulus):
            raise WeightsError("no readout for this one")

    monkeypatch.setattr(predict_module, "build", lambda name: Lacking())
    with pytest.raises(BenchmarkError, match=r"a\.png: no readout for this one"):
        predict([folder])


def test_features_beyond_half_precision_name_the_image(folder, small_deepgaze, monkeypatch):
    def extract(*arguments):
        maps = features.extract(*arguments)
        return {layer: replace(one, values=one.values + 1e6) for layer, one in maps.items()}

    monkeypatch.setattr("models.deepgaze.cache.extract", extract)
    result = invoke(folder / "a.png")
    assert result.exit_code == 1
    assert result.output.rpartition("Error: ")[2].startswith(
        f"{folder / 'a.png'}: the features of stem reach 1"
    )


@pytest.mark.parametrize("model", ["deepgaze2", "image-signature"])
def test_features_that_cannot_be_kept_cost_time_only(folder, small_deepgaze, monkeypatch, model):
    Path("file").touch()
    monkeypatch.setattr("models.best_effort._told", set())
    monkeypatch.setenv("BENCHMARK_FEATURES", "file")
    with pytest.warns(UserWarning, match="nothing can be kept in the cache file: Not a directory"):
        result = invoke(folder / "a.png", "--model", model)
    assert result.exit_code == 0, result.output
    assert Path("predictions/a.png.npy").is_file()


def test_the_defaults_of_the_command_are_those_of_the_function(folder, monkeypatch):
    calls = []
    monkeypatch.setattr(predict_module, "predict", lambda *arguments: calls.append(arguments) or [])
    assert invoke(folder).exit_code == 0
    assert calls == [((folder,), "deepgaze2", Path("predictions"), ("npy", "png"), True)]
    assert predict.__defaults__ == calls[0][1:]
