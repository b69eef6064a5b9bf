"""Readouts that somebody else trained: what their file holds is weighed before it is built."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from models.deepgaze.backbones import WeightsError
from models.deepgaze.prior import CELLS
from models.deepgaze.weights import FORMAT


def check_readouts(file: Path) -> None:
    """Check that the header of a file of trained readouts and what it holds belong together.

    Networks are only made as large as the file's own tensors, and with finite numbers. What is
    missing, no such file, or of another version is left to :meth:`models.deepgaze.weights.Weights`.

    Raises:
        WeightsError: they do not.
    """
    try:
        with safe_open(file, framework="pt") as stored:
            text = (stored.metadata() or {}).get("deepgaze", "{}")
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
        header = json.loads(text)
        if isinstance(header, dict) and header.get("format") != FORMAT:
            return
        problem = _problem(header, tensors)
    except (OSError, SafetensorError):
        return
    # A header from outside may hold anything anywhere.
    except Exception as error:
        problem = f"its header is malformed ({type(error).__name__}: {error})"
    if problem:
        raise WeightsError(
            f"{file}: cannot be read as trained readouts: {problem}. Train or copy them again."
        )


def _problem(header: dict[str, Any], tensors: dict[str, Tensor]) -> str | None:
    members, corpora = header["members"], header["corpora"]
    if not members or not isinstance(header["record"], dict):
        return "it holds no readouts, or no record"
    if header["first"] not in corpora or not _are_texts(header["backbones"]):
        return "its data sets or backbones are not named"
    config = header["recipe"]["readout"]
    for n, known in enumerate(members):
        if not all(type(known[key]) is int for key in ("fold", "seed")):
            return "a readout has no fold or seed"
        widths = [sum(known["channels"]), *config["widths"]]
        expected = {"mean": [widths[0]], "deviation": [widths[0]]}
        for k, (before, after) in enumerate(pairwise(widths)):
            expected[f"convolutions.{k}.weight"] = [after, before]
            expected[f"convolutions.{k}.bias"] = [after]
        for name, shape in expected.items():
            if list(tensors[f"members.{n}.{name}"].shape) != shape:
                return f"members.{n}.{name} has another shape than its header says"
        if any(list(tensors[f"priors.{n}.{name}"].shape) != [CELLS, CELLS] for name in corpora):
            return f"a prior is no table of {CELLS} x {CELLS}"
    for name, (_, pixels_per_degree) in corpora.items():
        folds, hashes, looks = (
            tensors[f"corpora.{name}.{part}"] for part in ("folds", "hashes", "looks")
        )
        images = len(folds)
        if folds.ndim != 1 or any(list(t.shape) != [images, 32] for t in (hashes, looks)):
            return f"the images of {name} do not have a fold, a hash and a look each"
        if any(t.dtype != torch.uint8 for t in (folds, hashes, looks)) or not images:
            return f"the images of {name} are not described"
        if pixels_per_degree is not None and not 0 < pixels_per_degree < math.inf:
            return f"the pixels per degree of {name} are {pixels_per_degree}"
    for name, values in tensors.items():
        if not torch.isfinite(values).all():
            return f"{name} holds values that are not finite"
    return None


def _are_texts(content: dict[str, Any]) -> bool:
    return all(isinstance(text, str) for text in content.values())
