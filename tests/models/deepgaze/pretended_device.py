"""A device that only pretends to be one: its tensors lie in memory, but refuse to mix with others.

Trains a fold there and on the processor, and compares; test_device.py runs it as a program.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

_setup_privateuseone_for_python_backend("pretended")
# inference mode wants version counters, which these tensors have none of
torch.inference_mode = lambda mode=True: torch.no_grad() if mode else torch.enable_grad()

DEVICE = torch.device("pretended:0")
PROCESSOR = torch.device("cpu")


class Pretended(Tensor):
    """A tensor on the device; ``inner`` holds its numbers."""

    @staticmethod
    def __new__(cls, inner):
        made = Tensor._make_wrapper_subclass(
            cls, inner.size(), strides=inner.stride(), dtype=inner.dtype, device=DEVICE
        )
        made.inner = inner
        return made

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return compute(func, *args, **(kwargs or {}))


def inner(value):
    return value.inner if isinstance(value, Pretended) else value


def compute(func, *args, **kwargs):
    """Any operation with tensors of the device."""
    tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
    target = kwargs.get("device")
    if target is not None:
        kwargs["device"] = PROCESSOR
    if func is torch.ops.aten._to_copy.default:
        copy = func(inner(args[0]), *args[1:], **kwargs)
        return Pretended(copy) if (target or args[0].device) == DEVICE else copy
    if func is torch.ops.aten.copy_.default:
        inner(args[0]).copy_(inner(args[1]))
        return args[0]
    there = [isinstance(tensor, Pretended) for tensor in tensors]
    if any(there) and not all(here or t.ndim == 0 for here, t in zip(there, tensors)):
        raise RuntimeError(f"{func.name()} mixes devices")
    found = func(*tree_map(inner, args), **tree_map(inner, kwargs))
    known = {id(t.inner): t for t in tensors if isinstance(t, Pretended)}  # changed in place

    def outer(value):
        if not isinstance(value, Tensor):
            return value
        return known[id(value)] if id(value) in known else Pretended(value)

    return tree_map(outer, found)


fallback = torch.library.Library("_", "IMPL")
fallback.fallback(compute, dispatch_key="PrivateUse1")
factories = torch.library.Library("aten", "IMPL")
for factory in (torch.ops.aten.empty.memory_format, torch.ops.aten.empty_strided.default):
    factories.impl(
        factory.name().partition("::")[2],
        lambda *args, factory=factory, **kwargs: compute(factory, *args, **kwargs),
        "PrivateUse1",
    )


class Interrupted(Exception):
    pass


def stop(epoch) -> None:
    if epoch.stage == "training":
        raise Interrupted


def in_memory(value):
    return value.cpu() if isinstance(value, Tensor) else value


def main(folder: Path) -> None:
    from models.centerbias import CenterBias
    from models.deepgaze import training
    from models.deepgaze.cache import FeatureCache
    from models.deepgaze.features import loaded
    from models.deepgaze.folds import Plan, fill_cache, train_fold
    from models.deepgaze.readout import Readout
    from tests.models.deepgaze.bright import FEATURES, RECIPE, corpus

    CenterBias.fit = classmethod(lambda kind, data: kind(data, 0.15, 0.1))
    save: Callable = training.save_whole  # tensors of other devices need no help to be stored
    training.save_whole = lambda state, file: save(tree_map(in_memory, state), file)
    recipe = replace(RECIPE, epochs=2, pretraining_epochs=1, averaging=0.5)
    plan = Plan(recipe, (corpus(6),), (corpus(3, seed=2, name="before"),), 3)

    found = {}
    for device in (PROCESSOR, DEVICE):
        cache = FeatureCache(folder / device.type)
        fill_cache(plan, cache, device=device)
        checkpoint = folder / f"{device.type}.pt"
        with suppress(Interrupted):
            train_fold(plan, 0, 0, cache, checkpoint, stop, device)
        found[device.type] = train_fold(plan, 0, 0, cache, checkpoint, device=device)
    there = train_fold(plan, 0, 0, FeatureCache(None), device=DEVICE)

    expected = found["cpu"]
    for trained in (found["pretended"], there):
        assert trained.curve == expected.curve
        assert trained.test == expected.test
        assert type(trained.member.readout) is Readout
        state = trained.member.readout.state_dict()
        for name, value in expected.member.readout.state_dict().items():
            assert type(state[name]) is Tensor, name
            assert torch.equal(state[name], value), name
        for index, values in expected.log_densities.items():
            assert (trained.log_densities[index] == values).all()
    network = loaded(FEATURES.backbone)
    assert next(network.parameters()).device == PROCESSOR
    assert "forward" not in vars(network)
    print("the same on both")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
