"""Predictions made elsewhere as models: maps in a folder, an archive or an HDF5 file."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pysaliency
from numpy.typing import NDArray

from models.base import ModelSpec, index_of
from models.map_files import (
    KINDS,
    MapError,
    as_log_density,
    match,
    not_a_number,
    open_maps,
    shape_problem,
    short_names,
    source_name,
    stimulus_names,
    value_problems,
)

_NAMES_IN_MESSAGES = 3


class StoredMaps:
    """Maps for the images of a data set, matched by name and size before any of them is read.

    Args:
        source: a folder of png, jpg, tiff, npy or mat files, a zip or tar archive of them, or an
            HDF5 file in pysaliency's layout.
        stimuli: the images; paths of both are compared, endings aside
            (:func:`models.map_files.match`).
        kind: "log density" (natural logarithm), "density" or "saliency map".
        names: of the images, where the stimuli have no file names.

    Attributes:
        problems: what is wrong with the map of an image, by the image's index.
        notes: the maps that are for no image, in sentences.

    Raises:
        MapError: the source cannot be read, or none of its maps is for an image.
        ValueError: there is no such kind.
    """

    def __init__(
        self,
        source: Path,
        stimuli: pysaliency.Stimuli,
        kind: str,
        names: Sequence[str] | None = None,
    ):
        if kind not in KINDS:
            raise ValueError(f"unknown kind {kind!r}; expected one of {', '.join(KINDS)}.")
        self.source, self.stimuli, self.kind = source, stimuli, kind
        paths = stimulus_names(stimuli, names)
        self.names = short_names(paths)
        self.files = open_maps(source)
        matching = match(self.files.names, paths)
        self.of = matching.of
        if not self.of and not matching.double:
            raise MapError(self._no_match())
        self.problems = {
            index: f"no prediction for the image {self.names[index]} in {source}; add it."
            for index in matching.missing
        }
        for index, found in matching.double.items():
            labels = ", ".join(self.files.label(name) for name in found)
            self.problems[index] = (
                f"{len(found)} predictions are called {self.names[index]}: {labels}; keep one."
            )
        for index, name in self.of.items():
            if problem := self._shape_problem(index, name):
                self.problems[index] = problem
        self.problems = dict(sorted(self.problems.items()))
        self.notes = [
            f"{_listed(names)}: {what}"
            for names, what in (
                (matching.extra, "no image is called so; not used."),
                (matching.unclear, "several images are called so; put it into a folder like the "
                 "image's to tell which."),
            )
            if names
        ]  # fmt: skip

    def _no_match(self) -> str:
        if not self.files.names:
            return f"{self.source}: holds no map; expected one an image, called like it."
        return (
            f"{self.source}: none of its {len(self.files.names)} maps "
            f"({_listed(self.files.names)}) is called like an image of this data set "
            f"({_listed(self.names)}): are they those of another one?"
        )

    def _shape_problem(self, index: int, name: str) -> str | None:
        try:
            problem = shape_problem(self.files.shape(name), self.stimuli.sizes[index])
        except MapError as error:
            return str(error)
        return problem and f"{self.files.label(name)}: {problem}"

    def contradiction(self, probes: int = 3) -> str | None:
        """Why none of a few maps, spread over all, is of its kind; None if any of them is."""
        sound = [index for index in self.of if index not in self.problems]
        chosen = sorted({sound[i * (len(sound) - 1) // max(1, probes - 1)] for i in range(probes)})
        found = []
        for index in chosen if sound else []:
            try:
                self.values(index)
            except MapError as error:
                found.append(str(error))
                continue
            return None
        return found[0] if found else None

    def values(self, index: int) -> NDArray[np.float64]:
        """The map of an image as its kind has it, a density as its natural log: (height, width).

        Raises:
            MapError: there is none, or it is damaged, of another size or of another kind.
        """
        if index in self.problems:
            raise MapError(self.problems[index])
        name = self.of[index]
        values = self.files.read(name)
        # the file may be another one than when its header was read
        if problem := shape_problem(values.shape, self.stimuli.sizes[index]):
            raise MapError(f"{self.files.label(name)}: {problem}")
        try:
            if self.kind != "saliency map":
                return as_log_density(values, self.kind)
            values = np.asarray(values, dtype=np.float64)
            if problems := not_a_number(values) or value_problems(values, self.kind):
                raise MapError(" ".join(problems))
        except MapError as error:
            raise MapError(f"{self.files.label(name)}: {error}") from error
        return values

    def values_for(self, stimulus: Any) -> NDArray[np.float64]:
        """The same for a stimulus, known by its index or its pixels."""
        index = index_of(stimulus, self.stimuli)
        if index is None:
            raise MapError(
                f"{self.source} holds predictions for the {len(self.stimuli)} images of its data "
                "set; this image is none of them."
            )
        return self.values(index)

    @cached_property
    def content_hash(self) -> str:
        """Of the files used, or of the whole archive or HDF5 file."""
        used = [name for index, name in self.of.items() if index not in self.problems]
        return self.files.content_hash(used)


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_NAMES_IN_MESSAGES])
    more = len(names) - _NAMES_IN_MESSAGES
    return f"{shown} and {more} more" if more > 0 else shown


class _Stored:
    """What models from files have in common."""

    maps: StoredMaps
    spec: ModelSpec

    def _describe(self, maps: StoredMaps, spec: ModelSpec | None) -> None:
        self.maps = maps
        name = source_name(maps.source)
        self.spec = spec or ModelSpec(name=name, title=name, summary=f"from {maps.source}")

    @property
    def parameters(self) -> dict[str, Any]:
        """How the files are read, for the record."""
        return {"kind": self.maps.kind}

    @property
    def content_hash(self) -> str:
        """Of the files: another hash, other predictions."""
        return self.maps.content_hash


class Precomputed(_Stored, pysaliency.Model):
    """Densities made elsewhere, read when they are asked for.

    The log of a density's sum may differ from 0 by rounding, by at most 1e-3; such densities are
    normalised. Those within 1e-5 are returned as they are, so that double precision loses nothing.

    Args:
        maps: of kind "log density" or "density".
        spec: what is known of the model that made them.
    """

    def __init__(self, maps: StoredMaps, spec: ModelSpec | None = None):
        super().__init__(caching=False)
        self._describe(maps, spec)

    def log_density(self, stimulus: Any) -> NDArray[np.float64]:
        """Natural log of the density of a known image, (height, width).

        Raises:
            MapError: the image is unknown, or its map is missing, damaged or no density.
        """
        return self.maps.values_for(stimulus)

    def _log_density(self, stimulus: Any) -> NDArray[np.float64]:
        return self.log_density(stimulus)


class PrecomputedMap(_Stored, pysaliency.SaliencyMapModel):
    """Saliency maps made elsewhere, read when they are asked for.

    Args:
        maps: of kind "saliency map".
        spec: what is known of the model that made them.
    """

    def __init__(self, maps: StoredMaps, spec: ModelSpec | None = None):
        super().__init__(caching=False)
        self._describe(maps, spec)

    def saliency_map(self, stimulus: Any) -> NDArray[np.float64]:
        """The map of a known image, (height, width), finite.

        Raises:
            MapError: the image is unknown, or its map is missing or damaged.
        """
        return self.maps.values_for(stimulus)

    def _saliency_map(self, stimulus: Any) -> NDArray[np.float64]:
        return self.saliency_map(stimulus)
