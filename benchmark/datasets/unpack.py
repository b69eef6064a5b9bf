"""Unpacks downloaded zip and tar archives, taking nothing an archive says on trust."""

from __future__ import annotations

import gzip
import lzma
import re
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, cast

from benchmark.datasets.images import is_hidden
from benchmark.errors import BenchmarkError


@dataclass(frozen=True)
class Limits:
    """How much an archive may unpack to: files, bytes, and bytes per packed byte."""

    files: int = 200_000
    bytes: int = 8 * 2**30
    ratio: float = 50.0


@dataclass(frozen=True)
class _Member:
    """An entry of an archive, whichever its format; skipping it may cost its full size, too."""

    name: str
    size: int
    is_folder: bool
    is_plain: bool
    skipping_costs: bool
    open: Callable[[], IO[bytes] | None]


def _zip_members(file: zipfile.ZipFile) -> Iterator[_Member]:
    for info in file.infolist():
        mode = stat.S_IFMT(info.external_attr >> 16)
        plain = mode in (0, stat.S_IFREG, stat.S_IFDIR) and not info.flag_bits & 1  # 1: encrypted
        yield _Member(
            info.filename,
            info.file_size,
            info.is_dir(),
            plain,
            False,
            partial(file.open, info),
        )


def _tar_members(file: tarfile.TarFile) -> Iterator[_Member]:
    for info in file:
        plain = info.isdir() or (info.isreg() and not info.issparse())
        yield _Member(
            info.name,
            info.size,
            info.isdir(),
            plain,
            True,
            partial(file.extractfile, info),
        )


def _members(archive: Path, stack: ExitStack) -> Iterator[_Member]:
    """The entries of an archive; ValueError if it is damaged so that its reader raises OSError."""
    try:
        yield from _open(archive, stack)
    except OSError as error:  # of a place that is not there, or of bzip2
        raise ValueError(str(error)) from error


def _open(archive: Path, stack: ExitStack) -> Iterator[_Member]:
    if zipfile.is_zipfile(archive):
        return _zip_members(stack.enter_context(zipfile.ZipFile(archive)))
    return _tar_members(stack.enter_context(tarfile.open(archive)))


def _blocks(member: _Member) -> Iterator[bytes]:
    """The content of an entry; ValueError as in :func:`_members`."""
    try:
        with cast("IO[bytes]", member.open()) as source:
            while block := source.read(2**20):
                yield block
    except OSError as error:
        raise ValueError(str(error)) from error


def _is_unsafe(name: str) -> bool:
    """Whether a name could lead out of the folder unpacked to, on any system."""
    parts = name.replace("\\", "/").split("/")
    return name.startswith(("/", "\\")) or ".." in parts or ":" in parts[0] or "\0" in name


def _target(name: str, patterns: Sequence[re.Pattern[str]]) -> str | None:
    """The path to unpack to, the first group of the pattern that fits; None for the unwanted."""
    if is_hidden(Path(name)):
        return None
    for pattern in patterns:
        if match := pattern.fullmatch(name):
            return match.group(1)
    return None


class _Guard:
    """Raises as soon as an archive exceeds a limit or names a path twice."""

    def __init__(self, archive: Path, limits: Limits):
        self.archive, self.limits = archive, limits
        self.allowed = min(limits.bytes, limits.ratio * max(archive.stat().st_size, 2**16))
        self.files = 0
        self.bytes = 0
        self.taken: set[str] = set()

    def refuse(self, reason: str) -> BenchmarkError:
        return BenchmarkError(
            f"{self.archive}: refused to unpack, because {reason}. The archive is not what was "
            "expected: check the address it came from."
        )

    def admit(self, member: _Member, is_wanted: bool) -> None:
        """Count a member, before any of it is read."""
        if _is_unsafe(member.name):
            raise self.refuse(f"{member.name!r} leads out of its folder")
        self.files += 1
        self.bytes += member.size if is_wanted or member.skipping_costs else 0
        if self.files > self.limits.files:
            raise self.refuse(f"it holds more than {self.limits.files} entries")
        if self.bytes > self.allowed:
            raise self.refuse(f"it unpacks to more than {self.allowed:.3g} bytes")

    def claim(self, target: str, member: _Member) -> None:
        """Take a path; systems that ignore case would overwrite one that differs in it alone."""
        if not member.is_plain:
            raise self.refuse(f"{member.name!r} is a link, a device, sparse or encrypted")
        if target.lower() in self.taken:
            raise self.refuse(f"it holds {target!r} twice (capital letters aside)")
        self.taken.add(target.lower())


def unpack(
    archive: Path, folder: Path, patterns: Sequence[str], limits: Limits | None = None
) -> int:
    """Unpack the wanted files of a zip or tar archive into an empty folder; returns their number.

    Args:
        patterns: regular expressions for whole member names; the first group of the one that fits
            is the path below ``folder``. Members that fit none are left out.

    Raises:
        BenchmarkError: the archive is damaged or hostile: paths that lead out of the folder, links,
            devices, duplicate names, or more content than ``limits`` allow.
        OSError: the disk is full or not writable.
    """
    wanted = [re.compile(pattern) for pattern in patterns]
    try:
        with ExitStack() as stack:
            guard = _Guard(archive, limits or Limits())
            for member in _members(archive, stack):
                target = _target(member.name, wanted)
                guard.admit(member, target is not None)
                if target is None or member.is_folder:
                    continue
                guard.claim(target, member)
                destination = folder / target
                destination.parent.mkdir(parents=True, exist_ok=True)
                with destination.open("xb") as copy:
                    for block in _blocks(member):
                        copy.write(block)
            return len(guard.taken)
    except (FileExistsError, NotADirectoryError) as error:
        raise BenchmarkError(
            f"{archive}: refused to unpack, because one path is both a file and a folder ({error})."
        ) from error
    except (
        zipfile.BadZipFile,
        tarfile.TarError,
        zlib.error,
        lzma.LZMAError,
        gzip.BadGzipFile,
        EOFError,
        NotImplementedError,
        RuntimeError,
        IndexError,
        struct.error,
        ValueError,
    ) as error:
        raise BenchmarkError(
            f"{archive}: is no intact zip or tar archive ({error}). The server may have sent a web "
            "page instead; try again later, or open the address in a browser."
        ) from error
