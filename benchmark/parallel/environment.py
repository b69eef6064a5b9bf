"""Workers on other machines compute the same only if they run the same."""

from __future__ import annotations

import hashlib
import importlib.util
import platform
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import metadata
from pathlib import Path

from benchmark import provenance
from benchmark.errors import BenchmarkError

#: Packages whose source is compared as a whole.
OURS = ("benchmark", "metrics", "models")


@dataclass(frozen=True)
class Environment:
    """What a process computes with.

    Attributes:
        versions: of packages, and the hash of this project's source.
        sources: hashes of the source of other packages that have a part in what is computed, such
            as those of a user's own models.
    """

    versions: tuple[tuple[str, str], ...]
    sources: tuple[tuple[str, str], ...] = ()

    @staticmethod
    @lru_cache
    def here() -> Environment:
        """That of this process, without other packages."""
        found = provenance.versions()
        found["source of this project"] = provenance.source_hash(*OURS)
        return Environment(tuple(found.items()))

    def and_sources_of(self, modules: Iterable[str]) -> Environment:
        """The same, with the source of packages that ``modules`` are in."""
        names = {module.partition(".")[0] for module in modules}
        names -= {*OURS, *sys.stdlib_module_names, "__main__", *_compared_by_version()}
        return replace(self, sources=tuple((name, _source_hash(name)) for name in sorted(names)))

    def check(self) -> None:
        """
        Raises:
            BenchmarkError: this process has other versions, which are named.
        """
        own = dict(Environment.here().versions)
        _refuse(
            f"{name} is {own.get(name)}, not {version}"
            for name, version in self.versions
            if own.get(name) != version
        )

    def check_sources(self, modules: Iterable[str]) -> None:
        """
        Args:
            modules: what this process has read from its own files.

        Raises:
            BenchmarkError: the source of their packages is another one; they are named.
        """
        names = {module.partition(".")[0] for module in modules}
        _refuse(
            f"the source of the package {name} is another one"
            for name, source in self.sources
            if name in names and _source_hash(name) != source
        )


def unreadable(error: Exception) -> BenchmarkError:
    """What to raise where a worker cannot read what a run sends."""
    return BenchmarkError(
        f"the worker on {platform.node()} cannot read what the run sends: "
        f"{type(error).__name__}: {error}. Install the packages of all models there, in the same "
        "versions as where the run was started."
    )


def _refuse(differences: Iterable[str]) -> None:
    if told := "; ".join(differences):
        raise BenchmarkError(
            f"the worker on {platform.node()} would not compute the same: {told}. Install the same "
            "there as where the run was started, and start the worker again."
        )


@lru_cache
def _compared_by_version() -> frozenset[str]:
    """Names under which the packages are imported whose versions are compared."""
    return frozenset(
        name
        for name, packages in metadata.packages_distributions().items()
        if any(package.lower() in provenance.PACKAGES for package in packages)
    )


@lru_cache
def _source_hash(package: str) -> str:
    """SHA-256 over the Python files of a package, or of a module; empty where there are none."""
    spec = importlib.util.find_spec(package)
    if spec is None:
        return ""
    roots = [Path(root) for root in spec.submodule_search_locations or ()]
    files = [(file.relative_to(root), file) for root in roots for file in root.rglob("*.py")]
    if not roots and spec.origin and spec.origin.endswith(".py"):
        files = [(Path(Path(spec.origin).name), Path(spec.origin))]
    digest = hashlib.sha256()
    for name, file in sorted(files):
        digest.update(name.as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest() if files else ""
