"""LaTeX tables: escaping, bold face, layout, and that they compile as a document and in a paper."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from benchmark.report.latex import document, latex_table
from benchmark.report.latex_escape import escape
from benchmark.report.latex_float import line
from benchmark.report.published import blocks, of_dataset
from benchmark.report.published.latex import published_tables
from benchmark.report.results import Results

needs_latex = pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex not installed")
needs_text = pytest.mark.skipif(shutil.which("pdftotext") is None, reason="pdftotext not installed")
PAPER = r"""\documentclass[%s]{article}
\usepackage{booktabs}
\begin{document}
Text before, with a reference to Table~\ref{tab:toy-tuebingen}.
\input{summary}
Text after.
\end{document}
"""


def row(table: str, title: str) -> list[str]:
    """The cells of a model's row."""
    (line,) = re.findall(rf"^.*{re.escape(title)} & .*$", table, flags=re.MULTILINE)
    return [cell.strip() for cell in line.partition(r"\tabularnewline")[0].split("&")]


def compile_latex(folder: Path, name: str, source: str) -> str:
    """Compile twice, for references; return the last log."""
    (folder / f"{name}.tex").write_text(source, encoding="utf-8")
    for _ in range(2):
        done = subprocess.run(
            ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", f"{name}.tex"],
            cwd=folder,
            capture_output=True,
            text=True,
            errors="replace",
        )
        assert done.returncode == 0, done.stdout[-2000:]
    return done.stdout


def words(pdf: Path) -> set[str]:
    """What a document prints."""
    done = subprocess.run(["pdftotext", pdf, "-"], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a_b & 50% #1 $x$ {y}", r"a\_b \& 50\% \#1 \$x\$ \{y\}"),
        ("\\input~^", r"\textbackslash{}input\textasciitilde{}\textasciicircum{}"),
        ("<a>|b", r"\textless{}a\textgreater{}\textbar{}b"),
        ("a--b---c", "a-{}-b-{}-{}-c"),
        ("Müller–Łukasz", r"M\"{u}ller\textendash{}\L{}ukasz"),
        ("Δ", "[U+0394]"),
        ("a\n b\x07", "a b"),
        ("−1", "$-$1"),
    ],
)
def test_escape(text, expected):
    assert escape(text) == expected


def test_only_the_best_ranked_value_of_each_column_is_bold(make):
    results = Results.read(make(n_models=4).write())
    table = latex_table(results)
    best = row(table, "model-0")  # the most skilled of the synthetic models, in all metrics
    assert len(best) == 10
    assert all(cell.startswith(r"\textbf{") for cell in best[1:])
    assert table.count(r"\textbf{") == 9
    gain = results.estimate("model-0", "IG").value
    assert best[1] == rf"\textbf{{{gain:.3f}}}"


def test_lower_is_better_where_the_metric_says_so(make):
    folder = make(n_models=2)
    worse = (folder.summary["model"] == "model-0") & (folder.summary["metric"] == "KL")
    folder.summary.loc[worse, "mean"] = 5.0
    table = latex_table(Results.read(folder.write()), ["KL"])
    assert row(table, "model-0")[1] == "5.000"
    assert row(table, "model-1")[1].startswith(r"\textbf{")
    assert r"KL $\downarrow$" in table


def test_an_incomplete_run_is_labelled_and_ranks_nobody(make):
    table = latex_table(Results.read(make(complete=False).write()))
    assert r"\textbf" not in table
    assert "incomplete run, not ranked" in table
    assert "60 of 120~images" in table


def test_undefined_values_are_dashes_and_never_bold(make):
    folder = make(n_models=2)
    folder.summary.loc[folder.summary["metric"] == "SIM", ["mean", "ci_low", "ci_high"]] = np.nan
    table = latex_table(Results.read(folder.write()), ["SIM"], intervals=True)
    assert {row(table, name)[1] for name in ("model-0", "model-1", "Uniform")} == {r"\textendash{}"}
    assert r"\textbf" not in table
    assert "A dash marks an undefined score" in table


def test_ceilings_are_set_apart(make):
    table = latex_table(Results.read(make(n_models=2, simulated=True).write()))
    body = table.split(r"\midrule")
    assert len(body) == 3
    assert "Gold standard" not in body[1]
    assert "model-1" in body[1]
    assert all(title in body[2] for title in ("Gold standard", "in-sample", "Simulated truth"))


def test_the_caption_says_what_the_numbers_are_about(make):
    folder = make(simulated=True)
    results = Results.read(folder.write())
    caption = re.search(r"\\caption\{(.*)\}", latex_table(results, intervals=True)).group(1)
    for part in (
        r"Toy\_set \& Co (simulated observers)",
        f"60~images, {results.n_fixations:,} fixations",
        "protocol tuebingen",
        "24~px",
        r"bootstrap 95~\% intervals over~images",
        "IG and LL over fixations",
    ):
        assert part in caption
    plain = make("measured").write()
    assert "simulated" not in latex_table(Results.read(plain))
    assert "bootstrap" not in latex_table(Results.read(plain))


def test_intervals_stand_below_their_values(make):
    results = Results.read(make(n_models=2).write())
    mean, low, high = results.estimate("model-1", "AUC")
    cell = row(latex_table(results, ["AUC"], intervals=True), "model-1")[1]
    assert cell.startswith(rf"\stack{{{mean:.3f}}}{{[{low:.3f}, {high:.3f}]}}")


def test_few_columns_fit_one_column_of_a_paper_and_many_need_two(make):
    results = Results.read(make(n_models=2).write())
    assert r"\begin{table}[" in latex_table(results, ["IG", "NSS"])
    assert r"\begin{table*}[" in latex_table(results)


def test_parts_of_a_long_table_share_number_label_and_rows(make):
    results = Results.read(make(n_models=40).write())
    table = latex_table(results, intervals=True)
    parts = table.count(r"\begin{table*}")
    assert parts > 1
    assert table.count(r"\label{") == 1
    assert table.count(r"\addtocounter{table}{-1}") == parts - 1
    for column in ("IG", "SIM"):  # first and last, in different halves of the columns
        with_column = [p for p in table.split(r"\toprule")[1:] if f"{column} $" in p]
        rows = "".join(with_column)
        assert all(rows.count(f"\nmodel-{i} &") == 1 for i in range(40))


@needs_latex
@pytest.mark.parametrize("intervals", [False, True])
@pytest.mark.parametrize(
    "options",
    [
        {"n_models": 4, "simulated": True},
        {"n_models": 40, "nasty": True},
        {"n_models": 2, "complete": False},
    ],
    ids=["four", "forty", "incomplete"],
)
def test_tables_compile_on_their_own_and_in_a_paper(make, tmp_path, options, intervals):
    results = Results.read(make(**options).write())
    source = latex_table(results, intervals=intervals, standalone=True)
    alone = compile_latex(tmp_path, "summary", source)
    paper = compile_latex(tmp_path, "paper", PAPER % "twocolumn")
    for log in (alone, paper):
        assert "Output written" in log
        assert "Overfull" not in log
        assert "Float too large" not in log
        assert "undefined" not in log


@pytest.mark.parametrize(
    ("name", "guarded"), [("[a]", "{}[a]"), ("*a", "{}*a"), (" [a]", "{} [a]"), ("a[*]", "a[*]")]
)
def test_no_row_begins_with_what_ends_the_row_above(name, guarded):
    assert line(name, ["1", "[2]"]) == rf"{guarded} & 1 & [2] \tabularnewline"


@needs_latex
@needs_text
@pytest.mark.parametrize("intervals", [False, True])
def test_rows_may_begin_with_a_bracket_or_a_star(make, tmp_path, intervals):
    names = ("[a] & <b>", "*star", "Δmodel", "[", " [4pt] x", "\u200b*")
    results = Results.read(make(n_models=len(names), names=names).write())
    table = latex_table(results, ["IG", "AUC"], intervals, standalone=True)
    log = compile_latex(tmp_path, "summary", table)
    assert "Overfull" not in log
    printed = words(tmp_path / "summary.pdf")
    assert {"[a]", "*star", "[U+0394]model", "[", "[4pt]", "*"} <= printed
    assert not any("¿" in word for word in printed)


@needs_latex
@needs_text
def test_published_names_may_begin_with_a_bracket_or_a_star(tmp_path):
    rows = of_dataset("mit300")
    rows = rows[rows["metric"] == "IG"][:3].assign(model=["[a]", "*star", "Δmodel"])
    compile_latex(tmp_path, "published", document("\n".join(published_tables(rows, "tab:x"))))
    assert {"[a]", "*star", "[U+0394]model"} <= words(tmp_path / "published.pdf")


@needs_latex
def test_a_narrow_table_fits_one_column(make, tmp_path):
    results = Results.read(make(n_models=11, nasty=True).write())
    source = latex_table(results, ["IG", "AUC"])
    assert r"\begin{table}[" in source
    (tmp_path / "summary.tex").write_text(source, encoding="utf-8")
    log = compile_latex(tmp_path, "paper", PAPER % "twocolumn")
    assert "Overfull" not in log
    assert "Float too large" not in log


def test_a_title_that_says_it_already_is_not_labelled_twice(make):
    folder = make(simulated=True)
    folder.run["dataset"]["title"] = "Photographs, simulated observers"
    assert latex_table(Results.read(folder.write())).count("simulated observers") == 1


@needs_latex
@pytest.mark.parametrize("dataset", ["mit1003", "osie", "cat2000", "mit300"])
def test_published_scores_stand_in_tables_of_their_own(make, tmp_path, monkeypatch, dataset):
    results = Results.read(make(n_models=4).write())
    measured = latex_table(results, standalone=True)
    monkeypatch.setattr("benchmark.report.latex.of_dataset", lambda name: of_dataset(dataset))
    source = latex_table(results, standalone=True, published=True)
    rows = of_dataset(dataset)
    added = source[source.index("not to be ranked") :]
    assert added.count("Source:") + 1 >= len(blocks(rows)) > 1
    assert r"\textbf" in measured
    assert r"\textbf" not in added
    for value in rows["value"]:
        assert value.removeprefix("-") in added
    log = compile_latex(tmp_path, "summary", source)
    assert "Overfull" not in log
    assert "Float too large" not in log
    assert "multiply" not in log


def test_a_remark_on_a_unit_stands_in_the_caption():
    tables = published_tables(of_dataset("mit300"), "tab:x")
    with_remark = [table for table in tables if "KLDiv" in table and "continued" not in table]
    assert len(with_remark) == 5
    for table in with_remark:
        assert "KLDiv in nat as reported by board." in table
        assert "(nat)" in table
        assert "(nat (" not in table


@pytest.mark.parametrize("dataset", ["mit300", "cat2000"])
def test_few_rows_that_are_too_wide_for_a_column_are_turned(dataset):
    tables = published_tables(of_dataset(dataset), "tab:x")
    (turned,) = [table for table in tables if r"Metric & GazeGAN \tabularnewline" in table]
    assert turned.startswith(r"\begin{table}[")
    rows = of_dataset(dataset)
    rows = rows[(rows["model"] == "GazeGAN") & rows["source"].str.contains("Sal-CFS-GAN")]
    for metric, value in zip(rows["metric"], rows["value"]):
        name = metric + " (nat)" * (metric == "KLDiv")
        assert f"\n{name} & {value}" in turned


@pytest.mark.parametrize(("n", "full"), [(1, False), (2, False), (3, True)])
def test_the_caption_of_few_rows_is_short(n, full):
    rows = of_dataset("mit300")
    rows = rows[rows["model"].isin(rows["model"].unique()[:n]) & (rows["metric"] == "IG")]
    (table,) = published_tables(rows, "tab:x")
    assert ("on other fixations or by other protocols" in table) == full
    assert "not to be ranked with what was measured: MIT300 (centerbias" in table
    assert "Source: " in table


def test_published_scores_are_not_invented(make):
    results = Results.read(make().write())  # a data set that nobody else has
    assert latex_table(results, published=True) == latex_table(results)
