"""The unpacking of archives of data sets."""

from __future__ import annotations

import bz2
import gzip
import lzma
import shutil
import tarfile
import zipfile
from pathlib import Path
from typing import Any

from benchmark.datasets.unpack import Limits, unpack
from benchmark.fuzzing import formats
from benchmark.fuzzing.mutate import BYTES
from benchmark.fuzzing.target import Target
from benchmark.fuzzing.targets.maps import tarred

_MEMBERS = {"SET/a.txt": b"content of a " * 9, "SET/sub/b.txt": b"b", "other.txt": b"unwanted"}
_PATTERNS = (r"SET/(.+\.txt)",)


def _seeds() -> list[bytes]:
    tar = tarred(_MEMBERS)
    return [
        formats.zip_file(_MEMBERS.items()), tar, gzip.compress(tar, mtime=0), bz2.compress(tar),
        lzma.compress(tar),
    ]  # fmt: skip


def _run(file: Path) -> dict[str, bytes]:
    folder = file.parent / "unpacked"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    count = unpack(file, folder, _PATTERNS, Limits(files=100, bytes=2**24))
    found = {
        member.relative_to(folder).as_posix(): member.read_bytes()
        for member in folder.rglob("*")
        if member.is_file()
    }
    assert len(found) == count
    return found


def _wrong(file: Path, found: dict[str, bytes]) -> str | None:
    plain: dict[str, Any] = {}
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as zipped:
            plain = {name: zipped.read(name) for name in (f"SET/{name}" for name in found)}
    else:
        with tarfile.open(file) as archive:
            for info in archive:
                if info.isreg():
                    stream = archive.extractfile(info)
                    plain[info.name] = stream.read() if stream else b""
    for name, content in found.items():
        if plain.get(f"SET/{name}") != content:
            return "a file differs from the archive's"
    return None


TARGETS = (
    Target(
        "dataset-archive",
        "archives of data sets, zip, tar and tar.gz",
        "archive",
        _seeds,
        _run,
        _wrong,
        mutators=(formats.in_zip(BYTES[0]), formats.in_gzip, formats.tar_header),
        tokens=(b"PK\1\2", b"PK\3\4", b"PK\5\6", b"ustar", b"SET/", b"../", b"size="),
    ),
)
