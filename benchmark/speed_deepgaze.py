"""Speed and memory of DeepGaze II at 1024x768: ``python -m benchmark.speed_deepgaze``.

The readout is timed beside the same readout in the order in which it is usually written down, the
backbone beside the best that the machine reaches on each of its convolutions alone. All sides run
in one process, taking turns. Readouts have random weights. Writes ``speed.csv`` and ``README.md``.
"""

from __future__ import annotations

import copy
import ctypes
import math
import multiprocessing
import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import click
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmark.files import write_csv, write_whole
from benchmark.speed import best_of
from models.deepgaze.cache import FeatureCache
from models.deepgaze.features import FeatureMap, FeatureSet, loaded
from models.deepgaze.images import pixel_hash, resized
from models.deepgaze.readout import NONLINEARITIES, Lattice, Readout, ReadoutConfig
from models.deepgaze.recipes import RECIPES

SHAPE = (768, 1024)
#: Both orders are the same function; beyond this difference in log density something is wrong.
TOLERANCE = 1e-4
UPSAMPLED = "upsample first"
BFLOAT16 = "prediction, bfloat16"
SETUPS: dict[str, tuple[tuple[FeatureSet, ...], ReadoutConfig]] = {
    "paper, stride 4": (
        RECIPES["deepgaze2-paper"].features,
        replace(RECIPES["deepgaze2-paper"].readout, stride=4.0),
    ),
    "default": (RECIPES["deepgaze2"].features, RECIPES["deepgaze2"].readout),
}


@dataclass
class Comparison:
    """Best seconds of our side and another, and what else is known of both.

    Attributes:
        difference, mean_difference: absolute, of the log densities in nats; None if not compared.
        peak, other_peak: MiB that the process grew by at most; NaN where it cannot be measured.
        gmacs: multiplications and additions of our side, in thousand millions.
    """

    task: str
    setup: str
    threads: int
    seconds: float
    against: str
    other_seconds: float
    difference: float | None = None
    mean_difference: float | None = None
    peak: float | None = None
    other_peak: float | None = None
    gmacs: float | None = None

    @property
    def row(self) -> dict[str, Any]:
        peaks = self.peak is not None and self.other_peak is not None
        return {
            "task": self.task,
            "setup": self.setup,
            "threads": self.threads,
            "seconds": self.seconds,
            "against": self.against,
            "other_seconds": self.other_seconds,
            "ratio": self.other_seconds / self.seconds,
            "largest_difference": self.difference,
            "mean_difference": self.mean_difference,
            "peak_mib": self.peak,
            "other_peak_mib": self.other_peak,
            "peak_ratio": self.other_peak / self.peak if peaks else None,  # type: ignore[operator]
            "gmac_per_second": None if self.gmacs is None else self.gmacs / self.seconds,
        }


class _Case:
    """A synthetic image, a random readout normalised to its features, and a prior."""

    def __init__(self, setup: str, shape: tuple[int, int]):
        self.features, config = SETUPS[setup]
        self.shape = shape
        self.rgb = picture(shape)
        self.hash = pixel_hash(self.rgb)
        self.lattice = Lattice.of_pixels(*shape)
        down, across = (np.linspace(-2, 2, side) ** 2 / 2 for side in shape)
        self.log_prior = torch.from_numpy(-down[:, None] - across[None, :]).float()
        self.maps = self.extracted()
        self.readout = random_readout(self.maps, config)

    def extracted(self, precision: str = "float32") -> list[FeatureMap]:
        """Features as the model gets them, without a folder that keeps them."""
        cache = FeatureCache(None, precision)
        return [
            feature_map
            for features in self.features
            for feature_map in cache.get(self.hash, lambda: self.rgb, self.shape, features).values()
        ]

    def priority(self) -> Tensor:
        return self.readout.priority(self.maps, *self.shape)

    def upsampled_priority(self) -> Tensor:
        return upsampled_priority(self.readout, self.maps, self.shape)

    def density(self) -> Tensor:
        return self.readout(self.maps, self.lattice, self.log_prior)

    def upsampled_density(self) -> Tensor:
        return upsampled_density(self.readout, self.maps, self.shape, self.log_prior)

    def prediction(self, precision: str = "float32") -> Tensor:
        return self.readout(self.extracted(precision), self.lattice, self.log_prior)

    def upsampled_prediction(self, precision: str = "float32") -> Tensor:
        maps = self.extracted(precision)
        return upsampled_density(self.readout, maps, self.shape, self.log_prior)

    def prediction_in_bfloat16(self) -> Tensor:
        return self.prediction("bfloat16")

    def upsampled_prediction_in_bfloat16(self) -> Tensor:
        return self.upsampled_prediction("bfloat16")


def picture(shape: tuple[int, int], seed: int = 0) -> NDArray[np.uint8]:
    """Colour noise with structure at every scale, (height, width, 3)."""
    generator = torch.Generator().manual_seed(seed)
    total = torch.zeros(1, 3, *shape)
    for cells in (4, 16, 64, min(shape)):
        noise = torch.randn(1, 3, cells, cells, generator=generator)
        total += nn.functional.interpolate(noise, size=shape, mode="bilinear", align_corners=False)
    return (127 + 50 * total[0]).clamp(0, 255).byte().permute(1, 2, 0).contiguous().numpy()


def random_readout(maps: Sequence[FeatureMap], config: ReadoutConfig, seed: int = 0) -> Readout:
    """Random weights that keep the values' scale, after normalisation by these very features."""
    generator = torch.Generator().manual_seed(seed)
    readout = Readout([m.values.shape[2] for m in maps], config)
    flat = [m.values.float().flatten(0, 1) for m in maps]
    with torch.no_grad():
        readout.mean.copy_(torch.cat([values.mean(0) for values in flat]))
        deviations = [values.std(0).clamp(min=0.1 * float(values.std())) for values in flat]
        readout.deviation.copy_(torch.cat(deviations))
        for module in readout.convolutions:
            weight = cast(nn.Linear, module).weight
            scale = math.sqrt(2 / weight.shape[1])
            weight.copy_(scale * torch.randn(weight.shape, generator=generator))
        weight.mul_(2)
    return readout.eval().requires_grad_(False)


def upsampled_priority(
    readout: Readout, maps: Sequence[FeatureMap], shape: tuple[int, int]
) -> Tensor:
    """The readout's priority in the usual order: all features on the readout grid, then convolved.

    Equal to :meth:`Readout.priority` if the stride is whole and cells tile the image: its sides are
    multiples of the stride, and of 64 for VGG-19 at a quarter of the scale.
    """
    stride = int(readout.config.stride)
    size = (shape[0] // stride, shape[1] // stride)
    upsample = partial(nn.functional.interpolate, size=size, mode="bilinear", align_corners=False)
    # contiguous, since torch interpolates a single image in this layout fastest
    coarse = [m.values.float().permute(2, 0, 1)[None].contiguous() for m in maps]
    values = torch.cat([upsample(m) for m in coarse], dim=1)
    values.sub_(readout.mean[:, None, None]).div_(readout.deviation[:, None, None])
    for index, module in enumerate(readout.convolutions):
        convolution = cast(nn.Linear, module)
        if index:
            values = NONLINEARITIES[readout.config.nonlinearity](values)
        weight = convolution.weight[:, :, None, None]
        values = nn.functional.conv2d(values, weight, convolution.bias)
    return values[0, 0]


def upsampled_density(
    readout: Readout, maps: Sequence[FeatureMap], shape: tuple[int, int], log_prior: Tensor
) -> Tensor:
    """Priority in the usual order, then Gaussian, prior and softmax as operations on pixels."""
    values = upsampled_priority(readout, maps, shape)
    sigma, stride = float(readout.log_blur.exp()), int(readout.config.stride)
    for _ in range(2):  # across, then down
        values = _blurred(values, sigma, stride).T.contiguous()
    values = values + readout.prior_weight * log_prior
    return values.flatten().log_softmax(0).view(shape)


def _blurred(values: Tensor, sigma: float, stride: int) -> Tensor:
    """Gaussian-weighted means at every pixel of cells ``stride`` pixels wide, along the rows."""
    around = math.ceil(6 * sigma)
    middle = around + (stride - 1) / 2
    kernel = torch.exp(-0.5 * ((torch.arange(2 * around + stride) - middle) / sigma) ** 2)

    def convolved(cells: Tensor) -> Tensor:
        pixels = cells.new_zeros(*cells.shape, stride)
        pixels[..., 0] = cells
        padded = nn.functional.pad(pixels.flatten(1), (around + stride - 1, around))
        return nn.functional.conv2d(padded[None, None], kernel[None, None, None])[0, 0]

    return convolved(values) / convolved(torch.ones_like(values[:1]))


def _agree(case: str, one: Tensor, other: Tensor) -> tuple[float, float]:
    difference = (one - other).abs()
    largest = float(difference.max())
    if not largest < TOLERANCE:
        raise click.ClickException(
            f"{case}: the two orders differ by {largest:.2g} in log density, expected less than "
            f"{TOLERANCE:g}; one of them computes another function."
        )
    return largest, float(difference.mean())


def readouts(
    setup: str, shape: tuple[int, int], rounds: int, peaks: dict[str, float]
) -> tuple[list[Comparison], float]:
    """Readout and whole prediction in both orders and precisions; the span of the log density.

    Args:
        peaks: MiB by the name of the method of a case that they were measured on.
    """
    case, threads = _Case(setup, shape), torch.get_num_threads()
    comparisons = []
    names = [name for pair in _PAIRS.values() for name in pair]
    functions = [getattr(case, name) for name in names]
    best, values = best_of(functions, rounds)
    seconds, found = dict(zip(names, best)), dict(zip(names, values))
    for task, (ours, other) in _PAIRS.items():
        comparison = Comparison(
            task=task,
            setup=setup,
            threads=threads,
            seconds=seconds[ours],
            against=UPSAMPLED,
            other_seconds=seconds[other],
            peak=peaks.get(ours),
            other_peak=peaks.get(other),
        )
        if task != "priority":  # only log densities are compared
            differences = _agree(f"{task}, {setup}", found[ours], found[other])
            comparison.difference, comparison.mean_difference = differences
        comparisons.append(comparison)
    coarse, _ = _PAIRS[BFLOAT16]
    difference = (found["prediction"] - found[coarse]).abs()
    comparisons.append(
        Comparison(
            task="prediction",
            setup=setup,
            threads=threads,
            seconds=seconds["prediction"],
            against="bfloat16",
            other_seconds=seconds[coarse],
            difference=float(difference.max()),
            mean_difference=float(difference.mean()),
        )
    )
    return comparisons, float(found["density"].max() - found["density"].min())


_PAIRS = {
    "priority": ("priority", "upsampled_priority"),
    "readout": ("density", "upsampled_density"),
    "prediction": ("prediction", "upsampled_prediction"),
    BFLOAT16: ("prediction_in_bfloat16", "upsampled_prediction_in_bfloat16"),
}


def peak(setup: str, shape: tuple[int, int], name: str) -> float:
    """MiB that the process grows by while it runs one method of a case; NaN if not on Linux.

    Reliable in a new process only: freed memory that is used again does not count.
    """
    with torch.inference_mode():
        case = _Case(setup, shape)
        try:
            ctypes.CDLL(None).malloc_trim(0)
            Path("/proc/self/clear_refs").write_text("5")  # the highest mark becomes the present
            before = _status("VmRSS")
            getattr(case, name)()
            return (_status("VmHWM") - before) / 1024
        except (AttributeError, OSError, TypeError):
            return math.nan


def _status(key: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{key}:"))


def peaks(setup: str, shape: tuple[int, int]) -> dict[str, float]:
    """:func:`peak` of readout and prediction in both orders, each in a new process."""
    context = multiprocessing.get_context("spawn")
    found = {}
    for name in (*_PAIRS["readout"], *_PAIRS["prediction"]):
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            found[name] = pool.submit(peak, setup, shape, name).result()
    return found


@dataclass(frozen=True)
class _Convolution:
    """A convolution of VGG-19 and the number of times that its shape occurs."""

    weight: Tensor
    bias: Tensor
    height: int
    width: int
    count: int

    @property
    def gmacs(self) -> float:
        return self.weight.numel() * self.height * self.width / 1e9

    def run(self, layout: torch.memory_format) -> Callable[[], Tensor]:
        values = torch.rand(1, self.weight.shape[1], self.height, self.width)
        values = values.contiguous(memory_format=layout)
        weight = self.weight.contiguous(memory_format=layout)
        return lambda: nn.functional.conv2d(values, weight, self.bias, padding=1)

    def __str__(self) -> str:
        outputs, inputs = self.weight.shape[:2]
        return f"{self.count} x {inputs} to {outputs} at {self.width}x{self.height}"


def _convolutions(network: Any, shape: Sequence[int]) -> list[_Convolution]:
    """Distinct shapes, in the order of the network, for an input of (height, width)."""
    found: dict[tuple[int, ...], _Convolution] = {}
    for name, convolution in network.convolutions.items():
        height, width = (side >> (int(name[0]) - 1) for side in shape)
        key = (*convolution.weight.shape[:2], height)
        count = found[key].count + 1 if key in found else 1
        found[key] = _Convolution(convolution.weight, convolution.bias, height, width, count)
    return list(found.values())


def backbone(shape: tuple[int, int], rounds: int, compiled: bool) -> list[Comparison]:
    """VGG-19 as it is run, at half the size of the image, beside other ways and its parts.

    Raises:
        ClickException: torch.compile was asked for and failed.
    """
    features, threads = FeatureSet(), torch.get_num_threads()
    network: Any = loaded(features.backbone)
    image = resized(picture(shape), features.scale)
    plain = copy.deepcopy(network).to(memory_format=torch.contiguous_format)
    setup = f"{image.shape[2]}x{image.shape[1]}"
    functions: dict[str, Callable[[], Any]] = {
        "ours": lambda: network(image, features.layers),
        "contiguous": lambda: plain.maps(plain.preprocess(image[None]), features.layers),
        "bfloat16": lambda: loaded(features.backbone, "bfloat16")(image, features.layers),
    }
    if compiled:
        functions["torch.compile"] = _compiled(network, image, features.layers)
    parts = _convolutions(network, image.shape[1:])
    layouts = (torch.channels_last, torch.contiguous_format)
    alone = [part.run(layout) for part in parts for layout in layouts]
    best, _ = best_of([*functions.values(), *alone], rounds)
    seconds = dict(zip(functions, best))
    ours, pairs = seconds.pop("ours"), np.reshape(best[len(functions) :], (-1, 2))
    gmacs = sum(part.count * part.gmacs for part in parts)
    seconds = {
        "its convolutions alone": sum(
            part.count * float(min(pair)) for part, pair in zip(parts, pairs)
        ),
        **seconds,
    }
    comparisons = [
        Comparison("backbone", setup, threads, ours, against, other, gmacs=gmacs)
        for against, other in seconds.items()
    ]
    for part, (last, first) in zip(parts, pairs.tolist()):
        comparisons.append(
            Comparison(
                "convolution", str(part), threads, last, "contiguous", first, gmacs=part.gmacs
            )
        )
    return comparisons


def _compiled(network: Any, image: Tensor, layers: Sequence[str]) -> Callable[[], Any]:
    maps = torch.compile(lambda pixels: network.maps(pixels, layers))

    def run() -> Any:
        pixels = network.preprocess(image[None])
        return maps(pixels.contiguous(memory_format=torch.channels_last))

    try:
        run()
    except Exception as error:  # compilers fail in many ways
        raise click.ClickException(
            f"torch.compile does not work on this machine ({type(error).__name__}: "
            f"{str(error).splitlines()[0]}). Leave out --compile."
        ) from error
    return run


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("results/speed-deepgaze"))
@click.option("--rounds", type=click.IntRange(min=1), default=7, show_default=True)
@click.option("--compile", "compiled", is_flag=True, help="Time torch.compile too; it is slow.")
def main(out: Path, rounds: int, compiled: bool) -> None:
    """Time readout and backbone of DeepGaze II, measure their memory; write a table."""
    write(out, SHAPE, rounds, compiled)
    click.echo((out / "README.md").read_text(encoding="utf-8"))


def write(
    out: Path,
    shape: tuple[int, int],
    rounds: int,
    compiled: bool = False,
    measure: Callable[[str, tuple[int, int]], dict[str, float]] = peaks,
    counts: Sequence[int] | None = None,
) -> None:
    """Measure everything on an image (height, width) and write it.

    Args:
        counts: of threads; None for one, and torch's default.
    """
    memory = {setup: measure(setup, shape) for setup in SETUPS}
    comparisons, spans = [], {}
    available = torch.get_num_threads()
    try:
        for threads in counts or sorted({1, available}):
            torch.set_num_threads(threads)
            with torch.inference_mode():
                for setup in SETUPS:
                    found, spans[setup] = readouts(setup, shape, rounds, memory[setup])
                    comparisons += found
                comparisons += backbone(shape, rounds, compiled)
    finally:
        torch.set_num_threads(available)
    frame = pd.DataFrame([comparison.row for comparison in comparisons])
    write_csv(frame, out / "speed.csv", list(frame.columns))
    write_whole(out / "README.md", _readme(frame, shape, spans))


def _table(frame: pd.DataFrame, columns: dict[str, Callable[[pd.Series], str]]) -> str:
    texts = [[text(row) for text in columns.values()] for _, row in frame.iterrows()]
    rule = [":--" if name in ("Task", "Setup", "against", "Shape") else "--:" for name in columns]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [list(columns), rule, *texts])


def _number(column: str, form: str, scale: float = 1.0) -> Callable[[pd.Series], str]:
    def written(row: pd.Series) -> str:
        return "" if pd.isna(row[column]) else format(row[column] * scale, form)

    return written


def _readme(frame: pd.DataFrame, shape: tuple[int, int], spans: dict[str, float]) -> str:
    threads, seconds = _number("threads", ".0f"), _number("seconds", ".1f", 1e3)
    other, ratio = _number("other_seconds", ".1f", 1e3), _number("ratio", ".2f")
    numbers = {"threads": threads, "ours, ms": seconds, "other, ms": other, "ratio": ratio}
    reached = {"ours, GMAC/s": _number("gmac_per_second", ".0f")}
    whole = _table(
        frame[frame.task.isin([*_PAIRS])],
        {
            "Task": lambda row: row["task"],
            "Setup": lambda row: row["setup"],
            "against": lambda row: row["against"],
            **numbers,
            "largest difference": _number("largest_difference", ".0e"),
            "mean": _number("mean_difference", ".0e"),
            "ours, MiB": _number("peak_mib", ".0f"),
            "other, MiB": _number("other_peak_mib", ".0f"),
            "ratio of memory": _number("peak_ratio", ".1f"),
        },
    )
    backbones = _table(
        frame[frame.task == "backbone"],
        {"against": lambda row: row["against"], **numbers, **reached},
    )
    parts = _table(
        frame[frame.task == "convolution"],
        {
            "Shape": lambda row: row["setup"],
            "threads": threads,
            "channels last, ms": seconds,
            "contiguous, ms": other,
            "ratio": ratio,
            "channels last, GMAC/s": reached["ours, GMAC/s"],
        },
    )
    setups = "\n".join(
        f'- "{name}": {sum(len(f.layers) for f in features)} feature maps of '
        f"{', '.join(f'{f.backbone} at scale {f.scale:g}' for f in features)}; convolutions "
        f"{config.widths} on a grid of {config.stride:g} px. The log density spans "
        f"{spans[name]:.0f} nats."
        for name, (features, config) in SETUPS.items()
    )
    gmacs = frame[frame.task == "backbone"].eval("gmac_per_second * seconds").iloc[0]
    default = "threads" if torch.get_num_threads() > 1 else "thread"
    return f"""# Speed of DeepGaze II

Made by `python -m benchmark.speed_deepgaze` (or `make bench`) with torch {torch.__version__} on
{torch.backends.cpu.get_cpu_capability()}, {os.cpu_count()} cores, {sys.platform}; torch's default
is {torch.get_num_threads()} {default}. All sides run in one process, taking turns; times are the
best of all rounds, and only their ratio carries over to other machines. A ratio above 1 says that
the other side takes longer, or more memory. The image has {shape[1]}x{shape[0]} pixels; weights of
the readouts are random.

## Readout and prediction

{whole}

{setups}

"Upsample first" is the order in which the readout is usually written down: every feature map is
interpolated to the readout grid, all are concatenated, normalised and convolved; the result is
convolved with a Gaussian at full resolution, along one axis after the other. Ours convolves before
it interpolates, and interpolates and blurs with one matrix an axis. The priority is the map that
the convolutions give, before the Gaussian; the readout goes from features to log density; the
prediction from the image to log density, for one readout and without the mirrored view; in
bfloat16, it is VGG-19's convolutions that are, in both orders.

Differences are of the log densities, in nats; in both orders they have to be below {TOLERANCE:g}.
Memory is what a new process grows by at most, above what it holds with network, features and
readout ready; it is measured with torch's default threads.

## Backbone

VGG-19 up to relu5_4, at half the size of the image, {gmacs:.1f} GMAC:

{backbones}

"Its convolutions alone" is the sum of the best times of its convolutions, each alone and in the
faster memory layout: the ratio is the share of the machine's best that the network reaches.
"Contiguous" is the network in that layout, where ours is in channels-last.

Each shape of convolution, alone:

{parts}
"""


if __name__ == "__main__":
    main()
