"""A results folder as one HTML page that needs nothing else: no server, no file, no network."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import ChainableUndefined, Environment, PackageLoader
from markupsafe import Markup

from benchmark.files import read_json
from benchmark.report import notes
from benchmark.report.figures import FIGURES
from benchmark.report.plots.style import render
from benchmark.report.published import blocks, of_dataset
from benchmark.report.results import Results
from benchmark.report.table import columns

TITLES = {
    "explained": "Explained information gain",
    "information": "Log-likelihood and information gain",
    "overview": "All metrics",
    "scatter": "Image by image",
}


@dataclass(frozen=True)
class Shown:
    """An image of the gallery, everything as data addresses (``data:image/...``).

    Attributes:
        name: of the image. width, height: in pixels.
        picture: the image itself.
        fixations: x and y of each.
        overlays: (title of the model, what it gains here, picture of its density) each, the same
            models for every image; the picture is empty where there is none.
    """

    name: str
    width: int
    height: int
    picture: str
    fixations: Sequence[tuple[float, float]]
    overlays: Sequence[tuple[str, str, str]]


def data_address(content: bytes, kind: str) -> str:
    """Bytes of a file of a kind such as "png" as an address that holds them."""
    kinds = {"svg": "svg+xml"}
    return f"data:image/{kinds.get(kind, kind)};base64,{base64.b64encode(content).decode()}"


def html_page(results: Results, gallery: Sequence[Shown] = (), left_out: str = "") -> str:
    """The page: table, figures, gallery, published values, and how the numbers came about.

    ``left_out`` says which densities the gallery does not show, and why.

    Equal results give equal bytes.
    """
    environment = Environment(
        loader=PackageLoader("benchmark.report", "."),
        autoescape=True,
        undefined=ChainableUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    run = read_json(results.folder / "run.json")
    table = columns(results)
    return environment.get_template("page.html.j2").render(
        results=results,
        title=notes.title(results),
        heading=notes.heading(results),
        labels=notes.labels(results),
        notes=[text for text in _notes(results, table) if text],
        columns=table,
        rows=[_row(results, model, table) for model in results.models],
        figures=_figures(results),
        gallery=gallery,
        overlays=_overlays(gallery),
        left_out=left_out,
        published=_published(results),
        dataset=run.get("dataset", {}),
        dropped=run.get("dataset", {}).get("dropped", {}),
        failures=run.get("failures", []),
        command=run.get("command", ""),
        versions=run.get("versions", {}),
        source=run.get("source", {}),
        models=run.get("models", {}),
        images=_per_image(results),
    )


def _notes(results: Results, table: Any) -> list[str]:
    shown = {column.metric.name: column.metric for column in table}.values()
    return [
        notes.averages(shown),
        notes.explained(table),
        notes.explained_missing(results, table),
        notes.contaminated(results),
        notes.training(results),
        notes.undefined(results, table),
        notes.gold_without_maps(results, table),
    ]


def _row(results: Results, model: Any, table: Any) -> dict[str, Any]:
    cells = []
    for column in table:
        value = column.cells[model.name].value
        cells.append(
            {
                "text": column.text(model.name),
                "interval": column.interval(model.name),
                "best": model.name in column.best,
                # what cannot be told stands below all that can
                "key": "" if math.isnan(value) else _code(value),
            }
        )
    return {"title": model.title, "kind": model.kind, "ranked": model.ranked, "cells": cells}


def _figures(results: Results) -> list[dict[str, str]]:
    found = []
    for name, draw in FIGURES.items():
        figure = draw(results)
        if figure is not None:
            address = data_address(render(figure, "svg"), "svg")
            found.append({"name": name, "title": TITLES.get(name, name), "address": address})
    return found


def _overlays(gallery: Sequence[Shown]) -> list[str]:
    """The models of the gallery, each with the number of its images where it lacks some."""
    found = []
    for column in zip(*(image.overlays for image in gallery)):
        n = sum(bool(picture) for _, _, picture in column)
        found.append(
            column[0][0] + (f" ({n} of {len(gallery)} images)" if n < len(gallery) else "")
        )
    return found


def _published(results: Results) -> list[dict[str, Any]]:
    found = []
    for dataset, baseline, source, rows in blocks(of_dataset(results.dataset.name)):
        metrics = list(dict.fromkeys(rows["metric"]))
        lines = []
        for model, scores in rows.groupby("model", sort=False):
            values = {
                row.metric: f"{row.value} {row.unit}".strip()
                + ("" if row.seen == "verbatim" else " (second-hand)")
                for row in scores.itertuples()
            }
            lines.append((model, [values.get(metric, "") for metric in metrics]))
        found.append(
            {"dataset": dataset, "baseline": baseline, "source": source, "metrics": metrics,
             "lines": lines}
        )  # fmt: skip
    return found


def _code(value: float) -> float | str:
    """A number as JSON can hold it: infinity by the name that JavaScript's Number understands."""
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return value


def _per_image(results: Results) -> Markup:
    """Information gain by image and model, as JSON that cannot end the script it stands in."""
    if "IG" not in results.metrics:
        return Markup("null")
    gains = results.per_image("IG")
    names = [model.name for model in results.models if model.name in gains.columns]
    titles = {model.name: model.title for model in results.models}
    content = {
        "models": [titles[name] for name in names],
        "images": list(map(str, gains.index)),
        "gains": [
            [None if math.isnan(value) else _code(round(value, 3)) for value in gains[name]]
            for name in names
        ],
    }
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))
