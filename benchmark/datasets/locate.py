"""Where data sets lie on this machine: from a name or a path to a loaded data set."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import platformdirs

from benchmark import registry
from benchmark.datasets import stated
from benchmark.datasets.base import Dataset, DatasetSpec
from benchmark.datasets.images import find_images
from benchmark.errors import BenchmarkError, DataError

VARIABLE = "BENCHMARK_DATA"

# Layouts a folder can have, the most specific first. Each module offers LAYOUT (a description),
# recognises(root), path_spec(root) and load(root, spec).
LAYOUTS = (
    "benchmark.datasets.fixatons",
    "benchmark.datasets.pysaliency_cached",
    "benchmark.datasets.osie",
    "benchmark.datasets.folder",
)


def cache_root() -> Path:
    """The folder of the user's cache that downloads go to."""
    return Path(platformdirs.user_cache_dir("deepgaze-benchmark")) / "data"


def data_roots(data_root: str | Path | None = None) -> list[Path]:
    """Folders that may hold data sets, in the order they are searched."""
    named = os.environ.get(VARIABLE, "").split(os.pathsep)
    roots = [data_root, *(name for name in named if name), cache_root()]
    return [Path(root).expanduser() for root in roots if root is not None]


def _candidates(spec: DatasetSpec, roots: Iterable[Path]) -> list[Path]:
    """Where a data set could be: below each root, or the root itself if it has the right name."""
    last = Path(spec.folder).name
    return [
        folder
        for root in roots
        for folder in (root / spec.folder, *([root] if root.absolute().name == last else []))
    ]


def find(name: str, data_root: str | Path | None = None) -> Path:
    """The folder of the registered data set ``name``; "." for a built-in one.

    Raises:
        UnknownNameError: no data set is called so.
        DataError: it is in none of the folders searched; the message says how to get it.
    """
    entry = registry.lookup(registry.datasets(), name, "data set")
    spec = DatasetSpec(**entry.metadata)
    if not spec.folder:
        return Path()
    candidates = _candidates(spec, data_roots(data_root))
    existing = [folder for folder in candidates if folder.is_dir()]
    # Two data sets may share a folder's name but not its layout (OSIE, and pysaliency's copy).
    recognises = getattr(importlib.import_module(entry.module), "recognises", lambda folder: True)
    for folder in [*filter(recognises, existing), *existing]:
        return folder
    raise DataError(_not_found(spec, candidates))


def _not_found(spec: DatasetSpec, candidates: list[Path]) -> str:
    from benchmark.datasets.download import how_to_get

    looked = "".join(f"\n  {folder}" for folder in candidates)
    return (
        f"the data set {spec.name!r} is in none of these folders:{looked}\n{how_to_get(spec)} "
        f"If you have it elsewhere, name the folder above with --data-root or {VARIABLE}, so that "
        f"it is found as {spec.folder}."
    )


def is_path(name_or_path: str | Path) -> bool:
    """Whether the words mean a folder, not the name of a registered data set."""
    if isinstance(name_or_path, Path):
        return True
    separators = [separator for separator in (os.sep, os.altsep) if separator]
    if any(separator in name_or_path for separator in separators) or name_or_path in (".", ".."):
        return True
    return name_or_path not in registry.datasets() and Path(name_or_path).is_dir()


def recognise(folder: Path) -> ModuleType:
    """The module that reads the layout of a folder.

    Raises:
        DataError: the folder does not exist, or has none of the known layouts (all are listed).
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: there is no such folder; expected one that holds a data set.")
    modules = [importlib.import_module(name) for name in LAYOUTS]
    for module in modules:
        if module.recognises(folder):
            return module
    if find_images(folder):
        raise DataError(
            f"{folder}: holds images only; put the CSV file of their fixations there, or name it "
            "with --fixations."
        )
    known = "".join(f"\n  {module.LAYOUT}" for module in modules)
    raise DataError(f"{folder}: has none of the layouts that can be read:{known}")


def _load_path(folder: Path) -> Dataset:
    """Read a folder; if it is called like a registered data set of its layout, it is that one."""
    module = recognise(folder)
    called = folder.resolve().name
    matches = [
        entry
        for entry in registry.datasets().values()
        if entry.module == module.__name__ and Path(entry.metadata["folder"]).name == called
    ]
    if len(matches) == 1:
        return _load_registered(matches[0], folder)
    spec = stated.apply(module.path_spec(folder.resolve()), folder)
    dataset: Dataset = module.load(folder, spec)
    return dataset


def _load_registered(entry: registry.Entry, folder: Path) -> Dataset:
    spec = DatasetSpec(**entry.metadata)
    stated.refuse(spec, folder)
    dataset: Dataset = entry.load()(folder, spec)
    return dataset


def load(
    name_or_path: str | Path,
    data_root: str | Path | None = None,
    *,
    pixels_per_degree: float | None = None,
    kernel_size: float | None = None,
) -> Dataset:
    """Load a registered data set by name, or a folder by its path, whose layout is recognised.

    Names are looked for below ``data_root``, the folders in the environment variable
    BENCHMARK_DATA, and the user's cache, in this order.

    Args:
        pixels_per_degree: replaces what is known of the data set.
        kernel_size: standard deviation in pixels for empirical maps; likewise.

    Raises:
        UnknownNameError: no data set is called so; the message suggests the nearest.
        DataError: it is not found, or cannot be read; every problem is listed.
    """
    if is_path(name_or_path):
        dataset = _load_path(Path(name_or_path).expanduser())
    else:
        entry = registry.lookup(registry.datasets(), str(name_or_path), "data set")
        dataset = _load_registered(entry, find(entry.name, data_root))
    known: dict[str, Any] = {"pixels_per_degree": pixels_per_degree, "kernel_size": kernel_size}
    for what, value in known.items():
        if value is not None:
            if not value > 0:
                raise BenchmarkError(f"{what} is {value}; expected a positive number.")
            dataset.spec = replace(dataset.spec, **{what: value})
    return dataset


def subset_by_size(dataset: Dataset, size: str) -> Dataset:
    """The images of one size, ``"1024x768"`` (width x height), as ``<name>-1024x768``.

    Raises:
        DataError: the size is malformed, or no image has it; the message lists the sizes there are.
    """
    width, _, height = size.lower().partition("x")
    if not (width.isdigit() and height.isdigit()):
        raise DataError(f"the size {size!r} is not understood; expected WIDTHxHEIGHT: 1024x768.")
    indices = np.flatnonzero((dataset.sizes == (int(height), int(width))).all(axis=1))
    if not len(indices):
        sizes, counts = np.unique(dataset.sizes, axis=0, return_counts=True)
        order = np.argsort(-counts, kind="stable")
        known = ", ".join(f"{sizes[n][1]}x{sizes[n][0]} ({counts[n]})" for n in order)
        raise DataError(f"{dataset.name}: no image is {size}; there are {known}.")
    return dataset.subset(indices, f"{dataset.name}-{int(width)}x{int(height)}")
