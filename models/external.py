"""Models from outside this package: any pysaliency model, or a callable that returns one."""

from __future__ import annotations

import difflib
import importlib
import inspect
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pysaliency

from models.base import IN_SAMPLE, ModelSpec, TrainingData, UnavailableError
from models.saliency_map import SaliencyMap

#: In place of data sets where nobody has said what a model was trained on.
UNKNOWN = ("unknown",)
KINDS = ("baseline", "model", "ceiling")
#: Of files of trained readouts (models/deepgaze/trained.py).
READOUTS = ".safetensors"


class ExternalError(ValueError):
    """What was named is no usable model; the message says what it is, and what was expected."""


@dataclass(frozen=True)
class External:
    """A model that was imported and is not built yet.

    Attributes:
        origin: "package.module:attribute", or a file of trained readouts.
        target: a model, its class, or a callable that returns one.
        spec: what is known of it; the spec of the target, where it has one.
        stated: whether the user has said what it was trained on.
    """

    origin: str
    target: Any
    spec: ModelSpec
    stated: bool = False

    @classmethod
    def load(cls, origin: str, name: str | None = None) -> External:
        """Import what ``origin`` names, or open it, if it is a file of trained readouts.

        Args:
            name: another name than its own.

        Raises:
            ExternalError: it cannot be imported, is neither a model nor callable, or is of no
                known kind.
        """
        target = _opened(origin) if origin.endswith(READOUTS) else _imported(origin)
        if not (_is_model(target) or callable(target) or hasattr(target, "fit")):
            raise ExternalError(
                f"{origin} is of type {type(target).__name__}; expected a pysaliency model, its "
                "class, or a callable without arguments that returns one."
            )
        spec = getattr(target, "spec", None)
        if not isinstance(spec, ModelSpec):
            own = origin.rpartition(":")[2]
            spec = ModelSpec(
                name=own, title=name or own, summary=f"from {origin}", trained_on=UNKNOWN
            )
        if spec.kind not in KINDS:
            raise ExternalError(
                f"{origin}: the kind in its spec is {spec.kind!r}; expected one of "
                f"{', '.join(KINDS)}."
            )
        if name is not None:
            spec = replace(spec, name=name, title=name)
        return cls(origin, target, spec)

    def build(
        self, data: TrainingData, needs: Mapping[str, Any]
    ) -> pysaliency.Model | pysaliency.SaliencyMapModel:
        """The model, with its spec: fitted if it can be, called if it is a class or a callable.

        A fitted one of which neither its spec nor the user says what it was trained on counts as
        trained on what is scored, none of it held out.

        Args:
            needs: fitted models by name, those that the spec asks for.

        Raises:
            ExternalError: it needs other arguments, raises, or returns something else.
        """
        target = self.target
        arguments: tuple[Any, ...] = ()
        spec = self.spec
        if not _is_model(target):
            if hasattr(target, "fit") and not _is_map(target):
                target, arguments = target.fit, (data,)
                if not self.stated and not spec.held_out and spec.trained_on in ((), UNKNOWN):
                    spec = replace(spec, trained_on=(IN_SAMPLE,))
            else:
                needs = {}
            built = self._called(target, arguments, needs)
        else:
            built = target
        if not _is_model(built):
            raise ExternalError(
                f"{self.origin} makes a {type(built).__module__}.{type(built).__qualname__}; "
                "expected a pysaliency.Model or pysaliency.SaliencyMapModel."
            )
        try:
            built.spec = spec
            built.origin = self.origin
        except AttributeError as error:
            raise ExternalError(f"{self.origin}: its spec cannot be set ({error}).") from error
        return built

    def _called(self, target: Any, arguments: tuple[Any, ...], needs: Mapping[str, Any]) -> Any:
        try:
            inspect.signature(target).bind(*arguments, **needs)
        except TypeError as error:
            raise ExternalError(
                f"{self.origin} cannot be called without arguments ({error}): name a callable that "
                "fills them in, or give it fit(data)."
            ) from error
        except ValueError:  # it has no signature to check
            pass
        try:
            return target(*arguments, **needs)
        # Whatever the user's code raises, the message has to say whose it is.
        except Exception as error:
            raise ExternalError(
                f"{self.origin} raised {type(error).__name__} when it was made: {error}"
            ) from error


def _is_model(built: Any) -> bool:
    return isinstance(built, (pysaliency.Model, pysaliency.SaliencyMapModel))


def _is_map(target: Any) -> bool:
    """Whether it is a class of saliency maps, which are made densities by whoever builds them."""
    return isinstance(target, type) and issubclass(target, SaliencyMap)


def _opened(origin: str) -> Any:
    from models.deepgaze.foreign import check_readouts
    from models.deepgaze.trained import TrainedReadouts

    readouts = TrainedReadouts(Path(origin).expanduser())
    try:
        check_readouts(readouts.file)
        _ = readouts.weights
    except UnavailableError as error:
        raise ExternalError(str(error)) from error
    return readouts


def _imported(origin: str) -> Any:
    module_name, separator, path = origin.partition(":")
    if not separator or not path or not all(p.isidentifier() for p in module_name.split(".")):
        raise ExternalError(
            f"{origin!r} is not understood; expected package.module:callable, or a file of trained "
            f"readouts ending in {READOUTS} (registered models are named with --models)."
        )
    if os.getcwd() not in sys.path and "" not in sys.path:
        sys.path.append(os.getcwd())  # as with `python -m`, a file of the current folder is found
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and f"{module_name}.".startswith(f"{error.name}."):
            raise ExternalError(
                f"{origin}: there is no module {error.name!r}; install its package, or start in "
                "the folder that holds it."
            ) from error
        raise ExternalError(
            f"{origin}: its module needs {error.name!r}, which is not installed."
        ) from error
    # Whatever the user's module raises, the message has to say whose it is.
    except Exception as error:
        raise ExternalError(
            f"{origin}: importing it raised {type(error).__name__}: {error}"
        ) from error
    for part in path.split("."):
        if not hasattr(found, part):
            near = difflib.get_close_matches(part, dir(found), n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise ExternalError(f"{origin}: there is no {part!r} in it.{hint}")
        found = getattr(found, part)
    return found
