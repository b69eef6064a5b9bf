"""Whether requests that wait should be computed together: ``python -m benchmark.speed_batching``.

Beside one image after the other with all cores are timed, in one process, taking turns: VGG-19's
features of several images in one batch, whole predictions in threads with one core each, and whole
predictions in threads that all use all cores. Values are compared to the last bit. Writes
``speed.csv`` and ``README.md``.
"""

from __future__ import annotations

import copy
import os
import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields
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
from models.deepgaze.features import FeatureSet, loaded
from models.deepgaze.images import resized
from models.deepgaze.mixture import Mixture
from models.deepgaze.model import DeepGaze
from models.deepgaze.recipes import RECIPES

#: Width and height by name; all sides are multiples of 64, so that VGG-19 pads nothing.
SIZES = {"256x192": (256, 192), "512x384": (512, 384), "1024x768": (1024, 768)}
BATCHES = (2, 4, 8)
LAYOUTS = {"channels last": torch.channels_last, "channels first": torch.contiguous_format}
MODELS = ("deepgaze2", "aim", "covsal")
#: Images of a turn of whole predictions.
IMAGES = 4
#: Rounds at least, however long they take.
ROUNDS = 3
THREADS = 2
WALL, WORK = "wall", "processor"
CLOCKS = {WALL: time.perf_counter, WORK: time.process_time}
ALONE, BOTH = "2 threads, a core each", "2 threads, all cores each"


@dataclass(frozen=True)
class Comparison:
    """Images computed together beside the same images one after the other.

    Attributes:
        clock: "wall" time with all threads, or "processor" time with one, which other work on the
            machine hardly changes.
        together: images at a time.
        single, joint: median seconds an image, one after the other and together.
        ratio: median over rounds of the first to the second; above 1, together is faster.
        lowest, highest: of these ratios.
        same: whether all values are equal to the last bit.
    """

    task: str
    image: str
    way: str
    together: int
    clock: str
    single: float
    joint: float
    ratio: float
    lowest: float
    highest: float
    rounds: int
    same: bool


def turns(
    functions: Sequence[Callable[[], Any]], seconds: float, clock: Callable[[], float]
) -> tuple[list[list[float]], list[Any]]:
    """Each function's seconds in each round, and what it gave in the last one.

    Rounds go on for ``seconds`` of wall time.
    """
    found: list[list[float]] = [[] for _ in functions]
    values: list[Any] = [None] * len(functions)
    began = time.perf_counter()
    while len(found[0]) < ROUNDS or time.perf_counter() - began < seconds:
        for n, function in enumerate(functions):
            start = clock()
            values[n] = function()
            found[n].append(clock() - start)
    return found, values


def compared(
    task: str,
    image: str,
    ways: Sequence[tuple[str, int]],
    functions: Sequence[Callable[[], list[Any]]],
    seconds: float,
    clock: str = WALL,
) -> list[Comparison]:
    """The first function's images, one after the other, beside those of the others, together.

    Args:
        ways: name of each of the others, and its images at a time.
        functions: give a value for each image.
        seconds: of wall time, for all rounds.
    """
    (single, *joint), (expected, *found) = turns(functions, seconds, CLOCKS[clock])
    rows = []
    for (way, together), values, times in zip(ways, found, joint):
        ratios = [one / other for one, other in zip(single, times)]
        rows.append(
            Comparison(
                task,
                image,
                way,
                together,
                clock,
                single=statistics.median(single) / len(expected),
                joint=statistics.median(times) / len(expected),
                ratio=statistics.median(ratios),
                lowest=min(ratios),
                highest=max(ratios),
                rounds=len(ratios),
                same=all(map(_equal, expected, values)),
            )
        )
    return rows


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return all(torch.equal(one[name], other[name]) for name in one)
    return np.array_equal(one, other)


@torch.inference_mode()
def features(
    network: Backbone,
    wanted: FeatureSet,
    layout: torch.memory_format,
    images: Sequence[NDArray[np.uint8]],
    batch: int,
) -> list[dict[str, Tensor]]:
    """Features of images by layer, so many images at a time.

    The scaled images' sides have to be multiples of 16: VGG-19 then pads nothing.
    """
    found: list[dict[str, Tensor]] = []
    for start in range(0, len(images), batch):
        part = [resized(image, wanted.scale) for image in images[start : start + batch]]
        pixels = network.preprocess(torch.stack(part)).contiguous(memory_format=layout)
        maps = network.maps(pixels, wanted.layers)
        found += [{name: maps[name][n] for name in maps} for n in range(len(part))]
    return found


def batched(
    size: str, seconds: float, batches: Sequence[int] = BATCHES, clock: str = WALL
) -> list[Comparison]:
    """Features in batches beside features of single images, at DeepGaze II's scales."""
    width, height = SIZES[size]
    images = [picture((height, width), seed) for seed in range(max(batches))]
    rows = []
    for name, layout in LAYOUTS.items():
        if clock == WORK and layout is not torch.channels_last:
            continue  # not the one that predictions are made in
        network = copy.deepcopy(loaded("vgg19"))
        network.to(memory_format=layout)  # type: ignore[call-overload]
        for wanted in RECIPES["deepgaze2"].features:
            call = partial(features, network, wanted, layout, images)
            functions = [partial(call, batch) for batch in (1, *batches)]
            ways = [(f"batch, {name}", batch) for batch in batches]
            task = f"VGG-19 at scale {wanted.scale:g}"
            rows += compared(task, size, ways, functions, seconds, clock)
    return rows


def concurrent(name: str, size: str, seconds: float, images: int = IMAGES) -> list[Comparison]:
    """Whole predictions by several threads beside one after the other."""
    model = build(name)
    width, height = SIZES[size]
    pictures = [picture((height, width), seed) for seed in range(images)]
    pools = [_pool(1, THREADS), _pool(THREADS, 1), _pool(THREADS, THREADS)]

    def predict(pool: ThreadPoolExecutor) -> list[NDArray[np.float64]]:
        forget(model)
        return list(pool.map(model.log_density, pictures))

    functions = [partial(predict, pool) for pool in pools]
    rows = compared(name, size, [(ALONE, THREADS), (BOTH, THREADS)], functions, seconds)
    for pool in pools:
        pool.shutdown()
    return rows


def _pool(workers: int, threads: int) -> ThreadPoolExecutor:
    """Workers that each compute with so many threads of torch."""

    def begin() -> None:
        torch.set_num_threads(threads)
        torch.get_num_threads()  # or the number that another thread sets later would hold here, too

    pool = ThreadPoolExecutor(workers, initializer=begin)
    list(pool.map(lambda _: time.sleep(0.1), range(workers)))  # all of them start
    return pool


def forget(model: Any) -> None:
    """Drop what is kept of the images seen last."""
    map_cache.forget()
    for part in model.parts if isinstance(model, Mixture) else [model]:
        if isinstance(part, DeepGaze):
            part.weights.kept.clear()


def prediction_work(size: str) -> float:
    """Least processor seconds of one of DeepGaze II's predictions in one thread."""
    model = build("deepgaze2")
    width, height = SIZES[size]
    image = picture((height, width))

    def predict() -> None:
        forget(model)
        model.log_density(image)

    times, _ = turns([predict], 0.0, time.process_time)
    return min(times[0])


def evenness(size: str) -> float:
    """How much more the first thread has to do in a prediction than half of it, with two threads.

    The other core waits for it meanwhile: so many times as fast is the most that another prediction
    beside it can gain. Threads must not spin while they wait ($OMP_WAIT_POLICY).
    """
    torch.set_num_threads(THREADS)
    model = build("deepgaze2")
    width, height = SIZES[size]
    image = picture((height, width))
    found = []
    for _ in range(ROUNDS + 1):
        forget(model)
        own, all_ = time.thread_time(), time.process_time()
        model.log_density(image)
        own, all_ = time.thread_time() - own, time.process_time() - all_
        found.append(THREADS * own / all_)
    return statistics.median(found[1:])  # the first one builds tables


def evenness_apart(size: str) -> float:
    """The same, in a process of its own whose threads sleep while they wait."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmark.speed_batching", "--evenness", size],
        env={**os.environ, "OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0"},
        check=True,
        capture_output=True,
        text=True,
    )
    return float(done.stdout)


def whole_gain(rows: Sequence[Comparison], work: float, size: str, batch: int, same: bool) -> float:
    """How many times as fast whole predictions become by batches of features.

    Args:
        work: processor seconds of a prediction.
        same: batch only where values stay equal to the last bit.
    """
    parts = [
        row
        for row in rows
        if (row.image, row.together, row.clock) == (size, batch, WORK) and (row.same or not same)
    ]
    saved = sum(row.single * (1.0 - 1.0 / row.ratio) for row in parts)
    views = 2 if RECIPES["deepgaze2"].both_views else 1
    return work / (work - views * saved)


def write(
    rows: Sequence[Comparison],
    work: dict[str, float],
    even: dict[str, float],
    out: Path,
    command: str,
    left: int,
) -> None:
    """Write the table and what follows from it.

    Args:
        work: processor seconds of a prediction, by size.
        even: see :func:`evenness`, by size.
        left: parts of the measurement that were not made yet.
    """
    names = [field.name for field in fields(Comparison)]
    write_csv(pd.DataFrame([asdict(row) for row in rows], columns=names), out / "speed.csv", names)
    lines = [
        f"| {r.task} | {r.image} | {r.way} | {r.together} | {r.clock} | {1e3 * r.single:.0f} "
        f"| {1e3 * r.joint:.0f} | {r.ratio:.2f} | {r.lowest:.2f} to {r.highest:.2f} | {r.rounds} "
        f"| {'yes' if r.same else '**no**'} |"
        for r in rows
    ]
    gains = [
        f"| {size} | {1e3 * seconds:.0f} | {batch} "
        f"| {whole_gain(rows, seconds, size, batch, same=True):.2f} "
        f"| {whole_gain(rows, seconds, size, batch, same=False):.2f} |"
        for size, seconds in work.items()
        for batch in sorted({r.together for r in rows if (r.image, r.clock) == (size, WORK)})
    ]
    missing = f" The measurement was stopped early: {left} parts of it are missing." if left else ""
    most = ", ".join(f"{value:.2f} at {size}" for size, value in even.items())
    heads = "Task | Image | Together | images | clock | single, ms | together, ms | ratio | spread"
    text = f"""# Computing waiting requests together

Made by `{command}`, with torch {torch.__version__}, {THREADS} threads and
{os.cpu_count()} cores; the load was {os.getloadavg()[0]:.1f} at the end. Both sides run in one
process, taking turns. Times are medians an image, ratios medians over rounds of one after the
other to together, with the lowest and highest: above 1, together is faster. "Same" says whether all
values are equal to the last bit. Wall time is with {THREADS} threads, and means little where other
work has the cores (a load above {THREADS}); processor time is with one thread, and hardly depends
on that.{missing}

| {heads} | rounds | same |
| :-- | :-- | :-- | --: | :-- | --: | --: | --: | --: | --: | :-- |
{chr(10).join(lines)}

What batches make of DeepGaze II's whole prediction, which reads the features of two scales and of
the mirror image, and passes them on to its readouts image by image; in processor time:

| Image | prediction, ms | batch | times as fast, same bits only | times as fast, all |
| :-- | --: | --: | --: | --: |
{chr(10).join(gains)}

One prediction with {THREADS} threads shares its work among them nearly evenly. Another one beside
it can fill only the time that a core waits for the other; at most, it makes both this many times as
fast: {most}. A higher ratio of "{BOTH}"
in the table comes of other work on the machine, from which more threads take more.
"""
    write_whole(out / "README.md", text)


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("results/speed-batching"))
@click.option("--sizes", type=click.Choice(list(SIZES)), multiple=True, help="All by default.")
@click.option("--seconds", default=20.0, show_default=True, help="Of rounds, for each comparison.")
@click.option("--evenness", "even_size", type=click.Choice(list(SIZES)), hidden=True)
def main(out: Path, sizes: tuple[str, ...], seconds: float, even_size: str | None) -> None:
    """Measure computing together beside one after the other; write a table."""
    if even_size:
        click.echo(evenness(even_size))
        return
    sizes = sizes or tuple(SIZES)
    command = shlex.join(["python", "-m", "benchmark.speed_batching", *sys.argv[1:]])
    torch.set_num_threads(1)
    work = {size: prediction_work(size) for size in sizes}
    even = {size: evenness_apart(size) for size in sizes}
    parts: list[tuple[int, Callable[[], list[Comparison]]]] = [
        *((1, partial(batched, size, seconds, clock=WORK)) for size in sizes),
        *((THREADS, partial(concurrent, MODELS[0], size, seconds)) for size in sizes),
        *((THREADS, partial(batched, size, seconds)) for size in sizes),
        *((THREADS, partial(concurrent, n, size, seconds)) for n in MODELS[1:] for size in sizes),
    ]
    rows: list[Comparison] = []
    for n, (threads, part) in enumerate(parts, 1):
        torch.set_num_threads(threads)
        rows += part()
        write(rows, work, even, out, command, left=len(parts) - n)
    click.echo((out / "README.md").read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
