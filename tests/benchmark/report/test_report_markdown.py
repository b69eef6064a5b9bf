"""Markdown tables: every cell in its column, notes, differences to the best."""

from __future__ import annotations

import re
from html import unescape

import numpy as np
import pytest

from benchmark.report.html import html_page
from benchmark.report.latex import latex_table
from benchmark.report.markdown import escape, markdown_table
from benchmark.report.results import Results


def grid(text: str, first: str = "Model") -> list[list[str]]:
    """The cells of the table whose head is ``first`` and whatever; pipes count unless escaped."""
    lines = text.split("\n")
    start = next(i for i, line in enumerate(lines) if line.startswith(f"| {first} |"))
    rows = []
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
    return rows


def test_every_row_has_all_columns_whatever_the_names(make):
    results = Results.read(make(n_models=40, nasty=True).write())
    rows = grid(markdown_table(results))
    assert len(rows) == 2 + len(results.models)
    assert {len(row) for row in rows} == {10}
    assert r"\<b\>" not in rows[2][0]
    titles = [row[0].strip("*") for row in rows[2:]]
    assert titles == [escape(model.title) for model in results.models]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a_b*c", r"a\_b\*c"),
        ("x|y", r"x\|y"),
        ("<b> & `c`", r"&lt;b\> &amp; \`c\`"),
        ("[l](u)", r"\[l\](u)"),
        ("two\nlines", "two lines"),
    ],
)
def test_escape(text, expected):
    assert escape(text) == expected


def test_best_values_are_bold_and_ceilings_italic(make):
    results = Results.read(make(n_models=3).write())
    rows = {row[0]: row[1:] for row in grid(markdown_table(results, intervals=False))[2:]}
    bold = {name for name, cells in rows.items() if any("**" in cell for cell in cells)}
    assert bold == {"model-2"}
    assert rows["model-2"][0] == f"**{results.estimate('model-2', 'IG').value:.3f}**"
    assert "*Gold standard*" in rows


def test_intervals_can_be_left_out(make):
    results = Results.read(make(n_models=2).write())
    low = f"{results.estimate('model-0', 'AUC').low:.3f}"
    with_intervals = markdown_table(results, ["AUC"])
    assert low in with_intervals
    assert "bootstrap 95 % intervals over images" in with_intervals
    assert low not in markdown_table(results, ["AUC"], intervals=False)


def test_notes_say_protocol_averages_and_what_a_dash_means(make):
    text = markdown_table(Results.read(make(simulated=True).write()))
    for part in (
        "simulated observers",
        "protocol tuebingen (each metric on the map that is right for it; empirical maps blurred "
        "with 24 px)",
        "Means of IG and LL over fixations",
        "A dash marks an undefined score",
        "The gold standard has no CC, KL and SIM",
        "IG: Information gain in bits per fixation, chance 0",
    ):
        assert part in text


SHARES = ["explained", "explained_low", "explained_high"]


def test_a_gold_standard_without_a_gain_leaves_nothing_to_explain(make):
    folder = make(n_models=2)
    note = "cannot be given where the gold standard's own gain is not above 0"
    assert note not in markdown_table(Results.read(folder.write()))
    folder.summary[SHARES] = np.nan
    results = Results.read(folder.write())
    told = markdown_table(results, ["IG", "AUC"])
    assert f"Expl. IG {note}" in told
    assert "Expl. IG" not in "".join(grid(told)[0])
    assert note in latex_table(results).replace("~", " ")
    assert note in unescape(html_page(results))
    assert note not in markdown_table(results, ["AUC"])


def test_shares_without_intervals_are_explained(make):
    folder = make(n_models=2)
    note = "Expl. IG lacks an interval where the gold standard gains nothing on some draws"
    assert note not in markdown_table(Results.read(folder.write()))
    folder.summary.loc[folder.summary["model"] != "gold", SHARES[1:]] = np.nan
    assert note in markdown_table(Results.read(folder.write()), ["IG"])
    # a gain of minus infinity has no interval of its own, nor has its share
    folder.summary.loc[folder.summary["metric"] == "IG", ["ci_low", "ci_high"]] = np.nan
    assert note not in markdown_table(Results.read(folder.write()), ["IG"])


def test_images_without_a_score_are_reported(make):
    folder = make(n_models=2)
    folder.summary.loc[folder.summary["metric"] == "sAUC", "n_images"] = 58
    text = markdown_table(Results.read(folder.write()))
    assert "Undefined and left out of the mean: sAUC on up to 2 images" in text


def test_a_metric_that_nobody_has_says_nothing_about_the_gold_standard(make):
    folder = make(n_models=2)
    folder.summary.loc[folder.summary["metric"] == "AUC", "mean"] = np.nan
    assert "The gold standard has no CC, KL and SIM" in markdown_table(Results.read(folder.write()))


def test_differences_are_to_the_best_model_in_order(make):
    folder = make(n_models=3)
    text = markdown_table(Results.read(folder.write()))
    assert "**Paired differences of IG to the best model, model-2**" in text
    rows = grid(text.split("Paired differences")[1])
    assert [row[0] for row in rows[2:]] == ["model-1", "model-0", "Centre bias", "Uniform"]
    expected = folder.differences.query("metric == 'IG' and model == 'model-0'").iloc[0]
    difference = f"{expected['difference']:.3f}".replace("-", "−")
    low = f"{expected['ci_low']:.3f}".replace("-", "−")
    assert rows[3][1] == difference
    assert rows[3][2].startswith(rf"\[{low}, ")
    assert rows[3][3] == "60"


def test_an_incomplete_run_has_no_best_to_differ_from(make):
    text = markdown_table(Results.read(make(complete=False).write()))
    assert "incomplete run, not ranked" in text
    assert "Paired differences" not in text
    assert not re.search(r"\*\*[−\d]", text)
