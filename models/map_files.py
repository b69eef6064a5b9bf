"""Maps on disk, one an image, found by name: in a folder, an archive or an HDF5 file.

Nothing is unpacked, unpickled or trusted: an archive's names lead nowhere, and no more is read of
a member than its header declares and the limits allow.
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import logging
import lzma
import math
import stat
import struct
import tarfile
import tempfile
import threading
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from models import matlab

KINDS = ("log density", "density", "saliency map")
#: Of the log of a density's sum, as in the field's submission rules; within it, rounding is undone.
TOLERANCE = 1e-3
#: Within this, a log density is taken as it is, to the last bit: all that models have to keep to.
EXACT = 1e-5
HDF5_SUFFIXES = frozenset({".h5", ".hdf5", ".hdf"})
IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff"})
MAP_SUFFIXES = frozenset({".npy", ".mat"}) | IMAGE_SUFFIXES
ARCHIVE_SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
#: Endings of stimuli, which names of predictions may keep: "photo.jpg.npy".
_STIMULUS_SUFFIXES = IMAGE_SUFFIXES | {".bmp", ".webp"}
#: Bytes of one member, bytes that a compressed tar may have, per byte of it as well, and members.
MEMBER_BYTES, ARCHIVE_BYTES, ARCHIVE_RATIO, MEMBERS = 2**30, 2**34, 200, 200_000
_COMPRESSED: dict[bytes, Callable[[Path], Any]] = {
    b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open,
}  # fmt: skip
_DAMAGE = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError,
           NotImplementedError, RuntimeError, ValueError, IndexError, struct.error)  # fmt: skip


class MapError(ValueError):
    """A map, or what holds it, cannot be used; the message names the file and the remedy."""


class MapFiles:
    """The maps in a source, by their paths inside it, sorted; picklable, opened when first used.

    Raises:
        MapError: the source is missing, damaged, or not to be trusted.
    """

    def __init__(self, source: Path):
        self.source = source
        self._handle: Any = None
        self._sizes = self._list()
        self.names = sorted(self._sizes)

    def label(self, name: str) -> str:
        """How messages call a map."""
        return f"{self.source}:{name}"

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a map, from its header alone; of a picture without its channels.

        Raises:
            MapError: it has no sound header, or is shorter than its header says.
        """
        with self._explained(name), self._open(name) as stream:
            return _shape(stream, PurePosixPath(name).suffix.lower(), self._sizes[name])

    def read(self, name: str) -> NDArray:
        """The values of a map as they are stored; a picture of equal channels is one of them.

        Raises:
            MapError: it cannot be decoded, or its values are no real numbers, or not one a pixel.
        """
        with self._explained(name):
            values = self._values(name)
            if values.dtype.kind not in "biufc":
                raise ValueError(f"holds values of type {values.dtype}")
        if np.iscomplexobj(values):
            raise MapError(f"{self.label(name)}: holds complex numbers; expected real ones.")
        if values.ndim != 2:
            raise MapError(
                f"{self.label(name)}: has the shape {values.shape}; expected one value a pixel, "
                "(height, width)."
            )
        return values

    def content_hash(self, names: Iterable[str]) -> str:
        """SHA-256 of the source's content, in a folder of the files ``names`` alone."""
        digest = hashlib.sha256()
        for label, file in self._hashed(names):
            digest.update(label.encode() + b"\0")
            with file.open("rb") as stream:
                while block := stream.read(2**20):
                    digest.update(block)
        return digest.hexdigest()

    def close(self) -> None:
        """Close the file; it opens again when it is needed."""
        if self._handle is not None:
            self._handle.close()
            self._handle = None

    def _list(self) -> dict[str, int]:
        """Sizes in bytes by name."""
        raise NotImplementedError

    def _open(self, name: str) -> AbstractContextManager[IO[bytes]]:
        raise NotImplementedError

    def _values(self, name: str) -> NDArray:
        with self._open(name) as stream:
            return _decode(stream, PurePosixPath(name).suffix.lower())

    def _hashed(self, names: Iterable[str]) -> list[tuple[str, Path]]:
        return [("", self.source)]

    @contextmanager
    def _explained(self, name: str) -> Any:
        try:
            yield
        except MapError:
            raise
        # Decoders raise anything on damaged files.
        except Exception as error:
            raise MapError(
                f"{self.label(name)}: cannot be read ({error}); expected a numeric map."
            ) from error

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_handle": None}

    def __enter__(self) -> MapFiles:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class _Folder(MapFiles):
    def _list(self) -> dict[str, int]:
        found = {}
        for file in self.source.rglob("*"):
            name = file.relative_to(self.source).as_posix()
            if _is_map(name) and file.is_file():
                found[name] = file.stat().st_size
        return found

    def label(self, name: str) -> str:
        return str(self.source / name)

    def _open(self, name: str) -> AbstractContextManager[IO[bytes]]:
        return (self.source / name).open("rb")

    def _hashed(self, names: Iterable[str]) -> list[tuple[str, Path]]:
        return [(name, self.source / name) for name in sorted(names)]


class _Archive(MapFiles):
    """A zip or tar file, read in place."""

    def _list(self) -> dict[str, int]:
        with _intact(self.source):
            return self._admitted(self._members())

    def _members(self) -> list[tuple[str, int, bool]]:
        """(name, bytes, whether it is a plain file) of all members that are no folders."""
        raise NotImplementedError

    def _admitted(self, members: list[tuple[str, int, bool]]) -> dict[str, int]:
        found: dict[str, int] = {}
        if len(members) > MEMBERS:
            raise self._refuse(f"it holds more than {MEMBERS} files")
        for name, size, plain in members:
            parts = name.replace("\\", "/").split("/")
            if name.startswith(("/", "\\")) or ".." in parts or ":" in parts[0]:
                raise self._refuse(f"{name!r} leads out of its folder")
            if not _is_map(name):
                continue
            if not plain:
                raise self._refuse(f"{name!r} is a link, a device, sparse or encrypted")
            if size > MEMBER_BYTES:
                raise self._refuse(f"{name!r} has {size} bytes, more than {MEMBER_BYTES}")
            if name in found:
                raise self._refuse(f"it holds {name!r} twice")
            found[name] = size
        return found

    def _refuse(self, reason: str) -> MapError:
        return MapError(
            f"{self.source}: refused, because {reason}. Make the archive anew from a folder of "
            "maps, or name that folder."
        )


class _Zip(_Archive):
    def _archive(self) -> zipfile.ZipFile:
        if self._handle is None:
            self._handle = zipfile.ZipFile(self.source)
        return self._handle  # type: ignore[no-any-return]

    def _members(self) -> list[tuple[str, int, bool]]:
        regular = (0, stat.S_IFREG)
        return [
            (
                info.filename,
                info.file_size,
                stat.S_IFMT(info.external_attr >> 16) in regular and not info.flag_bits & 1,
            )
            for info in self._archive().infolist()
            if not info.is_dir()
        ]

    def _open(self, name: str) -> AbstractContextManager[IO[bytes]]:
        return self._archive().open(name)


#: All members of a tar file are read through one position in it, which threads would take from
#: each other.
_one_at_a_time = threading.RLock()


class _Tar(_Archive):
    def _archive(self) -> tarfile.TarFile:
        if self._handle is None:
            stream = self._uncompressed()
            self._handle = tarfile.open(fileobj=stream, mode="r:")  # noqa: SIM115
        return self._handle  # type: ignore[no-any-return]

    def _uncompressed(self) -> IO[bytes]:
        """The tar file; of a compressed one, where no member is within reach, a nameless copy."""
        stream = self.source.open("rb")
        head = stream.read(6)
        openers = [opener for magic, opener in _COMPRESSED.items() if head.startswith(magic)]
        stream.seek(0)
        if not openers:
            return stream
        stream.close()
        allowed = min(ARCHIVE_BYTES, ARCHIVE_RATIO * max(self.source.stat().st_size, 2**20))
        copy = tempfile.TemporaryFile()  # noqa: SIM115
        with openers[0](self.source) as packed:
            while block := packed.read(2**20):
                if copy.tell() + len(block) > allowed:
                    copy.close()
                    raise self._refuse(f"it unpacks to more than {allowed:.3g} bytes")
                copy.write(block)
        copy.seek(0)
        return copy

    def _members(self) -> list[tuple[str, int, bool]]:
        archive = self._archive()
        return [
            (info.name.removeprefix("./"), info.size, info.isreg() and not info.issparse())
            for info in archive.getmembers()
            if not info.isdir()
        ]

    @contextmanager
    def _open(self, name: str) -> Iterator[IO[bytes]]:
        with _one_at_a_time:
            archive = self._archive()
            try:
                member = archive.getmember(name)
            except KeyError:
                member = archive.getmember(f"./{name}")
            stream = archive.extractfile(member)
            assert stream is not None  # only plain files are listed
            with stream:
                yield stream

    def _values(self, name: str) -> NDArray:
        with self._open(name) as stream:  # numpy takes such a stream for a file of its own
            content = io.BytesIO(stream.read())
        return _decode(content, PurePosixPath(name).suffix.lower())


class _Hdf5(MapFiles):
    """pysaliency's layout: a data set an image, called like it, in groups like folders."""

    def _file(self) -> Any:
        if self._handle is None:
            import h5py

            try:
                self._handle = h5py.File(self.source, "r")
            except OSError as error:
                raise MapError(f"{self.source}: is no intact HDF5 file ({error}).") from error
        return self._handle

    def _list(self) -> dict[str, int]:
        import h5py

        found: dict[str, int] = {}

        def visit(name: str, item: Any) -> None:
            if isinstance(item, h5py.Dataset):
                found[name] = item.nbytes

        try:
            self._file().visititems(visit)
        except MapError:
            raise
        # h5py raises anything on damaged files.
        except Exception as error:
            raise MapError(
                f"{self.source}: is no intact HDF5 file ({error}); make it anew."
            ) from error
        return found

    def shape(self, name: str) -> tuple[int, ...]:
        with self._explained(name):
            item = self._file()[name]
            if item.external or item.is_virtual:
                raise ValueError("its values are in another file")
            if item.nbytes > MEMBER_BYTES:
                raise ValueError(f"has {item.nbytes} bytes, more than {MEMBER_BYTES}")
            return tuple(item.shape)

    def _values(self, name: str) -> NDArray:
        self.shape(name)
        return np.asarray(self._file()[name][()])


def open_maps(source: Path) -> MapFiles:
    """The maps in a folder, a zip or tar archive, or an HDF5 file.

    Raises:
        MapError: the source is none of these, damaged, or not to be trusted.
    """
    called = source.name.lower()
    if source.is_dir():
        return _Folder(source)
    if source.is_file():
        if source.suffix.lower() in HDF5_SUFFIXES:
            return _Hdf5(source)
        if called.endswith(".zip"):
            return _Zip(source)
        if called.endswith(ARCHIVE_SUFFIXES):
            return _Tar(source)
    raise MapError(
        f"{source}: expected a folder of {' '.join(sorted(MAP_SUFFIXES))} files, an archive of "
        f"them ({' '.join(ARCHIVE_SUFFIXES)}), or one file ending in "
        f"{' '.join(sorted(HDF5_SUFFIXES))}."
    )


def source_name(source: Path) -> str:
    """The name of a folder or file without its ending."""
    for suffix in sorted((*ARCHIVE_SUFFIXES, *HDF5_SUFFIXES), key=len, reverse=True):
        if source.name.lower().endswith(suffix) and not source.is_dir():
            return source.name[: -len(suffix)]
    return source.resolve().name


@contextmanager
def _intact(source: Path) -> Any:
    try:
        yield
    except MapError:
        raise
    except _DAMAGE as error:
        raise MapError(f"{source}: is no intact archive ({error}); make it anew.") from error


def _is_map(name: str) -> bool:
    """Whether a path has the ending of a map and is no operating system's litter."""
    path = PurePosixPath(name)
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in path.parts)
    return path.suffix.lower() in MAP_SUFFIXES and not hidden


# Formats


def _shape(stream: IO[bytes], suffix: str, size: int) -> tuple[int, ...]:
    if suffix == ".npy":
        return _npy_shape(stream, size)
    if suffix == ".mat":
        return tuple(_only(matlab.shapes(stream.read()))[1])
    if suffix in (".tif", ".tiff"):
        with _tiff(stream) as page:
            if page.axes == "SYX":  # each channel in a plane of its own
                return tuple(page.shape[1:])
            channels = page.axes == "YXS" and page.shape[2] in (2, 3, 4)
            return tuple(page.shape[:2] if channels else page.shape)
    from PIL import Image

    with Image.open(stream) as image:
        width, height = image.size
    return (height, width)  # whether channels are equal, the pixels tell


def _npy_shape(stream: IO[bytes], size: int) -> tuple[int, ...]:
    version = np.lib.format.read_magic(stream)  # type: ignore[arg-type]
    reader = np.lib.format.read_array_header_1_0
    if version != (1, 0):
        reader = np.lib.format.read_array_header_2_0
    shape, _, dtype = reader(stream)  # type: ignore[arg-type]
    if dtype.hasobject:
        raise ValueError("holds Python objects, which are not loaded")
    expected = stream.tell() + dtype.itemsize * math.prod(shape)
    if size < expected:
        raise ValueError(f"is cut off: {size} of {expected} bytes")
    return tuple(shape)


def _decode(stream: IO[bytes], suffix: str) -> NDArray:
    if suffix == ".npy":
        return np.lib.format.read_array(stream, allow_pickle=False)  # type: ignore[arg-type]
    if suffix == ".mat":
        content = matlab.load(stream.read())
        named = [(name, value) for name, value in content.items() if not name.startswith("__")]
        return np.asarray(_only(named)[1])
    if suffix in (".tif", ".tiff"):
        return _tiff_values(stream)
    return _picture(stream)


def _only(variables: Sequence[Any]) -> Any:
    if len(variables) != 1:
        raise ValueError(f"holds {len(variables)} variables; expected one")
    return variables[0]


class _Complaints(logging.Handler):
    """What tifffile says of damage that it goes over."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.first: str | None = None

    def emit(self, record: logging.LogRecord) -> None:
        self.first = self.first or record.getMessage()


@contextmanager
def _tiff(stream: IO[bytes]) -> Any:
    import tifffile

    complaints = _Complaints()
    tifffile.logger().addHandler(complaints)
    try:
        # a name, because that of an unpacked tar file is a number
        with tifffile.TiffFile(stream, name="map") as file:
            if len(file.pages) != 1:
                raise ValueError(f"holds {len(file.pages)} images; expected one")
            yield file.pages[0]
    finally:
        tifffile.logger().removeHandler(complaints)
    if complaints.first:
        raise ValueError(f"is damaged: {complaints.first}")


def _missing_pixels(page: Any, size: int) -> str | None:
    """Which pixels of a TIFF file of ``size`` bytes are not there; tifffile takes them for 0."""
    segments = list(zip(page.dataoffsets, page.databytecounts))
    if len(segments) != math.prod(page.chunked):
        return f"has {len(segments)} of {math.prod(page.chunked)} parts"
    if any(count <= 0 or offset <= 0 or offset + count > size for offset, count in segments):
        return "has parts that lie outside the file"
    expected = math.prod(page.shape) * page.bitspersample // 8
    if page.compression == 1 and sum(page.databytecounts) < expected:
        return f"is cut off: {sum(page.databytecounts)} of {expected} bytes"
    return None


def _tiff_values(stream: IO[bytes]) -> NDArray:
    """The values of a TIFF file; Pillow decodes palettes and what tifffile alone does not."""
    from tifffile import PHOTOMETRIC

    problem = None
    size = stream.seek(0, io.SEEK_END)
    stream.seek(0)
    with _tiff(stream) as page:
        if missing := _missing_pixels(page, size):
            raise ValueError(missing)
        if page.photometric == PHOTOMETRIC.MINISWHITE:
            raise ValueError("has 0 for white (MINISWHITE); save it with 0 for black (MINISBLACK)")
        if page.tags.valueof("Orientation", 1) > 1:  # tifffile ignores it, Pillow turns the picture
            raise ValueError("is stored turned, with an orientation tag; save it upright, without")
        if page.photometric in (PHOTOMETRIC.MINISBLACK, PHOTOMETRIC.RGB):
            try:
                pixels = page.asarray()
            except ValueError as error:
                if "imagecodecs" not in str(error):
                    raise
                problem = f"is a TIFF file compressed by {page.compression.name}"
            else:
                return _grey(np.moveaxis(pixels, 0, 2) if page.axes == "SYX" else pixels)
        stream.seek(0)
        content = io.BytesIO(stream.read())
    try:
        return _picture(content)
    except OSError as error:
        problem = problem or "is a TIFF file of an unusual kind"
        raise ValueError(f"{problem}; save it as grey, without compression: {error}") from error


def _picture(stream: IO[bytes]) -> NDArray:
    from PIL import Image

    with Image.open(stream) as image:
        deep = ";16" in str(image.tile)  # forgotten once it is decoded
        image.load()  # what comes behind the pixels counts, too
        if image.format == "PNG" and getattr(image, "n_frames", 1) > 1:
            raise ValueError("holds several images; expected one")
        if image.mode == "P":
            return _grey(np.asarray(image.convert("RGBA")))
        if "transparency" in image.info and image.mode in ("1", "L", "RGB"):
            _grey(np.asarray(image.convert("RGBA")))
        if image.mode not in ("1", "L", "LA", "RGB", "RGBA", "F", "I") and image.mode[:4] != "I;16":
            raise ValueError(f"has the colour mode {image.mode}; save it as grey")
        if len(image.getbands()) > 1 and deep:
            # the decoder would keep the upper eight bits only
            raise ValueError("is a 16-bit picture of several channels; save it as 16-bit grey")
        return _grey(np.asarray(image))


def _grey(pixels: NDArray) -> NDArray:
    """The one channel of a picture whose colour channels are equal and which is opaque."""
    if pixels.ndim != 3 or pixels.shape[2] not in (2, 3, 4):
        return pixels
    colours, rest = pixels[..., :3], pixels[..., 3:]
    if pixels.shape[2] == 2:
        colours, rest = pixels[..., :1], pixels[..., 1:]
    if (colours != colours[..., :1]).any():
        raise ValueError("is coloured; one value a pixel is needed, so save it as grey")
    if rest.size and (rest != np.iinfo(pixels.dtype).max).any():
        raise ValueError("is partly transparent; save it as grey without transparency")
    return np.ascontiguousarray(colours[..., 0])


# What maps are


def value_problems(values: NDArray[np.float64], kind: str) -> list[str]:
    """What contradicts that finite or -inf values are a map of this kind; empty if nothing does."""
    if kind == "log density":
        return _log_density_problems(values)
    if kind == "density":
        negative = int((values < 0).sum())
        problems = [f"{negative} densities are negative."] if negative else []
        if not abs(values.sum() - 1) <= TOLERANCE:
            problems.append(f"sums to {values.sum():.6g}, expected 1 within {TOLERANCE:g}.")
        return problems
    infinite = int(np.isneginf(values).sum())
    return [f"{infinite} values are -inf; a saliency map is finite."] if infinite else []


def _log_density_problems(values: NDArray[np.float64]) -> list[str]:
    from scipy.special import logsumexp

    mass = float(logsumexp(values))
    if abs(mass) <= TOLERANCE:
        return []
    if values.max() > TOLERANCE:
        return [
            f"holds values up to {values.max():.6g}: its logsumexp is {mass:.6g}, expected 0; the "
            "log of a density over pixels is nowhere positive (log densities are natural "
            "logarithms)."
        ]
    return [
        f"its logsumexp is {mass:.6g}, so that the density sums to {np.exp(mass):.6g}; expected 0 "
        f"within {TOLERANCE:g}: subtract it (log densities are natural logarithms)."
    ]


def not_a_number(values: NDArray[np.float64]) -> list[str]:
    """How many values no map may hold."""
    problems = []
    if nan := int(np.isnan(values).sum()):
        problems.append(f"{nan} values are NaN.")
    if infinite := int(np.isposinf(values).sum()):
        problems.append(f"{infinite} values are +inf.")
    return problems


def shape_problem(shape: tuple[int, ...], size: tuple[int, ...]) -> str | None:
    """What is wrong with a map's shape for an image of ``size`` (height, width), or None."""
    height, width = (int(side) for side in size)
    if len(shape) != 2:
        return f"has the shape {shape}; expected one value a pixel, ({height}, {width})."
    if shape != (height, width):
        hint = " It looks transposed." if shape == (width, height) else ""
        return f"has the size {shape[1]}x{shape[0]}, the image {width}x{height}.{hint}"
    return None


def as_log_density(values: NDArray, kind: str) -> NDArray[np.float64]:
    """The natural log of the density that a map of kind "log density" or "density" is.

    Rounding is undone: a density whose sum is off by more than 1e-5, and at most 1e-3, is
    normalised. Closer ones are returned as they are, to the last bit.

    Raises:
        MapError: the values contradict the kind.
    """
    from scipy.special import logsumexp

    values = np.asarray(values, dtype=np.float64)
    problems = not_a_number(values) or value_problems(values, kind)
    if problems:
        raise MapError(" ".join(problems))
    if kind == "density":
        with np.errstate(divide="ignore"):
            values = np.log(values)
    mass = float(logsumexp(values))
    return values if abs(mass) <= EXACT else values - mass


# Names


@dataclass
class Matching:
    """Which map is for which image.

    Attributes:
        of: the name of the map by the image's index, where there is exactly one.
        double: the names of several maps for one image, by its index.
        missing: indices of the images without a map.
        extra: names of the maps that are for no image.
        unclear: names of the maps that could be for several images.
    """

    of: dict[int, str] = field(default_factory=dict)
    double: dict[int, list[str]] = field(default_factory=dict)
    missing: list[int] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)
    unclear: list[str] = field(default_factory=list)


def match(maps: Sequence[str], images: Sequence[str]) -> Matching:
    """Find the image that each map is called like, endings aside.

    Where several images share a name, folders tell them apart, as far as both paths have them, from
    the last one on: "action/001.npy" is for "stimuli/action/001.jpg", not for "art/001.jpg".

    Args:
        maps, images: paths, with "/" between folders.
    """
    paths = [PurePosixPath(_normal(image)) for image in images]
    shared = _shared_folders([path.parent.parts for path in paths])
    full: dict[str, list[int]] = {}
    stems: dict[str, list[int]] = {}
    for index, path in enumerate(paths):
        full.setdefault(path.name, []).append(index)
        stems.setdefault(path.stem, []).append(index)
    found: dict[int, list[str]] = {}
    result = Matching()
    for name in maps:
        path = PurePosixPath(_normal(name))
        candidates = _candidates(path.name, full, stems)
        chosen = _closest(path.parent.parts, candidates, paths, shared)
        if not candidates:
            result.extra.append(name)
        elif len(chosen) > 1:
            result.unclear.append(name)
        else:
            found.setdefault(chosen[0], []).append(name)
    result.of = {index: names[0] for index, names in sorted(found.items()) if len(names) == 1}
    result.double = {index: names for index, names in sorted(found.items()) if len(names) > 1}
    result.missing = [index for index in range(len(images)) if index not in found]
    return result


def _normal(name: str) -> str:
    return unicodedata.normalize("NFC", name.replace("\\", "/"))


def _called(name: str) -> list[str]:
    """What the image of a map may be called: the map's name, and less and less of its endings."""
    names = [name]
    for suffixes in (MAP_SUFFIXES | _STIMULUS_SUFFIXES, _STIMULUS_SUFFIXES):
        path = PurePosixPath(names[-1])
        if path.suffix.lower() in suffixes:
            names.append(path.stem)
    return names


def _candidates(name: str, full: dict[str, list[int]], stems: dict[str, list[int]]) -> list[int]:
    """The images that a map may be for; equal endings go before none."""
    for called in _called(name):
        for index in (full, stems):
            if called in index:
                return index[called]
    return []


def _shared_folders(folders: Sequence[tuple[str, ...]]) -> int:
    """How many folders all paths begin with."""
    depth = 0
    for level in zip(*folders):
        if len(set(level)) > 1:
            break
        depth += 1
    return depth


def _closest(
    folders: tuple[str, ...], candidates: Sequence[int], paths: Sequence[PurePosixPath], shared: int
) -> list[int]:
    """The candidates whose folders agree with those of a map the farthest, from the last one on."""
    if len(candidates) < 2:
        return list(candidates)
    same = [index for index in candidates if paths[index].parent.parts[shared:] == folders]
    if len(same) == 1:
        return same

    def agreement(index: int) -> int:
        pairs = zip(reversed(folders), reversed(paths[index].parent.parts))
        count = 0
        for ours, theirs in pairs:
            if ours != theirs:
                break
            count += 1
        return count

    depths = {index: agreement(index) for index in candidates}
    return [index for index in candidates if depths[index] == max(depths.values())]


def short_names(images: Sequence[str]) -> list[str]:
    """Paths without the folders that all of them begin with."""
    paths = [PurePosixPath(image) for image in images]
    shared = _shared_folders([path.parent.parts for path in paths])
    return ["/".join(path.parts[shared:]) for path in paths]


def stimulus_names(stimuli: Any, names: Sequence[str] | None = None) -> list[str]:
    """Paths of pysaliency stimuli as predictions are matched to them, with "/" between folders.

    Raises:
        MapError: the stimuli have no file names, and none are given.
    """
    found = getattr(stimuli, "filenames", None)
    if found is None:
        found = getattr(stimuli, "attributes", {}).get("filenames")
    found = names if found is None else found
    if found is None or len(found) != len(stimuli):
        raise MapError(
            "predictions are found by the names of the images, and these stimuli have none: give "
            "a name for each."
        )
    return [str(name).replace("\\", "/") for name in found]
