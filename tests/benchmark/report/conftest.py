"""Synthetic results folders, as ``python -m benchmark run`` writes them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

# metric: unit, higher is better, chance, per, value at chance, value of a perfect model, spread
METRICS = {
    "LL": ("bits per fixation", True, 0.0, "fixation", 0.9, 2.2, 0.5),
    "IG": ("bits per fixation", True, 0.0, "fixation", 0.0, 1.3, 0.4),
    "AUC": ("", True, 0.5, "image", 0.78, 0.90, 0.04),
    "sAUC": ("", True, 0.5, "image", 0.50, 0.80, 0.05),
    "NSS": ("", True, 0.0, "image", 0.90, 3.10, 0.60),
    "KL": ("nats", False, None, "image", 1.10, 0.20, 0.15),
    "CC": ("", True, 0.0, "image", 0.35, 0.92, 0.07),
    "SIM": ("", True, None, "image", 0.35, 0.75, 0.05),
}
NASTY = (
    "under_score_model",
    "R&D 100% #1",
    "$x_1^2$ {braces} ~tilde\\slash",
    "A very long name of a model with many, many words that never seems to end (v2.0)",
    "a_very_long_identifier_without_any_space_resnet50_imagenet21k_finetuned_salicon_mit1003_seed42",
    "Averyveryverylongnamewithoutanyplacetobreakitwhatsoever",
    "<b>html</b> | pipe * star `tick` [link](x)",
    "--dashes-- \"quotes\" 'single'",
    "Müller–Łukasz é",
    "ΔΨ saliency",
    "NA",
)


@dataclass
class Folder:
    """A results folder to be written; change the frames or ``run`` before ``write``."""

    path: Path
    run: dict
    scores: pd.DataFrame
    summary: pd.DataFrame
    differences: pd.DataFrame
    kinds: dict[str, str] = field(default_factory=dict)

    def write(self) -> Path:
        self.path.mkdir(parents=True, exist_ok=True)
        (self.path / "run.json").write_text(json.dumps(self.run), encoding="utf-8")
        for name in ("scores", "summary", "differences"):
            getattr(self, name).to_csv(self.path / f"{name}.csv", index=False)
        return self.path


def _kinds(n_models: int, names: tuple[str, ...], truth: bool) -> dict[str, str]:
    names = tuple(names[:n_models]) + tuple(f"model-{i}" for i in range(len(names), n_models))
    models = dict.fromkeys(names, "model")
    ceilings = ["gold", "gold-insample", *(["simulated-truth"] if truth else [])]
    return {
        # deliberately not the display order
        **dict.fromkeys(ceilings, "ceiling"),
        **models,
        "centerbias": "baseline",
        "uniform": "baseline",
    }


def _skill(name: str, kinds: dict[str, str]) -> float:
    fixed = {"uniform": -0.6, "centerbias": 0.0, "gold": 1.0, "gold-insample": 1.16}
    fixed["simulated-truth"] = 1.07
    if name in fixed:
        return fixed[name]
    models = [model for model in kinds if kinds[model] == "model"]
    position = (7 * models.index(name) + 3) % len(models)  # scrambles the order
    return 0.25 + 0.65 * (position + 1) / len(models)


def make_folder(
    path: Path,
    n_models: int = 4,
    names: tuple[str, ...] = (),
    nasty: bool = False,
    simulated: bool = False,
    complete: bool = True,
    n_images: int = 60,
) -> Folder:
    """A results folder of models whose skill at every metric is the same share of the ceiling's.

    ``nasty`` gives the first models names that are long or special to LaTeX, Markdown or pandas.
    """
    random = np.random.default_rng(1)
    kinds = _kinds(n_models, NASTY if nasty else names, simulated)
    images = [f"{n:04d}" for n in range(n_images)]
    fixations = random.integers(60, 120, n_images)
    key = {"dataset": "toy", "protocol": "tuebingen"}
    difficulty = random.normal(0, 1, n_images)
    scores, summary = [], []
    for model in kinds:
        skill = _skill(model, kinds)
        for metric, (unit, _, _, per, chance, top, spread) in METRICS.items():
            reach = skill * (top - chance)
            noise = 0.0 if model == "centerbias" and metric == "IG" else 1.0
            values = chance + reach * (1 + 0.35 * difficulty * noise)
            values = values + noise * spread * 0.35 * random.normal(0, 1, n_images)
            if model == "gold" and metric in ("KL", "CC", "SIM"):
                values = np.full(n_images, math.nan)
            frame = pd.DataFrame({"image": images, "value": values, "n_fixations": fixations})
            scores.append(frame.assign(model=model, metric=metric, unit=unit, **key))
            for average in (metric, f"{metric}_image") if per == "fixation" else (metric,):
                weights = fixations if average == metric and per == "fixation" else None
                mean = float(np.average(values, weights=weights))
                error = 1.96 * float(np.std(values)) / math.sqrt(n_images)
                row = dict(model=model, metric=average, unit=unit, mean=mean, **key)
                row.update(ci_low=mean - error, ci_high=mean + error)
                row.update(n_images=n_images, n_fixations=int(fixations.sum()))
                if metric == "IG":
                    row.update(explained=mean)  # divided by the gold standard's below
                    row.update(explained_low=mean - error, explained_high=mean + error)
                summary.append(row)
    table = pd.DataFrame(summary)
    shares = ["explained", "explained_low", "explained_high"]
    for metric in ("IG", "IG_image"):
        rows = table["metric"] == metric
        gold = table.loc[rows & (table["model"] == "gold"), "mean"].iloc[0]
        table.loc[rows, shares] /= gold
    return Folder(
        path,
        _run(kinds, simulated, complete, n_images),
        pd.concat(scores),
        table,
        _differences(table, kinds),
        kinds,
    )


def _differences(table: pd.DataFrame, kinds: dict[str, str]) -> pd.DataFrame:
    rows = []
    for metric in table["metric"].unique():
        means = table[table["metric"] == metric].set_index("model")["mean"]
        means = means[[name for name in kinds if kinds[name] != "ceiling"]]
        best = means.idxmin() if metric == "KL" else means.idxmax()
        for model, mean in means.items():
            gap = mean - means[best]
            row = dict(dataset="toy", metric=metric, protocol="tuebingen", model=model, best=best)
            row.update(difference=gap, ci_low=gap - 0.02, ci_high=gap + 0.02, n_images=60)
            rows.append(row)
    return pd.DataFrame(rows)


def _run(kinds: dict[str, str], simulated: bool, complete: bool, n_images: int) -> dict:
    titles = {"uniform": "Uniform", "centerbias": "Centre bias", "gold": "Gold standard"}
    titles["gold-insample"] = "Gold standard, in-sample"
    titles["simulated-truth"] = "Simulated truth"
    return {
        "dataset": {
            "name": "toy",
            "title": "Toy_set & Co",
            "simulated": simulated,
            "content_hash": "0123456789abcdef",
            "n_images": n_images,
            "n_images_total": n_images if complete else 2 * n_images,
        },
        "protocol": {"name": "tuebingen", "maps": "right", "kernel_size": 24.0},
        "complete": complete,
        "models": {n: {"title": titles.get(n, n), "kind": kind} for n, kind in kinds.items()},
        "metrics": {
            name: {
                "title": "Information gain" if name == "IG" else f"Title of {name}",
                "unit": unit,
                "higher_is_better": higher,
                "chance": chance,
                "per": per,
            }
            for name, (unit, higher, chance, per, *_) in METRICS.items()
        },
    }


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Folder]:
    """Make a synthetic folder below the test's temporary folder."""
    return lambda name="results", **options: make_folder(tmp_path / name, **options)
