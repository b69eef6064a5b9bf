"""Parts of a run alone, on many more things than a whole run could be tried with.

Each part runs in a process forked for it, and its memory is the kernel's record of that process's
peak less what it had before. ``python -m benchmark.scaling.components`` prints the table.
"""

from __future__ import annotations

import gc
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

COLUMNS = ["part", "unit", "n", "seconds", "bytes"]
METRICS = ("LL", "IG", "AUC", "sAUC", "NSS", "CC", "KL", "SIM")
MODELS = ("uniform", "centerbias", "gold", "blur")
DRAWS = 1000
#: Images whose scores are resampled for more or fewer models.
RESAMPLED = 200
SHAPE = (120, 160)
#: Fixations on an image, where only their total matters.
PER_IMAGE = 100
#: What a part does with n things, once it is made ready.
Prepared = Callable[[], Any]


def comparing_images(n: int, folder: Path) -> Prepared:
    """Which images look the same, the images being 16x16 pixels: no file is read."""
    from pysaliency import Stimuli

    dataset = _dataset(0, n)
    rng = np.random.default_rng(0)
    dataset.stimuli = Stimuli(list(rng.integers(0, 256, (n, 16, 16), dtype=np.uint8)))
    return lambda: dataset.groups


def reading_fixations(n: int, folder: Path) -> Prepared:
    """Reading a folder of 20 images and n fixations, and making scanpaths of ten of them."""
    from benchmark.datasets import folder as layout
    from benchmark.scaling.workload import Workload

    Workload(20, subjects=n // 200, per_trial=10).write(folder)
    return lambda: layout.load(folder, layout.path_spec(folder))


def listing_images(n: int, folder: Path) -> Prepared:
    """Finding n images, their sizes, and what they may be called."""
    from PIL import Image

    from benchmark.datasets import folder as layout

    Image.new("L", (16, 16)).save(folder / "image0000000.png")
    for number in range(1, n):
        (folder / f"image{number:07d}.png").symlink_to(folder / "image0000000.png")
    (folder / "fixations.csv").write_text("image,subject,x,y\nimage0000000.png,a,1,1\n")
    return lambda: layout.load(folder, layout.path_spec(folder))


def collecting_scores(n: int, folder: Path) -> Prepared:
    """Reading n scores from the store into one table."""
    from benchmark.evaluate import Score
    from benchmark.run import _collect
    from benchmark.store import Store

    images = n // (len(MODELS) * len(METRICS))
    keys = {model: 64 * str(number) for number, model in enumerate(MODELS)}
    evaluation: Any = SimpleNamespace(images=range(images), variants=dict.fromkeys(METRICS))
    values = np.random.default_rng(0).random((images, len(MODELS), len(METRICS)))
    with closing(Store(folder / "scores.sqlite")) as store:
        store.add(
            keys,
            (
                Score(model, image, metric, float(values[image, m, k]), PER_IMAGE)
                for image in range(images)
                for m, model in enumerate(MODELS)
                for k, metric in enumerate(METRICS)
            ),
        )
    store = Store(folder / "scores.sqlite")
    return lambda: _collect(evaluation, MODELS, keys, store)


def statistics(n: int, folder: Path) -> Prepared:
    """Means, intervals and differences of n scores of more or fewer models, on few images."""
    from benchmark.scores import differences, summarise

    models = [f"model{number}" for number in range(n // (RESAMPLED * len(METRICS)))]
    scores, higher = _scores(n, models), dict.fromkeys(METRICS, True)

    def compute() -> None:
        summarise(scores, {}, DRAWS)
        differences(scores, models, higher, DRAWS)

    return compute


def drawing_images(n: int, folder: Path) -> Prepared:
    """Drawing n images with replacement, and the mean of one column in each draw."""
    from benchmark.scores import Bootstrap, Column

    column = Column(np.random.default_rng(0).random(n), np.ones(n))
    return lambda: Bootstrap(n, DRAWS).means([column])


def writing_scores(n: int, folder: Path) -> Prepared:
    """Writing n scores with the names of their images, and reading them again for the report."""
    from benchmark.files import read_csv, write_csv_pieces
    from benchmark.run import _named

    scores = _scores(n)
    dataset = _dataset(0, int(scores["image"].max()) + 1)
    texts = ["dataset", "image", "model", "metric", "protocol"]
    numbers = ["value", "n_fixations"]

    def compute() -> None:
        labels = {"dataset": "noise", "protocol": "tuebingen"}
        named = _named(scores, dataset, labels, dict.fromkeys(METRICS, "bit"))
        write_csv_pieces(named, folder / "scores.csv", [*texts, *numbers, "unit"])
        read_csv(folder / "scores.csv", texts, numbers)

    return compute


def preparing(n: int, folder: Path) -> Prepared:
    """Finding the fixations of all other images for one image: once an image."""
    evaluation = _evaluation(n)
    evaluation._fixations_of  # noqa: B018 - sorted once a run
    return lambda: evaluation.target(0)


def shuffled_auc(n: int, folder: Path) -> Prepared:
    """The shuffled AUC of one model on one image."""
    from benchmark import registry
    from metrics.protocols import MAP_SETS

    target, _ = _evaluation(n).target(0)
    density = np.random.default_rng(1).random(SHAPE)
    density /= density.sum()
    flat = np.full(SHAPE, -np.log(density.size))
    maps = MAP_SETS["right"](density, np.log(density), flat, lambda: flat, target)
    variant = registry.protocols()["tuebingen"].load()()["sAUC"]
    variant(target, maps)  # compiled now
    return lambda: variant(target, maps)


def centre_bias(n: int, folder: Path) -> Prepared:
    """The centre bias of one image, without the image's own fixations."""
    from benchmark.datasets.base import training_data
    from models.centerbias import CenterBias

    dataset = _dataset(n, n // PER_IMAGE)
    model = CenterBias(training_data(dataset), 0.05, 0.1)
    model.log_density_without(SHAPE, 1)  # its kernels are kept
    return lambda: model.log_density_without(SHAPE, 0)


#: Parts with what they grow with, and the numbers that are tried, in full and quickly.
PARTS: dict[Callable[[int, Path], Prepared], tuple[str, tuple[int, ...], tuple[int, ...]]] = {
    comparing_images: ("images", (1000, 2000, 4000, 8000, 16000), (250, 500)),
    listing_images: ("images", (2000, 8000, 32000), (250, 500)),
    reading_fixations: ("fixations", (10_000, 40_000, 160_000), (2000, 4000)),
    collecting_scores: ("scores", (16_000, 64_000, 256_000), (1600, 3200)),
    drawing_images: ("images", (8000, 16_000, 32_000), (250, 500)),
    statistics: ("scores", (16_000, 64_000, 256_000), (1600, 3200)),
    writing_scores: ("scores", (16_000, 64_000, 256_000), (1600, 3200)),
    preparing: ("fixations", (100_000, 400_000, 1_600_000), (10_000, 20_000)),
    shuffled_auc: ("fixations", (100_000, 400_000, 1_600_000), (10_000, 20_000)),
    centre_bias: ("fixations", (100_000, 400_000, 1_600_000), (10_000, 20_000)),
}


def measure_parts(quick: bool = False, repeats: int = 2) -> pd.DataFrame:
    """Least seconds and bytes of each part and number."""
    rows = []
    for part, (unit, full, few) in PARTS.items():
        for n in few if quick else full:
            taken = [_forked(part, n) for _ in range(1 if quick else repeats)]
            seconds, memory = (min(values) for values in zip(*taken))
            rows.append((part.__name__.replace("_", " "), unit, n, seconds, memory))
    return pd.DataFrame(rows, columns=COLUMNS)


def _forked(part: Callable[[int, Path], Prepared], n: int) -> tuple[float, int]:
    """Seconds and bytes, told by a process that does nothing else."""
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_tell, args=(part, n, there))
    process.start()
    there.close()
    try:
        return here.recv()  # type: ignore[no-any-return]
    finally:
        process.join()


def _tell(part: Callable[[int, Path], Prepared], n: int, pipe: Any) -> None:
    with tempfile.TemporaryDirectory(prefix="scaling-") as folder:
        compute = part(n, Path(folder))
        gc.collect()
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        before, began = _status("VmRSS"), time.perf_counter()
        kept = compute()
        seconds = time.perf_counter() - began
        pipe.send((seconds, max(0, _status("VmHWM") - before)))
        del kept


def _status(key: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return 1024 * int(line.split()[1])
    return 0


def _scores(n: int, models: Sequence[str] = MODELS) -> pd.DataFrame:
    each = len(models) * len(METRICS)
    images = n // each
    return pd.DataFrame(
        {
            "image": np.tile(np.repeat(np.arange(images), len(METRICS)), len(models)),
            "model": np.repeat(np.array(models, dtype=object), images * len(METRICS)),
            "metric": np.tile(np.array(METRICS, dtype=object), images * len(models)),
            "value": np.random.default_rng(0).random(images * each),
            "n_fixations": np.full(images * each, PER_IMAGE),
        }
    )


def _dataset(n_fixations: int, images: int) -> Any:
    """A data set whose images are not looked at, all different."""
    from benchmark.datasets.base import Dataset
    from benchmark.datasets.folder import path_spec

    rng = np.random.default_rng(0)
    x, y = (rng.integers(0, side, n_fixations).astype(float) for side in SHAPE[::-1])
    fixations: Any = SimpleNamespace(
        x=x,
        y=y,
        x_int=x.astype(int),
        y_int=y.astype(int),
        n=np.repeat(np.arange(images), -(-n_fixations // images))[:n_fixations],
        subjects=np.zeros(n_fixations, dtype=int),
    )
    stimuli: Any = SimpleNamespace(sizes=[SHAPE] * images)
    names = [f"image{number:07d}.png" for number in range(images)]
    dataset = Dataset(path_spec(Path("noise")), stimuli, fixations, names, ["a"])
    if n_fixations:
        dataset.groups = np.arange(images)
    dataset.image_hashes = ("0" * 64,) * images
    return dataset


def _evaluation(n: int) -> Any:
    from benchmark.evaluate import Evaluation

    dataset = _dataset(n, n // PER_IMAGE)
    return Evaluation(dataset, {}, None, {}, range(len(dataset)))


if __name__ == "__main__":
    import benchmark.run  # noqa: F401 - once, for all parts
    from benchmark import registry

    registry.protocols()
    measure_parts("--quick" in sys.argv).to_csv(sys.stdout, index=False)
