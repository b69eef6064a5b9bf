"""Speed of saliency maps and of making them densities: ``python -m benchmark.speed_maps``.

Times every registered model with a saliency map on one image of 1024x768 pixels on one core, and
the fit that makes such maps densities for a whole data set. Writes ``speed.csv`` and ``README.md``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd
from skimage.data import coffee
from skimage.transform import resize
from threadpoolctl import threadpool_limits

from benchmark import registry
from benchmark.datasets.base import Dataset, training_data
from benchmark.datasets.locate import load
from benchmark.errors import DataError
from benchmark.files import write_csv, write_whole
from benchmark.speed import best_of
from models import map_cache
from models.centerbias import CenterBias
from models.saliency_map import DRAWN, SaliencyMap

SHAPE = (768, 1024)
#: The model whose maps are made densities: the fit itself takes all models the same time.
FITTED = "image-signature"


def map_models() -> dict[str, type[SaliencyMap]]:
    """The registered models with a saliency map, by name."""
    kinds = {
        name: entry.load()
        for name, entry in registry.models().items()
        if not entry.metadata.get("installed")
    }
    return {n: k for n, k in kinds.items() if isinstance(k, type) and issubclass(k, SaliencyMap)}


def map_times(rounds: int, shape: tuple[int, int] = SHAPE) -> pd.DataFrame:
    """Best seconds a map of a photograph, resized to ``shape``, by model."""
    photograph = resize(coffee(), shape, anti_aliasing=True)
    rgb = np.round(255 * photograph).astype(np.uint8)
    models = {name: kind() for name, kind in map_models().items()}
    calls: list[Callable[[], Any]] = [partial(model.map_of, rgb) for model in models.values()]
    seconds, _ = best_of(calls, rounds)
    return pd.DataFrame({"model": list(models), "seconds": seconds})


def fit_seconds(dataset: Dataset) -> float:
    """Seconds that the fit takes, the maps being made and the centre bias fitted."""
    data = training_data(dataset)
    centerbias = CenterBias.fit(data)
    kind = map_models()[FITTED]
    kind.fit(data, centerbias)  # makes the maps, which are kept
    began = time.perf_counter()
    kind.fit(data, centerbias)
    return time.perf_counter() - began


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("results/speed-maps"))
@click.option("--data-root", type=click.Path(path_type=Path))
@click.option("--rounds", type=click.IntRange(min=1), default=5, show_default=True)
def main(out: Path, data_root: Path | None, rounds: int) -> None:
    """Time models with a saliency map, and the fit of a density to them; write a table."""
    try:
        dataset = load("mit1003", data_root)
    except DataError:  # not on this machine
        dataset = load("photographs")
    with threadpool_limits(1):
        frame = map_times(rounds)
        map_cache.KEPT_BYTES = 2**31  # all that the fit needs
        fit = fit_seconds(dataset)
    write_csv(frame, out / "speed.csv", list(frame.columns))
    rows = "\n".join(f"| {row.model} | {1e3 * row.seconds:.0f} |" for row in frame.itertuples())
    write_whole(
        out / "README.md",
        f"""# Speed of saliency maps

Made by `python -m benchmark.speed_maps` (or `make bench`), in one process on one core: the best
time of a map of one photograph of {SHAPE[1]}x{SHAPE[0]} pixels.

| Model | ms |
| :-- | --: |
{rows}

Making maps densities takes {fit:.0f} s for {dataset.spec.title} ({len(dataset)} images, of which
{min(DRAWN, len(dataset))} are fitted on; five folds and all), beside the time of their maps.
""",
    )
    click.echo((out / "README.md").read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
