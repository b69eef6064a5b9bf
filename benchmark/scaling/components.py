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
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
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
#: Seconds from which on a part is measured once.
LONG = 5.0
#: Fixations on an image, where only their total matters.
PER_IMAGE = 100
#: Observers, and fixations of each on an image, where fits are measured.
OBSERVERS, PER_OBSERVER = 15, 10
_STORE_KEYS = {model: 64 * str(number) for number, model in enumerate(MODELS)}
#: What a part does with n things, once it is made ready.
Prepared = Callable[[], Any]
Part = Callable[[int, Path], Prepared]
Task = tuple[Part, int]


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
    from benchmark.run import _collect

    images = n // (len(MODELS) * len(METRICS))
    evaluation: Any = SimpleNamespace(images=range(images), variants=dict.fromkeys(METRICS))
    store = _store(n, folder)
    return lambda: _collect(evaluation, MODELS, _STORE_KEYS, store)


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


def checking_the_store(n: int, folder: Path) -> Prepared:
    """The check of every checksum in a store of n scores, once each time that a run begins."""
    from benchmark.store import Store

    with closing(_store(n, folder)):
        pass
    return lambda: Store(folder / "scores.sqlite").close()


def fitting_centerbias(n: int, folder: Path) -> Prepared:
    """The fit of the centre bias."""
    from models.centerbias import CenterBias

    CenterBias.fit(_training_data(2000))  # compiled now
    data = _training_data(n)
    return lambda: CenterBias.fit(data)


def fitting_gold(n: int, folder: Path) -> Prepared:
    """The fit of the gold standard, the centre bias being there."""
    from models.centerbias import CenterBias
    from models.gold_standard import GoldStandard

    def fit(data: Any) -> Any:
        return lambda: GoldStandard.fit(data, CenterBias(data, 0.05, 0.1))

    fit(_training_data(2000))()  # compiled now
    return fit(_training_data(n))


#: Parts with what they grow with, and the numbers that are tried, in full and quickly.
PARTS: dict[Part, tuple[str, tuple[int, ...], tuple[int, ...]]] = {
    comparing_images: ("images", (1000, 2000, 4000, 8000, 16000), (250, 500)),
    listing_images: ("images", (2000, 8000, 32000), (250, 500)),
    reading_fixations: ("fixations", (10_000, 40_000, 160_000), (2000, 4000)),
    collecting_scores: ("scores", (16_000, 64_000, 256_000), (1600, 3200)),
    drawing_images: ("images", (8000, 16_000, 32_000), (250, 500)),
    statistics: ("scores", (16_000, 64_000, 256_000), (1600, 3200)),
    checking_the_store: ("scores", (16_000, 64_000, 256_000), (1600, 3200)),
    writing_scores: ("scores", (16_000, 64_000, 256_000), (1600, 3200)),
    fitting_centerbias: ("fixations", (75_000, 150_000, 300_000, 600_000), (3000, 6000)),
    fitting_gold: ("fixations", (75_000, 150_000, 300_000, 600_000), (3000, 6000)),
    preparing: ("fixations", (100_000, 400_000, 1_600_000), (10_000, 20_000)),
    shuffled_auc: ("fixations", (100_000, 400_000, 1_600_000), (10_000, 20_000)),
    centre_bias: ("fixations", (100_000, 400_000, 1_600_000), (10_000, 20_000)),
}


def tasks(quick: bool = False) -> list[Task]:
    """Every part with every number that it is tried with."""
    return [(part, n) for part, (_, full, few) in PARTS.items() for n in (few if quick else full)]


def missing(table: pd.DataFrame, quick: bool = False) -> list[Task]:
    """The tasks that a table lacks."""
    known = set(zip(table["part"], table["n"]))
    return [(part, n) for part, n in tasks(quick) if (name_of(part), n) not in known]


def in_order(table: pd.DataFrame, quick: bool = False) -> pd.DataFrame:
    """The rows of the tasks in a table, in their order."""
    places = {(name_of(part), n): place for place, (part, n) in enumerate(tasks(quick))}
    order = [places.get(key, -1) for key in zip(table["part"], table["n"])]
    rows = table.assign(order=order).query("order >= 0").sort_values("order")
    return rows.drop(columns="order").reset_index(drop=True)


def measured(wanted: Sequence[Task], quick: bool = False) -> Iterator[pd.DataFrame]:
    """A row a task: the least seconds and bytes of two, of one where it is long."""
    for part, n in wanted:
        taken = [_forked(part, n)]
        if not quick and taken[0][0] < LONG:
            taken.append(_forked(part, n))
        seconds, memory = (min(values) for values in zip(*taken))
        row = (name_of(part), PARTS[part][0], n, seconds, memory)
        yield pd.DataFrame([row], columns=COLUMNS)


def name_of(part: Part) -> str:
    """A part's name in the tables."""
    return part.__name__.replace("_", " ")


def _forked(part: Part, n: int) -> tuple[float, int]:
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


def _tell(part: Part, n: int, pipe: Any) -> None:
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


@dataclass(frozen=True)
class _Unseen:
    """Stimuli of which only the sizes are known."""

    sizes: list[tuple[int, int]]

    def __len__(self) -> int:
        return len(self.sizes)


def _store(n: int, folder: Path) -> Any:
    """A store of n scores, opened again once they are in it."""
    from benchmark.evaluate import Score
    from benchmark.store import Store

    images = n // (len(MODELS) * len(METRICS))
    values = np.random.default_rng(0).random((images, len(MODELS), len(METRICS)))
    with closing(Store(folder / "scores.sqlite")) as store:
        store.add(
            _STORE_KEYS,
            (
                Score(model, image, metric, float(values[image, m, k]), PER_IMAGE)
                for image in range(images)
                for m, model in enumerate(MODELS)
                for k, metric in enumerate(METRICS)
            ),
        )
    return Store(folder / "scores.sqlite")


def _training_data(n_fixations: int) -> Any:
    """Fixations of all observers on as many images as they fill, around the centre."""
    from benchmark.datasets.base import training_data

    each = OBSERVERS * PER_OBSERVER
    dataset = _dataset(n_fixations, n_fixations // each)
    rng, fixations = np.random.default_rng(1), dataset.fixations
    for axis, side in (("x", SHAPE[1]), ("y", SHAPE[0])):
        places = np.clip(rng.normal(0.5, 0.2, n_fixations), 0.01, 0.99) * (side - 1)
        setattr(fixations, axis, places)
        setattr(fixations, f"{axis}_int", places.astype(int))
    fixations.subjects = np.arange(n_fixations) // PER_OBSERVER % OBSERVERS
    return training_data(dataset)


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
    stimuli: Any = _Unseen([SHAPE] * images)
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
    few = "--quick" in sys.argv
    pd.concat(measured(tasks(few), few)).to_csv(sys.stdout, index=False)
