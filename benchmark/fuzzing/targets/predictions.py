"""Predictions that runs and submissions keep for themselves."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmark.fuzzing import formats
from benchmark.fuzzing.target import Target
from benchmark.stored_predictions import Prediction, StoredPredictions
from benchmark.submission_pieces import Pieces

_LOG_DENSITY = np.full((3, 4), -np.log(12), np.float32)
_KEPT = StoredPredictions(Path("kept"))._file("ours", "a.png").as_posix()


@cache
def _npz() -> bytes:
    with TemporaryDirectory() as folder:
        stored = StoredPredictions(Path(folder) / "kept")
        stored.add("ours", "a.png", Prediction("key", _LOG_DENSITY, np.array([-1.0, -2.0])))
        return formats.without_times((Path(folder) / _KEPT).read_bytes())


def _get(file: Path) -> Prediction:
    return StoredPredictions(file.parents[1]).get("ours", "a.png")


def _wrong_prediction(file: Path, found: Prediction) -> str | None:
    with np.load(file, allow_pickle=False) as content:
        plain = {name: content[name] for name in ("key", "log_density", "at_fixations")}
    kinds = plain["key"].dtype.kind, plain["log_density"].dtype, plain["at_fixations"].dtype
    if plain["key"].ndim or kinds != ("U", np.float32, np.float64):
        return "values of other types are accepted"
    if plain["log_density"].ndim != 2 or plain["at_fixations"].ndim != 1:
        return "values of other shapes are accepted"
    if np.isnan(found.log_density).any() or np.isnan(found.at_fixations).any():
        return "NaN is accepted"
    same = np.array_equal(found.log_density, plain["log_density"])
    return None if same and found.key == str(plain["key"]) else "other values than the file's"


@cache
def _submission() -> dict[str, bytes]:
    """A submission with one image that is finished and one that is not, by file name."""
    with TemporaryDirectory() as name:
        folder = Path(name) / "out"
        pieces = Pieces(folder)
        for image in ("a.png", "b.png"):
            pieces.keep(image, "key", _LOG_DENSITY, {f"png/{image}": b"pixels"})
        record = json.loads((folder / "unfinished" / "a.png.json").read_text())
        manifest = {"log_densities_sha256": "0" * 64, "predictions": {"a.png": record}}
        (folder / "unfinished" / "a.png.json").unlink()
        (folder / "manifest.json").write_text(json.dumps(manifest))
        return {
            file.relative_to(name).as_posix(): file.read_bytes()
            for file in folder.rglob("*")
            if file.is_file()
        }


def _prepare(root: Path) -> None:
    for name, content in _submission().items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)


def _pieces(root: Path) -> dict[str, bool]:
    """Which images are taken as finished, by name."""
    pieces = Pieces(root)
    pieces.densities_intact()
    return {name: pieces.intact(name, "key") for name in ("a.png", "b.png")}


def _wrong_pieces(file: Path, intact: dict[str, bool]) -> str | None:
    """Whatever is taken as finished is recorded with its key and hashes."""
    image = "b.png" if "unfinished" in file.parts else "a.png"
    if not intact[image]:
        return None
    content = json.loads(file.read_text(encoding="utf-8"))
    record = content if image == "b.png" else content["predictions"][image]
    true = json.loads(_submission()["out/unfinished/b.png.json"])
    if record["key"] != "key" or record["log_density"] != true["log_density"]:
        return "an image is taken as finished that is not recorded so"
    return None


TARGETS = (
    Target(
        "stored-prediction",
        "a prediction kept beside scores, npz",
        _KEPT,
        lambda: [_npz()],
        _get,
        _wrong_prediction,
        mutators=(formats.in_zip(formats.npy_header),),
        tokens=(b"PK\1\2", b"PK\3\4", b"PK\5\6", b"key.npy", b"\x93NUMPY"),
    ),
    Target(
        "submission-manifest",
        "what a submission records of finished images, JSON",
        "out/manifest.json",
        lambda: [_submission()["out/manifest.json"]],
        lambda file: _pieces(file.parent),
        _wrong_pieces,
        _prepare,
        mutators=(formats.json_object, formats.json_object),
    ),
    Target(
        "submission-piece",
        "what a submission records of an image, JSON",
        "out/unfinished/b.png.json",
        lambda: [_submission()["out/unfinished/b.png.json"]],
        lambda file: _pieces(file.parents[1]),
        _wrong_pieces,
        _prepare,
        mutators=(formats.json_object, formats.json_object),
    ),
)
