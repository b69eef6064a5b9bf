"""Published scores are taken only where nothing changed, and then give the same bytes."""

from __future__ import annotations

import json
import shutil

import pytest

from benchmark import provenance
from benchmark.errors import BenchmarkError
from benchmark.evaluate import Evaluation
from benchmark.run import Options, fit_models, run
from models.centerbias import CenterBias
from models.uniform import Uniform
from tests.benchmark.tiny import Blob, FaultyBlob, Interrupted

METRICS = ("IG", "AUC", "sAUC", "CC")
ALL = [0, 1, 2, 3]


def options(out, **changes):
    given = {"metrics": METRICS, "draws": 100, "kernel_size": 4.0, "out": out}
    return Options(dataset="tiny", **{**given, **changes})


def with_models(monkeypatch, **added):
    def fitted(dataset, names=(), say=None, phases=None):
        return {**fit_models(dataset, ["centerbias"]), **added}

    monkeypatch.setattr("benchmark.run.fit_models", fitted)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A folder of results with all models scored in it."""
    return tmp_path_factory.mktemp("base") / "out"


@pytest.fixture
def published(tmp_path, base, quick, no_report):
    """The same without its store, as a repository has it."""
    with_models(quick, blob=Blob(), uniform=Uniform())
    if not base.exists():
        run(options(base))
    folder = tmp_path / "published"
    shutil.copytree(base, folder)
    for file in folder.glob("scores.sqlite*"):
        file.unlink()
    return folder


def record(folder):
    return json.loads((folder / "run.json").read_text(encoding="utf-8"))


def edit(folder, change):
    content = record(folder)
    change(content)
    (folder / "run.json").write_text(json.dumps(content), encoding="utf-8")


def edit_rows(folder, change):
    """Change the rows of scores.csv, which its record then vouches for no longer."""
    edit(folder, lambda content: content.pop("scores_sha256"))
    file = folder / "scores.csv"
    file.write_text(change(file.read_text(encoding="utf-8")), encoding="utf-8")


def reused(published, out, **changes):
    """Run with the published scores: images that were scored anew, and what was said."""
    said: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        calls = Interrupted(patch)
        run(options(out, reuse=(published,), **changes), said.append)
    return calls.images, said


def test_unchanged_scores_are_written_again_to_the_byte(published, tmp_path, quick):
    def unexpected(*arguments):
        raise AssertionError("nothing is to be predicted")

    quick.setattr(Evaluation, "density", unexpected)  # no mean prediction either
    images, said = reused(published, tmp_path / "out")
    assert images == []
    assert said[-4:] == [
        "centerbias: scores reused",
        "blob: scores reused",
        "uniform: scores reused",
        "scores of 3 models are reused, 0 are scored anew",
    ]
    assert (tmp_path / "out" / "scores.csv").read_bytes() == (published / "scores.csv").read_bytes()
    before, after = record(published), record(tmp_path / "out")
    (group,) = after.pop("reused")
    assert group["folder"] == published.as_posix()
    assert group["source"] == before["source"]
    assert group["models"]["blob"] == {"content_hash": before["models"]["blob"]["content_hash"]}
    assert after == before
    # taken once more, the scores are still those of the first record
    reused(tmp_path / "out", tmp_path / "again")
    assert record(tmp_path / "again")["reused"] == [group]


def test_a_folder_gets_a_model_and_its_own_scores_again(published, quick):
    before = (published / "scores.csv").read_text(encoding="utf-8").splitlines()
    with_models(quick, blob=Blob(), uniform=Uniform(), other=Blob(0.6))
    images, said = reused(published, published)
    assert images == ALL
    assert "other: scored anew (its scores are not there)" in said
    after = (published / "scores.csv").read_text(encoding="utf-8").splitlines()
    assert [line for line in after if ",other," not in line] == before
    assert len(after) == len(before) + 4 * len(METRICS)
    (group,) = record(published)["reused"]
    assert list(group["models"]) == ["centerbias", "blob", "uniform"]
    images, said = reused(published, published)  # what was scored here is not said to be reused
    assert images == []
    assert "other: scored anew (it was scored here before, which is kept)" in said


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (
            {"protocol": "mit2014", "metrics": ("AUC",), "kernel_size": None},
            "another protocol: tuebingen, not mit2014",
        ),
        ({"maps": "naive"}, "other maps: right, not naive"),
        ({"kernel_size": 5.0}, "another kernel size: 4.0, not 5.0"),
        ({"seed": 1}, "another seed: 0, not 1"),
        ({"images": 3}, "another number of images: 4, not 3"),
        ({"metrics": ("AUC", "NSS")}, "scores.csv lacks rows (NSS"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_other_settings_take_nothing(published, tmp_path, changes, reason):
    images, said = reused(published, tmp_path / "out", **changes)
    assert images == ALL[: changes.get("images")]
    assert said[-1] == "scores of 0 models are reused, 3 are scored anew"
    assert all(reason in line for line in said[-4:-1])
    assert "reused" not in record(tmp_path / "out")


@pytest.mark.parametrize("other", ["data", "baseline", "source"])
def test_other_data_centre_bias_or_source_take_nothing(published, tmp_path, quick, dataset, other):
    if other == "data":
        changed = dataset.subset([0, 2, 1, 3], dataset.name)
        quick.setattr("benchmark.run.load", lambda *_: changed)
        reason = "other images or fixations"
    if other == "baseline":
        quick.setattr(CenterBias, "fit", classmethod(lambda kind, data: kind(data, 0.2, 0.05)))
        reason = "another centre bias"
    if other == "source":
        quick.setattr(provenance, "source_hash", lambda *packages: "changed")
        reason = "the source that scores has changed"
    images, said = reused(published, tmp_path / "out")
    assert images == ALL
    assert said[-4:-1] == [
        f"{n}: scored anew ({reason})" for n in ("centerbias", "blob", "uniform")
    ]


def stated(*keys, value=None):
    """Set what a record states, or leave it out."""

    def change(content):
        for key in keys[:-1]:
            content = content[key]
        if value is None:
            del content[keys[-1]]
        else:
            content[keys[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (stated("models", "blob", "content_hash", value="0"), "other code or weights"),
        (stated("models", "blob"), "its scores are not there"),
        (stated("failures", value=[{"model": "blob"}]), "it failed on some images there"),
    ],
    ids=["another model", "no model", "failed"],
)
def test_what_changed_of_one_model_is_scored_anew(published, tmp_path, change, reason):
    edit(published, change)
    images, said = reused(published, tmp_path / "out")
    assert images == ALL
    assert f"blob: scored anew ({reason})" in said
    assert said[-1] == "scores of 2 models are reused, 1 are scored anew"
    written = (tmp_path / "out" / "scores.csv").read_bytes()
    assert written == (published / "scores.csv").read_bytes()


def test_a_record_of_another_source_or_none_is_not_trusted(published, tmp_path):
    edit(published, stated("scoring_source"))
    images, said = reused(published, tmp_path / "out")
    assert images == ALL
    assert "does not state the source" in said[-2]


def test_other_weights_and_parameters_are_told(published, tmp_path, quick):
    moved = Blob(0.41)
    with_models(quick, blob=moved, uniform=Uniform())
    _, said = reused(published, tmp_path / "parameters", confirm=4)
    assert "blob: scored anew (other parameters (x))" in said
    moved = Blob()
    moved.content_hash = "new"
    with_models(quick, blob=moved, uniform=Uniform())
    edit(published, stated("models", "blob", "weights", value="old"))
    _, said = reused(published, tmp_path / "weights", confirm=4)
    assert "blob: scored anew (other weights)" in said


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda text: text[: len(text) * 2 // 3], "scores.csv is cut short"),
        (lambda text: text + text.splitlines()[-1] + "\n", "several rows for one image and metric"),
        (lambda text: "\n".join(text.splitlines()[:-1]) + "\n", "scores.csv lacks rows"),
        (lambda text: text.replace(",value,", ",worth,"), "lacks the column(s) value"),
        (lambda text: text.replace(",uniform,IG,tuebingen,", ",uniform,IG,mit2014,"), "protocol"),
        (lambda text: text + "tiny,x.png,uniform,IG,tuebingen,1,1,\n", "rows of other images"),
        (lambda text: text.rstrip("\n").rpartition(",")[0].rpartition(",")[0] + "\n", "6 fields"),
        (lambda text: text + "tiny,x.png,uniform,IG,tuebingen,one,1,\n", "expected a number"),
    ],
    ids=["cut", "twice", "missing", "column", "protocol", "others", "short row", "text"],
)
def test_damaged_scores_are_computed_again(published, tmp_path, change, reason):
    whole = (published / "scores.csv").read_bytes()
    edit_rows(published, change)
    images, said = reused(published, tmp_path / "out")
    assert images == ALL
    (told,) = (line for line in said if line.startswith("uniform: "))
    assert "scored anew" in told
    assert reason in told
    assert (tmp_path / "out" / "scores.csv").read_bytes() == whole


def test_changed_scores_are_seen_by_their_hash(published, tmp_path):
    file = published / "scores.csv"
    file.write_text(file.read_text(encoding="utf-8").replace("0.5", "0.6"), encoding="utf-8")
    images, said = reused(published, tmp_path / "out")
    assert images == ALL
    assert "not the file that run.json was written with" in said[-2]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text[:100], "cannot be read as JSON"),
        (lambda text: "[]", "must hold a JSON object"),
        (lambda text: text.replace('"protocol"', '"prot"', 1), "lacks the key 'protocol'"),
        (lambda text: text.replace('"seed": 0', '"seed": "0"'), "'seed' cannot be '0'"),
        (lambda text: text.replace('"failures": []', '"failures": [1]'), "is malformed"),
        (lambda text: text.replace('"seed"', '"reused": [3], "seed"'), "is malformed"),
    ],
)
def test_a_damaged_record_is_an_error(published, tmp_path, change, message):
    file = published / "run.json"
    text = file.read_text(encoding="utf-8")
    assert change(text) != text
    file.write_text(change(text), encoding="utf-8")
    with pytest.raises(BenchmarkError, match=r"run\.json.*") as error:
        run(options(tmp_path / "out", reuse=(published,)))
    assert message in str(error.value)


def test_wrong_options_are_errors(published, tmp_path):
    with pytest.raises(BenchmarkError, match="is not a folder"):
        run(options(tmp_path / "out", reuse=(tmp_path / "nowhere",)))
    with pytest.raises(BenchmarkError, match="--confirm is about --reuse"):
        run(options(tmp_path / "out", confirm=3))


def test_changed_code_is_confirmed_on_images(published, tmp_path):
    for name in ("centerbias", "blob", "uniform"):
        edit(published, stated("models", name, "content_hash", value="0"))
    edit(published, stated("baseline", value="0"))
    out = tmp_path / "out"
    images, said = reused(published, out, confirm=2)
    assert sorted(set(images)) == [0, 3]  # both ends; no image is scored for anything else
    assert said[-1] == "scores of 3 models are reused, 0 are scored anew"
    assert (out / "scores.csv").read_bytes() == (published / "scores.csv").read_bytes()
    (group,) = record(out)["reused"]
    assert group["models"]["blob"] == {
        "content_hash": "0",
        "confirmed_on_images": 2,
        "centre_bias_confirmed_on_images": 2,
    }


def test_changed_predictions_are_not_confirmed(published, tmp_path, quick):
    edit(published, stated("models", "blob", "content_hash", value="0"))
    with_models(quick, blob=FaultyBlob(lambda values: values[:, ::-1], 3), uniform=Uniform())
    _, said = reused(published, tmp_path / "out", confirm=2)
    (told,) = (line for line in said if line.startswith("blob: "))
    assert told.startswith("blob: scored anew (other code or weights: IG of ")
    assert said[-1] == "scores of 2 models are reused, 1 are scored anew"


def test_a_model_from_outside_has_to_predict_the_same(published, tmp_path, quick):
    outside = Blob()
    outside.origin = "tests.benchmark.tiny:Blob"
    with_models(quick, outside=outside, uniform=Uniform())
    run(options(tmp_path / "first"))
    _, said = reused(tmp_path / "first", tmp_path / "same")
    assert "outside: scores reused" in said
    # the same source and parameters, other weights
    quick.setattr(Blob, "log_density", lambda self, stimulus: Uniform().log_density(stimulus))
    images, said = reused(tmp_path / "first", tmp_path / "other", confirm=4)
    assert images == ALL
    assert "outside: scored anew (another prediction for the first image)" in said


def test_the_first_of_several_records_that_fits_is_taken(published, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(published, other)
    edit(other, stated("seed", value=7))
    said: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        assert not Interrupted(patch).images
        run(options(tmp_path / "out", reuse=(other, published)), said.append)
    assert said[-1] == "scores of 3 models are reused, 0 are scored anew"
    (group,) = record(tmp_path / "out")["reused"]
    assert group["folder"] == published.as_posix()
