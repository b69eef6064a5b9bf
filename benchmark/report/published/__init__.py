"""Published scores, each with its source: to stand beside measured ones, never among them.

They were computed by others, on other fixations or by other protocols, so they are not ranked.
``values.csv`` holds a score a row, ``sources.csv`` where it was read.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd

from benchmark.errors import BenchmarkError, UnknownNameError
from benchmark.files import read_csv

FOLDER = Path(__file__).parent
TEXTS = ("dataset", "model", "year", "metric", "value", "unit", "baseline", "source", "seen")
#: How the name of a published data set begins, for each of ours.
DATASETS = {"mit1003": "MIT1003", "osie": "OSIE", "cat2000": "CAT2000", "mit300": "MIT300"}


@lru_cache
def published() -> pd.DataFrame:
    """All published scores as text, a row each: ``TEXTS``, with the source written out.

    ``value`` is as printed, so it may be words; ``seen`` is "verbatim" where the number was read in
    the source itself.

    Raises:
        BenchmarkError: the data files are damaged.
    """
    values = read_csv(FOLDER / "values.csv", TEXTS, ())
    sources = read_csv(FOLDER / "sources.csv", ("id", "source"), ())
    key = ["dataset", "model", "metric", "baseline", "source"]
    if values.duplicated(key).any():
        first = values[values.duplicated(key)].iloc[0]
        raise BenchmarkError(
            f"{FOLDER / 'values.csv'} states {first['metric']} of {first['model']} on "
            f"{first['dataset']} twice from one source: keep one row."
        )
    written = dict(zip(sources["id"], sources["source"]))
    missing = sorted(set(values["source"]) - set(written))
    if missing:
        raise BenchmarkError(f"{FOLDER / 'sources.csv'} lacks the source(s) {', '.join(missing)}.")
    return values.assign(source=values["source"].map(written))


def find(
    dataset: str | None = None, model: str | None = None, metric: str | None = None
) -> pd.DataFrame:
    """Published scores of a data set (its name's beginning), model and metric (parts of names).

    Capitals and spaces do not matter.

    Raises:
        UnknownNameError: there are none; the message names the data sets that have some.
    """
    rows = published()
    if dataset is not None:
        rows = rows[rows["dataset"].map(_plain).str.startswith(_plain(dataset))]
    if model is not None:
        rows = rows[rows["model"].map(_plain).str.contains(_plain(model), regex=False)]
    if metric is not None:
        rows = rows[rows["metric"].map(_plain) == _plain(metric)]
    if rows.empty:
        asked = " ".join(filter(None, (dataset, model, metric)))
        known = ", ".join(dict.fromkeys(published()["dataset"]))
        raise UnknownNameError(
            f"there is no published score of {asked!r}. There are some for: {known}."
        )
    return rows


def of_dataset(name: str) -> pd.DataFrame:
    """Published scores on the data set called so here; empty if there are none."""
    base = name.removeprefix("pysaliency-").partition("-")[0]
    if base not in DATASETS:
        return published().iloc[:0]
    return published()[published()["dataset"].str.startswith(DATASETS[base])]


def _plain(text: str) -> str:
    return "".join(text.lower().split())


def blocks(rows: pd.DataFrame) -> list[tuple[str, str, str, pd.DataFrame]]:
    """Rows that can stand in one table: (data set, baseline or protocol, source, rows) each."""
    keys = ["dataset", "baseline", "source"]
    return [(*map(str, key), part) for key, part in rows.groupby(keys, sort=False)]  # type: ignore[misc]


def markdown(rows: pd.DataFrame) -> str:
    """A list a data set, protocol and source, and a line a model."""
    parts = []
    for dataset, baseline, source, part in blocks(rows):
        about = f"**{dataset}**" + (f" ({baseline})" if baseline else "")
        lines = [f"{about}, from {source}:", ""]
        for model, scores in part.groupby("model", sort=False):
            shown = "; ".join(_score(row) for row in scores.itertuples())
            lines.append(f"- {model}: {shown}")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def _score(row: Any) -> str:
    unit = f" {row.unit}" if row.unit else ""
    seen = "" if row.seen == "verbatim" else " (second-hand)"
    return f"{row.metric} {row.value}{unit}{seen}"


def section(name: str) -> str:
    """A Markdown section on what is published for a data set of ours; empty if nothing is."""
    rows = of_dataset(name)
    if rows.empty:
        return ""
    return (
        "**Published by others, on other fixations or by other protocols: not to be ranked with "
        f"the table above**\n\n{markdown(rows)}\n"
    )
