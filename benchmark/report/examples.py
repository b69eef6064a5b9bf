"""Which images to show: those that a model explains best and worst, or gains most on."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from benchmark.errors import BenchmarkError
from benchmark.report.results import GOLD, Results

#: Images on which the gold standard gains less than this share of its mean are not chosen by the
#: share that is explained of it: the ratio of two small numbers says little.
LEAST_SHARE = 0.25


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

    Args:
        count: images in each.
    """
    gains = results.per_image("IG")
    titles = {model.name: model.title for model in results.models}
    shown = [name for name in (GOLD, leading, other) if name is not None and name in gains]
    found, title = [], titles[leading]
    if GOLD in gains and results.explained(leading).defined:
        least = max(0.0, LEAST_SHARE * gains[GOLD].mean())
        enough = gains[(gains[GOLD] >= least) & (gains[GOLD] > 0)]
        share = _sorted(enough[leading] / enough[GOLD])
        best, worst = share[-count:][::-1], share[:count]
        found.append(("fig5-best-explained", f"Images that {title} explains best", best))
        found.append(("fig6-worst-explained", f"Images that {title} explains worst", worst))
    if other is not None:
        ahead = _sorted(gains[leading] - gains[other])
        most, least = ahead[-count:][::-1], ahead[:count]
        more = f"Images on which {title} gains most over {titles[other]}"
        less = f"Images on which {title} falls furthest behind {titles[other]}"
        found += [("fig8-gains-most", more, most), ("fig9-loses-most", less, least)]
    return [Choice(name, title, tuple(images), tuple(shown)) for name, title, images in found]


def _sorted(values: pd.Series) -> list[str]:
    """Images by ascending value, ties by name."""
    frame = values.dropna().rename("value").rename_axis("image").reset_index()
    return list(frame.sort_values(["value", "image"])["image"])
