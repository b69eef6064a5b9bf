"""Whether requests that wait should be computed together: ``python -m benchmark.speed_batching``.

Three ways are timed beside one after the other with all cores, in one process, taking turns: the
backbone's features of several images in one batch, whole predictions in two threads with one core
each, and whole predictions in two threads that both use all cores. Values are compared to the last
bit. Writes ``speed.csv`` and ``README.md``.
"""

from __future__ import annotations

import copy
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.files import write_csv, write_whole
from benchmark.predict import build
from benchmark.speed_deepgaze import picture
from models import map_cache
from models.deepgaze.backbones import Backbone
from models.deepgaze.features import loaded
from models.deepgaze.images import resized
from models.deepgaze.mixture import Mixture
from models.deepgaze.model import DeepGaze
from models.deepgaze.recipes import RECIPES

#: (height, width), all of them common.
SHAPES = ((192, 256), (384, 512), (768, 1024))
BATCHES = (2, 4, 8)
LAYOUTS = {"channels last": torch.channels_last, "channels first": torch.contiguous_format}
#: Images a turn of whole predictions.
IMAGES = 4
#: Rounds at least, whatever the time that they take.
ROUNDS = 3
CORES = 2
ALONE, BOTH = "one thread each", "all threads each"
MODELS = ("deepgaze2", "aim", "bms", "covsal", "gbvs", "itti-koch", "sun")
#: Below this, computing together is not worth its code.
WORTH = 1.15


@dataclass(frozen=True)
class Comparison:
    """Images computed together beside the same images one after the other.

    Attributes:
        task: what is computed.
        way: how it is computed together.
        image: size in pixels, width x height.
        together: images at a time.
        single, joint: median seconds an image.
        ratio: median over rounds of the first to the second; above 1, together is faster.
        lowest, highest: of these ratios.
        same: whether all values are equal to the last bit.
    """

    task: str
    way: str
    image: str
    together: int
    single: float
    joint: float
    ratio: float
    lowest: float
    highest: float
    rounds: int
    same: bool


def turns(functions: Sequence[Callable[[], Any]], seconds: float) -> list[list[float]]:
    """Seconds of each function in each round, until they have taken so long in all."""
    found: list[list[float]] = [[] for _ in functions]
    began = time.perf_counter()
    while len(found[0]) < ROUNDS or time.perf_counter() - began < seconds:
        for times, function in zip(found, functions):
            start = time.perf_counter()
            function()
            times.append(time.perf_counter() - start)
    return found


def compared(
    task: str,
    ways: Sequence[tuple[str, int]],
    shape: tuple[int, int],
    functions: Sequence[Callable[[], list[Any]]],
    images: int,
    seconds: float,
) -> list[Comparison]:
    """The first function's images one after the other, beside those of the others together.

    Args:
        ways: name and images at a time of each of the others.
        images: that every function computes.
        seconds: of all rounds.
    """
    expected, *found = [function() for function in functions]
    same = [all(map(_equal, expected, each)) for each in found]
    single, *joint = turns(functions, seconds)
    rows = []
    for (way, together), equal, times in zip(ways, same, joint):
        ratios = [one / other for one, other in zip(single, times)]
        rows.append(
            Comparison(
                task,
                way,
                f"{shape[1]}x{shape[0]}",
                together,
                statistics.median(single) / images,
                statistics.median(times) / images,
                statistics.median(ratios),
                min(ratios),
                max(ratios),
                len(ratios),
                equal,
            )
        )
    return rows


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return all(torch.equal(one[name], other[name]) for name in one)
    return np.array_equal(one, other)


@torch.inference_mode()
def features(
    network: Backbone, layout: torch.memory_format, images: Sequence[NDArray[np.uint8]], batch: int
) -> list[dict[str, Tensor]]:
    """DeepGaze II's features of images by scale and layer, so many images at a time.

    Sides have to be multiples of 64: the network then pads nothing.
    """
    found: list[dict[str, Tensor]] = []
    for start in range(0, len(images), batch):
        part: list[dict[str, Tensor]] = [{} for _ in images[start : start + batch]]
        for wanted in RECIPES["deepgaze2"].features:
            pixels = torch.stack([resized(i, wanted.scale) for i in images[start : start + batch]])
            pixels = network.preprocess(pixels).contiguous(memory_format=layout)
            for layer, values in network.maps(pixels, wanted.layers).items():
                for own, each in zip(part, values):
                    own[f"{layer} at {wanted.scale:g}"] = each
        found += part
    return found


def batched(
    shape: tuple[int, int], seconds: float, batches: Sequence[int] = BATCHES
) -> list[Comparison]:
    """Features in batches beside features of single images, in both layouts."""
    images = [picture(shape, seed) for seed in range(max(batches))]
    rows = []
    for name, layout in LAYOUTS.items():
        network = copy.deepcopy(loaded("vgg19")).to(memory_format=layout)  # type: ignore[call-overload]
        functions = [partial(features, network, layout, images, b) for b in (1, *batches)]
        ways = [(f"batch, {name}", b) for b in batches]
        rows += compared("features of VGG-19", ways, shape, functions, len(images), seconds)
    return rows


def concurrent(name: str, shape: tuple[int, int], seconds: float) -> list[Comparison]:
    """Whole predictions by threads of their own beside one after the other."""
    model = build(name)
    images = [picture(shape, seed) for seed in range(IMAGES)]
    pools = [_pool(1, CORES), _pool(CORES, 1), _pool(CORES, CORES)]

    def predict(pool: ThreadPoolExecutor) -> list[NDArray[np.float64]]:
        forget(model)
        return list(pool.map(model.log_density, images))

    functions = [partial(predict, pool) for pool in pools]
    ways = [(ALONE, CORES), (BOTH, CORES)]
    rows = compared(f"{name}", ways, shape, functions, len(images), seconds)
    for pool in pools:
        pool.shutdown()
    return rows


def _pool(workers: int, threads: int) -> ThreadPoolExecutor:
    """Workers that all compute with so many threads of torch each."""
    pool = ThreadPoolExecutor(workers, initializer=partial(torch.set_num_threads, threads))
    list(pool.map(lambda _: time.sleep(0.1), range(workers)))  # all of them start
    return pool


def forget(model: Any) -> None:
    """Whatever the model keeps of the images seen last."""
    map_cache.forget()
    for part in model.parts if isinstance(model, Mixture) else [model]:
        if isinstance(part, DeepGaze):
            part.weights.kept.clear()
