"""Which images to show: those that a model explains best and worst, or gains most on."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from benchmark.errors import BenchmarkError
from benchmark.report.results import GOLD, Results

#: Images on which the gold standard gains less than this share of its mean are not chosen by the
#: share that is explained of it: the ratio of two small numbers says little.
LEAST_SHARE = 0.25
#: Figures, and what each takes.
FIGURES = {
    "fig5-best-explained": "images with scores of a gold standard and of a model",
    "fig6-worst-explained": "images with scores of a gold standard and of a model",
    "fig8-gains-most": "images with scores of two models",
    "fig9-loses-most": "images with scores of two models",
}


@dataclass(frozen=True)
class Choice:
    """Images to show in one figure, the most telling first.

    Attributes:
        name: of the figure's file. title: what the images have in common.
        models: names of the models to show, in order.
    """

    name: str
    title: str
    images: tuple[str, ...]
    models: tuple[str, ...]


def leading_model(results: Results, name: str | None = None) -> str:
    """The model that figures are about: the one named, else DeepGaze II, else the best one.

    Raises:
        BenchmarkError: it was not scored, or there is no model.
    """
    scored = [model.name for model in results.models if model.kind == "model"]
    if name is not None and name not in scored:
        raise BenchmarkError(
            f"{results.folder} has no scores of a model {name!r}. It has: {', '.join(scored)}."
        )
    if not scored:
        raise BenchmarkError(f"{results.folder} has scores of baselines and ceilings only.")
    return name or ("deepgaze2" if "deepgaze2" in scored else scored[-1])


def contrasted_model(results: Results, leading: str, name: str | None = None) -> str | None:
    """The model it is compared with: the one named, else DeepGaze I, ICF, or another one."""
    if name is not None:
        return leading_model(results, name)
    scored = [m.name for m in results.models if m.kind == "model" and m.name != leading]
    preferred = [each for each in ("deepgaze1", "icf") if each in scored]
    return next(iter([*preferred, *scored]), None)


def choices(results: Results, leading: str, other: str | None, count: int) -> list[Choice]:
    """The paper's Fig. 5, 6, 8 and 9; without another model, or a gold standard that gains
    information, fewer.

    A figure shows images on which all its models have a score; one without images is left out.

    Args:
        count: images in each.

    Raises:
        BenchmarkError: the leading model has no information gain.
    """
    gains = results.per_image("IG")
    titles = {model.name: model.title for model in results.models}
    if leading not in gains or gains[leading].isna().all():
        raise BenchmarkError(
            f"{results.folder} has no information gain (IG) of {titles[leading]}, by which images "
            "are chosen and panels are drawn: run with the metric IG."
        )
    gains = gains.loc[:, gains.notna().any()]
    other = None if other == leading else other
    shown = [name for name in (GOLD, leading, other) if name is not None and name in gains]
    gains = gains[shown].dropna()
    found: dict[str, tuple[str, list[str]]] = {}
    title = titles[leading]
    if GOLD in shown and results.explained(leading).defined:
        least = max(0.0, LEAST_SHARE * gains[GOLD].mean())
        enough = gains[(gains[GOLD] >= least) & (gains[GOLD] > 0)]
        share = _sorted(enough[leading] / enough[GOLD])
        found["fig5-best-explained"] = f"Images that {title} explains best", share[-count:][::-1]
        found["fig6-worst-explained"] = f"Images that {title} explains worst", share[:count]
    if other in shown:
        ahead = _sorted(gains[leading] - gains[other])
        more = f"Images on which {title} gains most over {titles[other]}"
        less = f"Images on which {title} falls furthest behind {titles[other]}"
        found["fig8-gains-most"] = more, ahead[-count:][::-1]
        found["fig9-loses-most"] = less, ahead[:count]
    return [
        Choice(name, title, tuple(images), tuple(shown))
        for name, (title, images) in found.items()
        if images
    ]


def _sorted(values: pd.Series) -> list[str]:
    """Images by ascending value, ties by name."""
    frame = values.dropna().rename("value").rename_axis("image").reset_index()
    return list(frame.sort_values(["value", "image"])["image"])
