"""Workers on other machines compute the same only if they run the same."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from functools import lru_cache

from benchmark import provenance
from benchmark.errors import BenchmarkError


@dataclass(frozen=True)
class Environment:
    """Versions of packages, and the hash of this project's source."""

    versions: tuple[tuple[str, str], ...]

    @staticmethod
    @lru_cache
    def here() -> Environment:
        """That of this process."""
        found = provenance.versions()
        found["source of this project"] = provenance.source_hash("benchmark", "metrics", "models")
        return Environment(tuple(found.items()))

    def check(self) -> None:
        """
        Raises:
            BenchmarkError: this process has other versions, which are named.
        """
        own = dict(Environment.here().versions)
        other = [
            f"{name} is {own.get(name)}, not {version}"
            for name, version in self.versions
            if own.get(name) != version
        ]
        if other:
            raise BenchmarkError(
                f"the worker on {platform.node()} would not compute the same: "
                f"{'; '.join(other)}. Install the same versions there as where the run was started."
            )
