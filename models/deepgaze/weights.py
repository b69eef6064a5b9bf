"""Trained readouts in one file: parameters, priors, and which image each of them never saw."""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from models.deepgaze.backbones import WeightsError
from models.deepgaze.features import FeatureSet
from models.deepgaze.files import whole
from models.deepgaze.images import look, nearest_copy, pixel_hash
from models.deepgaze.readout import Readout, ReadoutConfig
from models.deepgaze.training import Recipe

FORMAT = "deepgaze readouts, version 1"


@dataclass
class Member:
    """One trained readout.

    Attributes:
        fold: the images of this fold, in every data set, had no part in its training.
        priors: log density table of the prior, by data set.
    """

    fold: int
    seed: int
    readout: Readout
    priors: dict[str, Tensor]


@dataclass
class TrainedOn:
    """The images of a data set that readouts were trained on.

    Attributes:
        folds: of each image, uint8 (images,).
        hashes: SHA-256 of size and pixels, uint8 (images, 32).
        looks: see :func:`models.deepgaze.images.look`, uint8 (images, 32).
        pixels_per_degree: of visual angle, None where unknown.
    """

    content_hash: str
    folds: NDArray[np.uint8]
    hashes: NDArray[np.uint8]
    looks: NDArray[np.uint8]
    pixels_per_degree: float | None = None


@dataclass
class Weights:
    """Readouts of all folds and seeds, and the images that they were trained on.

    Attributes:
        backbones: SHA-256 of the weights of each backbone, by name.
        corpora: by name of the data set.
        first: the data set whose prior and resolution hold for unknown images.
        record: how they came about: command, versions, curves; anything JSON can hold.
        kept: what the readouts made of the images seen last, for whoever predicts with them.
    """

    recipe: Recipe
    backbones: dict[str, str]
    members: list[Member]
    corpora: dict[str, TrainedOn]
    first: str
    record: dict[str, Any] = field(default_factory=dict)
    content_hash: str = ""
    kept: OrderedDict[Hashable, Tensor] = field(
        default_factory=OrderedDict, init=False, repr=False, compare=False
    )

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "kept": OrderedDict()}

    def known_as(self, rgb: NDArray[np.uint8]) -> tuple[str, int] | None:
        """The data set and fold of a training image; None for an image of no training set.

        An image is known by its pixels, or by looking like a training image (re-encoded, resized);
        see :func:`models.deepgaze.images.same_look` for how often that errs. To miss a copy is to
        predict it by readouts that saw the original; to take a new image for a known one costs the
        other folds' readouts, and the scored data set's centre bias and resolution.
        """
        digest = np.frombuffer(bytes.fromhex(pixel_hash(rgb)), dtype=np.uint8)
        for name, corpus in self.corpora.items():
            same = np.flatnonzero((corpus.hashes == digest).all(axis=1))
            if len(same):
                return name, int(corpus.folds[same[0]])
        own_look = look(rgb)
        nearest: tuple[int, str, int] | None = None
        for name, corpus in self.corpora.items():
            if (found := nearest_copy(own_look, corpus.looks)) is None:
                continue
            candidate = (found[0], name, int(corpus.folds[found[1]]))
            if nearest is None or candidate < nearest:
                nearest = candidate
        return nearest and nearest[1:]

    def members_for(self, fold: int | None) -> list[Member]:
        """Readouts that never saw the images of a fold; all of them for None."""
        return [m for m in self.members if fold is None or m.fold == fold]

    def save(self, file: Path) -> None:
        """Write a safetensors file; large matrices in half precision."""
        tensors: dict[str, Tensor] = {}
        for n, member in enumerate(self.members):
            for name, value in member.readout.state_dict().items():
                large = value.ndim == 2 and value.numel() > 4096
                tensors[f"members.{n}.{name}"] = value.half() if large else value.contiguous()
            for corpus, table in member.priors.items():
                tensors[f"priors.{n}.{corpus}"] = table.contiguous()
        for name, trained in self.corpora.items():
            for part in ("folds", "hashes", "looks"):
                values = np.ascontiguousarray(getattr(trained, part))
                tensors[f"corpora.{name}.{part}"] = torch.from_numpy(values)
        header = {
            "format": FORMAT,
            "recipe": asdict(self.recipe),
            "backbones": self.backbones,
            "members": [
                {"fold": m.fold, "seed": m.seed, "channels": m.readout.channels}
                for m in self.members
            ],
            "corpora": {
                name: [trained.content_hash, trained.pixels_per_degree]
                for name, trained in self.corpora.items()
            },
            "first": self.first,
            "record": self.record,
        }
        content = save(tensors, metadata={"deepgaze": json.dumps(header)})
        with whole(file) as stream:
            stream.write(content)

    @classmethod
    def load(cls, file: Path) -> Weights:
        """Read a file that :meth:`save` wrote.

        Raises:
            WeightsError: it is missing, damaged, or not of this kind.
        """
        try:
            digest = hashlib.sha256(file.read_bytes()).hexdigest()
            with safe_open(file, framework="pt") as stored:
                header = json.loads((stored.metadata() or {}).get("deepgaze", "{}"))
                names = list(stored.keys())
                tensors = {name: stored.get_tensor(name) for name in names}
        except FileNotFoundError as error:
            raise WeightsError(
                f"{file}: these weights are not there. Train them with 'python -m benchmark train'."
            ) from error
        except (OSError, SafetensorError, ValueError) as error:
            raise WeightsError(
                f"{file}: cannot be read as trained readouts ({error}). Train or copy them again."
            ) from error
        if header.get("format") != FORMAT:
            raise WeightsError(
                f"{file}: holds no trained readouts of this program ({FORMAT!r} expected, found "
                f"{header.get('format')!r})."
            )
        try:
            return cls._of(header, tensors, digest)
        except Exception as error:  # a header of another version may hold anything
            raise WeightsError(
                f"{file}: lacks a part, or is of another version of this program ({error!r}). "
                "Train or copy the weights again."
            ) from error

    @classmethod
    def _of(cls, header: dict[str, Any], tensors: dict[str, Tensor], digest: str) -> Weights:
        recipe = _recipe(header["recipe"])
        members = []
        for n, known in enumerate(header["members"]):
            readout = Readout(known["channels"], recipe.readout)
            readout.load_state_dict(
                {name: value.float() for name, value in _below(tensors, f"members.{n}.").items()}
            )
            readout.eval().requires_grad_(False)
            priors = _below(tensors, f"priors.{n}.")
            members.append(Member(known["fold"], known["seed"], readout, priors))
        corpora = {}
        for name, (content_hash, pixels_per_degree) in header["corpora"].items():
            parts = {k: v.numpy() for k, v in _below(tensors, f"corpora.{name}.").items()}
            corpora[name] = TrainedOn(content_hash, **parts, pixels_per_degree=pixels_per_degree)
        return cls(
            recipe,
            header["backbones"],
            members,
            corpora,
            header["first"],
            header["record"],
            digest,
        )

    @property
    def command(self) -> str:
        """The command that trained them, as their record states it, else that of training."""
        stated = self.record.get("command")
        return stated if isinstance(stated, str) and stated else "python -m benchmark train"

    @cached_property
    def folds(self) -> list[int]:
        """Folds that there are readouts of."""
        return sorted({member.fold for member in self.members})


def hashes_as_bytes(hashes: Sequence[str]) -> NDArray[np.uint8]:
    """Hexadecimal SHA-256 hashes as uint8 (n, 32)."""
    return np.array([list(bytes.fromhex(h)) for h in hashes], dtype=np.uint8).reshape(-1, 32)


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _recipe(stored: dict[str, Any]) -> Recipe:
    features = tuple(
        FeatureSet(f["backbone"], tuple(f["layers"]), f["scale"]) for f in stored["features"]
    )
    readout = ReadoutConfig(**{**stored["readout"], "widths": tuple(stored["readout"]["widths"])})
    return Recipe(**{**stored, "features": features, "readout": readout})
