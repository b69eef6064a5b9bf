"""What a user states of data of their own: the file ``dataset.toml`` in the folder.

All keys are optional::

    title = "My experiment"             # in tables and figures
    summary = "60 indoor scenes, free viewing for 5 s by 20 subjects."
    citation = "Me 2026"
    licence = "CC BY 4.0"
    pixels_per_degree = 30.5            # of visual angle, as the images were shown
    kernel_size = 30.5                  # pixels; Gaussian of empirical maps (CC, KL, SIM)
    initial_fixations = "drop"          # the first of each trial was forced; or "keep"
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmark.datasets.base import DatasetSpec
from benchmark.errors import DataError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FILE = "dataset.toml"
TEXTS = ("title", "summary", "citation", "licence")
NUMBERS = ("pixels_per_degree", "kernel_size")
INITIAL = "initial_fixations"
CHOICES = {
    "drop": "The first fixation of each scanpath was forced and is dropped, as are fixations "
    "outside the image.",
    "keep": "All fixations count, the first of each scanpath, too; those outside the image are "
    "dropped.",
}


def read(folder: Path) -> dict[str, Any]:
    """The keys and values of a folder's ``dataset.toml``; nothing if there is none.

    Raises:
        DataError: it is not TOML, or lists every key and value that is not understood.
    """
    file = folder / FILE
    if not file.is_file():
        return {}
    try:
        stated = tomllib.loads(file.read_bytes().decode("utf-8-sig"))
    # ValueError: no TOML, no UTF-8, or a number of thousands of digits; RecursionError: arrays in
    # arrays in arrays
    except (ValueError, OSError, RecursionError) as error:
        raise DataError(
            f'{file}: cannot be read ({error}); expected lines such as title = "My experiment".'
        ) from error
    if problems := [p for key, value in stated.items() if (p := _problem(key, value))]:
        raise DataError(*(f"{file}: {problem}" for problem in problems))
    return stated


def _problem(key: str, value: Any) -> str | None:
    if key in TEXTS:
        fits, expected = isinstance(value, str) and _is_line(value), "a line of text in quotes"
    elif key in NUMBERS:
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        fits, expected = number and 0 < value < sys.float_info.max, "a positive number"
    elif key == INITIAL:
        fits, expected = isinstance(value, str) and value in CHOICES, '"drop" or "keep"'
    else:
        known = ", ".join((*TEXTS, *NUMBERS, INITIAL))
        return f"there is no key {key!r}; known are {known}."
    return None if fits else f"{key} is {value!r}; expected {expected}."


def _is_line(text: str) -> bool:
    return text.isprintable() and bool(text.strip())


def apply(spec: DatasetSpec, folder: Path) -> DatasetSpec:
    """What is known of a folder, changed to what its ``dataset.toml`` states.

    Raises:
        DataError: see :func:`read`.
    """
    stated = read(folder)
    changes = {key: stated[key] for key in TEXTS if key in stated}
    changes |= {key: float(stated[key]) for key in NUMBERS if key in stated}
    if INITIAL in stated:
        choice = stated[INITIAL]
        changes |= {"drop_initial": choice == "drop", "fixation_rule": CHOICES[choice]}
    return replace(spec, **changes)


def refuse(spec: DatasetSpec, folder: Path) -> None:
    """Registered data sets are what their names say, whatever lies beside them.

    Raises:
        DataError: the folder holds a ``dataset.toml``.
    """
    if spec.folder and (folder / FILE).is_file():
        raise DataError(
            f"{folder / FILE}: this folder is the registered data set {spec.name!r}, of which "
            "everything is known; remove the file, or give the folder another name to use it as "
            "data of your own."
        )
