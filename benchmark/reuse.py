"""Scores that an earlier run has published, taken where nothing that they depend on has changed.

A results folder without its store (``scores.sqlite``) holds each score with ten digits, which
suffice to write the same ``scores.csv`` again. Whether they may be taken, ``run.json`` says: it has
to state the same data, settings, scoring source, centre bias and model as the run at hand. Whatever
it does not state counts as different.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmark.errors import BenchmarkError
from benchmark.evaluate import Evaluation, Failure, Score, model_hash, parameters
from benchmark.files import read_csv, read_json
from benchmark.report.record import Section

BASELINE = "centerbias"
#: What a record must state as the run at hand has it, by key of the settings, and how to say that
#: it does not.
SETTINGS = {
    "data": "other images or fixations",
    "protocol": "another protocol",
    "maps": "other maps",
    "kernel_size": "another kernel size",
    "seed": "another seed",
    "images": "another number of images",
    "source": "the source that scores has changed",
}


@dataclass(frozen=True)
class Taken:
    """Scores of one model from a record, and what ``run.json`` says of them."""

    scores: tuple[Score, ...]
    origin: dict[str, Any]

    @property
    def digest(self) -> str:
        """Tells these scores from others of the same model."""
        rows = [(s.image, s.metric, repr(s.value), s.n_fixations) for s in self.scores]
        return hashlib.sha256(json.dumps([rows, self.origin], sort_keys=True).encode()).hexdigest()


class Record:
    """A folder that ``run`` wrote.

    Raises:
        BenchmarkError: there is no such folder, or its run.json is damaged.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        if not folder.is_dir():
            raise BenchmarkError(
                f"--reuse {folder}: is not a folder. Give one that `python -m benchmark run` wrote."
            )
        path = folder / "run.json"
        top = Section(path, "", read_json(path))
        protocol, dataset = top.section("protocol"), top.section("dataset")
        self.settings = {
            "data": dataset.get("content_hash", str),
            "protocol": protocol.get("name", str),
            "maps": protocol.get("maps", str),
            "kernel_size": protocol.get("kernel_size", (int, float, type(None))),
            "seed": top.get("seed", int),
            "images": dataset.get("n_images", int),
            "source": top.get("scoring_source", str, ""),
        }
        models = top.section("models")
        self.models = {name: models.section(name) for name in models.content}
        self.baseline = top.get("baseline", str, "")
        if not self.baseline and BASELINE in self.models:
            self.baseline = self.models[BASELINE].get("content_hash", str)
        failures = top.get("failures", list)
        try:
            self.failed = {failure["model"] for failure in failures}
            self.reused = {
                name: (dict(group), dict(entry))
                for group in top.get("reused", list, [])
                for name, entry in group["models"].items()
            }
        except (TypeError, KeyError, ValueError, AttributeError) as error:
            raise BenchmarkError(
                f"{path}: 'failures' or 'reused' is malformed ({error}). Write the folder again "
                "with `python -m benchmark run`."
            ) from error
        self.digest = top.get("scores_sha256", str, "")
        self.about = {
            "folder": folder.as_posix(),
            "command": top.get("command", str, ""),
            "source": top.get("source", dict, {}),
            "versions": top.get("versions", dict, {}),
        }

    def difference(self, settings: Mapping[str, Any]) -> str | None:
        """Why none of its scores can be those of a run with these settings, None if they can."""
        for key, told in SETTINGS.items():
            if not self.settings[key] and key == "source":
                return "its run.json does not state the source that scored (scoring_source)"
            if self.settings[key] != settings[key]:
                shown = f": {self.settings[key]}, not {settings[key]}"
                return told + (shown if key not in ("data", "source") else "")
        return None

    def origin(self, name: str, confirmed: Mapping[str, int]) -> dict[str, Any]:
        """Who computed a model's scores: the record itself, or the one that it had them from.

        Args:
            confirmed: on how many images what has changed was confirmed.
        """
        group, entry = self.reused.get(name, (self.about, {}))
        entry = {"content_hash": self.models[name].get("content_hash", str), **entry, **confirmed}
        return {**{key: group.get(key) for key in self.about}, "entry": entry}

    @cached_property
    def _rows(self) -> pd.DataFrame | str:
        """The rows of scores.csv, or why they cannot be taken."""
        path = self.folder / "scores.csv"
        try:
            content = path.read_bytes()
            if not content.endswith(b"\n"):
                return "scores.csv is cut short"
            if self.digest and hashlib.sha256(content).hexdigest() != self.digest:
                return "scores.csv is not the file that run.json was written with"
            texts = ("image", "model", "metric", "protocol")
            return read_csv(path, texts, ("value", "n_fixations"))
        except (OSError, BenchmarkError) as error:
            return f"scores.csv cannot be used: {error}"

    def scores(self, name: str, evaluation: Evaluation) -> tuple[Score, ...] | str:
        """A model's scores, one an image and metric, or why they cannot be taken."""
        rows = self._rows
        if isinstance(rows, str):
            return rows
        rows = rows[(rows["model"] == name) & rows["metric"].isin(list(evaluation.variants))]
        if (rows["protocol"] != self.settings["protocol"]).any():
            return "scores.csv has rows of another protocol"
        if rows.duplicated(["image", "metric"]).any():
            return "scores.csv has several rows for one image and metric"
        counts = rows["n_fixations"].to_numpy()
        if not (np.isfinite(counts) & (counts >= 0) & (counts == np.floor(counts))).all():
            return "scores.csv has rows without a number of fixations"
        found = {
            (image, metric): (float(value), int(count))
            for image, metric, value, count in zip(
                rows["image"], rows["metric"], rows["value"], rows["n_fixations"]
            )
        }
        scores = []
        for image in evaluation.images:
            for metric in evaluation.variants:
                row = found.pop((str(evaluation.dataset.image_names[image]), metric), None)
                if row is None:
                    return f"scores.csv lacks rows ({metric} of an image, for instance)"
                scores.append(Score(name, image, metric, *row))
        return "scores.csv has rows of other images" if found else tuple(scores)


class Reuse:
    """Takes a run's scores from records, or says why not.

    Args:
        settings: of the run, with the keys of ``SETTINGS``.
        fingerprints: of models from outside, by name; empty for others.
        confirm: 0, or how many images to score anew where a model's content hash is not that of the
            record: with the same digits everywhere, its scores are taken.
    """

    def __init__(
        self,
        records: Sequence[Record],
        evaluation: Evaluation,
        settings: Mapping[str, Any],
        fingerprints: Mapping[str, str],
        confirm: int = 0,
    ):
        self.records, self.evaluation, self.settings = records, evaluation, settings
        self.fingerprints, self.confirm = fingerprints, confirm
        self._baselines: dict[Path, tuple[int | None, str | None]] = {}

    def take(self, name: str) -> Taken | str:
        """Scores of a model from the first record that has them, or the reasons of all."""
        reasons = []
        for record in self.records:
            taken = self._from(record, name)
            if isinstance(taken, Taken):
                return taken
            reasons.append(taken)
        if len(reasons) > 1:
            reasons = [f"{r.folder}: {reason}" for r, reason in zip(self.records, reasons)]
        return "; ".join(reasons)

    def _from(self, record: Record, name: str) -> Taken | str:
        reason = record.difference(self.settings)
        if reason:
            return reason
        if name not in record.models:
            return "its scores are not there"
        if name in record.failed:
            return "it failed on some images there"
        scores = record.scores(name, self.evaluation)
        if isinstance(scores, str):
            return scores
        if record.models[name].get("fingerprint", str, "") != self.fingerprints[name]:
            return "another prediction for the first image"
        if record.folder not in self._baselines:
            self._baselines[record.folder] = self._other_baseline(record)
        baseline, reason = self._baselines[record.folder]
        if reason:
            return reason
        confirmed, reason = self._other_model(record, name, scores)
        if reason:
            return reason
        counts = {"confirmed_on_images": confirmed, "centre_bias_confirmed_on_images": baseline}
        return Taken(scores, record.origin(name, {k: n for k, n in counts.items() if n}))

    def _other_baseline(self, record: Record) -> tuple[int | None, str | None]:
        evaluation = self.evaluation
        if not record.baseline:
            return None, "its run.json does not state its centre bias"
        if record.baseline == model_hash(evaluation.centerbias, evaluation.dataset):
            return None, None
        if not self.confirm or BASELINE not in record.models:
            return None, "another centre bias"
        scores = record.scores(BASELINE, evaluation)
        if isinstance(scores, str):
            return None, scores
        confirmed, reason = self._other_model(record, BASELINE, scores)
        return confirmed, reason and f"another centre bias: {reason}"

    def _other_model(
        self, record: Record, name: str, scores: Sequence[Score]
    ) -> tuple[int | None, str | None]:
        """On how many images a changed model was confirmed; and why it is another, or None."""
        model, section = self.evaluation.models[name], record.models[name]
        if section.get("content_hash", str) == model_hash(model, self.evaluation.dataset):
            return None, None
        weights = section.get("weights", str, "")
        if weights and weights != getattr(model, "content_hash", ""):
            return None, "other weights"
        known, now = section.get("parameters", dict), _as_json(parameters(model))
        other = sorted(key for key in known if known[key] != now.get(key))
        if other:
            return None, f"other parameters ({', '.join(other)})"
        if not self.confirm:
            return None, "other code or weights"
        return self._confirmed(name, scores)

    def _confirmed(self, name: str, scores: Sequence[Score]) -> tuple[int | None, str | None]:
        """Score some images anew, but for metrics that take the predictions of all images."""
        evaluation = self.evaluation
        if evaluation.needs_mean(name):
            kept = {n: v for n, v in evaluation.variants.items() if n != "sAUC"}
            evaluation = replace(evaluation, variants=kept)
        if not evaluation.variants:
            return None, "no metric can be confirmed on single images"
        count = min(self.confirm, len(evaluation.images))
        places = np.unique(np.linspace(0, len(evaluation.images) - 1, count).round().astype(int))
        stored = {(s.image, s.metric): (_text(s.value), s.n_fixations) for s in scores}
        for place in places:
            for score in evaluation.score(evaluation.images[place], [name]):
                if isinstance(score, Failure):
                    return None, f"other code or weights, and it fails: {score.reason}"
                found = (_text(score.value), score.n_fixations)
                if found != stored[score.image, score.metric]:
                    image = evaluation.dataset.image_names[score.image]
                    return None, (
                        f"other code or weights: {score.metric} of {image} is {found[0]}, there "
                        f"{stored[score.image, score.metric][0]}"
                    )
        return len(places), None


def groups(origins: Mapping[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Origins of reused scores for run.json, by the record that they come from.

    Args:
        origins: of each reused model, by name.
    """
    found: dict[str, dict[str, Any]] = {}
    for name, origin in origins.items():
        about = {key: value for key, value in origin.items() if key != "entry"}
        key = json.dumps(about, sort_keys=True)
        found.setdefault(key, {**about, "models": {}})["models"][name] = origin["entry"]
    return list(found.values())


def tell(names: Sequence[str], reasons: Mapping[str, str], say: Callable[[str], None]) -> None:
    """A line a model: reused, or why not; a summary of how many."""
    for name in names:
        reason = reasons.get(name)
        say(f"{name}: scores reused" if reason is None else f"{name}: scored anew ({reason})")
    counts = Counter(name in reasons for name in names)
    say(f"scores of {counts[False]} models are reused, {counts[True]} are scored anew")


def _text(value: float) -> str:
    """A score as files have it."""
    return "" if np.isnan(value) else f"{value:.10g}"


def _as_json(content: Any) -> Any:
    plain = json.dumps(content, default=lambda v: v.tolist() if hasattr(v, "tolist") else str(v))
    return json.loads(plain)
