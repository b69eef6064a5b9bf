"""Lets a GPU train and compute features, while what is computed on the processor stays as it is.

The modules that models predict with know nothing of devices. Here a readout is placed on one and
takes along what it meets: matrices of interpolation, dropout, maps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map

from models.deepgaze.corpus import Example
from models.deepgaze.features import FeatureMap, loaded
from models.deepgaze.readout import Lattice, Readout

PROCESSOR = torch.device("cpu")


class _TakenAlong(TorchFunctionMode):
    """Where an operation meets tensors in memory and on a device, it takes all to the device."""

    def __torch_function__(
        self, func: Callable, types: Any, args: Sequence = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        devices = {tensor.device for tensor in tensors} - {PROCESSOR}
        if len(devices) == 1:
            (device,) = devices

            def bring(leaf: Any) -> Any:
                return leaf.to(device) if isinstance(leaf, Tensor) else leaf

            args, kwargs = tree_map(bring, tuple(args)), tree_map(bring, kwargs)
        return func(*args, **kwargs)


class _Placed(Readout):
    """A readout on a device."""

    def forward(
        self,
        maps: Sequence[FeatureMap],
        lattice: Lattice,
        log_prior: Tensor | None = None,
        kept: Tensor | None = None,
    ) -> Tensor:
        with _TakenAlong():
            return super().forward(maps, lattice, log_prior, kept)


def placed(readout: Readout, device: torch.device) -> Readout:
    """The readout on a device, or back in memory; the same one if it is in memory anyway."""
    if device == PROCESSOR and type(readout) is Readout:
        return readout
    kind = Readout if device == PROCESSOR else _Placed
    copy = kind(readout.channels, readout.config)
    copy.load_state_dict({name: value.cpu() for name, value in readout.state_dict().items()})
    return copy.to(device)


def placed_examples(examples: Iterable[Example], device: torch.device) -> list[Example]:
    """Examples on a device, whose features follow when they are asked for."""
    if device == PROCESSOR:
        return list(examples)
    return [
        replace(
            example,
            features=partial(_features, example, device),
            log_prior=example.log_prior.to(device),
            down=example.down.to(device),
            across=example.across.to(device),
        )
        for example in examples
    ]


def _features(example: Example, device: torch.device, mirrored: bool) -> list[FeatureMap]:
    return [replace(m, values=m.values.to(device)) for m in example.features(mirrored)]


@contextmanager
def placed_backbones(names: Iterable[str], precision: str, device: torch.device) -> Iterator[None]:
    """Backbones compute on the device within the block; their maps return to memory.

    Those without parameters stay where they are. Single precision is not shortened to TF32.
    """
    networks = [] if device == PROCESSOR else [loaded(name, precision) for name in {*names}]
    networks = [network for network in networks if any(True for _ in network.parameters())]
    with ExitStack() as stack:
        if networks and device.type == "cuda":
            stack.enter_context(
                torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False)
            )
        for network in networks:
            network.to(device)
            stack.callback(network.to, PROCESSOR)
            # the instance's own attribute, found before the method, until it is deleted
            network.forward = partial(_forward, network.forward, device)  # type: ignore[method-assign]
            stack.callback(delattr, network, "forward")
        yield


def _forward(
    compute: Callable[[Tensor, Iterable[str]], dict[str, Tensor]],
    device: torch.device,
    image: Tensor,
    names: Iterable[str],
) -> dict[str, Tensor]:
    return {name: maps.cpu() for name, maps in compute(image.to(device), names).items()}
