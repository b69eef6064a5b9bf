"""The paper's Table 1: AUC and shuffled AUC on a hold-out set, beside what the paper prints."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from benchmark.errors import BenchmarkError
from benchmark.files import read_csv, read_json, write_csv, write_whole
from benchmark.report import record
from benchmark.report.latex import document
from benchmark.report.latex_escape import escape
from benchmark.report.latex_float import line
from benchmark.report.record import Section
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
        BenchmarkError: a folder holds no results, they are of different data sets, or a metric was
            not scored.
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
    data, n_images, titles, aucs = _read(with_bias, "AUC")
    other, _, _, shuffled = _read(without_bias, "sAUC")
    if data != other:
        raise BenchmarkError(
            f"{with_bias} is about {data}, {without_bias} about {other}: Table 1 takes two runs on "
            "one data set."
        )
    both = sorted(aucs.keys() & shuffled.keys(), key=lambda name: (-aucs[name].value, name))
    if not both:
        raise BenchmarkError(f"{with_bias} and {without_bias} have no model in common.")
    text = f"{data}, {n_images} images"
    rows = [[text, titles[n], *aucs[n], *shuffled[n], "measured"] for n in both]
    nan = float("nan")
    for title, (auc, shuffled) in PRINTED.items():  # type: ignore[assignment]
        rows.append(["MIT300", title, auc, nan, nan, shuffled, nan, nan, PAPER])
    return pd.DataFrame(rows, columns=COLUMNS)


def _read(folder: Path, metric: str) -> tuple[str, int, dict[str, str], dict[str, Estimate]]:
    """Data set and number of images of a run, titles of its models, and their scores."""
    run = Section(folder / "run.json", "", read_json(folder / "run.json"))
    dataset, described = record.dataset(run.section("dataset")), run.section("models")
    titles = {m.name: m.title for m in record.models(described) if m.kind == "model"}
    summary = read_csv(
        folder / "summary.csv", ("model", "metric"), ("mean", "ci_low", "ci_high")
    )  # fmt: skip
    rows = summary[(summary["metric"] == metric) & summary["model"].isin(list(titles))]
    if rows.empty:
        raise BenchmarkError(f"{folder} has no scores of {metric} of a model.")
    scores = {str(r.model): Estimate(r.mean, r.ci_low, r.ci_high) for r in rows.itertuples()}
    return dataset.title, dataset.n_images, titles, scores


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


def _caption() -> str:
    return (
        "AUC of predictions with centre bias and shuffled AUC of predictions without, on a "
        "hold-out set, with 95 % bootstrap intervals over images. Below the rule: printed values "
        f"on other images ({PAPER}), not to be ranked with those above."
    )


def _markdown(table: pd.DataFrame) -> str:
    lines = [
        "| Data | Model | AUC, with centre bias | sAUC, without |",
        "| :-- | :-- | --: | --: |",
    ]
    for _, row in table.iterrows():
        data = row["data"] if row["source"] == "measured" else f"*{row['data']}, printed*"
        lines.append(f"| {data} | {row['model']} | {' | '.join(_cells(row))} |")
    return "\n".join([*lines, "", _caption()]) + "\n"


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
            f"\\caption{{{escape(_caption())}}}", "\\label{tab:holdout}",
            "\\fontsize{7}{8.4}\\selectfont", "\\setlength{\\tabcolsep}{3pt}",
            "\\begin{tabular}{@{}llrr@{}}", "\\toprule",
            "Model & Data & AUC & sAUC \\tabularnewline", "\\midrule", *rows, "\\bottomrule",
            "\\end{tabular}", "\\end{table}", "",
        ]
    )  # fmt: skip
    return document(body)
