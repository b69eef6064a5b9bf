"""Changes that keep a format's frame intact, so that they reach what lies behind its checks."""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterable
from typing import Any

from benchmark.fuzzing.mutate import BYTES
from benchmark.fuzzing.target import Mutator

CELLS = (
    "", " ", "nan", "NaN", "inf", "-inf", "1e999", "-0", "1e-400", "1_0", "٣", "0x1F", "1,5",
    "9" * 400, "-1", "1e308", "3.0000000000000001", '"', "'", "\0", "a.png", "b", "NA", "None",
    "true", "é", "\ufeff", "\u2028", "../a.png", "=1+1", "a" * 500,
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, 10**400, 1.5, -1e308, float("nan"), float("inf"),
    "", "a", "NA", "\0", "\ud800", "é" * 50, [], {}, [[]], [None], {"": None}, [1, 2, 3], ["a"],
    {"a": {"b": 1}},
)  # fmt: skip


def guarded(change: Mutator) -> Mutator:
    """A mutator that leaves alone, but for bytes, what it cannot take apart."""

    def guard(content: bytes, rng: random.Random) -> bytes:
        try:
            return change(content, rng)
        except Exception:  # whatever a parser raises on damaged bytes
            return rng.choice(BYTES)(content, rng)

    guard.__name__ = change.__name__
    return guard


@guarded
def table(content: bytes, rng: random.Random) -> bytes:
    """A CSV file with other cells, columns, rows, delimiters, quotes, line ends or encoding."""
    rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    for _ in range(rng.choice((1, 1, 2, 4))):
        row = rng.choice(rows)
        kind = rng.randrange(9)
        if kind <= 2:
            row[rng.randrange(len(row))] = rng.choice(CELLS)
        elif kind == 3:  # columns in another order
            order = rng.sample(range(len(rows[0])), len(rows[0]))
            rows = [[r[k] for k in order if k < len(r)] for r in rows]
        elif kind == 4:  # a column twice
            at = rng.randrange(len(rows[0]))
            rows = [[*r, *r[at : at + 1]] for r in rows]
        elif kind == 5:
            row.append(rng.choice(CELLS))
        elif kind == 6:
            del row[rng.randrange(len(row))]
        elif kind == 7:
            rows.insert(rng.randrange(len(rows) + 1), list(row))
        else:
            rows.pop(rng.randrange(len(rows)))
    text = io.StringIO()
    csv.writer(
        text,
        delimiter=rng.choice(",,,,,;\t"),
        quoting=rng.choice((csv.QUOTE_MINIMAL, csv.QUOTE_ALL)),
        lineterminator=rng.choice(("\n", "\r\n", "\r", "\n\n", " \n")),
    ).writerows(rows)
    written = text.getvalue().encode(
        rng.choice(("utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "latin-1")), errors="replace"
    )
    return written


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Containers and keys of all values inside a value."""
    found: list[tuple[Any, Any]] = []
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in list(pairs):
        found.append((value, key))
        if isinstance(inner, (dict, list)):
            found += _places(inner)
    return found


def _changed(value: Any, rng: random.Random) -> Any:
    """A JSON value with some of the values in it changed, removed, renamed or nested."""
    for _ in range(rng.choice((1, 1, 2, 3))):
        places = _places(value)
        if not places or rng.random() < 0.03:
            return rng.choice(VALUES)
        container, key = rng.choice(places)
        kind = rng.randrange(6)
        if kind <= 2:
            container[key] = rng.choice(VALUES)
        elif kind == 3:
            del container[key]
        elif kind == 4 and isinstance(container, dict):
            container[rng.choice(("", "x", f"{key}2", "\0"))] = container.pop(key)
        else:
            other, name = rng.choice(places)
            # a copy, or the value would hold itself
            container[key] = json.loads(json.dumps(other.get(name) if isinstance(other, dict)
                                                   else None))  # fmt: skip
    return value


@guarded
def json_object(content: bytes, rng: random.Random) -> bytes:
    """A JSON text with other values, or with one nested beyond reason."""
    value = _changed(json.loads(content), rng)
    text = json.dumps(value)
    if rng.random() < 0.05:
        depth = rng.choice((50, 1000, 100_000))
        text = text.replace(":", ":" + "[" * depth + "]" * depth + ', "n":', 1)
    return text.encode()


@guarded
def safetensors_header(content: bytes, rng: random.Random) -> bytes:
    """A safetensors file with another header, its length put right."""
    size = struct.unpack("<Q", content[:8])[0]
    header, data = json.loads(content[8 : 8 + size]), content[8 + size :]
    metadata = header.get("__metadata__")
    inner = next(iter(metadata), None) if isinstance(metadata, dict) else None
    if inner is not None and rng.random() < 0.7:  # JSON within JSON
        metadata[inner] = json_object(metadata[inner].encode(), rng).decode(errors="replace")
    else:
        header = _changed(header, rng)
    raw = json.dumps(header).encode()
    return struct.pack("<Q", len(raw)) + raw + data


@guarded
def safetensors_values(content: bytes, rng: random.Random) -> bytes:
    """A safetensors file with numbers that are none among its values."""
    start = 8 + struct.unpack("<Q", content[:8])[0]
    at = start + 4 * rng.randrange((len(content) - start) // 4)
    raw = struct.pack("<f", rng.choice((float("nan"), float("inf"), -1e38, 0.0)))
    return content[:at] + raw + content[at + 4 :]


def zip_file(members: Iterable[tuple[str, bytes]], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """The bytes of a zip file, without times."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # names may occur twice
        for name, content in members:
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return target.getvalue()


def without_times(content: bytes) -> bytes:
    """A zip file made anew, the same bytes each time."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return zip_file((info.filename, archive.read(info)) for info in archive.infolist())


def in_zip(inside: Mutator) -> Mutator:
    """A change of a member of a zip file, whose checksum is put right; or of a member's name."""

    @guarded
    def zipped(content: bytes, rng: random.Random) -> bytes:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = [(info.filename, archive.read(info)) for info in archive.infolist()]
        at = rng.randrange(len(members))
        name, value = members[at]
        kind = rng.randrange(8)
        if kind == 0:
            name = rng.choice(("../a.npy", "/a.npy", "c:a.npy", "b.npy", "\u00e9.npy", "a/", name))
        elif kind == 1:
            members.append((name, value))
        else:
            value = inside(value, rng)
        members[at] = (name, value)
        methods = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA)
        return zip_file(members, rng.choice(methods))

    return zipped


@guarded
def in_gzip(content: bytes, rng: random.Random) -> bytes:
    """A change of what a gzip file holds."""
    return gzip.compress(rng.choice(BYTES)(gzip.decompress(content), rng), mtime=0)


@guarded
def tar_header(content: bytes, rng: random.Random) -> bytes:
    """A (compressed) tar file with another header of a member, its checksum put right."""
    packed = content[:2] == b"\x1f\x8b"
    raw = bytearray(gzip.decompress(content) if packed else content)
    heads = [at for at in range(0, len(raw) - 511, 512) if raw[at + 257 : at + 262] == b"ustar"]
    at = rng.choice(heads)
    header = bytearray(rng.choice(BYTES)(bytes(raw[at : at + 512]), rng)[:512].ljust(512, b"\0"))
    if rng.random() < 0.4:
        header[156:157] = rng.choice((b"0", b"1", b"2", b"3", b"5", b"L", b"K", b"x", b"g", b"S"))
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    raw[at : at + 512] = header
    return gzip.compress(bytes(raw), mtime=0) if packed else bytes(raw)


@guarded
def png_chunk(content: bytes, rng: random.Random) -> bytes:
    """A PNG file with a chunk changed, removed, repeated or added, its checksum put right."""
    chunks, at = [], 8
    while at + 12 <= len(content):
        size = struct.unpack(">I", content[at : at + 4])[0]
        chunks.append((content[at + 4 : at + 8], content[at + 8 : at + 8 + size]))
        at += 12 + size
    k, kind = rng.randrange(len(chunks)), rng.randrange(6)
    name, value = chunks[k]
    if kind <= 2:
        change: Callable[[bytes], bytes] = lambda old: rng.choice(BYTES)(old, rng)  # noqa: E731
        is_pixels = name == b"IDAT" and rng.random() < 0.7
        new = zlib.compress(change(zlib.decompress(value))) if is_pixels else change(value)
        chunks[k] = (name, new)
    elif kind == 3:
        del chunks[k]
    elif kind == 4:
        chunks.insert(k, (name, value))
    else:
        extra = rng.choice((b"tRNS", b"PLTE", b"gAMA", b"acTL", b"iCCP", b"zTXt", b"eXIf", b"sBIT"))
        chunks.insert(rng.randrange(1, len(chunks)), (extra, rng.randbytes(rng.randrange(12))))
    return content[:8] + b"".join(
        struct.pack(">I", len(raw)) + called + raw + struct.pack(">I", zlib.crc32(called + raw))
        for called, raw in chunks
    )


@guarded
def in_matlab(content: bytes, rng: random.Random) -> bytes:
    """A Matlab file with a change inside one of its compressed variables."""
    at = 128
    parts = []
    while at + 8 <= len(content):
        kind, size = struct.unpack("<II", content[at : at + 8])
        parts.append((kind, content[at + 8 : at + 8 + size]))
        at += 8 + size
    k = rng.randrange(len(parts))
    kind, value = parts[k]
    if kind == 15:  # compressed
        parts[k] = (kind, zlib.compress(rng.choice(BYTES)(zlib.decompress(value), rng)))
    else:
        parts[k] = (kind, rng.choice(BYTES)(value, rng))
    return content[:128] + b"".join(struct.pack("<II", k, len(v)) + v for k, v in parts)


@guarded
def npy_header(content: bytes, rng: random.Random) -> bytes:
    """A .npy file with another type, order or shape in its header, its length put right."""
    size = struct.unpack("<H", content[8:10])[0]
    header, data = content[10 : 10 + size].decode("latin-1"), content[10 + size :]
    kind = rng.randrange(4)
    if kind == 0:
        types = ("<f8", ">f8", "<f4", "<f2", "<i8", "|u1", "|b1", "<c16", "<m8[s]", "<M8[s]", "|O",
                 "|S8", "<U2", "|V8", "<f16", "|S0", "<U999999999")  # fmt: skip
        start = header.index("'", header.index("descr") + 6) + 1
        header = header[:start] + rng.choice(types) + header[header.index("'", start) :]
    elif kind == 1:
        header = header.replace("False", "True", 1)
    elif kind == 2:
        start, stop = header.index("("), header.index(")")
        shapes = ("6, 8", "8, 6", "-6, -8", "48,", "", "6, 8, 1", "1, 6, 8", "6.0, 8", "True, 8",
                  f"{2**40}, {2**40}", "0, 8", f"{10**400}, 1")  # fmt: skip
        header = header[: start + 1] + rng.choice(shapes) + header[stop:]
    else:
        header = rng.choice(BYTES)(header.encode("latin-1"), rng).decode("latin-1")
    raw = header.encode("latin-1")
    return content[:8] + struct.pack("<H", len(raw)) + raw + data
