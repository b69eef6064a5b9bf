"""Maps on disk: every format reads to the same numbers, damage and hostility are told by name."""

from __future__ import annotations

import gzip
import io
import pickle
import stat
import struct
import tarfile
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile
from PIL import Image
from scipy.io import savemat

from models import map_files
from models.map_files import (
    MapError,
    as_log_density,
    match,
    open_maps,
    shape_problem,
    short_names,
    source_name,
    stimulus_names,
)

VALUES = np.arange(12.0).reshape(3, 4)


def npy(values=VALUES) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, values)
    return buffer.getvalue()


def png(values, mode=None) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(values, mode).save(buffer, "png")
    return buffer.getvalue()


def in_zip(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def in_tar(path, members, mode="w"):
    with tarfile.open(path, mode) as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def in_folder(path, members):
    for name, content in members.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


def in_hdf5(path, members):
    with h5py.File(path, "w") as file:
        for name, content in members.items():
            file.create_dataset(name, data=np.load(io.BytesIO(content)), compression="gzip")
    return path


SOURCES = {
    "folder": in_folder,
    "maps.zip": in_zip,
    "maps.tar": in_tar,
    "maps.tar.gz": lambda path, members: in_tar(path, members, "w:gz"),
    "maps.tgz": lambda path, members: in_tar(path, members, "w:gz"),
    "maps.tar.xz": lambda path, members: in_tar(path, members, "w:xz"),
    "maps.hdf5": in_hdf5,
}


# Sources


@pytest.mark.parametrize("name", SOURCES)
def test_every_source_gives_the_same_maps(tmp_path, name):
    members = {f"b/{n}.npy": npy(VALUES + n) for n in range(3)}
    source = SOURCES[name](tmp_path / name, members)
    with open_maps(source) as maps:
        assert maps.names == sorted(members)
        assert maps.shape("b/1.npy") == (3, 4)
        for order in (members, reversed(members)):
            for member in order:
                np.testing.assert_array_equal(
                    maps.read(member), np.load(io.BytesIO(members[member]))
                )
        copy = pickle.loads(pickle.dumps(maps))  # as processes get it
        np.testing.assert_array_equal(copy.read("b/2.npy"), VALUES + 2)
        copy.close()
    assert str(source) in maps.label("b/1.npy")


@pytest.mark.parametrize("name", ["folder", "maps.zip", "maps.tar", "maps.hdf5"])
def test_the_hash_is_that_of_the_content(tmp_path, name):
    members = {"a.npy": npy(), "b.npy": npy(VALUES + 1)}
    source = SOURCES[name](tmp_path / name, members)
    first = open_maps(source).content_hash(members)
    assert open_maps(source).content_hash(reversed(members)) == first
    SOURCES[name](tmp_path / name, {**members, "b.npy": npy(VALUES + 2)})
    assert open_maps(source).content_hash(members) != first


def test_files_that_are_not_used_do_not_change_a_folders_hash(tmp_path):
    folder = in_folder(tmp_path / "maps", {"a.npy": npy(), "b.npy": npy()})
    before = open_maps(folder).content_hash(["a.npy"])
    (folder / "b.npy").write_bytes(npy(VALUES + 1))
    assert open_maps(folder).content_hash(["a.npy"]) == before
    assert open_maps(folder).content_hash(["a.npy", "b.npy"]) != before


def test_litter_is_no_map(tmp_path):
    members = {
        "a.npy": npy(), ".hidden.npy": npy(), "__MACOSX/a.npy": npy(), "Thumbs.db": b"", "x": b"",
        "._a.png": b"x",
    }  # fmt: skip
    for name in ("folder", "maps.zip", "maps.tar"):
        assert open_maps(SOURCES[name](tmp_path / name, members)).names == ["a.npy"]


def test_what_is_no_source_says_what_is(tmp_path):
    (tmp_path / "maps.rar").write_bytes(b"Rar!")
    for name in ("missing", "missing.zip", "maps.rar"):
        with pytest.raises(MapError, match=r"expected a folder of .*\.npy.*\.tar\.gz.*\.hdf5"):
            open_maps(tmp_path / name)


@pytest.mark.parametrize("name", [name for name in SOURCES if name != "folder"])
def test_damaged_sources_are_named(tmp_path, name):
    source = SOURCES[name](
        tmp_path / name, {"a.npy": npy(np.random.default_rng(0).random((90, 80)))}
    )
    source.write_bytes(source.read_bytes()[: source.stat().st_size // 2])
    with pytest.raises(MapError, match=f"{name}.*(is no intact|cut off|cannot be read)"):
        open_maps(source).read("a.npy")


def test_names_of_sources():
    names = ("x/maps.tar.gz", "maps.zip", "a.b.hdf5", "x/folder.v2", "maps.TGZ")
    assert [source_name(Path(name)) for name in names] == [
        "maps",
        "maps",
        "a.b",
        "folder.v2",
        "maps",
    ]


# Hostile archives


def linked(path):
    with tarfile.open(path, "w") as archive:
        info = tarfile.TarInfo("a.npy")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(info)


def linked_zip(path):
    with zipfile.ZipFile(path, "w") as archive:
        info = zipfile.ZipInfo("a.npy")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("name", "write", "message"),
    [
        ("maps.zip", lambda p: in_zip(p, {"../a.npy": npy()}), "leads out of its folder"),
        ("maps.tar", lambda p: in_tar(p, {"../a.npy": npy()}), "leads out of its folder"),
        ("maps.zip", lambda p: in_zip(p, {"/tmp/a.npy": npy()}), "leads out of its folder"),
        ("maps.tar", linked, "is a link"),
        ("maps.zip", linked_zip, "is a link"),
    ],
)
def test_hostile_archives_are_refused(tmp_path, name, write, message):
    write(tmp_path / name)
    with pytest.raises(MapError, match=f"{name}: refused, because .*{message}"):
        open_maps(tmp_path / name)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_is_there_twice_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "maps.zip", "w") as archive:
        for _ in range(2):
            archive.writestr("a.npy", npy())
    with pytest.raises(MapError, match=r"holds 'a\.npy' twice"):
        open_maps(tmp_path / "maps.zip")


def test_bombs_are_refused(tmp_path, monkeypatch):
    bomb = gzip.compress(bytes(2**22))
    (tmp_path / "maps.tar.gz").write_bytes(bomb)
    monkeypatch.setattr(map_files, "ARCHIVE_RATIO", 2)
    with pytest.raises(MapError, match="it unpacks to more than"):
        open_maps(tmp_path / "maps.tar.gz")
    monkeypatch.setattr(map_files, "MEMBER_BYTES", 1000)
    with pytest.raises(MapError, match="more than 1000"):
        open_maps(in_zip(tmp_path / "maps.zip", {"a.npy": bytes(2000)}))
    monkeypatch.setattr(map_files, "MEMBERS", 2)
    with pytest.raises(MapError, match="more than 2 files"):
        open_maps(in_zip(tmp_path / "maps.zip", {f"{n}.npy": b"" for n in range(3)}))


def test_hdf5_that_points_elsewhere_is_refused(tmp_path):
    (tmp_path / "secret").write_bytes(bytes(96))
    with h5py.File(tmp_path / "maps.h5", "w") as file:
        file.create_dataset("a", (3, 4), "f8", external=[(str(tmp_path / "secret"), 0, 96)])
    maps = open_maps(tmp_path / "maps.h5")
    with pytest.raises(MapError, match="in another file"):
        maps.read("a")


def test_hdf5_of_more_than_is_allowed_is_not_read(tmp_path):
    with h5py.File(tmp_path / "maps.h5", "w") as file:
        file.create_dataset("a", (10**6, 10**6), "f8", chunks=(100, 100))
    maps = open_maps(tmp_path / "maps.h5")
    for use in (maps.shape, maps.read):
        with pytest.raises(MapError, match=r"maps\.h5:a: .*has 8000000000000 bytes, more than"):
            use("a")


# Formats


def one(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    maps = open_maps(tmp_path)
    return maps.shape(name), maps.read(name)


GREY = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20
DEEP = GREY.astype(np.uint16) * 257 + 3


def tiff(values, **options) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, values, **options)
    return buffer.getvalue()


def planar(channels, **options) -> bytes:
    """RGB with each channel, (channels, height, width), in a plane of its own."""
    extra = {"extrasamples": ["unassalpha"]} if len(channels) == 4 else {}
    return tiff(channels, photometric="rgb", planarconfig="separate", **extra, **options)


def pillow_tiff(values, mode=None, **options) -> bytes:
    buffer = io.BytesIO()
    image = Image.fromarray(values)
    (image.convert(mode) if mode else image).save(buffer, "tiff", **options)
    return buffer.getvalue()


def mat(**variables) -> bytes:
    buffer = io.BytesIO()
    savemat(buffer, variables)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.npy", npy(VALUES.astype(np.float32)), VALUES.astype(np.float32)),
        ("a.npy", npy(np.asfortranarray(VALUES)), VALUES),
        ("a.NPY", npy(VALUES > 3), VALUES > 3),
        ("a.png", png(GREY), GREY),
        ("a.png", png(DEEP), DEEP),
        ("a.png", png(np.dstack([GREY] * 3)), GREY),
        ("a.png", png(np.dstack([GREY] * 3 + [np.full_like(GREY, 255)])), GREY),
        ("a.tif", tiff(VALUES), VALUES),
        ("a.tiff", tiff(DEEP, compression="zlib"), DEEP),
        ("a.tif", tiff(np.dstack([DEEP] * 3), photometric="rgb"), DEEP),
        ("a.tif", planar(np.stack([DEEP] * 3)), DEEP),
        ("a.tif", planar(np.stack([VALUES] * 3)), VALUES),
        ("a.tif", planar(np.stack([DEEP] * 3), compression="zlib"), DEEP),
        ("a.tif", planar(np.stack([GREY] * 3 + [np.full_like(GREY, 255)])), GREY),
        ("a.tif", pillow_tiff(GREY, "P"), GREY),
        ("a.tif", pillow_tiff(GREY, compression="tiff_lzw"), GREY),
        ("a.tif", pillow_tiff(DEEP, compression="tiff_lzw"), DEEP),
        ("a.tif", pillow_tiff(GREY, "RGB", compression="tiff_lzw"), GREY),
        ("a.tif", pillow_tiff(GREY.astype("f4"), compression="tiff_lzw"), GREY.astype("f4")),
        ("a.mat", mat(map=VALUES), VALUES),
    ],
)
def test_formats(tmp_path, name, content, expected):
    shape, values = one(tmp_path, name, content)
    assert shape[:2] == (3, 4)
    np.testing.assert_array_equal(values, expected)
    assert values.dtype == expected.dtype


def test_jpeg(tmp_path):
    smooth = np.tile(np.arange(64, dtype=np.uint8) * 4, (32, 1))
    for mode in ("L", "RGB"):
        Image.fromarray(smooth).convert(mode).save(tmp_path / "a.jpg", quality=95)
        Image.fromarray(smooth).convert(mode).save(
            tmp_path / "b.tif", compression="jpeg", quality=95
        )
        maps = open_maps(tmp_path)
        for name in ("a.jpg", "b.tif"):
            assert maps.shape(name) == (32, 64)
            assert np.abs(maps.read(name).astype(int) - smooth).max() < 4


@pytest.mark.parametrize("name", ["maps.zip", "maps.tar", "maps.tar.gz"])
def test_compressed_pictures_in_archives(tmp_path, name):
    maps = open_maps(
        SOURCES[name](tmp_path / name, {"a.tif": pillow_tiff(DEEP, compression="tiff_lzw")})
    )
    assert maps.shape("a.tif") == (3, 4)
    np.testing.assert_array_equal(maps.read("a.tif"), DEEP)


COLOURED = np.dstack([GREY, GREY, GREY + 1])


COLOUR_MAP = np.arange(768, dtype=np.uint16).reshape(3, 256) * 80


def lzw(plain: bytes) -> bytes:
    """A TIFF file that says that it is compressed so."""
    return plain.replace(struct.pack("<HHII", 259, 3, 1, 1), struct.pack("<HHII", 259, 3, 1, 5))


class Malice:
    def __reduce__(self):
        return pytest.fail, ("a pickle was loaded",)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.npy", npy()[:-1], r"is cut off: \d+ of \d+ bytes"),
        ("a.npy", npy()[:20], "cannot be read"),
        ("a.npy", b"", "cannot be read"),
        ("a.npy", pickle.dumps(Malice()), "cannot be read"),
        ("a.npy", npy(np.array([Malice()], dtype=object)), "Python objects, which are not loaded"),
        ("a.npy", npy(np.array([["dark"]])), "holds values of type <U4"),
        ("a.npy", npy(VALUES * 1j), "complex"),
        ("a.png", png(GREY)[:-30], "cannot be read"),
        ("a.png", b"text", "cannot be read"),
        ("a.png", png(COLOURED), "is coloured"),
        ("a.png", png(np.dstack([GREY] * 4)), "partly transparent"),
        ("a.tif", tiff(np.stack([GREY] * 5), photometric="minisblack"), "holds 5 images"),
        ("a.tif", tiff(GREY, photometric="miniswhite"), "0 for white .* save it with 0 for black"),
        ("a.tif", tiff(GREY, photometric="palette", colormap=COLOUR_MAP), "is coloured"),
        ("a.tif", tiff(COLOURED, photometric="rgb"), "is coloured"),
        ("a.tif", planar(np.moveaxis(COLOURED, 2, 0)), "is coloured"),
        ("a.tif", planar(np.stack([GREY] * 4)), "partly transparent"),
        ("a.tif", pillow_tiff(COLOURED, compression="tiff_lzw"), "is coloured"),
        ("a.tif", pillow_tiff(GREY, tiffinfo={274: 3}), "with an orientation tag; save it upright"),
        ("a.tif", pillow_tiff(GREY, "CMYK"), "colour mode CMYK"),
        ("a.tif", lzw(tiff(VALUES)), "compressed by LZW; save it as grey, without compression"),
        ("a.tif", pillow_tiff(DEEP, compression="tiff_lzw")[:-30], "cannot be read"),
        ("a.npy", npy(np.dstack([GREY] * 3)), r"has the shape \(3, 4, 3\); expected one value"),
        ("a.npy", npy(GREY.ravel()), r"has the shape \(12,\); expected one value a pixel"),
        ("a.mat", mat(map=np.dstack([GREY] * 3)), r"has the shape \(3, 4, 3\); expected one"),
        ("a.mat", mat(map=VALUES, other=1), "holds 2 variables; expected one"),
        ("a.mat", mat(), "holds 0 variables; expected one"),
        ("a.mat", mat(map=VALUES)[:-20], "cannot be read"),
        ("a.mat", mat(map={"field": 1}), "holds values of type"),
    ],
)
def test_what_cannot_be_used_is_told(tmp_path, name, content, message):
    with pytest.raises(MapError, match=message) as caught:
        one(tmp_path, name, content)
    assert str(tmp_path / name) in str(caught.value)


def test_a_colour_picture_of_16_bits_is_refused(tmp_path):
    """Pillow would drop the lower eight bits of each without a word."""
    rows = b"".join(b"\0" + row.tobytes() for row in np.dstack([DEEP] * 3).astype(">u2"))

    def chunk(kind, data):
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 3, 16, 2, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + header + body)
    maps = open_maps(tmp_path)
    assert maps.shape("a.png") == (3, 4)
    with pytest.raises(MapError, match="16-bit picture of several channels"):
        maps.read("a.png")


@pytest.mark.parametrize(
    ("shape", "problem"),
    [
        ((3, 4), None),
        ((3, 4, 3), "has the shape (3, 4, 3); expected one value a pixel, (3, 4)."),
        ((4, 3), "has the size 3x4, the image 4x3. It looks transposed."),
        ((6, 8), "has the size 8x6, the image 4x3."),
        ((12,), "has the shape (12,); expected one value a pixel, (3, 4)."),
        ((1, 3, 4), "has the shape (1, 3, 4); expected one value a pixel, (3, 4)."),
    ],
)
def test_shapes(shape, problem):
    assert shape_problem(shape, (3, 4)) == problem


# What maps are


LOG_DENSITY = np.log(VALUES + 1) - np.log((VALUES + 1).sum())


def test_a_log_density_is_taken_to_the_last_bit():
    assert as_log_density(LOG_DENSITY + 9e-6, "log density") is not None
    np.testing.assert_array_equal(
        as_log_density(LOG_DENSITY + 9e-6, "log density"), LOG_DENSITY + 9e-6
    )


def test_rounding_is_undone():
    for error in (9e-4, -9e-4, 2e-5):
        found = as_log_density(LOG_DENSITY + error, "log density")
        np.testing.assert_allclose(found, LOG_DENSITY, atol=1e-15)
    found = as_log_density(np.exp(LOG_DENSITY) * 1.0009, "density")
    np.testing.assert_allclose(found, LOG_DENSITY, atol=1e-12)
    empty = np.exp(LOG_DENSITY)
    empty[0, 1], empty[0, 0] = empty[0, 0] + empty[0, 1], 0
    assert as_log_density(empty, "density")[0, 0] == -np.inf


@pytest.mark.parametrize(
    ("values", "kind", "message"),
    [
        (LOG_DENSITY + np.log(0.97), "log density", r"logsumexp is -0\.0304592, .* sums to 0\.97;"),
        (LOG_DENSITY / np.log(2), "log density", "natural logarithms"),
        (np.exp(LOG_DENSITY), "log density", r"holds values up to 0\.153846: .* nowhere positive"),
        (VALUES, "log density", "holds values up to 11"),
        (0.97 * np.exp(LOG_DENSITY), "density", r"sums to 0\.97, expected 1"),
        (LOG_DENSITY, "density", "11 densities are negative|12 densities are negative"),
        (np.where(VALUES == 3, np.nan, LOG_DENSITY), "log density", "1 values are NaN"),
        (np.where(VALUES > 9, np.inf, LOG_DENSITY), "log density", r"2 values are \+inf"),
    ],
)
def test_contradictions_of_values_and_kind(values, kind, message):
    with pytest.raises(MapError, match=message):
        as_log_density(values, kind)


# Names


@pytest.mark.parametrize(
    ("maps", "images", "of"),
    [
        (["a.npy", "b.npy"], ["s/b.jpg", "s/a.jpg"], {0: "b.npy", 1: "a.npy"}),
        (["a.jpg.npy"], ["s/a.jpg"], {0: "a.jpg.npy"}),  # as `predict` writes them
        (["a.jpg"], ["s/a.jpg"], {0: "a.jpg"}),
        (["a.png"], ["s/a.jpg"], {0: "a.png"}),
        (["a.b.npy"], ["a.b.png"], {0: "a.b.npy"}),
        (["a"], ["scene/a"], {0: "a"}),  # HDF5 and stimuli without files
        (["x/y/a.npy"], ["s/a.jpg"], {0: "x/y/a.npy"}),
        (["art/1.npy", "action/1.npy"], ["s/action/1.jpg", "s/art/1.jpg"],
         {0: "action/1.npy", 1: "art/1.npy"}),
        (["out/art/1.npy"], ["s/action/1.jpg", "s/art/1.jpg"], {1: "out/art/1.npy"}),
        (["art\\1.npy"], ["s/action/1.jpg", "s/art/1.jpg"], {1: "art\\1.npy"}),
        (["1.npy", "b/1.npy"], ["s/1.jpg", "s/b/1.jpg"], {0: "1.npy", 1: "b/1.npy"}),
        (["a.png.npy", "a.jpg.npy"], ["a.jpg", "a.png"], {0: "a.jpg.npy", 1: "a.png.npy"}),
        (["caf\u00e9.npy"], ["cafe\u0301.jpg"], {0: "caf\u00e9.npy"}),  # two ways to write é
        (["1.npy"], ["01.jpg"], {}),
    ],
)  # fmt: skip
def test_matching(maps, images, of):
    found = match(maps, images)
    assert found.of == of
    assert found.missing == [n for n in range(len(images)) if n not in of]
    assert found.extra == [name for name in maps if name not in of.values()]
    assert (found.double, found.unclear) == ({}, [])


def test_double_and_unclear_names():
    found = match(["a.npy", "a.png"], ["s/a.jpg"])
    assert (found.of, found.double, found.missing) == ({}, {0: ["a.npy", "a.png"]}, [])
    found = match(["1.npy"], ["s/x/1.jpg", "s/y/1.jpg"])
    assert (found.unclear, found.missing) == (["1.npy"], [0, 1])
    found = match(["z/1.npy"], ["s/x/1.jpg", "s/y/1.jpg"])
    assert found.unclear == ["z/1.npy"]
    found = match(["a.npy"], ["a.jpg", "a.png"])
    assert found.unclear == ["a.npy"]


def test_names_of_stimuli():
    import pysaliency

    stimuli = pysaliency.Stimuli([np.zeros((3, 4, 3), np.uint8)])
    assert stimulus_names(stimuli, ["a"]) == ["a"]
    with pytest.raises(MapError, match="give a name for each"):
        stimulus_names(stimuli)
    assert short_names(["/d/s/x/1.jpg", "/d/s/y/2.jpg"]) == ["x/1.jpg", "y/2.jpg"]
    assert short_names(["/d/1.jpg"]) == ["1.jpg"]


def test_threads_read_a_tar_file_side_by_side(tmp_path):
    names = [f"{number:02d}.npy" for number in range(20)]
    members = {name: npy(np.full((60, 80), float(n))) for n, name in enumerate(names)}
    maps = open_maps(in_tar(tmp_path / "maps.tar", members))

    def wrong(seed):
        order = np.random.default_rng(seed).integers(0, len(names), 100)
        return sum(not (maps.read(names[n]) == n).all() for n in order)

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(wrong, range(8))) == 0
    maps.close()
