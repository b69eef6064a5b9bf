"""Downloads the weights of backbones that no package carries; verified before they are used."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlparse

from benchmark import registry
from benchmark.datasets import fetch
from benchmark.errors import BenchmarkError


def _address(name: str) -> tuple[str, str]:
    """Where the weights of a backbone are published, and how their SHA-256 begins."""
    from models.deepgaze.backbones.download import VARIABLE, weights_folder

    metadata = registry.lookup(registry.backbones(), name, "backbone").metadata
    if metadata.get("packaged"):
        raise BenchmarkError(
            f"the weights of {name!r} install with a package; there is nothing to download."
        )
    if not metadata.get("url"):
        raise BenchmarkError(
            f"the weights of {name!r} cannot be fetched here, as their SHA-256 is not known: copy "
            f"{metadata.get('by_hand', 'their file')} to {weights_folder()} (another folder: set "
            f"{VARIABLE})."
        )
    return metadata["url"], metadata["sha256"]


def download(
    name: str,
    progress: bool = True,
    *,
    force: bool = False,
    attempts: int = 5,
    pause: float = 1.0,
) -> Path:
    """Download the weights of a backbone; returns the file, which appears once it is verified.

    It goes to the folder in $BENCHMARK_WEIGHTS, by default the user's cache. An interrupted
    download goes on where it stopped. If the file is there already, and intact, nothing is done.

    Args:
        progress: show a progress bar.
        force: replace a file that is there already.
        attempts, pause: see ``fetch.fetch``.

    Raises:
        UnknownNameError: no backbone is called so.
        BenchmarkError: there is no known address, the network or the disk fails, or what arrives is
            another file; the message says what to do.
    """
    from models.deepgaze.backbones.download import VARIABLE, weights_folder

    url, begins = _address(name)
    target = weights_folder() / Path(urlparse(url).path).name
    if target.exists() and not force:
        if fetch.sha256(target).startswith(begins):
            return target
        raise BenchmarkError(
            f"{target}: is there already, but its SHA-256 does not start with {begins}. Replace it "
            "with --force, or move it away."
        )
    arrived = target.with_name(f"{target.name}.unverified")
    try:
        fetch.fetch(url, arrived, attempts=attempts, pause=pause, progress=progress)
        found = fetch.sha256(arrived)
        if not found.startswith(begins):
            arrived.unlink()
            raise BenchmarkError(
                f"{url}: what was fetched has the SHA-256 {found}, expected {begins}... It was "
                "deleted; try again, and if the hash stays wrong, the file on the server is "
                "another one."
            )
        with fetch.disk_errors(target):
            os.replace(arrived, target)
    except fetch.FetchError as error:
        raise BenchmarkError(
            f"{error} Without a connection: download {url} elsewhere and put it here as {target}."
        ) from error
    except BenchmarkError as error:
        # A full disk, for instance: the folder of weights is named by a variable.
        raise BenchmarkError(str(error).replace("with --data-root", f"with {VARIABLE}")) from error
    return target
