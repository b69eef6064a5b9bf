"""Frozen networks whose features are read out, by name."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path

from models.deepgaze.backbones.base import Backbone, BackboneSpec, Layer, WeightsError


def known() -> dict[str, type[Backbone]]:
    """Backbone classes by name, from every module of this package."""
    found = {}
    for module in pkgutil.iter_modules(__path__):
        for entry in vars(importlib.import_module(f"{__name__}.{module.name}")).values():
            if isinstance(entry, type) and issubclass(entry, Backbone) and "spec" in vars(entry):
                found[entry.spec.name] = entry
    return dict(sorted(found.items()))


def load(name: str, file: str | Path | None = None) -> Backbone:
    """The backbone called ``name`` with its weights, from ``file`` if one is given.

    Raises:
        WeightsError: the name is unknown, or the weights cannot be had or are damaged.
    """
    classes = known()
    if name not in classes:
        raise WeightsError(f"unknown backbone {name!r}. Known: {', '.join(classes)}.")
    return classes[name].load(Path(file) if file else None)


__all__ = ["Backbone", "BackboneSpec", "Layer", "WeightsError", "known", "load"]
