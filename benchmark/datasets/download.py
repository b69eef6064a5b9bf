"""Downloads data sets from where their authors published them; verified, then installed whole."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark import registry
from benchmark.datasets import fetch, locate, unpack
from benchmark.datasets.base import DatasetSpec
from benchmark.datasets.images import is_hidden
from benchmark.errors import BenchmarkError

WORK = ".downloads"  # below the data root: the same file system, so that moving is atomic


@dataclass(frozen=True)
class Source:
    """Where a data set is published, and how to know that it arrived.

    Attributes:
        patterns: which members of the archive are wanted; the first group is the path to unpack to.
        contents: files and folders of the data set that count for ``tree``.
        tree: ``tree_hash`` of the unpacked data set.
        sha256: hash of the archive itself, None where the host packs it anew for each download.
    """

    url: str
    patterns: tuple[str, ...]
    contents: tuple[str, ...]
    tree: str
    sha256: str | None = None


_FIXATONS = "https://www.dropbox.com/s/i5xw3xbgqdw6tk8/FixaTons.zip?dl=1"
_FIXATONS_CONTENTS = ("STIMULI", "SCANPATHS")

SOURCES = {
    "mit1003": Source(
        url=_FIXATONS,
        patterns=(r"(?:.*/)?MIT1003/((?:STIMULI|SCANPATHS)/.+)",),
        contents=_FIXATONS_CONTENTS,
        tree="60c3c5d688934605444a89ac06ab0d752803ead1053297dd88cb208cf4d47dfc",
    ),
    "siena12": Source(
        url=_FIXATONS,
        patterns=(r"(?:.*/)?SIENA12/((?:STIMULI|SCANPATHS)/.+)",),
        contents=_FIXATONS_CONTENTS,
        tree="a9ff8ff43387385f86c9be2e66249b0f1fd89d0516a330afa7d2868be3b84424",
    ),
    "osie": Source(
        url="https://github.com/NUS-VIP/predicting-human-gaze-beyond-pixels/archive/refs/heads/"
        "master.zip",
        patterns=(
            r"(?:[^/]+/)?data/(stimuli/[^/]+\.jpg)",
            r"(?:[^/]+/)?data/eye/(fixations\.mat)",
        ),
        contents=("stimuli", "fixations.mat"),
        tree="6cec3dbfab2efc5ec2268bbf2cb6494863fe6954adbaa06e5f55dcad845a5700",
    ),
}

# What makes pysaliency fetch a data set and write it below ROOT, for those without a source.
PYSALIENCY_CALLS = {
    "cat2000": "pysaliency.get_cat2000_train(location=ROOT)",
    "cat2000-v1.1": "pysaliency.get_cat2000_train(location=ROOT, version='1.1')",
    "coco-freeview-train": "pysaliency.external_datasets.coco_freeview.get_COCO_Freeview("
    "location=ROOT)",
    "coco-freeview-validation": "pysaliency.external_datasets.coco_freeview.get_COCO_Freeview("
    "location=ROOT)",
    "dut-omron": "pysaliency.external_datasets.get_DUT_OMRON(location=ROOT)",
    "figrim": "pysaliency.get_FIGRIM(location=ROOT)",
    "koehler": "pysaliency.get_koehler(location=ROOT, datafile='PublicData.zip')",
    "nusef": "pysaliency.get_NUSEF_public(location=ROOT)",
    "pascal-s": "pysaliency.external_datasets.get_PASCAL_S(location=ROOT)",
    "pysaliency-mit1003": "pysaliency.get_mit1003(location=ROOT)",
    "pysaliency-osie": "pysaliency.get_OSIE(location=ROOT)",
    "salicon-train": "pysaliency.get_SALICON(location=ROOT)",
    "salicon-validation": "pysaliency.get_SALICON(location=ROOT)",
    "toronto": "pysaliency.get_toronto(location=ROOT)",
}


def how_to_get(spec: DatasetSpec) -> str:
    """One or two sentences: the command, or the call, that brings the data set here."""
    if spec.name in SOURCES:
        return f"Get it with: python -m benchmark download {spec.name}."
    if spec.name in PYSALIENCY_CALLS:
        return (
            f"pysaliency fetches and caches it: {PYSALIENCY_CALLS[spec.name]}, where ROOT is a "
            "data root (pysaliency 0.2.22 can write the cache only with a numpy below 2)."
        )
    return f"No address is known to download it from; see: {spec.citation}"


def tree_hash(folder: Path, contents: Sequence[str]) -> str:
    """SHA-256 over the sorted relative paths and the hashes of all files, hidden ones left out.

    Args:
        contents: files and folders below ``folder`` to take into account.
    """
    digest = hashlib.sha256()
    paths = [path for name in contents for path in (folder / name, *(folder / name).rglob("*"))]
    files = {path.relative_to(folder).as_posix(): path for path in paths if path.is_file()}
    for name, path in sorted(files.items()):
        if not is_hidden(Path(name)):
            digest.update(f"{name}\0{fetch.sha256(path)}\n".encode())
    return digest.hexdigest()


def _spec(name: str) -> DatasetSpec:
    entry = registry.lookup(registry.datasets(), name, "data set")
    spec = DatasetSpec(**entry.metadata)
    if not spec.folder:
        raise BenchmarkError(f"the data set {name!r} is built in; there is nothing to download.")
    if name not in SOURCES:
        raise BenchmarkError(f"the data set {name!r} cannot be downloaded here. {how_to_get(spec)}")
    return spec


def _install(unpacked: Path, target: Path, scratch: Path) -> None:
    """Put a verified folder in its place; what was there leaves it first, in one step each."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        os.replace(target, scratch / "replaced")
    os.replace(unpacked, target)


def _unpack_and_install(archive: Path, source: Source, target: Path) -> None:
    for leftover in archive.parent.glob(f"{archive.stem}-*"):  # of a run that was killed
        shutil.rmtree(leftover, ignore_errors=True)
    scratch = Path(tempfile.mkdtemp(prefix=f"{archive.stem}-", dir=archive.parent))
    try:
        unpacked = scratch / "unpacked"
        unpacked.mkdir()
        files = unpack.unpack(archive, unpacked, source.patterns)
        found = tree_hash(unpacked, source.contents)
        if found != source.tree:
            raise BenchmarkError(
                f"{archive}: unpacks to {files} files that are not the data set expected (hash "
                f"{found}, expected {source.tree}). It came from {source.url}: the file there is "
                "damaged or another one. Nothing was installed."
            )
        _install(unpacked, target, scratch)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _by_hand(source: Source, spec: DatasetSpec, root: Path, archive: Path) -> str:
    return (
        f"Without a connection: download {source.url} elsewhere and put it here as {archive}, then "
        f"run the command again; or put {', '.join(source.contents)} into {root / spec.folder}."
    )


def download(
    name: str,
    data_root: str | Path | None = None,
    progress: bool = True,
    *,
    force: bool = False,
    attempts: int = 5,
    pause: float = 1.0,
) -> Path:
    """Download a data set; returns its folder below the data root.

    An interrupted download goes on where it stopped. The folder appears when everything in it is
    there and verified. If it is there already, and intact, nothing is done.

    Args:
        data_root: by default the user's cache folder.
        progress: show a progress bar.
        force: replace a folder that is there already.
        attempts, pause: see ``fetch.fetch``.

    Raises:
        UnknownNameError: no data set is called so.
        BenchmarkError: there is no known address, the network or the disk fails, or what arrives is
            not the data set; the message says what to do.
    """
    spec = _spec(name)
    source = SOURCES[name]
    root = Path(data_root).expanduser() if data_root is not None else locate.cache_root()
    target = root / spec.folder
    if target.exists() and not force:
        if tree_hash(target, source.contents) == source.tree:
            return target
        raise BenchmarkError(
            f"{target}: is there already, but is not the data set as published. Replace it with "
            "--force, or move it away."
        )
    archive = root / WORK / f"{name}.archive"
    with fetch.disk_errors(root):
        archive.parent.mkdir(parents=True, exist_ok=True)
        if not archive.exists():
            try:
                fetch.fetch(
                    source.url,
                    archive,
                    digest=source.sha256,
                    attempts=attempts,
                    pause=pause,
                    progress=progress,
                )
            except fetch.FetchError as error:
                raise BenchmarkError(f"{error} {_by_hand(source, spec, root, archive)}") from error
        try:
            _unpack_and_install(archive, source, target)
        except BenchmarkError:  # a bad archive would be bad again; a full disk leaves it for later
            archive.unlink()
            raise
        archive.unlink()
    return target
