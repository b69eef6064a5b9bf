"""Fetches one file over HTTP: resumes, retries, and never takes a part for the whole."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests
from tqdm import tqdm

from benchmark.errors import BenchmarkError

TRANSIENT_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})
CHUNK = 2**16
LONGEST_PAUSE = 60.0


class _TransientError(Exception):
    """The attempt failed in a way that another one may not."""

    def __init__(self, reason: str, pause: float = 0.0):
        super().__init__(reason)
        self.pause = pause


class FetchError(BenchmarkError):
    """The address cannot be fetched: unreachable, or the server refuses."""


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn what goes wrong with the disk into an error that says what to do."""
    try:
        yield
    except requests.RequestException:  # is an OSError, too, but not the disk's
        raise
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            remedy = "the disk is full; make room, or choose another folder with --data-root"
        elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            remedy = "the folder is not writable; choose another one with --data-root"
        else:
            remedy = f"{error.strerror or error}; choose another folder with --data-root"
        raise BenchmarkError(f"{path}: cannot be written: {remedy}.") from error


def sha256(file: Path) -> str:
    """Hash of a file's bytes, read in pieces."""
    digest = hashlib.sha256()
    with file.open("rb") as content:
        while piece := content.read(2**20):
            digest.update(piece)
    return digest.hexdigest()


@dataclass
class _Part:
    """An unfinished download, and the validator of the version it is a part of.

    The validator (a strong ETag or the date of change) is what lets a server say that the rest
    belongs to the same version. A part without one is worthless.
    """

    file: Path
    url: str

    @property
    def _note(self) -> Path:
        return self.file.with_name(self.file.name + ".json")

    def validator(self) -> str | None:
        """Of the part on disk; None if there is none that can be continued."""
        try:
            note = json.loads(self._note.read_text(encoding="utf-8"))
            return str(note["validator"]) if note["url"] == self.url else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def size(self) -> int:
        return self.file.stat().st_size if self.file.exists() else 0

    def start(self, validator: str | None) -> None:
        """Forget what is there, and note which version comes now."""
        self.discard()
        if validator:
            self._note.write_text(
                json.dumps({"url": self.url, "validator": validator}), encoding="utf-8"
            )

    def discard(self) -> None:
        self.file.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)

    def finish(self, target: Path) -> None:
        os.replace(self.file, target)
        self._note.unlink(missing_ok=True)


def _validator(response: requests.Response) -> str | None:
    etag = response.headers.get("ETag", "")
    if etag and not etag.startswith("W/"):  # a weak one does not promise equal bytes
        return etag
    return response.headers.get("Last-Modified")


def _get(url: str, headers: dict[str, str], timeout: float) -> requests.Response:
    try:
        return requests.get(url, headers=headers, stream=True, timeout=timeout)
    except requests.exceptions.SSLError as error:
        raise FetchError(f"{url}: the connection is not secure ({error}).") from error
    except (requests.ConnectionError, requests.Timeout) as error:
        raise _TransientError(f"cannot be reached ({error})") from error
    except requests.RequestException as error:
        raise FetchError(f"{url}: cannot be fetched ({error}).") from error


def _check_status(url: str, response: requests.Response) -> None:
    status = response.status_code
    if status in TRANSIENT_STATUS:
        after = response.headers.get("Retry-After", "")
        pause = float(after) if after.isdigit() else 0.0
        raise _TransientError(f"the server answered {status} {response.reason}", pause)
    if status not in (200, 206, 416):
        raise FetchError(f"{url}: the server answered {status} {response.reason}.")


def _range(response: requests.Response) -> tuple[int, int | None]:
    """First byte and total size that a partial answer (206) claims; (-1, None) if it is garbled."""
    text = response.headers.get("Content-Range", "")
    span, _, total = text.removeprefix("bytes ").partition("/")
    first = span.partition("-")[0]
    return (int(first) if first.isdigit() else -1, int(total) if total.isdigit() else None)


def _begin(part: _Part, response: requests.Response, had: int) -> tuple[int, int | None]:
    """Where this answer's bytes go, and the total size if the server says it.

    Raises:
        _TransientError: the answer does not continue the part, which is discarded.
    """
    if response.status_code == 200:
        part.start(_validator(response))
        length = response.headers.get("Content-Length", "")
        return 0, int(length) if length.isdigit() else None
    first, total = _range(response)
    same = _validator(response) in (None, part.validator())
    if response.status_code == 416 or first != had or not same:
        part.discard()
        raise _TransientError("the file on the server has changed; starting again")
    return first, total


def _check_room(part: _Part, missing: int, total: int, max_bytes: int) -> None:
    if total > max_bytes:
        raise FetchError(
            f"{part.url}: is {total} bytes large, more than the {max_bytes} expected at most."
        )
    free = shutil.disk_usage(part.file.parent).free
    if missing > free:
        raise BenchmarkError(
            f"{part.file.parent}: {missing / 1e6:.0f} MB are needed, but {free / 1e6:.0f} MB are "
            "free; make room, or choose another folder with --data-root."
        )


def _attempt(part: _Part, timeout: float, max_bytes: int, progress: bool) -> None:
    """Ask once for what is missing; returns if the part is then the whole.

    Raises:
        _TransientError: it is not; bytes that came are kept.
        FetchError: asking again would not help.
    """
    headers = {"Accept-Encoding": "identity", "User-Agent": "deepgaze-benchmark"}
    validator, had = part.validator(), part.size()
    if validator and had:
        headers |= {"Range": f"bytes={had}-", "If-Range": validator}
    with _get(part.url, headers, timeout) as response:
        _check_status(part.url, response)
        if response.status_code == 416 and _range(response)[1] == had:
            return  # nothing is missing: only the last step of an earlier call was
        first, total = _begin(part, response, had)
        _check_room(part, (total or 0) - first, total or 0, max_bytes)
        _receive(part, response, first, total, max_bytes, progress)
    if total is not None and part.size() != total:
        raise _TransientError(f"the connection ended after {part.size()} of {total} bytes")


def _receive(
    part: _Part,
    response: requests.Response,
    first: int,
    total: int | None,
    max_bytes: int,
    progress: bool,
) -> None:
    """Append the answer's bytes to the part."""
    bar = tqdm(
        total=total,
        initial=first,
        unit="B",
        unit_scale=True,
        disable=not progress,
        desc=part.file.name.removesuffix(".part"),
    )
    try:
        with bar, disk_errors(part.file), part.file.open("ab" if first else "wb") as file:
            for piece in response.iter_content(CHUNK):
                file.write(piece)
                bar.update(len(piece))
                if file.tell() > max_bytes:
                    raise FetchError(f"{part.url}: sends more than {max_bytes} bytes; given up.")
    except requests.RequestException as error:
        raise _TransientError(f"the connection broke ({error})") from error


def fetch(
    url: str,
    target: Path,
    *,
    digest: str | None = None,
    max_bytes: int = 16 * 2**30,
    attempts: int = 5,
    pause: float = 1.0,
    timeout: float = 30.0,
    progress: bool = True,
) -> None:
    """Fetch ``url`` into the file ``target``, which appears only once it is complete.

    Until then the bytes are in ``<target>.part``, from where a later call goes on if the server
    still has the same version (HTTP Range with If-Range), and starts again if not.

    Args:
        digest: SHA-256 that the file must have, as hexadecimal digits.
        attempts: how often in a row an attempt may fail without bringing any new byte.
        pause: seconds after the first failure; doubles with each.

    Raises:
        FetchError: offline, refused by the server, or too large.
        BenchmarkError: the disk is full or not writable, or the hash is wrong.
    """
    part = _Part(target.with_name(target.name + ".part"), url)
    failures, most = 0, 0
    while True:
        try:
            with disk_errors(part.file):
                part.file.parent.mkdir(parents=True, exist_ok=True)
                most = max(most, part.size())
                _attempt(part, timeout, max_bytes, progress)
            break
        except _TransientError as error:
            failures = 1 if part.size() > most else failures + 1
            if failures >= attempts:
                raise FetchError(f"{url}: {error}. Gave up after {failures} attempts.") from error
            time.sleep(min(max(pause * 2 ** (failures - 1), error.pause), LONGEST_PAUSE))
    if digest and (found := sha256(part.file)) != digest:
        part.discard()
        raise BenchmarkError(
            f"{url}: what was fetched has the SHA-256 {found}, expected {digest}. It was deleted; "
            "try again, and if the hash stays wrong, the file on the server is another one."
        )
    with disk_errors(target):
        part.finish(target)
