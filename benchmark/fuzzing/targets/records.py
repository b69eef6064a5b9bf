"""Readers of results folders: ``table``, ``compare`` and ``run --reuse``."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from benchmark.comparison import report as comparison_report
from benchmark.comparison.core import CompareOptions, compare
from benchmark.errors import BenchmarkError
from benchmark.evaluate import Evaluation
from benchmark.fuzzing import formats
from benchmark.fuzzing.target import Target
from benchmark.fuzzing.targets import plain
from benchmark.report.markdown import markdown_table
from benchmark.report.results import Results
from benchmark.reuse import Record

IMAGES = ("a.png", "b.png", "c.png")
MODELS = {"uniform": "baseline", "ours": "model", "other": "model", "gold": "ceiling"}
METRICS = ("IG", "AUC")


def _record() -> dict[str, Any]:
    """A run.json with all that is read of it."""
    return {
        "command": "python -m benchmark run",
        "complete": True,
        "seed": 0,
        "scoring_source": "f" * 64,
        "baseline": "e" * 64,
        "dataset": {
            "name": "toy", "title": "Toy", "simulated": False, "n_images": 3,
            "n_images_total": 3, "content_hash": "d" * 64,
        },
        "protocol": {"name": "tuebingen", "maps": "right", "kernel_size": 24.0},
        "models": {
            name: {
                "title": name.title(), "kind": kind, "trained_on": ["elsewhere"], "held_out": True,
                "content_hash": "c" * 64, "parameters": {"blur": 2.5},
            }
            for name, kind in MODELS.items()
        },
        "metrics": {
            name: {
                "title": name, "unit": "", "higher_is_better": True, "chance": 0.5, "per": "image",
            }
            for name in METRICS
        },
        "failures": [],
        "reused": [{"command": "before", "models": {"other": {"content_hash": "b" * 64}}}],
        "versions": {"python": "3.11"},
        "source": {"commit": "a" * 40},
    }  # fmt: skip


def _csv(rows: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({**row, "dataset": "toy", "protocol": "tuebingen"} for row in rows)
    return text.getvalue()


def _files() -> dict[str, str]:
    """A results folder, by file name."""
    scores, summary, differences = [], [], []
    known = {"dataset": "", "protocol": ""}
    for k, model in enumerate(MODELS):
        for metric in METRICS:
            for n, image in enumerate(IMAGES):
                value = "" if (model, n, metric) == ("gold", 2, "AUC") else f"{0.5 + k / 9 + n / 7}"
                scores.append(
                    {**known, "image": image, "model": model, "metric": metric,
                     "value": value, "n_fixations": 5 + n}
                )  # fmt: skip
            shares = ("explained", "explained_low", "explained_high")
            summary.append(
                {**known, "model": model, "metric": metric, "mean": k / 7, "ci_low": k / 7 - 0.1,
                 "ci_high": k / 7 + 0.1, "n_images": 3, "n_fixations": 18,
                 **{share: k / 3 if metric == "IG" else "" for share in shares}}
            )  # fmt: skip
            differences.append(
                {**known, "metric": metric, "model": model, "best": "ours", "difference": -k / 9,
                 "ci_low": -0.5, "ci_high": "", "n_images": 3}
            )  # fmt: skip
    return {
        "run.json": json.dumps(_record()),
        "scores.csv": _csv(scores),
        "summary.csv": _csv(summary),
        "differences.csv": _csv(differences),
    }


def _seeds(name: str) -> list[bytes]:
    return [_files()[name].encode()]


def _prepare(root: Path) -> None:
    (root / "toy").mkdir()
    for name, text in _files().items():
        (root / "toy" / name).write_text(text, encoding="utf-8")


def _table(file: Path) -> Results:
    """Read a folder and print its table."""
    results = Results.read(file.parent)
    markdown_table(results).encode()
    return results


def _compare(file: Path) -> Results:
    """Compare two models of the folder, and the folder with an intact one."""
    whole = file.parents[1] / "whole"
    if not whole.is_dir():
        whole.mkdir()
        for name, text in _files().items():
            (whole / name).write_text(text, encoding="utf-8")
    one = compare(CompareOptions(file.parent, models=("ours", "other"), draws=20))
    comparison_report.text(one)
    with suppress(BenchmarkError):  # what they have in common may be too little
        comparison_report.text(compare(CompareOptions(file.parent, whole, force=True, draws=20)))
    return Results.read(file.parent)


def _value(text: str) -> float:
    """A number of a results file: empty if undefined, possibly infinite."""
    known = {"": math.nan, "nan": math.nan, "inf": math.inf, "-inf": -math.inf}
    text = text.strip().lower()
    return known[text] if text in known else plain.number(text)


def _same(one: float, other: float) -> bool:
    return one == other or (math.isnan(one) and math.isnan(other))


def _rows(file: Path) -> list[dict[str, str]]:
    """The rows of a CSV file, each as long as its header, whose names differ."""
    text = file.read_bytes().decode("utf-8-sig")
    rows = [row for row in csv.reader(io.StringIO(text, newline="")) if row]
    assert len(set(rows[0])) == len(rows[0]), "a column occurs twice"
    assert {len(row) for row in rows} == {len(rows[0])}, "rows of different lengths"
    return [dict(zip(rows[0], row)) for row in rows[1:]]


def _wrong_results(file: Path, results: Results) -> str | None:
    columns = {
        "summary": ("mean", "ci_low", "ci_high", "n_images", "n_fixations", "explained"),
        "scores": ("value", "n_fixations"),
        "differences": ("difference", "ci_low", "ci_high", "n_images"),
    }
    for name, numbers in columns.items():
        frame = getattr(results, name)
        rows = _rows(file.parent / f"{name}.csv")
        if len(frame) != len(rows):
            return f"{name}: {len(frame)} rows of {len(rows)}"
        for found, row in zip(frame.to_dict("records"), rows):
            if any(found[key] != row[key] for key in ("model", "metric", "dataset", "protocol")):
                return f"{name}: another text than the file's"
            if not all(_same(found[key], _value(row[key])) for key in numbers):
                return f"{name}: another number than the file's"
    return None


def _reuse(file: Path) -> Any:
    """The scores of a model, as ``run --reuse`` takes them."""
    record = Record(file.parent)
    evaluation = SimpleNamespace(
        variants=dict.fromkeys(METRICS),
        images=range(3),
        dataset=SimpleNamespace(image_names=IMAGES),
    )  # fmt: skip
    settings = {
        "data": "d" * 64, "protocol": "tuebingen", "maps": "right", "kernel_size": 24.0, "seed": 0,
        "images": 3, "source": "f" * 64,
    }  # fmt: skip
    if reason := record.difference(settings):
        return reason
    for name in record.models:
        record.origin(name, {})
        record.models[name].get("fingerprint", str, "")
        record.models[name].get("parameters", dict)
    return record.scores("ours", cast(Evaluation, evaluation))


def _wrong_reuse(file: Path, found: Any) -> str | None:
    if isinstance(found, str):  # why nothing is taken
        return None
    rows = [row for row in _rows(file.parent / "scores.csv") if row["model"] == "ours"]
    plainly = {(row["image"], row["metric"]): row for row in rows if row["metric"] in METRICS}
    if len(found) != len(plainly):
        return "another number of scores than the file's"
    for score in found:
        row = plainly[IMAGES[score.image], score.metric]
        if not _same(score.value, _value(row["value"])):
            return "another score than the file's"
        if score.n_fixations != plain.number(row["n_fixations"]):
            return "another number of fixations than the file's"
    return None


def _target(command: str, name: str, run: Callable[[Path], Any], wrong: Any) -> Target:
    change = formats.json_object if name.endswith("json") else formats.table
    return Target(
        f"{command}-{name.replace('.', '-')}",
        f"{name} of a results folder, `{command}`",
        f"toy/{name}",
        partial(_seeds, name),
        run,
        wrong,
        _prepare,
        mutators=(change, change),
        tokens=(b",", b'"', b"\n", b"{", b"[", b"null", b"NaN", b"1e400", b"ours", b"IG"),
    )


TARGETS = (
    _target("table", "run.json", _table, _wrong_results),
    _target("table", "summary.csv", _table, _wrong_results),
    _target("compare", "run.json", _compare, _wrong_results),
    _target("compare", "scores.csv", _compare, _wrong_results),
    _target("compare", "differences.csv", _compare, _wrong_results),
    _target("reuse", "run.json", _reuse, _wrong_reuse),
    _target("reuse", "scores.csv", _reuse, _wrong_reuse),
)
