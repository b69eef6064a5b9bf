"""Finds data sets, models and metrics without importing them.

Each registers itself with a decorator (``@dataset(...)``, ``@model(...)``, ``@metric(...)``) whose
arguments are literals. The registry reads these decorators from the source text, so listing costs
no import of torch or pysaliency, and adding a file is all it takes to add an entry.
"""

from __future__ import annotations

import ast
import difflib
import importlib
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from benchmark.errors import BenchmarkError, UnknownNameError

#: Entry points of this group make the models of an installed package known.
GROUP = "benchmark.models"


@dataclass(frozen=True)
class Entry:
    """A registered object: its literal metadata, and where to import it from."""

    name: str
    module: str
    attribute: str
    metadata: dict[str, Any] = field(default_factory=dict, hash=False)

    def load(self) -> Any:
        """Import the module and return the decorated class or function."""
        return getattr(importlib.import_module(self.module), self.attribute)


def _decorations(path: Path, decorator: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (attribute, keyword arguments) for every decorated definition in a source file."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    except SyntaxError as error:
        raise BenchmarkError(f"{path}:{error.lineno}: is not valid Python: {error.msg}.") from error
    for node in tree.body:
        if not isinstance(node, (ast.ClassDef, ast.FunctionDef)):
            continue
        for call in node.decorator_list:
            if not (isinstance(call, ast.Call) and getattr(call.func, "id", None) == decorator):
                continue
            if call.args:
                raise BenchmarkError(
                    f"{path}:{call.lineno}: @{decorator} takes keyword arguments only, "
                    f'like @{decorator}(name="...", ...).'
                )
            try:
                metadata = {str(k.arg): ast.literal_eval(k.value) for k in call.keywords}
            except ValueError as error:
                raise BenchmarkError(
                    f"{path}:{call.lineno}: the arguments of @{decorator} must be literals "
                    "(strings, numbers, tuples), because they are read without importing the file."
                ) from error
            if "name" not in metadata:
                raise BenchmarkError(f'{path}:{call.lineno}: @{decorator} needs name="...".')
            yield node.name, metadata


@lru_cache
def discover(package: str, decorator: str) -> dict[str, Entry]:
    """All entries that files below ``package`` register with ``decorator``, sorted by name.

    Raises:
        BenchmarkError: two entries share a name, or a decorator's arguments are not literals.
    """
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.submodule_search_locations is not None
    root = Path(next(iter(spec.submodule_search_locations)))
    entries: dict[str, Entry] = {}
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        module = ".".join((package, *(p for p in parts if p != "__init__")))
        for attribute, metadata in _decorations(path, decorator):
            name = metadata["name"]
            if name in entries:
                raise BenchmarkError(
                    f"the name {name!r} is registered twice, in {entries[name].module} and in "
                    f"{module}: rename one of them."
                )
            entries[name] = Entry(name, module, attribute, metadata)
    return dict(sorted(entries.items()))


def datasets() -> dict[str, Entry]:
    """Registered data sets by name."""
    return discover("benchmark.datasets", "dataset")


def models() -> dict[str, Entry]:
    """Registered models by name, those of installed packages among them.

    Raises:
        BenchmarkError: a package offers a model under a name that is taken.
    """
    own, others = discover("models", "model"), installed()
    for name in own.keys() & others.keys():
        raise BenchmarkError(
            f"the name {name!r} is registered twice, in {own[name].module} and "
            f"{others[name].metadata['summary']}: uninstall that package, or have it renamed."
        )
    return dict(sorted({**own, **others}.items()))


@lru_cache
def installed() -> dict[str, Entry]:
    """Models that installed packages offer as entry points of the group ``benchmark.models``.

    Nothing is imported, so little is known of them: name, package and where the model is. What
    their specs say (kind, needs, training data) shows when they are loaded.

    Raises:
        BenchmarkError: two packages offer a model under one name.
    """
    found: dict[str, Entry] = {}
    for point in sorted(entry_points(group=GROUP)):
        package = f"{point.dist.name} {point.dist.version}" if point.dist else "a package"
        summary = f"{point.value}, of {package}"
        known = found.get(point.name)
        if known is not None and known.metadata["summary"] != summary:
            raise BenchmarkError(
                f"the name {point.name!r} is registered twice, {known.metadata['summary']} and "
                f"{summary}: uninstall one of them."
            )
        metadata = {"name": point.name, "title": point.name, "summary": summary, "installed": True}
        found[point.name] = Entry(point.name, point.module, point.attr, metadata)
    return found


def backbones() -> dict[str, Entry]:
    """Registered backbones of the feature models by name."""
    return discover("models.deepgaze.backbones", "backbone")


def metrics() -> dict[str, Entry]:
    """Registered metrics by name."""
    return discover("metrics", "metric")


def protocols() -> dict[str, Entry]:
    """Registered protocols by name."""
    return discover("metrics", "protocol")


def lookup(entries: dict[str, Entry], name: str, what: str) -> Entry:
    """The entry called ``name``; ``what`` ("model", ...) names its kind in the error.

    Raises:
        UnknownNameError: there is none; the message lists all and suggests the nearest.
    """
    if name in entries:
        return entries[name]
    spelt = {known.lower(): known for known in entries}
    near = difflib.get_close_matches(name.lower(), spelt, n=1, cutoff=0.5)
    hint = f" Did you mean {spelt[near[0]]!r}?" if near else ""
    raise UnknownNameError(f"unknown {what} {name!r}.{hint} Known: {', '.join(entries)}.")
