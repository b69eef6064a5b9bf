"""What a submission holds of each image so far, on disk, so that one that was killed goes on."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from benchmark.errors import BenchmarkError
from benchmark.files import discard, write_json, write_whole

DENSITIES = "log_densities.hdf5"
MANIFEST = "manifest.json"
UNFINISHED = "unfinished"
_LEFT_OVER = re.compile(r"\..+\.\d+\.tmp")  # of a writer that was killed

#: What is known of an image: "key" (hash of all that its files depend on), "log_density" (hash of
#: the values) and "files" (hashes by path in the folder).
Record = dict[str, Any]


def file_hash(file: Path) -> str:
    """SHA-256 of a file's bytes; empty if it cannot be read."""
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except (OSError, ValueError):  # the name may be none
        return ""


def array_hash(values: NDArray) -> str:
    """SHA-256 of size, type and values."""
    header = f"{values.shape}{values.dtype.str}".encode()
    return hashlib.sha256(header + values.tobytes()).hexdigest()


class Pieces:
    """The finished images of a submission's folder.

    An image's pictures are written where they stay, its log density to ``unfinished/`` until the
    HDF5 file is put together, and its record last: a piece without a record does not count, nor
    does one whose files no longer have the hashes in it. The manifest holds the records of a
    complete submission; it is put aside as soon as one of them no longer holds.

    Raises:
        BenchmarkError: the folder holds other files than a submission.
    """

    def __init__(self, out: Path):
        self.out = out
        self._folder = out / UNFINISHED
        self.manifest = _json(out / MANIFEST)
        if out.is_dir() and any(out.iterdir()) and not self._is_ours():
            raise BenchmarkError(
                f"{out}: holds other files than a submission; choose a new folder with --out."
            )
        finished = self.manifest or _json(self._folder / MANIFEST)
        #: Records of the submission that was completed last.
        self.finished: dict[str, Record] = {
            name: record
            for name, record in _object(finished, "predictions").items()
            if _whole(record)
        }
        self._densities_hash = finished.get("log_densities_sha256")

    def _is_ours(self) -> bool:
        return self._folder.is_dir() or "log_densities_sha256" in self.manifest

    def record(self, name: str) -> Record:
        """What was recorded last of an image; of nothing, a record that fits no key."""
        found = _json(self._folder / f"{name}.json")
        if not _whole(found):
            found = self.finished.get(name, {})
        return found or {"key": None, "log_density": None, "files": {}}

    def intact(self, name: str, key: str) -> bool:
        """Whether all files of an image are there, as they were written, and made with ``key``."""
        record = self.record(name)
        return (
            record["key"] == key
            and all(file_hash(self.out / file) == found for file, found in record["files"].items())
            and self.log_density(name) is not None
        )

    def log_density(self, name: str) -> NDArray[np.float32] | None:
        """The recorded log density, from ``unfinished/`` or the HDF5 file; None if it is lost."""
        expected = self.record(name)["log_density"]
        for read in (self._from_piece, self._from_densities):
            # Libraries raise anything on damaged files.
            try:
                values = read(name)
            except Exception:
                continue
            if array_hash(values) == expected:
                return values
        return None

    def _from_piece(self, name: str) -> NDArray[np.float32]:
        return np.load(self._folder / f"{name}.npy", allow_pickle=False)

    def _from_densities(self, name: str) -> NDArray[np.float32]:
        with h5py.File(self.out / DENSITIES, "r") as content:
            return content[name][()]

    def keep(
        self, name: str, key: str, log_density: NDArray[np.float32], files: Mapping[str, bytes]
    ) -> None:
        """Write all of an image, its record last."""
        for file, content in files.items():
            write_whole(self.out / file, content)
        buffer = io.BytesIO()
        np.save(buffer, log_density)
        write_whole(self._folder / f"{name}.npy", buffer.getvalue())
        hashes = {file: hashlib.sha256(content).hexdigest() for file, content in files.items()}
        record = {"key": key, "log_density": array_hash(log_density), "files": hashes}
        write_json(record, self._folder / f"{name}.json")

    def reopen(self) -> None:
        """Put the manifest aside: the folder is no complete submission for now."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            if self.manifest:
                os.replace(self.out / MANIFEST, self._folder / MANIFEST)
        except OSError as error:
            raise BenchmarkError(
                f"{self._folder} cannot be written: {error.strerror or error}. "
                "Choose a folder that you may write to with --out."
            ) from error

    def densities_intact(self) -> bool:
        """Whether the HDF5 file is the one of the submission that was completed last."""
        found = file_hash(self.out / DENSITIES)
        return bool(found) and found == self._densities_hash

    def remove_stale(self, names: Iterable[str]) -> None:
        """Remove recorded files that are of none of the images ``names``, and unfinished ones."""
        current = {file for name in names for file in self.record(name)["files"]}
        unfinished = [record for record in map(_json, self._unfinished()) if _whole(record)]
        records = [*self.finished.values(), *unfinished]
        for file in {file for record in records for file in record["files"]} - current:
            if _inside(file):
                discard(self.out / file)
        for file in self.out.rglob(".*.tmp"):
            if _LEFT_OVER.fullmatch(file.name):
                discard(file)

    def clear(self) -> None:
        """Remove the pieces, which a complete submission needs no more."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _unfinished(self) -> list[Path]:
        return [file for file in self._folder.rglob("*.json") if file.name != MANIFEST]


def _object(content: dict[str, Any], key: str) -> dict[str, Any]:
    """The object below a key, empty if there is none."""
    found = content.get(key)
    return found if isinstance(found, dict) else {}


def _whole(record: Any) -> bool:
    """Whether a record read from a file has all that is known of an image."""
    if not isinstance(record, dict) or not isinstance(record.get("files"), dict):
        return False
    texts = (record.get("key"), record.get("log_density"), *record["files"].values())
    return all(isinstance(text, str) for text in texts)


def _inside(name: str) -> bool:
    """Whether a recorded path stays in the folder, whoever wrote the record."""
    path = Path(name)
    return not path.is_absolute() and ".." not in path.parts


def _json(file: Path) -> dict[str, Any]:
    """The object in a file, empty if there is none."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
