"""``statistics`` on synthetic results folders."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from benchmark.cli import main
from benchmark.errors import BenchmarkError, UnknownNameError
from benchmark.statistics.command import StatisticsOptions, analyse, command_of, text, write
from benchmark.statistics.text import p_value, signed, table
from tests.benchmark.report.conftest import make_folder

FEW = dict(draws=200, flips=199, repeats=50)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_folder(tmp_path_factory.mktemp("run") / "toy", n_models=3).write()


@pytest.fixture(scope="module")
def found(folder):
    return analyse(StatisticsOptions(folder, **FEW))


def test_all_pairs_of_ranked_models_are_tested(found):
    assert found.models[-2:] == ["centerbias", "uniform"]
    assert len(found.models) == 5
    assert [metric.name for metric in found.metrics] == [
        "IG", "AUC", "sAUC", "NSS", "CC", "KL", "SIM"
    ]  # fmt: skip
    assert len(found.tests) == 7 * 10
    assert "gold" not in {*found.tests["model"], *found.tests["other"]}
    for metric in found.metrics:  # the first of a pair is the better one
        rows = found.of(found.tests, metric.name)
        assert ((rows["difference"] > 0) == metric.higher_is_better).all()
    assert (found.tests["p_holm"] >= found.tests["p"]).all()


def test_differences_are_those_of_the_summary(found):
    means = found.results.summary.set_index(["model", "metric"])["mean"]
    for row in found.tests.itertuples():
        expected = means[row.model, row.metric] - means[row.other, row.metric]
        assert row.difference == pytest.approx(expected, abs=1e-9)


def test_power_and_agreement_cover_the_same(found):
    assert len(found.powers) == len(found.tests)
    assert found.powers["difference"].to_numpy() == pytest.approx(found.tests["difference"])
    assert len(found.agreed) == 21
    assert set(found.checked["n_images"]) == {10, 20, 50}
    assert found.neighbours == list(zip(found.models, found.models[1:]))


def test_the_text_tells_the_family_and_every_section(found):
    told = text(found)
    assert "all 10 pairs of models" in told
    for heading in ("Which models differ", "Whether metrics agree", "What this data set can"):
        assert f"## {heading}" in told
    assert "nan" not in told
    assert "With 5 models, correlations of ranks can take few values" in told


def test_the_command_is_one_that_does_it_again(folder):
    options = StatisticsOptions(folder, metrics=("AUC", "IG"), flips=500, out=folder / "elsewhere")
    command = command_of(options)
    assert command.endswith("toy --metrics AUC,IG --flips 500")
    assert analyse(options).leading.name == "AUC"


def test_two_models_and_one_metric_are_enough(folder, tmp_path):
    options = ["--models", "model-0,centerbias", "--metrics", "NSS", "--flips", "99"]
    options += ["--draws", "100", "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(main, ["statistics", str(folder), *options], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    tests = pd.read_csv(tmp_path / "out" / "tests.csv")
    assert len(tests) == 1
    assert not (tmp_path / "out" / "figures" / "agreement.pdf").exists()
    assert "Whether metrics agree" not in result.output


def test_the_same_bytes_again(folder, tmp_path):
    for name in "ab":
        arguments = ["statistics", folder, "--metrics", "IG,KL,AUC", "--flips", 99, "--draws", 100,
                     "--out", tmp_path / name]  # fmt: skip
        result = CliRunner().invoke(main, [str(one) for one in arguments], catch_exceptions=False)
        assert result.exit_code == 0, result.output
    files = [file.relative_to(tmp_path / "a") for file in (tmp_path / "a").rglob("*.*")]
    assert len(files) == 11
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes(), file


def test_too_few_images_to_separate_any_pair_are_told(found, tmp_path):
    assert "cannot separate any pair" not in text(found)
    folder = make_folder(tmp_path / "toy", n_models=2, n_images=6).write()
    few = analyse(StatisticsOptions(folder, metrics=("IG", "AUC"), **FEW))
    told = text(few)
    assert "IG, AUC: so few images cannot separate any pair after correction" in told
    assert "| cannot be |" in told
    assert "0 of 6" not in told
    assert "none can be below 0.031." in told
    two = text(analyse(StatisticsOptions(folder, models=few.models[::3], **FEW)))
    assert "cannot separate" not in two
    assert "1 of 1" in two


def test_flips_that_could_separate_no_pair_are_not_all(tmp_path):
    folder = make_folder(tmp_path / "toy", n_models=6).write()
    options = StatisticsOptions(folder, metrics=("IG",), draws=200, flips=99, repeats=50)
    found = analyse(options)
    assert len(found.tests) == 28
    assert (found.tests["p_holm"] <= 0.05).any()
    assert "5,600 times" in text(found)
    assert "none can be below 1.8e−4." in text(found)


def test_the_power_of_five_images_is_none(tmp_path):
    folder = make_folder(tmp_path / "toy", n_models=1, n_images=5).write()
    out = tmp_path / "out"
    found = analyse(StatisticsOptions(folder, metrics=("IG",), out=out, **FEW))
    assert (found.powers["power"] == 0).all()
    assert (found.powers["images_needed"] >= 6).all()
    assert "With fewer than 6 images no difference can be found." in text(found)
    assert write(found) == out


def test_an_infinite_difference_is_told(tmp_path):
    folder = make_folder(tmp_path / "toy", n_models=2)
    chosen = (folder.scores["model"] == "model-0") & (folder.scores["metric"] == "IG")
    folder.scores.loc[chosen & (folder.scores["image"] == "0003"), "value"] = -np.inf
    out = tmp_path / "out"
    found = analyse(StatisticsOptions(folder.write(), metrics=("IG",), out=out, **FEW))
    rows = found.tests[found.tests["other"] == "model-0"]
    assert len(rows) == 3
    assert (rows["difference"] == np.inf).all()
    assert rows["p"].isna().all()
    assert "neither a p nor an interval" in text(found)
    assert "nan" not in text(found)
    assert write(found) == out


def test_what_cannot_be_tested_is_refused(folder, tmp_path):
    partial = make_folder(tmp_path / "partial", complete=False).write()
    with pytest.raises(BenchmarkError, match="incomplete run"):
        analyse(StatisticsOptions(partial))
    with pytest.raises(BenchmarkError, match="need two"):
        analyse(StatisticsOptions(folder, models=("model-0",)))
    with pytest.raises(UnknownNameError, match="Did you mean 'model-1'"):
        analyse(StatisticsOptions(folder, models=("model-11", "model-0")))


def test_numbers_as_text():
    assert [p_value(p) for p in (1, 0.0514, 0.001, 0.000999, 5e-5, float("nan"))] == [
        "1.000", "0.051", "0.001", "1.0e−3", "5.0e−5", "–"
    ]  # fmt: skip
    assert [signed(v, 2) for v in (0.126, -0.126, 0.001, -0.001)] == [
        "+0.13", "−0.13", "0.00", "0.00"
    ]  # fmt: skip
    lines = table(["a", "b"], [["long one", "1"], ["x", "22"]]).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert lines[1] == "| :------- | --: |"
