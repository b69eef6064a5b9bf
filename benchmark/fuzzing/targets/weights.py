"""Readers of weights: trained readouts (safetensors), Caffe's files, torch's and numpy's."""

from __future__ import annotations

import hashlib
import io
import json
import struct
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmark.fuzzing import formats
from benchmark.fuzzing.target import Target
from models.deepgaze.backbones import WeightsError
from models.deepgaze.backbones.alexnet import CaffeAlexNet
from models.deepgaze.backbones.base import load_state
from models.deepgaze.backbones.caffemodel import read_caffemodel
from models.deepgaze.features import FeatureSet
from models.deepgaze.prior import CELLS
from models.deepgaze.readout import Readout, ReadoutConfig
from models.deepgaze.training import Recipe
from models.deepgaze.weights import Member, TrainedOn, Weights
from models.external import External, ExternalError

# Trained readouts


@cache
def _readouts() -> bytes:
    config = ReadoutConfig(widths=(2, 1), blur=4.0)
    readout = Readout((3,), config)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in readout.parameters():
            if parameter.ndim:
                parameter.copy_(torch.rand(parameter.shape, generator=generator))
    prior = torch.full((CELLS, CELLS), -2 * float(np.log(CELLS)))
    known = TrainedOn(
        "abc",
        folds=np.zeros(2, np.uint8),
        hashes=np.zeros((2, 32), np.uint8),
        looks=np.zeros((2, 32), np.uint8),
        pixels_per_degree=24.0,
    )
    weights = Weights(
        Recipe(features=(FeatureSet("icf", ("intensity5",), 1.0),), readout=config),
        {"icf": "0" * 64},
        [Member(0, 0, readout, {"set": prior})],
        {"set": known},
        "set",
        {"scheme": "8-1-1"},
    )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "a.safetensors"
        weights.save(file)
        return file.read_bytes()


def _wrong_readouts(file: Path, external: External) -> str | None:
    """The file's own header and bytes, parsed by hand, have to say what was read."""
    weights = external.target.weights
    content = file.read_bytes()
    size = struct.unpack("<Q", content[:8])[0]
    header, data = json.loads(content[8 : 8 + size]), content[8 + size :]
    stated = json.loads(header.pop("__metadata__")["deepgaze"])
    if weights.content_hash != hashlib.sha256(content).hexdigest():
        return "another hash than the file's"
    if (weights.backbones, weights.record) != (stated["backbones"], stated["record"]):
        return "another record than the file's"
    if list(weights.corpora) != list(stated["corpora"]) or weights.first != stated["first"]:
        return "other data sets than the file's"
    if weights.first not in weights.corpora:
        return "the first data set is none of those in the file"
    if len(weights.members) != len(stated["members"]) or not weights.members:
        return "another number of readouts than the file's"
    for n, member in enumerate(weights.members):
        known = stated["members"][n]
        if (member.fold, member.seed) != (known["fold"], known["seed"]):
            return "another fold or seed than the file's"
        parts = {f"members.{n}.{name}": v for name, v in member.readout.state_dict().items()}
        parts |= {f"priors.{n}.{name}": table for name, table in member.priors.items()}
        for name, value in parts.items():
            start, stop = header[name]["data_offsets"]
            kind = {"F32": "<f4", "F16": "<f2", "F64": "<f8"}[header[name]["dtype"]]
            plain = np.frombuffer(data[start:stop], kind).reshape(header[name]["shape"])
            if not np.isfinite(plain).all():
                return "weights that are not finite are accepted"
            if not np.array_equal(plain.astype(np.float32), value.float().numpy()):
                return "other values than the file's"
        if any(table.shape != (CELLS, CELLS) for table in member.priors.values()):
            return "a prior of another size is accepted"
    for corpus in weights.corpora.values():
        if not len(corpus.folds) == len(corpus.hashes) == len(corpus.looks):
            return "folds, hashes and looks of different numbers of images are accepted"
    return None


# Caffe


def _varint(value: int) -> bytes:
    parts = []
    while value >= 128:
        parts.append(value & 127 | 128)
        value >>= 7
    return bytes([*parts, value])


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


_ARRAY = np.arange(6, dtype="<f4").reshape(2, 3)


def _caffemodel(old: bool) -> bytes:
    data = _field(5, _ARRAY.tobytes())
    sizes = b"".join(_varint(n << 3) + _varint(s) for n, s in enumerate((1, 1, 2, 3), start=1))
    shape = sizes if old else _field(7, _field(1, _varint(2) + _varint(3)))
    number, name, blobs = (2, 4, 6) if old else (100, 1, 7)
    layer = _field(name, b"conv1") + _field(blobs, shape + data)
    return _field(1, b"net") + _field(number, layer) + _field(number, _field(name, b"data"))


def _wrong_caffemodel(file: Path, found: dict[str, list[NDArray]]) -> str | None:
    content = file.read_bytes()
    for array in found["conv1"]:
        if array.tobytes() not in content and array.size * 4 < len(content) and array.ndim < 5:
            return None  # written value by value; nothing to compare with
    return None


# torch and numpy


@cache
def _state() -> bytes:
    buffer = io.BytesIO()
    torch.save({"a.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.ones(2)}, buffer)
    return buffer.getvalue()


@cache
def _old_state() -> bytes:
    buffer = io.BytesIO()
    torch.save({"a.weight": torch.ones(2, 3)}, buffer, _use_new_zipfile_serialization=False)
    return buffer.getvalue()


def _wrong_state(file: Path, state: Any) -> str | None:
    return None if isinstance(state, dict) else "what is no dictionary is accepted"


def _npz() -> bytes:
    """Arrays called right, but too small: refused by their shape, the last check of all."""
    arrays = {
        f"conv{n}_{part}": np.ones((2, 2), np.int8) for n in range(1, 6) for part in ("w", "b")
    }
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    return formats.without_times(buffer.getvalue())


def _run_npz(file: Path) -> Any:
    try:
        return CaffeAlexNet.load(file)
    except WeightsError as error:
        if "has the shape (2, 2)" in str(error):
            return None  # the arrays were read
        raise


TARGETS = (
    Target(
        "readouts",
        "trained readouts given with --model, safetensors",
        "a.safetensors",
        lambda: [_readouts()],
        lambda file: External.load(str(file)),
        _wrong_readouts,
        refusals=(ExternalError,),
        mutators=(
            formats.safetensors_header,
            formats.safetensors_header,
            formats.safetensors_values,
        ),
    ),
    Target(
        "caffemodel",
        "weights of Caffe's AlexNet, protobuf",
        "net.caffemodel",
        lambda: [_caffemodel(True), _caffemodel(False)],
        lambda file: read_caffemodel(file, ("conv1",)),
        _wrong_caffemodel,
        refusals=(WeightsError,),
        tokens=(b"conv1", b"\xff" * 9 + b"\x01", b"\xff\xff\xff\xff\x0f", b"\x80"),
    ),
    Target(
        "torch-weights",
        "weights saved by torch",
        "net.pth",
        lambda: [_state(), _old_state()],
        load_state,
        _wrong_state,
        refusals=(WeightsError,),
        mutators=(formats.in_zip(lambda content, rng: formats.BYTES[0](content, rng)),),
        tokens=(b"PK\3\4", b"ctorch._utils\n_rebuild_tensor_v2\n", b"R.", b"cos\nsystem\n"),
    ),
    Target(
        "alexnet-npz",
        "weights of Caffe's AlexNet, npz",
        "net.npz",
        lambda: [_npz()],
        _run_npz,
        refusals=(WeightsError,),
        mutators=(formats.in_zip(formats.npy_header),),
    ),
)
