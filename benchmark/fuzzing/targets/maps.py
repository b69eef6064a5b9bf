"""Readers of predictions: npy, mat, PNG, TIFF, zip, tar.gz and HDF5."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pysaliency
from numpy.typing import NDArray
from PIL import Image

from benchmark.fuzzing import formats
from benchmark.fuzzing.target import Target
from models.map_files import MapError
from models.precomputed import StoredMaps

SHAPE = (6, 8)
VALUES = np.linspace(-3, 5, 48).reshape(SHAPE)


def _run(file: Path, source: Callable[[Path], Path]) -> NDArray[np.float64]:
    """The map of an image called ``a``; nothing that contradicts its size is read."""
    stimuli = pysaliency.Stimuli([np.zeros((*SHAPE, 3), np.uint8)])
    return StoredMaps(source(file), stimuli, "saliency map", ["a.png"]).values(0)


_in_folder = partial(_run, source=lambda file: file.parent)
_in_file = partial(_run, source=lambda file: file)


def _compared(read: Callable[[Path], Any]) -> Callable[[Path, NDArray], str | None]:
    """The oracle that the values are those of a plain reading, finite real numbers."""

    def wrong(file: Path, values: NDArray) -> str | None:
        plain = np.asarray(read(file))
        if plain.dtype.kind not in "biuf":
            return f"values of the type {plain.dtype} are accepted"
        if not np.isfinite(values).all():
            return "values that are not finite are accepted"
        if not np.array_equal(values, plain.astype(np.float64)):
            return "other values than those in the file"
        return None

    return wrong


# Formats


def npy(values: NDArray) -> bytes:
    """The bytes of a .npy file."""
    buffer = io.BytesIO()
    np.save(buffer, values)
    return buffer.getvalue()


def _npy_seeds() -> list[bytes]:
    kinds: tuple[Any, ...] = (">f8", np.float32, np.uint8, bool)
    return [npy(VALUES), *(npy((VALUES > 0).astype(kind)) for kind in kinds),
            npy(np.asfortranarray(VALUES))]  # fmt: skip


def _mat_seeds() -> list[bytes]:
    from scipy.io import savemat

    seeds = []
    for compressed in (False, True):
        for values in (VALUES, VALUES.astype(np.float32), (VALUES * 9).astype(np.int16)):
            buffer = io.BytesIO()
            savemat(buffer, {"map": values}, do_compression=compressed)
            content = bytearray(buffer.getvalue())
            content[:116] = b"MATLAB 5.0 MAT-file".ljust(116)
            seeds.append(bytes(content))
    buffer = io.BytesIO()
    savemat(buffer, {"map": VALUES}, format="4")
    return [*seeds, buffer.getvalue()]


def _read_mat(file: Path) -> Any:
    from scipy.io import loadmat

    (value,) = (v for name, v in loadmat(file).items() if not name.startswith("__"))
    return value


def picture(values: NDArray, kind: str = "png", **options: Any) -> bytes:
    """The bytes of a picture."""
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, kind, **options)
    return buffer.getvalue()


def _levels() -> NDArray[np.uint8]:
    return (5 * np.arange(48)).astype(np.uint8).reshape(SHAPE)


def _colours() -> NDArray[np.uint8]:
    return np.repeat(_levels()[:, :, None], 3, axis=2)


def _png_seeds() -> list[bytes]:
    grey = _levels()
    return [
        picture(grey),
        picture(_colours()),
        picture(np.dstack([_colours(), np.full(SHAPE, 255, np.uint8)])),
        picture(grey.astype(np.uint16) * 257),
        picture(grey > 100),
    ]


def _read_picture(file: Path) -> Any:
    """Grey levels as Pillow has them; colours must be equal and nothing transparent."""
    with Image.open(file) as image:
        assert getattr(image, "n_frames", 1) == 1, "several pictures"
        if image.mode in ("1", "L", "LA", "P", "RGB", "RGBA"):
            rgba = np.asarray(image.convert("RGBA"))
            assert (rgba[..., 3] == 255).all(), "transparency"
            assert (rgba[..., :3] == rgba[..., :1]).all(), "colours"
            return rgba[..., 0] == 255 if image.mode == "1" else rgba[..., 0]
        return np.asarray(image)


def _tiff_seeds() -> list[bytes]:
    import tifffile

    seeds = []
    for values, options in (
        (_levels(), {}),
        (_levels().astype(np.uint16) * 257, {"byteorder": ">"}),
        (VALUES.astype(np.float32), {"rowsperstrip": 2}),
        (_colours(), {"photometric": "rgb"}),
        (_levels(), {"compression": "zlib"}),
        (np.pad(_levels(), ((0, 0), (0, 0))), {"tile": (16, 16)}),
    ):
        buffer = io.BytesIO()
        tifffile.imwrite(buffer, values, metadata=None, software=False, **options)
        seeds.append(buffer.getvalue())
    return seeds


# Containers


def _zip_seeds() -> list[bytes]:
    members = [("maps/", b""), ("maps/a.npy", npy(VALUES)), ("notes.txt", b"notes")]
    methods = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
    return [formats.zip_file(members, method) for method in methods]


def _read_zip(file: Path) -> Any:
    with zipfile.ZipFile(file) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith(".npy") and _stem(n) == "a")
        return np.load(io.BytesIO(archive.read(name)), allow_pickle=False)


def _stem(name: str) -> str:
    return Path(name.replace("\\", "/")).name.partition(".")[0]


def tarred(members: dict[str, bytes], kind: int = tarfile.USTAR_FORMAT) -> bytes:
    """The bytes of a tar file."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=kind) as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def _tar_seeds() -> list[bytes]:
    members = {"maps/a.npy": npy(VALUES), "notes.txt": b"notes"}
    long = {f"{'folder' * 20}/a.npy": npy(VALUES)}
    return [
        gzip.compress(tarred(members), mtime=0),
        tarred(members),
        tarred(long, tarfile.PAX_FORMAT),
        gzip.compress(tarred(long, tarfile.GNU_FORMAT), mtime=0),
    ]


def _read_tar(file: Path) -> Any:
    with tarfile.open(file) as archive:
        (name,) = (n for n in archive.getnames() if n.endswith(".npy") and _stem(n) == "a")
        stream = archive.extractfile(name)
        assert stream is not None
        return np.load(io.BytesIO(stream.read()), allow_pickle=False)


def _hdf5_seeds() -> list[bytes]:
    import h5py

    seeds = []
    for options, name in (({}, "a"), ({"compression": "gzip", "shuffle": True}, "folder/a.png")):
        for version in ("earliest", "latest"):
            buffer = io.BytesIO()
            with h5py.File(buffer, "w", libver=version) as file:
                file.attrs["unit"] = "none"
                file.create_dataset(name, data=VALUES, track_times=False, **options)
            seeds.append(buffer.getvalue())
    return seeds


def _read_hdf5(file: Path) -> Any:
    import h5py

    found: list[Any] = []

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and _stem(name) == "a":
            found.append(item[()])

    with h5py.File(file, "r") as content:
        content.visititems(visit)
    (values,) = found
    return values


def _target(name: str, reads: str, file: str, seeds: Any, read: Any, **more: Any) -> Target:
    run = _in_folder if file.startswith("maps/") else _in_file
    wrong = _compared(read)
    return Target(name, reads, file, seeds, run, wrong, refusals=(MapError,), **more)


TARGETS = (
    _target("map-npy", "a prediction, npy", "maps/a.npy", _npy_seeds,
            lambda file: np.load(file, allow_pickle=False), mutators=(formats.npy_header,)),
    _target("map-mat", "a prediction, Matlab", "maps/a.mat", _mat_seeds, _read_mat,
            mutators=(formats.in_matlab,), tokens=(b"\x0e\0\0\0", b"\x0f\0\0\0", b"map")),
    _target("map-png", "a prediction, PNG", "maps/a.png", _png_seeds, _read_picture,
            mutators=(formats.png_chunk,), tokens=(b"IHDR", b"IDAT", b"IEND", b"tRNS", b"PLTE")),
    _target("map-tiff", "a prediction, TIFF", "maps/a.tif", _tiff_seeds, _read_picture,
            tokens=(b"II*\0", b"MM\0*", b"II+\0")),
    _target("maps-zip", "predictions, zip", "maps.zip", _zip_seeds, _read_zip,
            mutators=(formats.in_zip(formats.npy_header),),
            tokens=(b"PK\1\2", b"PK\3\4", b"PK\5\6", b"PK\6\6", b"a.npy")),
    _target("maps-tar", "predictions, tar and tar.gz", "maps.tar.gz", _tar_seeds, _read_tar,
            mutators=(formats.in_gzip, formats.tar_header),
            tokens=(b"ustar", b"a.npy", b"size=", b"path=", b"GNU.sparse.size=")),
    _target("maps-hdf5", "predictions, HDF5", "maps.hdf5", _hdf5_seeds, _read_hdf5,
            tokens=(b"OHDR", b"TREE", b"SNOD", b"HEAP", b"FRHP", b"a")),
)  # fmt: skip
