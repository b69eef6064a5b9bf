"""The paper's Table 1: AUC and shuffled AUC on a hold-out set, beside what the paper prints."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from benchmark.errors import BenchmarkError
from benchmark.files import read_csv, read_json, write_csv, write_whole
from benchmark.report import record
from benchmark.report.latex import document
from benchmark.report.latex_escape import escape
from benchmark.report.latex_float import line
from benchmark.report.notes import DAGGER_MEANS
from benchmark.report.record import DAGGER, Section
from benchmark.report.results import Estimate

NAME = "table1-holdout"
PAPER = "Kümmerer, Wallis, Bethge 2016, arXiv:1610.01563, Table 1"
#: AUC and shuffled AUC on MIT300, of maps with and without centre bias, as printed there.
PRINTED = {
    "DeepGaze II": (0.88, 0.77),
    "SALICON": (0.87, 0.74),
    "DeepFix": (0.87, 0.71),
    "DeepGaze I": (0.84, 0.66),
}
COLUMNS = ["data", "model", "AUC", "AUC_low", "AUC_high", "sAUC", "sAUC_low", "sAUC_high", "source"]


def write_holdout(with_bias: Path, without_bias: Path, out: Path) -> list[Path]:
    """Write the table as CSV, Markdown and LaTeX.

    Args:
        with_bias: results of predictions with centre bias, whose AUC is taken.
        without_bias: results of predictions without it (made with ``--maps naive``, since nothing
            is to be divided out of them), whose shuffled AUC is taken.

    Raises:
        BenchmarkError: a folder holds no results, a run is incomplete or was made with the other's
            maps, they are of different data sets, or a metric was not scored.
    """
    table = holdout(with_bias, without_bias)
    write_csv(table, out / f"{NAME}.csv", COLUMNS)
    return [
        out / f"{NAME}.csv",
        write_whole(out / f"{NAME}.md", _markdown(table)),
        write_whole(out / f"{NAME}.tex", _latex(table)),
    ]


def holdout(with_bias: Path, without_bias: Path) -> pd.DataFrame:
    """Measured models, then printed ones; see :func:`write_holdout`."""
    first, second = _read(with_bias, "AUC", "right"), _read(without_bias, "sAUC", "naive")
    _require_same_data(first, second)
    both = first.scores.keys() & second.scores.keys()
    if not both:
        raise BenchmarkError(f"{with_bias} and {without_bias} have no model in common.")
    contaminated = first.contaminated | second.contaminated

    def rank(name: str) -> tuple[bool, float, str]:
        return name in contaminated, -first.scores[name].value, name

    text, rows = f"{first.data.title}, {first.data.n_images} images", []
    for name in sorted(both, key=rank):
        title = first.titles[name].removesuffix(DAGGER) + DAGGER * (name in contaminated)
        rows.append([text, title, *first.scores[name], *second.scores[name], "measured"])
    nan = float("nan")
    for title, (auc, shuffled) in PRINTED.items():  # type: ignore[assignment]
        rows.append(["MIT300", title, auc, nan, nan, shuffled, nan, nan, PAPER])
    return pd.DataFrame(rows, columns=COLUMNS)


@dataclass(frozen=True)
class _Run:
    """A run's data set with its content hash, and titles and scores of its models by name."""

    folder: Path
    data: record.DatasetInfo
    content_hash: str
    titles: dict[str, str]
    contaminated: frozenset[str]
    scores: dict[str, Estimate]


def _read(folder: Path, metric: str, maps: str) -> _Run:
    """A complete run with these maps, and its scores of a metric."""
    file = folder / "run.json"
    run = Section(file, "", read_json(file))
    if not run.get("complete", bool):
        raise BenchmarkError(
            f"{file} says that the run is incomplete, and Table 1 ranks: it takes complete runs. "
            "Mend the predictions that could not be scored, named there, or leave their model out, "
            "and run its command again."
        )
    found = record.protocol(run.section("protocol")).maps
    if found != maps:
        raise BenchmarkError(
            f"{file} says maps: {found or 'none'}, expected {maps}, since {metric} is taken from "
            f"{folder}. Give the run on predictions with centre bias first and the one without it, "
            f"made with `--maps naive`, second, or run it again with `--maps {maps}`."
        )
    section = run.section("dataset")
    models = [m for m in record.models(run.section("models")) if m.kind == "model"]
    titles = {model.name: model.title for model in models}
    summary = read_csv(
        folder / "summary.csv", ("model", "metric"), ("mean", "ci_low", "ci_high")
    )  # fmt: skip
    rows = summary[(summary["metric"] == metric) & summary["model"].isin(list(titles))]
    if rows.empty:
        raise BenchmarkError(f"{folder} has no scores of {metric} of a model.")
    scores = {str(r.model): Estimate(r.mean, r.ci_low, r.ci_high) for r in rows.itertuples()}
    contaminated = frozenset(model.name for model in models if model.contaminated)
    data, content_hash = record.dataset(section), section.get("content_hash", str)
    return _Run(folder, data, content_hash, titles, contaminated, scores)


def _require_same_data(first: _Run, second: _Run) -> None:
    for what, one, other in (
        ("is about {}", first.data.title, second.data.title),
        ("has {} images", first.data.n_images, second.data.n_images),
        ("has data of content hash {}", first.content_hash, second.content_hash),
    ):
        if one != other:
            raise BenchmarkError(
                f"{first.folder / 'run.json'} {what.format(one)}, "
                f"{second.folder / 'run.json'} {what.format(other)}: Table 1 takes two runs on one "
                "data set. Run both on the same images and fixations."
            )


def _cells(row: pd.Series) -> list[str]:
    found = []
    for metric in ("AUC", "sAUC"):
        estimate = Estimate(row[metric], row[f"{metric}_low"], row[f"{metric}_high"])
        digits = 3 if estimate.has_interval else 2
        text = f"{estimate.value:.{digits}f}"
        if estimate.has_interval:
            text += f" [{estimate.low:.{digits}f}, {estimate.high:.{digits}f}]"
        found.append(text)
    return found


def _caption(table: pd.DataFrame) -> str:
    text = (
        "AUC of predictions with centre bias and shuffled AUC of predictions without, on a "
        "hold-out set, with 95 % bootstrap intervals over images. Below the rule: printed values "
        f"on other images ({PAPER}), not to be ranked with those above."
    )
    marked = table["model"].str.endswith(DAGGER).any()
    return f"{text} {DAGGER_MEANS}" if marked else text


def _markdown(table: pd.DataFrame) -> str:
    lines = [
        "| Data | Model | AUC, with centre bias | sAUC, without |",
        "| :-- | :-- | --: | --: |",
    ]
    for _, row in table.iterrows():
        data = row["data"] if row["source"] == "measured" else f"*{row['data']}, printed*"
        lines.append(f"| {data} | {row['model']} | {' | '.join(_cells(row))} |")
    return "\n".join([*lines, "", _caption(table)]) + "\n"


def _latex(table: pd.DataFrame) -> str:
    rows, above = [], "measured"
    for _, row in table.iterrows():
        if row["source"] != above:
            rows.append("\\midrule")
        above = row["source"]
        cells = [row["model"], row["data"].partition(",")[0], *_cells(row)]
        name, *others = map(escape, cells)
        rows.append(line(name, others))
    body = "\n".join(
        [
            "\\begin{table}[tp]", "\\centering", "\\setlength{\\belowcaptionskip}{5pt}",
            f"\\caption{{{escape(_caption(table))}}}", "\\label{tab:holdout}",
            "\\fontsize{7}{8.4}\\selectfont", "\\setlength{\\tabcolsep}{3pt}",
            "\\begin{tabular}{@{}llrr@{}}", "\\toprule",
            "Model & Data & AUC & sAUC \\tabularnewline", "\\midrule", *rows, "\\bottomrule",
            "\\end{tabular}", "\\end{table}", "",
        ]
    )  # fmt: skip
    return document(body)
