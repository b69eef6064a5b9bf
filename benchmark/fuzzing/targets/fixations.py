"""Readers of measured fixations: a user's CSV file, FixaTons, Matlab and pysaliency's HDF5."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from benchmark.datasets import fixatons, folder, osie, pysaliency_cached, stated
from benchmark.fuzzing import formats
from benchmark.fuzzing.target import Target
from benchmark.fuzzing.targets import plain

NAMES = ("a.png", "b.png")


def _images(root: Path) -> None:
    for level, name in enumerate(NAMES):
        plain.save_image(root / name, 50 * level)


# A user's folder

_CSV = (
    b"image,subject,x,y\na.png,amy,20,15\na.png,amy,5.5,6\nb.png,bob,39,29.9\nb.png,bob,40,10\n",
    b"\xef\xbb\xbfsubject,t,image,duration,y,x,note\r\n"
    b'"am,y",0.5,a,,15,1e1,"x"\r\n"am,y",0.25,./a.png,0.2,3,4,\r\nbob,1,b,0.1,7,8,"q""q"\r\n',
    b"image,subject,x,y,t\nb,1,1,2,3\nb,1,3,4,1\na,1,5,6,1\nb,2,0,0,0\na,2,-1,-1,2\n",
)


def _csv_rows(file: Path) -> Iterator[plain.Fixation]:
    """The fixations in a CSV file as a plain reading has them."""
    text = io.StringIO(file.read_bytes().decode("utf-8-sig"), newline="")
    rows = [[cell.strip() for cell in row] for row in csv.reader(text)]
    header = [name.lower() for name in rows[0]]
    at = {name: header.index(name) for name in folder.REQUIRED}
    known = {**{name: n for n, name in enumerate(NAMES)}, "a": 0, "b": 1}
    for row in rows[1:]:
        if any(row):
            name = row[at["image"]].replace("\\", "/").removeprefix("./")
            x, y = plain.number(row[at["x"]]), plain.number(row[at["y"]])
            for other in ("t", "duration"):
                if other in header and (other == "t" or row[header.index(other)]):
                    plain.number(row[header.index(other)])
            yield known[name], row[at["subject"]], x, y


def _wrong_folder(file: Path, dataset: Any) -> str | None:
    if not (np.diff(dataset.fixations.train_ts, axis=1) >= 0)[
        ~np.isnan(dataset.fixations.train_ts[:, 1:])
    ].all():
        return "fixations are not in the order of their times"
    return plain.difference(dataset, _csv_rows(file))


# dataset.toml

_STATED = (
    b'title = "A study"  # of scenes\npixels_per_degree = 30.5\ninitial_fixations = "drop"\n',
    b'summary = \'s\'\r\ncitation = "\\u00e9"\nlicence = "l"\nkernel_size = 1e1\n',
    b"\xef\xbb\xbfkernel_size = 0x1F\npixels_per_degree = 1_000\ninitial_fixations = 'keep'",
)


def _wrong_stated(file: Path, spec: Any) -> str | None:
    for key, value in stated.tomllib.loads(file.read_bytes().decode("utf-8-sig")).items():
        found: Any = getattr(spec, key, "drop" if spec.drop_initial else "keep")
        expected = float(value) if key in stated.NUMBERS else value
        if isinstance(value, bool) or found != expected:
            return f"{key} is not what the file states"
        if key in stated.NUMBERS and not 0 < found < np.inf:
            return f"{key} is no positive number"
    return None


# FixaTons

_TRIALS = (
    b"20 15 0.0 0.25\n21 14 0.3 0.5\n5.5 6 0.6 0.8\n40 10 0.9 1.1\n",
    b"1e1\t2 0 1\r\n\r\n3 4 1.5 2.5\r\n 39 29 3 4 \r\n",
)


def _prepare_fixatons(root: Path) -> None:
    _images(root / "set" / "STIMULI")
    (root / "set" / "SCANPATHS" / "b").mkdir(parents=True)
    (root / "set" / "SCANPATHS" / "b" / "bob").write_text("1 2 0 1\n3 4 1 2\n")


def _wrong_fixatons(file: Path, dataset: Any) -> str | None:
    rows = []
    for line in re.split(rb"\r\n|\r|\n", file.read_bytes()):
        words = [plain.number(word.decode()) for word in line.split()]
        if words:
            x, y, start, end = words
            assert np.isfinite([start, end]).all()
            rows.append((0, file.name, x, y))
    return plain.difference(dataset, [*rows[1:], (1, "bob", 3.0, 4.0)])


# Matlab


def _mat(compressed: bool, bare: bool = False) -> bytes:
    from scipy.io import savemat

    records = np.empty((len(NAMES), 1), dtype=object)
    for n, name in enumerate(NAMES):
        trials = np.empty((1 if bare else 2, 1), dtype=object)
        for k in range(len(trials)):
            x, y = np.array([[20.0, 5.5, 40.0][: 1 if bare else 3], [15.0, 6, 10][: 3 - 2 * bare]])
            trials[k, 0] = {"fix_x": x + k, "fix_y": y, "fix_duration": np.full(len(x), 250)}
        records[n, 0] = {"img": name, "subjects": trials}
    buffer = io.BytesIO()
    savemat(buffer, {"fixations": records}, do_compression=compressed)
    content = bytearray(buffer.getvalue())
    content[:116] = b"MATLAB 5.0 MAT-file".ljust(116)  # otherwise it holds the time
    return bytes(content)


def _wrong_mat(file: Path, dataset: Any) -> str | None:
    from scipy.io import loadmat

    content = loadmat(file, struct_as_record=True, squeeze_me=False)["fixations"]
    expected = []
    for n, record in enumerate(content.ravel()):
        for subject, trial in enumerate(_struct(record)["subjects"].ravel()):
            fields = _struct(trial)
            x, y, duration = (fields[f"fix_{name}"] for name in ("x", "y", "duration"))
            if not all(v.dtype.kind in "iufb" for v in (x, y, duration)):
                return "values that are no real numbers are accepted"
            if not np.isfinite(duration).all():
                return "durations that are not finite are accepted"
            expected += [
                (n, str(subject), float(a), float(b)) for a, b in zip(x.ravel(), y.ravel())
            ]
    return plain.difference(dataset, expected)


def _struct(value: Any) -> Any:
    """A Matlab struct, whatever it is wrapped in."""
    while isinstance(value, np.ndarray) and value.dtype.names is None:
        value = value.ravel()[0]
    return value.ravel()[0] if isinstance(value, np.ndarray) else value


# pysaliency's HDF5


def _hdf5(kind: str) -> bytes:
    """A file of pysaliency's: "files", "pixels", "trains" or "fixations"."""
    import h5py
    import pysaliency

    if kind == "files":
        # images lie beside the file
        made = pysaliency.FileStimuli(list(NAMES), shapes=[(plain.HEIGHT, plain.WIDTH)] * 2)
    elif kind == "pixels":
        pixels = np.zeros((plain.HEIGHT, plain.WIDTH), np.uint8)
        made = pysaliency.Stimuli([pixels, pixels + 9])
    else:
        made = pysaliency.FixationTrains.from_fixation_trains(
            [[20, 5.5], [1, 41], [3]], [[15, 6], [2, 3], [4]], [[0, 1], [0, 1], [0]],
            [0, 1, 1], [1, 1, 2],
            scanpath_fixation_attributes={"durations": [[0.25, 0.5], [0.1, 0.2], [0.3]]},
            scanpath_attribute_mapping={"durations": "duration"},
        )  # fmt: skip
        if kind == "fixations":
            made = pysaliency.Fixations.create_without_history(
                made.x, made.y, made.n, subjects=made.subjects
            )
    buffer = io.BytesIO()
    # pysaliency 0.2.22 writes HDF5 with a name that numpy 2 has dropped
    with patch.object(np, "string_", np.bytes_, create=True), h5py.File(buffer, "w") as target:
        made.to_hdf5(target)
    return buffer.getvalue()


def _prepare_cache(other: str, kind: str) -> Any:
    def prepare(root: Path) -> None:
        _images(root / "set")
        (root / "set" / other).write_bytes(_hdf5(kind))

    return prepare


def _wrong_cache(file: Path, dataset: Any) -> str | None:
    found = dataset.fixations
    sizes = dataset.sizes[found.n]
    if not ((found.x >= 0) & (found.y >= 0)).all():
        return "a fixation outside its image is kept"
    if not ((found.x < sizes[:, 1]) & (found.y < sizes[:, 0])).all():
        return "a fixation outside its image is kept"
    if len(found.x) + dataset.dropped["fixations outside the image"] > 10_000:
        return "more fixations than the file can hold"
    return None


def _wrong_cached_fixations(file: Path, dataset: Any) -> str | None:
    import h5py

    with h5py.File(file, "r") as content:
        trains = "train_xs" in content
        x = np.asarray(content["train_xs" if trains else "x"][()], dtype=float).ravel()
        y = np.asarray(content["train_ys" if trains else "y"][()], dtype=float).ravel()
        n = np.asarray(content["train_ns" if trains else "n"][()])
    images = np.repeat(n, x.size // n.size)
    if not np.isin(images, (0, 1)).all():
        return "fixations on images that are not there are accepted"
    expected = sorted((int(i), a, b) for i, a, b in zip(images, x, y) if plain.inside(a, b))
    found = dataset.fixations
    if sorted(zip(map(int, found.n), map(float, found.x), map(float, found.y))) != expected:
        return "other fixations than the file's are kept"
    return _wrong_cache(file, dataset)


TARGETS = (
    Target(
        "fixations-csv",
        "fixations of a user's folder, CSV",
        "own/fixations.csv",
        lambda: list(_CSV),
        lambda file: folder.load(file.parent, folder.path_spec(file.parent)),
        _wrong_folder,
        lambda root: _images(root / "own"),
        mutators=(formats.table,),
        tokens=(b",", b'"', b"\n", b"\r", b"a.png", b"nan", b"1e5", b"\xef\xbb\xbf", b"image"),
    ),
    Target(
        "dataset-toml",
        "facts of a user's folder, TOML",
        "own/dataset.toml",
        lambda: list(_STATED),
        lambda file: stated.apply(folder.path_spec(file.parent), file.parent),
        _wrong_stated,
        tokens=(b"=", b'"', b"'", b"\n", b"[", b"{", b".", b"#", b"inf", b"nan", b"true", b"1e999"),
    ),
    Target(
        "fixatons",
        "scanpaths of FixaTons, text",
        "set/SCANPATHS/a/amy",
        lambda: list(_TRIALS),
        lambda file: fixatons.read(
            file.parents[2], fixatons.path_spec(file.parents[2])
        ),
        _wrong_fixatons,
        _prepare_fixatons,
        tokens=(b" ", b"\n", b"\r", b"\t", b"nan", b"inf", b"1e400", b"1_0", b"-"),
    ),
    Target(
        "osie-mat",
        "fixations of OSIE, Matlab",
        "set/fixations.mat",
        lambda: [_mat(False), _mat(True), _mat(False, bare=True)],
        lambda file: osie.load(file.parent, osie.path_spec(file.parent)),
        _wrong_mat,
        lambda root: _images(root / "set" / "stimuli"),
        mutators=(formats.in_matlab,),
        tokens=(b"fix_x", b"subjects", b"img", b"\x0e\0\0\0", b"\x01\0\0\0", b"\x06\0\0\0"),
    ),
    Target(
        "pysaliency-stimuli",
        "stimuli cached by pysaliency, HDF5",
        "set/stimuli.hdf5",
        lambda: [_hdf5("files"), _hdf5("pixels")],
        lambda file: pysaliency_cached.load(
            file.parent, pysaliency_cached.path_spec(file.parent)
        ),
        _wrong_cache,
        _prepare_cache("fixations.hdf5", "trains"),
        tokens=(b"FileStimuli", b"Stimuli", b"a.png", b"OHDR", b"TREE", b"SNOD", b"HEAP"),
    ),
    Target(
        "pysaliency-fixations",
        "fixations cached by pysaliency, HDF5",
        "set/fixations.hdf5",
        lambda: [_hdf5("trains"), _hdf5("fixations")],
        lambda file: pysaliency_cached.load(
            file.parent, pysaliency_cached.path_spec(file.parent)
        ),
        _wrong_cached_fixations,
        _prepare_cache("stimuli.hdf5", "pixels"),
        tokens=(b"train_xs", b"FixationTrains", b"Fixations", b"TREE", b"SNOD", b"HEAP"),
    ),
)  # fmt: skip
