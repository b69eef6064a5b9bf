"""What run.json says of a run: data set, protocol, models and metrics."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmark.errors import BenchmarkError
from benchmark.files import REMEDY

KINDS = ("baseline", "model", "ceiling")
ORDER = ("IG", "IG_image", "LL", "LL_image", "AUC", "sAUC", "NSS", "CC", "KL", "SIM")
DAGGER = "†"  # marks contaminated models
UNKNOWN = "unknown"  # in place of data sets, where nobody said what a model was trained on
PER_IMAGE = "_image"  # ending of the name of a per-fixation metric that is averaged per image


@dataclass(frozen=True)
class Model:
    """A scored model.

    Attributes:
        title: with a dagger behind it if the model is contaminated.
        kind: "baseline", "model" or "ceiling".
        trained_on: names of data sets; those starting with "scored" stand for the one scored, and
            UNKNOWN for those that nobody has named.
        held_out: predictions for images it was trained on come from parts that never saw them.
        contaminated: trained on the data set it is scored on, with no image held out.
    """

    name: str
    title: str
    kind: str
    trained_on: tuple[str, ...] = ()
    held_out: bool = False
    contaminated: bool = False

    @property
    def ranked(self) -> bool:
        """Ceilings and contaminated models are not compared with others."""
        return self.kind != "ceiling" and not self.contaminated


@dataclass(frozen=True)
class Metric:
    """A column of the summary; ``per`` says what its mean is taken over: "fixation" or "image"."""

    name: str
    title: str
    unit: str
    higher_is_better: bool
    chance: float | None
    per: str

    @property
    def label(self) -> str:
        """The name as people read it: "IG per image" for IG_image."""
        if self.name.endswith(PER_IMAGE):
            return f"{self.name.removesuffix(PER_IMAGE)} per image"
        return self.name.replace("_", "-")

    @property
    def short_unit(self) -> str:
        """The unit, abbreviated for the heads of narrow columns; empty for pure numbers."""
        short = {"bits per fixation": "bit/fix", "bits/fixation": "bit/fix", "nats": "nat"}
        return {**short, "bit/fixation": "bit/fix", "bits": "bit"}.get(self.unit, self.unit)

    @property
    def arrow(self) -> str:
        return "↑" if self.higher_is_better else "↓"


@dataclass(frozen=True)
class DatasetInfo:
    """The data set of a run; ``n_images`` of its ``n_images_total`` images are scored."""

    name: str
    title: str
    simulated: bool
    n_images: int
    n_images_total: int


@dataclass(frozen=True)
class ProtocolInfo:
    """The named settings of a run; ``kernel_size`` in pixels, None where no map is blurred."""

    name: str
    maps: str
    kernel_size: float | None


class Section:
    """A JSON object whose missing or mistyped keys raise errors that name the file and the key."""

    def __init__(self, path: Path, name: str, content: dict[str, Any]):
        self.path, self.name, self.content = path, name, content

    def get(self, key: str, kind: type | tuple[type, ...], default: Any = None) -> Any:
        """The value of a key, ``default`` if one is given and there is no such key.

        Raises:
            BenchmarkError: there is no such key, or its value is not of this kind.
        """
        full = f"{self.name}.{key}" if self.name else key
        if key not in self.content and default is not None:
            return default
        if key not in self.content:
            raise BenchmarkError(f"{self.path} lacks the key {full!r}. {REMEDY}")
        value = self.content[key]
        # True is an int to Python, but not the number of anything; nor is what no float can hold
        is_number = isinstance(value, int) and abs(value) < 2**63 and not isinstance(value, bool)
        unfit = isinstance(value, int) and kind is not bool and not is_number
        if not isinstance(value, kind) or unfit:
            raise BenchmarkError(f"{self.path}: {full!r} cannot be {value!r}. {REMEDY}")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """The texts in the list of a key, none if there is no such key.

        Raises:
            BenchmarkError: its value is no list of texts.
        """
        found = self.get(key, list, [])
        if not all(isinstance(text, str) for text in found):
            raise BenchmarkError(
                f"{self.path}: {f'{self.name}.{key}'!r} cannot be {found!r}. {REMEDY}"
            )
        return tuple(found)

    def section(self, key: str) -> Section:
        """The object below a key."""
        name = f"{self.name}.{key}" if self.name else key
        return Section(self.path, name, self.get(key, dict))


def dataset(section: Section) -> DatasetInfo:
    """The section "dataset"."""
    return DatasetInfo(
        name=section.get("name", str),
        title=section.get("title", str),
        simulated=section.get("simulated", bool),
        n_images=section.get("n_images", int),
        n_images_total=section.get("n_images_total", int),
    )


def protocol(section: Section) -> ProtocolInfo:
    """The section "protocol"."""
    return ProtocolInfo(
        name=section.get("name", str),
        maps=section.get("maps", (str, type(None))) or "",
        kernel_size=section.get("kernel_size", (int, float, type(None))),
    )


def models(section: Section) -> list[Model]:
    """The models in the order given, with distinct titles."""
    models = []
    for name in section.content:
        one = section.section(name)
        kind = one.get("kind", str)
        if kind not in KINDS:
            raise BenchmarkError(
                f"{one.path}: '{one.name}.kind' is {kind!r}, expected one of {', '.join(KINDS)}."
            )
        models.append(
            Model(
                name,
                one.get("title", str) or name,
                kind,
                one.texts("trained_on"),
                one.get("held_out", bool, False),
                one.get("contaminated", bool, False),
            )
        )
    titles = [model.title for model in models]
    # two models of one title could not be told apart
    distinct = [
        replace(m, title=f"{m.title} ({m.name})") if titles.count(m.title) > 1 else m
        for m in models
    ]
    return [replace(m, title=m.title + DAGGER) if m.contaminated else m for m in distinct]


def metrics(section: Section, names: Iterable[str]) -> dict[str, Metric]:
    """The metrics of the summary; a second average is described by its metric."""
    names = sorted(names, key=lambda n: (ORDER.index(n) if n in ORDER else len(ORDER), n))
    return {name: _metric(section, name) for name in names}


def _metric(section: Section, name: str) -> Metric:
    averaged = name.endswith(PER_IMAGE) and name not in section.content
    one = section.section(name.removesuffix(PER_IMAGE) if averaged else name)
    chance = one.get("chance", (int, float, type(None)))
    return Metric(
        name=name,
        title=one.get("title", str),
        unit=one.get("unit", str),
        higher_is_better=one.get("higher_is_better", bool),
        chance=None if chance is None else float(chance),
        per="image" if averaged else one.get("per", str),
    )
