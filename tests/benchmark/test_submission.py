"""Submissions: what is written reads back; killed ones go on; damage and stale files are found."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from importlib import metadata
from pathlib import Path

import h5py
import numpy as np
import pysaliency
import pytest
from click.testing import CliRunner
from PIL import Image
from scipy.special import logsumexp

from benchmark import provenance
from benchmark import submission as module
from benchmark.cli import main
from benchmark.datasets.images import open_stimuli
from benchmark.errors import BenchmarkError, DataError, UnknownNameError
from benchmark.rank_maps import JPEG_LARGEST, rank_quantised
from benchmark.submission import SubmitOptions, held_out_images, submit
from benchmark.submission_check import read_back
from benchmark.submission_pieces import Pieces, array_hash
from models.base import UnavailableError
from tests.benchmark.tiny import Blob
from tests.models.deepgaze.bright import picture

REPOSITORY = Path(__file__).resolve().parents[2]
SIZES = {"a.png": (33, 47), "b.jpg": (30, 61), "more/c.png": (41, 26)}
PICTURES = {
    f"{kind}/{folder}/{name}{suffix}"
    for kind, suffix in (("png", ".png"), ("jpeg", ".jpg"))
    for folder in ("with_centre_bias", "without_centre_bias")
    for name in ("a", "b", "more/c")
}
ALL = PICTURES | {"log_densities.hdf5", "manifest.json", "README.md"}


class Ranked(Blob):
    """A Gaussian that differs between images, with another one where there is no centre bias."""

    def log_density(self, stimulus):
        bright = float(np.mean(np.asarray(stimulus.stimulus_data))) / 255
        return Blob(self.parameters["x"] + bright / 5).log_density(stimulus)

    def log_density_without_prior(self, stimulus):
        return Blob(0.8, 0.3, 0.4).log_density(stimulus)


@pytest.fixture(autouse=True)
def surroundings(tmp_path, monkeypatch):
    """The same command and commit in every run, each in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(provenance, "commit", lambda: {"commit": "0" * 40, "dirty": False})
    monkeypatch.setattr(sys, "argv", ["benchmark", "submit", "--images", "mine"])
    # which distribution these tests' models are of: half a second a search, and of none
    monkeypatch.setattr(metadata, "packages_distributions", dict)


@pytest.fixture
def folder(tmp_path) -> Path:
    root = tmp_path / "mine"
    for n, (name, size) in enumerate(SIZES.items()):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture(n, *size)).save(root / name)
    (root / ".DS_Store").write_bytes(b"litter")
    return root


@pytest.fixture
def use(monkeypatch):
    """Predict with a model of the test's."""
    return lambda model: monkeypatch.setattr(module, "build", lambda name: model)


@pytest.fixture
def ranked(use):
    model = Ranked()
    use(model)
    return model


def options(folder, **changes):
    return SubmitOptions(folder, **{"model": "deepgaze2", "out": Path("out"), **changes})


def content(out=Path("out")):
    return {
        file.relative_to(out).as_posix(): file.read_bytes()
        for file in out.rglob("*")
        if file.is_file()
    }


def grey(file):
    with Image.open(file) as picture:
        assert picture.mode == "L"
        return np.asarray(picture)


def invoke(*arguments):
    """The command's result; whatever goes wrong, it must not be an unexpected exception."""
    result = CliRunner().invoke(main, ["submit", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


class Stopped:
    """Counts predictions, and raises at the one numbered ``at``."""

    def __init__(self, monkeypatch, at=None, error=KeyboardInterrupt):
        self.names = []
        original = module._predicted

        def predicted(model, stimulus, name):
            if len(self.names) == at:
                raise error
            self.names.append(name)
            return original(model, stimulus, name)

        monkeypatch.setattr(module, "_predicted", predicted)


# What is written


def test_pysaliency_reads_what_was_predicted(folder, ranked):
    done = submit(options(folder))
    assert set(content()) == ALL
    assert done.predicted == list(SIZES)
    stimuli = open_stimuli([folder / name for name in SIZES])
    model = pysaliency.HDF5Model(stimuli, "out/log_densities.hdf5")
    for stimulus in stimuli:
        values = model.log_density(stimulus)
        assert values.dtype == np.float32
        assert values.shape == stimulus.shape[:2]
        assert abs(logsumexp(values.astype(float))) < 1e-6
        np.testing.assert_allclose(values, ranked.log_density(stimulus), atol=1e-5)
    with h5py.File("out/log_densities.hdf5") as store:
        assert store.attrs["unit"] == "natural log of the density per pixel"


def test_maps_are_ranks_of_the_densities(folder, ranked):
    submit(options(folder))
    with h5py.File("out/log_densities.hdf5") as store:
        for name, stimulus in zip(SIZES, open_stimuli([folder / name for name in SIZES])):
            stem = Path(name).with_suffix("")
            with_bias = grey(f"out/png/with_centre_bias/{stem}.png")
            np.testing.assert_array_equal(with_bias, rank_quantised(store[name]))
            without = grey(f"out/png/without_centre_bias/{stem}.png")
            expected = ranked.log_density_without_prior(stimulus).astype(np.float32)
            np.testing.assert_array_equal(without, rank_quantised(expected))
            assert (without != with_bias).mean() > 0.5
            for kind, exact in (("with", with_bias), ("without", without)):
                jpeg = grey(f"out/jpeg/{kind}_centre_bias/{stem}.jpg")
                assert np.abs(jpeg.astype(int) - exact).max() <= JPEG_LARGEST


def test_predictions_are_normalised(folder, use):
    """Models may be off by 1e-3; what is written is not."""

    class Off(Blob):
        def log_density(self, stimulus):
            return super().log_density(stimulus) + 9e-4

    use(Off())
    found = submit(options(folder)).manifest["read_back"]
    assert 0 < found["largest_logsumexp"] < 1e-6


def test_images_of_the_same_name_in_other_folders(tmp_path, ranked):
    names = [f"{group}/{number}.png" for group in ("Action", "Art") for number in ("001", "002")]
    for n, name in enumerate(names):
        (tmp_path / "cat" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture(n, 20, 30)).save(tmp_path / "cat" / name)
    submit(options(tmp_path / "cat"))
    stimuli = open_stimuli([tmp_path / "cat" / name for name in names])
    model = pysaliency.HDF5Model(stimuli, "out/log_densities.hdf5")
    for name, stimulus in zip(names, stimuli):
        np.testing.assert_allclose(
            model.log_density(stimulus), ranked.log_density(stimulus), atol=1e-5
        )
        assert Path("out/jpeg/with_centre_bias", name).with_suffix(".jpg").is_file()
    assert np.ptp([model.log_density(stimulus)[0, 0] for stimulus in stimuli]) > 1e-3


def test_impossible_pixels(folder, use):
    class Half(Blob):
        def log_density(self, stimulus):
            height, width = stimulus.shape[:2]
            density = np.zeros((height, width))
            density[: height // 2] = 1 / (height // 2 * width)
            with np.errstate(divide="ignore"):
                return np.log(density)

    use(Half())
    submit(options(folder))
    values = grey("out/png/with_centre_bias/a.png")
    assert values[:16].min() == values[:16].max() > values[16:].max() == values[16:].min()


def test_the_manifest(folder, ranked):
    done = submit(options(folder))
    manifest = json.loads(Path("out/manifest.json").read_text())
    assert manifest == json.loads(json.dumps(done.manifest))
    assert manifest["command"] == "python -m benchmark submit --images mine"
    assert manifest["images"]["n_images"] == 3
    assert manifest["model"]["name"] == "blob"
    assert manifest["model"]["parameters"] == ranked.parameters
    assert len(manifest["model"]["content_hash"]) == 64
    assert manifest["versions"] == provenance.versions()
    assert manifest["settings"] == {"grey_levels": 256, "jpeg_quality": 100}
    assert manifest["log_densities_sha256"] == module.file_hash(Path("out/log_densities.hdf5"))
    assert list(manifest["predictions"]) == list(SIZES)
    files = {}
    for name, record in manifest["predictions"].items():
        assert record["image"] == module.file_hash(folder / name)
        files.update(record["files"])
        with h5py.File("out/log_densities.hdf5") as store:
            assert record["log_density"] == array_hash(store[name][()])
    assert files == {name: module.file_hash(Path("out", name)) for name in PICTURES}


def test_the_readme_says_what_to_upload(folder, ranked):
    submit(options(folder))
    text = Path("out/README.md").read_text()
    for words in ("# Blob on mine", "3 images", "log_densities.hdf5", "shuffled AUC", "HDF5Model"):
        assert words in text
    for path in ("jpeg/with_centre_bias/", "jpeg/without_centre_bias/", "png/"):
        assert f"`{path}`" in text
        assert (Path("out") / path).is_dir()


def test_a_model_without_another_prior(folder, use):
    use(Blob())
    done = submit(options(folder))
    assert set(content()) == {name for name in ALL if "without" not in name}
    reason = "none: Blob has no prediction without centre bias"
    assert done.manifest["maps"]["without_centre_bias"] == reason
    text = Path("out/README.md").read_text()
    assert "There are no maps without centre bias: Blob has no prediction" in text
    assert "jpeg/without_centre_bias" not in text


def test_the_command(folder):
    result = invoke("--images", folder, "--model", "uniform")
    assert result.exit_code == 0, result.output
    out = Path("submissions/uniform-mine")
    assert f"Written to {out}" in result.output
    assert "# Uniform on mine" in result.output
    assert (grey(out / "jpeg/with_centre_bias/a.jpg") == 127).all()
    again = invoke("--images", folder, "--model", "uniform")
    assert again.exit_code == 0
    assert "complete; reading it back" in again.output


def test_a_saliency_map_is_submitted_as_what_it_is(folder):
    manifest = submit(options(folder, model="spectral-residual")).manifest
    assert manifest["model"]["name"] == "spectral-residual:plain"


# Going on


@pytest.mark.parametrize("at", [0, 1, 2])
@pytest.mark.parametrize("error", [KeyboardInterrupt, BenchmarkError("cannot")])
def test_an_interrupted_submission_goes_on(folder, ranked, monkeypatch, at, error):
    submit(options(folder, out=Path("straight")))
    with monkeypatch.context() as patch:
        Stopped(patch, at, error)
        with pytest.raises(type(error) if isinstance(error, Exception) else error):
            submit(options(folder))
    assert not Path("out/manifest.json").exists()
    with monkeypatch.context() as patch:
        counter = Stopped(patch)
        done = submit(options(folder))
    assert counter.names == done.predicted == list(SIZES)[at:]
    assert content() == content(Path("straight"))


def test_a_killed_process_goes_on(folder, use):
    """SIGKILL while the second image is predicted, and in the middle of writing a file."""
    script = """
        import sys, time
        from pathlib import Path
        from benchmark import submission
        original, count = submission._predicted, []
        def predicted(*arguments):
            count.append(1)
            if len(count) == 2:
                Path("here").touch()
                time.sleep(600)
            return original(*arguments)
        submission._predicted = predicted
        submission.submit(submission.SubmitOptions(Path("mine"), "uniform", Path("out")))
    """
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(script)],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stderr=subprocess.DEVNULL,
    )
    try:
        while not Path("here").exists():
            assert process.poll() is None
            time.sleep(0.02)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert "unfinished/a.png.json" in content()
    Path(f"out/.log_densities.hdf5.{process.pid}.tmp").write_bytes(b"half")
    Path(f"out/unfinished/.b.jpg.npy.{process.pid}.tmp").write_bytes(b"half")
    done = submit(options(folder, model="uniform"))
    assert done.predicted == ["b.jpg", "more/c.png"]
    submit(options(folder, model="uniform", out=Path("straight")))
    assert content() == content(Path("straight"))


def test_interrupted_while_it_is_put_together(folder, ranked, monkeypatch):
    submit(options(folder, out=Path("straight")))
    with monkeypatch.context() as patch:
        patch.setattr(module, "read_back", lambda *arguments: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            submit(options(folder))
    assert submit(options(folder)).predicted == []
    assert content() == content(Path("straight"))


def test_a_complete_submission_is_left_alone(folder, ranked):
    submit(options(folder))
    before = content()
    times = {file: file.stat().st_mtime_ns for file in Path("out").rglob("*.*g")}
    assert submit(options(folder)).predicted == []
    assert content() == before
    assert times == {file: file.stat().st_mtime_ns for file in Path("out").rglob("*.*g")}


def test_a_lost_readme_is_written_again(folder, ranked):
    submit(options(folder))
    before = content()
    Path("out/README.md").unlink()
    submit(options(folder))
    assert content() == before


# Damage


@pytest.mark.parametrize("name", sorted(name for name in PICTURES if "/a." in name))
@pytest.mark.parametrize("how", ["changed", "cut", "gone"])
def test_a_damaged_picture_is_made_again(folder, ranked, name, how):
    submit(options(folder))
    before = content()
    file = Path("out", name)
    if how == "changed":
        Image.fromarray(255 - grey(file)).save(file)
    elif how == "cut":
        file.write_bytes(file.read_bytes()[:50])
    else:
        file.unlink()
    done = submit(options(folder))
    assert [Path(image).stem for image in done.predicted] == [file.stem]
    assert content() == before


def test_a_damaged_density_is_made_again(folder, ranked):
    submit(options(folder))
    before = content()
    with h5py.File("out/log_densities.hdf5", "r+") as store:
        store["b.jpg"][3, 4] += 1e-3
    assert submit(options(folder)).predicted == ["b.jpg"]
    assert content() == before
    Path("out/log_densities.hdf5").write_bytes(b"no HDF5")
    assert submit(options(folder)).predicted == list(SIZES)
    assert content() == before


def test_an_additional_density_is_removed(folder, ranked):
    submit(options(folder))
    before = content()
    with h5py.File("out/log_densities.hdf5", "r+") as store:
        store["other.png"] = np.zeros((3, 4), np.float32)
    assert submit(options(folder)).predicted == []
    assert content() == before


def test_a_damaged_piece_is_made_again(folder, ranked, monkeypatch):
    submit(options(folder, out=Path("straight")))
    with monkeypatch.context() as patch:
        Stopped(patch, 2)
        with pytest.raises(KeyboardInterrupt):
            submit(options(folder))
    piece = Path("out/unfinished/a.png.npy")
    piece.write_bytes(piece.read_bytes()[:-4] + b"abcd")
    Path("out/unfinished/b.jpg.json").write_text("{")
    assert submit(options(folder)).predicted == list(SIZES)
    assert content() == content(Path("straight"))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda values: values + 2e-5, "log of its sum is off by 2e-05; expected at most 1e-05"),
        (lambda values: values + 0.1, "is no log density"),
        (lambda values: np.full_like(values, np.nan), "is no log density"),
        (lambda values: values.T, "has the shape (47, 33), not (33, 47)"),
        (lambda values: values.astype(float), "is of type float64; expected float32"),
        (lambda values: values[::-1], "has not the ranks of the log density"),
    ],
)  # fmt: skip
def test_reading_back_finds_wrong_densities(folder, ranked, damage, words):
    records = submit(options(folder)).manifest["predictions"]
    with h5py.File("out/log_densities.hdf5", "r+") as store:
        values = store["a.png"][()]
        del store["a.png"]
        store["a.png"] = damage(values)
    stimuli = open_stimuli([folder / name for name in SIZES])
    problems = read_back(Path("out"), stimuli, records).problems
    assert any("a." in problem and words in problem for problem in problems), problems


def test_reading_back_finds_wrong_pictures(folder, ranked):
    records = submit(options(folder)).manifest["predictions"]
    jpegs = Path("out/jpeg/with_centre_bias")
    Image.fromarray(grey(jpegs / "a.jpg")).save(jpegs / "a.jpg", quality=20)
    Image.fromarray(grey(jpegs / "b.jpg")).convert("RGB").save(jpegs / "b.jpg")
    (jpegs / "more/c.jpg").write_bytes(b"")
    (jpegs / "d.jpg").write_bytes(b"")
    stimuli = open_stimuli([folder / name for name in SIZES])
    problems = read_back(Path("out"), stimuli, records).problems
    assert len(problems) == 4
    for problem, words in zip(
        problems,
        (
            "d.jpg: is not of this submission; remove it",
            "grey levels from what was written; expected at most 4 and 0.5",
            "b.jpg: is of mode RGB",
            "c.jpg: cannot be read as an image",
        ),
    ):
        assert words in problem


def test_a_foreign_file_among_the_maps_is_refused(folder, ranked):
    submit(options(folder))
    shutil.copy("out/jpeg/with_centre_bias/a.jpg", "out/jpeg/with_centre_bias/z.jpg")
    with pytest.raises(DataError, match=r"z\.jpg: is not of this submission; remove it\."):
        submit(options(folder))


# What has changed


def test_another_model_meets_no_stale_piece(folder, use):
    use(Ranked())
    submit(options(folder))
    before = content()
    use(Ranked(0.1))
    assert submit(options(folder)).predicted == list(SIZES)
    changed = content()
    assert all(changed[name] != before[name] for name in ("manifest.json", "log_densities.hdf5"))
    use(Ranked())
    assert submit(options(folder)).predicted == list(SIZES)
    assert content() == before


def test_a_model_with_fewer_maps_leaves_none_behind(folder, use):
    use(Ranked())
    submit(options(folder))
    use(Blob())
    submit(options(folder))
    assert set(content()) == {name for name in ALL if "without" not in name}


def test_other_weights_meet_no_stale_piece(folder, use, monkeypatch):
    model = Ranked()
    model.content_hash = "one"
    use(model)
    with monkeypatch.context() as patch:
        Stopped(patch, 2)
        with pytest.raises(KeyboardInterrupt):
            submit(options(folder))
    model.content_hash = "other"
    assert submit(options(folder)).predicted == list(SIZES)


def test_a_change_of_versions_meets_no_stale_piece(folder, ranked, monkeypatch):
    submit(options(folder))
    monkeypatch.setattr(provenance, "versions", lambda: {"numpy": "3"})
    assert submit(options(folder)).predicted == list(SIZES)


def test_only_changed_and_new_images_are_predicted(folder, ranked):
    submit(options(folder))
    Image.fromarray(picture(9, 33, 47)).save(folder / "a.png")
    Image.fromarray(picture(8, 20, 30)).save(folder / "new.png")
    (folder / "b.jpg").unlink()
    done = submit(options(folder))
    assert done.predicted == ["a.png", "new.png"]
    expected = {name.replace("/b.", "/new.") for name in ALL}
    assert set(content()) == expected
    assert list(done.manifest["predictions"]) == ["a.png", "more/c.png", "new.png"]
    submit(options(folder, out=Path("straight")))
    assert content() == content(Path("straight"))


def test_a_submission_under_change_is_not_called_complete(folder, use, monkeypatch):
    use(Ranked())
    submit(options(folder))
    use(Ranked(0.1))
    Stopped(monkeypatch, 1)
    with pytest.raises(KeyboardInterrupt):
        submit(options(folder))
    assert not Path("out/manifest.json").exists()


# Errors


def test_all_that_cannot_be_used_is_listed_before_anything_is_predicted(
    folder, truncate, monkeypatch
):
    def stop(name):
        raise AssertionError("the model was built")

    monkeypatch.setattr(module, "build", stop)
    (folder / "notes.txt").write_text("words")
    Image.fromarray(picture(1, 20, 30)).save(folder / "d.png")
    truncate(folder / "d.png")
    Image.fromarray(picture(2, 20, 30)).save(folder / "A.bmp")
    (folder / "more" / "e.webp").write_bytes(b"")
    with pytest.raises(DataError) as raised:
        submit(options(folder))
    problems = raised.value.problems
    assert len(problems) == 4
    assert problems[0].startswith(f"{folder / 'a.png'}: has the same name as {folder / 'A.bmp'};")
    assert problems[1].startswith(f"{folder / 'd.png'}: cannot be read as an image")
    assert problems[2].startswith(f"{folder / 'more' / 'e.webp'}: cannot be read as an image")
    assert problems[3].startswith(f"{folder / 'notes.txt'}: is not an image; move it elsewhere")
    assert not Path("out").exists()


def test_folders_without_images(tmp_path):
    (tmp_path / "empty").mkdir()
    result = invoke("--images", "empty")
    assert result.exit_code == 1
    assert "empty: there is no image in this folder." in result.output
    result = invoke("--images", "nowhere")
    assert result.exit_code == 1
    assert "nowhere: there is no such folder" in result.output
    assert invoke().exit_code == 2


def test_a_submission_inside_the_folder_of_images(folder, ranked):
    out = folder / "out"
    submit(options(folder, out=out))
    before = content(out)
    assert submit(options(folder, out=out)).predicted == []
    assert content(out) == before
    assert list(held_out_images(folder, out)) == list(SIZES)


def test_a_folder_that_holds_something_else_is_left_alone(folder, ranked):
    Path("out").mkdir()
    Path("out/manifest.json").write_text('{"name": "an app"}')
    with pytest.raises(BenchmarkError, match="holds other files than a submission"):
        submit(options(folder))
    assert content() == {"manifest.json": b'{"name": "an app"}'}


@pytest.mark.parametrize("name", ["centerbias", "gold"])
def test_models_that_need_measured_fixations(folder, name):
    with pytest.raises(BenchmarkError, match="needs the measured fixations of a data set"):
        submit(options(folder, model=name))
    assert not Path("out").exists()


def test_unknown_models(folder):
    with pytest.raises(UnknownNameError):
        submit(options(folder, model="deepgaze3000"))


@pytest.mark.parametrize("error", [UnavailableError("no readout"), ValueError("no readout")])
def test_an_image_that_the_model_cannot_predict_is_named(folder, use, error):
    class Lacking(Blob):
        def log_density(self, stimulus):
            raise error

    use(Lacking())
    with pytest.raises(BenchmarkError, match=r"^a\.png: (ValueError: )?no readout"):
        submit(options(folder))


def test_a_prediction_that_is_no_density_names_the_image(folder, use):
    class Excessive(Ranked):
        def log_density_without_prior(self, stimulus):
            return super().log_density_without_prior(stimulus) + 1.0

    use(Excessive())
    with pytest.raises(BenchmarkError, match=r"a\.png: the density sums to 2\.718"):
        submit(options(folder))


def test_recorded_paths_lead_nowhere_else(folder, ranked, tmp_path):
    """A manifest that somebody else made cannot have files removed outside of its folder."""
    submit(options(folder))
    manifest = json.loads(Path("out/manifest.json").read_text())
    manifest["predictions"]["a.png"]["files"]["../precious.txt"] = "0"
    Path("out/manifest.json").write_text(json.dumps(manifest))
    Path("precious.txt").write_text("kept")
    submit(options(folder))
    assert Path("precious.txt").read_text() == "kept"


def test_a_folder_that_cannot_be_written(folder, ranked, monkeypatch):
    Path("out").write_text("a file")
    with pytest.raises(BenchmarkError, match="cannot be written"):
        submit(options(folder))
    assert Pieces(Path("new")).finished == {}


def test_the_defaults_of_the_command_are_those_of_the_function(folder, monkeypatch):
    calls = []

    def record(given, say):
        calls.append(given)
        raise BenchmarkError("enough")

    monkeypatch.setattr(module, "submit", record)
    invoke("--images", folder)
    assert calls == [SubmitOptions(folder)]
