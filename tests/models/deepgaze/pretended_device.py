"""Trains a fold on a device that only pretends to be one, and compares; run by test_device.py.

Its tensors lie in ordinary memory, but an operation that mixes them with others fails, as on a GPU.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

_setup_privateuseone_for_python_backend("pretended")
DEVICE = torch.device("pretended:0")


class Pretended(torch.Tensor):
    @staticmethod
    def __new__(cls, inner):
        made = torch.Tensor._make_wrapper_subclass(
            cls, inner.size(), strides=inner.stride(), dtype=inner.dtype, device=DEVICE
        )
        made.inner = inner
        return made

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return compute(func, *args, **(kwargs or {}))


# inference mode wants version counters, which these tensors have none of
torch.inference_mode = lambda mode=True: torch.no_grad() if mode else torch.enable_grad()
calls = 0


def compute(func, *args, **kwargs):
    global calls
    calls += 1
    name = func.name()
    tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
    there = [isinstance(t, Pretended) for t in tensors]
    to = kwargs.get("device")
    if name == "aten::_to_copy":
        inner = unwrapped(args[0])
        kwargs["device"] = "cpu"
        found = func(inner, *args[1:], **kwargs)
        target = torch.device(to) if to is not None else args[0].device
        return Pretended(found) if target.type == "pretended" else found
    if name == "aten::copy_":
        unwrapped(args[0]).copy_(unwrapped(args[1]))
        return args[0]
    if any(there) and not all(t or x.ndim == 0 for t, x in zip(there, tensors)):
        raise RuntimeError(f"{name} mixes devices")
    if to is not None:
        kwargs["device"] = "cpu"
    found = func(*tree_map(unwrapped, args), **tree_map(unwrapped, kwargs))
    if name.endswith("_local_scalar_dense"):
        return found
    known = {id(t.inner): t for t in tensors if isinstance(t, Pretended)}

    def wrapped(value):
        if not isinstance(value, torch.Tensor):
            return value
        return known.get(id(value)) if id(value) in known else Pretended(value)

    return tree_map(wrapped, found)


def unwrapped(value):
    return value.inner if isinstance(value, Pretended) else value


library = torch.library.Library("_", "IMPL")
library.fallback(compute, dispatch_key="PrivateUse1")
for op in ("empty.memory_format", "empty_strided"):
    aten = torch.library.Library("aten", "IMPL")
    packet = getattr(torch.ops.aten, op.split(".")[0])
    overload = getattr(packet, (op.split(".") + ["default"])[1])
    aten.impl(op, lambda *a, _f=overload, **k: compute(_f, *a, **k), "PrivateUse1")

if __name__ == "__main__":
    import sys, time
    from models.centerbias import CenterBias
    from models.deepgaze.cache import FeatureCache
    from models.deepgaze.folds import Plan, fill_cache, train_fold
    from tests.models.deepgaze.bright import RECIPE, corpus
    from dataclasses import replace
    CenterBias.fit = classmethod(lambda kind, data: kind(data, 0.15, 0.1))
    plan = Plan(replace(RECIPE, epochs=2, averaging=0.5), (corpus(6),), (corpus(6, seed=2, name="before"),), 3)
    from models.deepgaze import training
    save = training.save_whole
    training.save_whole = lambda state, file: save(tree_map(lambda v: v.cpu() if isinstance(v, torch.Tensor) else v, state), file)
    from models.deepgaze.features import loaded
    for cached in (False, True):
        with tempfile.TemporaryDirectory() as folder:
            found = []
            for device in (torch.device("cpu"), DEVICE):
                t, calls = time.time(), 0
                cache = FeatureCache(Path(folder) / device.type if cached else None)
                if cached: fill_cache(plan, cache, device=device)
                check = Path(folder) / f"{device.type}.pt"
                class Stop(Exception): pass
                def stop(epoch):
                    if epoch.stage == "training": raise Stop
                if cached:
                    try: train_fold(plan, 0, 0, cache, check, stop, device)
                    except Stop: pass
                found.append(train_fold(plan, 0, 0, cache, check if cached else None, device=device))
                print(device, calls, time.time() - t)
            a, b = found
            assert type(b.member.readout) is type(a.member.readout)
            sa, sb = a.member.readout.state_dict(), b.member.readout.state_dict()
            assert all(type(v) is torch.Tensor and v.device.type == "cpu" for v in sb.values())
            print({k: float((sa[k]-sb[k]).abs().max()) for k in sa})
            print(a.test, b.test, a.curve == b.curve)
            print(next(loaded(RECIPE.features[0].backbone).parameters()).device)
