"""Every command: help with examples that work, honest exit codes, errors without a traceback."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest
import requests
from click.testing import CliRunner

from benchmark import __version__, registry
from benchmark.cli import main
from benchmark.report.figures import FIGURES
from benchmark.report.results import Results

REPOSITORY = Path(__file__).resolve().parents[2]
HEAVY = ("torch", "pysaliency", "matplotlib", "pandas", "numpy", "scipy", "numba", "joblib", "PIL")
COMMANDS = sorted(main.commands)
PREFIX = "python -m benchmark"


def invoke(*arguments):
    """The command's result; whatever goes wrong, it must not be an unexpected exception."""
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def run_python(code, *arguments, **options):
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True, text=True, check=True, cwd=REPOSITORY, **options,
    ).stdout  # fmt: skip


def examples(command):
    """The example lines of a command's help, as arguments."""
    lines = [line.strip() for line in (command.help or "").splitlines()]
    return [
        shlex.split(line.split("   ")[0].removeprefix(PREFIX))
        for line in lines
        if line.startswith(PREFIX)
    ]


# Help


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_and_an_example(name):
    result = invoke(name, "--help")
    assert result.exit_code == 0
    assert "Example" in result.output
    assert f"{PREFIX} {name}" in result.output
    assert (main.commands[name].help or "").split("\n")[0].endswith(".")
    for option in main.commands[name].params:
        if isinstance(option, click.Option):
            assert option.opts[0] in result.output


@pytest.mark.parametrize("command", [main, *main.commands.values()], ids=lambda c: c.name)
def test_examples_are_real(command):
    found = examples(command)
    assert found
    for arguments in found:
        assert arguments[0] in main.commands
        called = main.commands[arguments[0]]
        if command is not main:
            assert called is command
        context = called.make_context(arguments[0], arguments[1:])  # parses, or raises
        for option, entries in {
            "dataset": registry.datasets(),
            "predictions_for": registry.datasets(),
            "protocol": registry.protocols(),
            "name": {**registry.datasets(), **registry.backbones()},
            "path": registry.datasets(),
        }.items():
            value = context.params.get(option)
            assert not value or value.endswith("/") or value in entries
        for option, entries in {
            "models": registry.models(), "metrics": registry.metrics(),
        }.items():  # fmt: skip
            assert set(context.params.get(option) or ()) <= set(entries)


def test_an_example_that_is_not_real_would_be_found():
    run = main.commands["run"]
    with pytest.raises(click.UsageError, match="No such option"):
        run.make_context("run", ["--no-such-option"])
    broken = click.Command("broken", help=f"x\n\n    {PREFIX} run --imagse 3   explained")
    assert examples(broken) == [["run", "--imagse", "3"]]


def test_the_defaults_of_the_command_are_those_of_the_function():
    from benchmark.run import Options

    context = main.commands["run"].make_context("run", [])
    assert Options(**context.params) == Options()


def test_version():
    assert invoke("--version").output == f"benchmark, version {__version__}\n"


def test_help_and_listing_import_nothing_heavy():
    code = (
        "import sys\n"
        "from benchmark.cli import main\n"
        "for arguments in (['--help'], ['list'], *([name, '--help'] for name in main.commands)):\n"
        "    assert not main(arguments, standalone_mode=False)\n"
        f"print('heavy:', [name for name in {HEAVY} if name in sys.modules])\n"
    )
    assert run_python(code).splitlines()[-1] == "heavy: []"


# list


def test_list_names_everything_that_is_registered():
    lines = invoke("list").output.splitlines()
    found = {line.split()[0]: line for line in lines if line.startswith("  ")}
    kinds = (
        registry.datasets(), registry.models(), registry.backbones(), registry.metrics(),
        registry.protocols(),
    )  # fmt: skip
    assert set(found) == {name for entries in kinds for name in entries}
    for name, entry in registry.datasets().items():
        assert found[name].endswith("[simulated]") == entry.metadata.get("simulated", False)
    assert found["photographs"].endswith("[simulated]")
    for name, entry in registry.models().items():
        assert found[name].endswith("[ceiling]") == (entry.metadata.get("kind") == "ceiling")


def test_list_of_one_kind():
    output = invoke("list", "models").output
    assert "centerbias" in output
    assert "photographs" not in output
    assert invoke("list", "nonsense").exit_code == 2


# Exit codes and suggestions


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["run", "--images", "0"], 2),
        (["run", "--images", "many"], 2),
        (["run", "--draws", "10"], 2),
        (["run", "--kernel-size", "0"], 2),
        (["run", "--seed", "-1"], 2),
        (["run", "--jobs", "0"], 1),
        (["run", "--no-such-option"], 2),
        (["run", "surplus"], 2),
        (["nonsense"], 2),
        (["table"], 2),
        (["plot", "no/such/folder"], 1),
        (["table", "no/such/folder"], 1),
        (["check", "no/such/folder"], 1),
        (["check"], 2),
        (["download", "photographs"], 1),
        (["list"], 0),
    ],
    ids=str,
)
def test_exit_codes(arguments, code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = invoke(*arguments)
    assert result.exit_code == code
    if code:
        assert "Error" in result.output or "error" in result.output
        assert "Traceback" not in result.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "--dataset", "mit1033"], "unknown data set 'mit1033'. Did you mean 'mit1003'?"),
        (["run", "--models", "centrebias"], "unknown model 'centrebias'. Did you mean 'centerbi"),
        (["run", "--metrics", "IG,auc"], "unknown metric 'auc'. Did you mean 'AUC'?"),
        (["run", "--protocol", "tubingen"], "unknown protocol 'tubingen'. Did you mean 'tuebing"),
        (["download", "ossie"], "unknown data set or backbone 'ossie'. Did you mean 'osie'?"),
        (["check", "photograph"], "unknown data set 'photograph'. Did you mean 'photographs'?"),
    ],
    ids=str,
)
def test_unknown_names_suggest_the_nearest_and_list_all(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = invoke(*arguments)
    assert result.exit_code == 1
    assert message in result.output
    assert "Known: " in result.output
    assert list(tmp_path.iterdir()) == []


def test_unknown_maps_are_listed():
    result = invoke("run", "--maps", "rigth")
    assert result.exit_code == 2
    assert "'right'" in result.output
    assert "'naive'" in result.output


def test_an_interrupt_says_how_to_go_on(monkeypatch):
    def interrupted(options, say):
        raise KeyboardInterrupt

    monkeypatch.setattr("benchmark.run.run", interrupted)
    result = invoke("run")
    assert result.exit_code == 130
    assert "run the same command again to go on" in result.output


def test_options_reach_the_run(monkeypatch, tmp_path):
    from benchmark.run import Options

    given = []

    def noted(options, say):
        given.append(options)
        raise KeyboardInterrupt

    monkeypatch.setattr("benchmark.run.run", noted)
    arguments = (
        "run --dataset d/ --data-root r --models a,b --metrics IG,,AUC, --protocol mit2014 "
        "--maps naive --images 3 --subset 10x20 --kernel-size 1.5 --seed 4 --jobs 2 --draws 100 "
        "--backend dask --scheduler tcp://node1:8786 --out o"
    )
    invoke(*shlex.split(arguments))
    assert given == [
        Options(
            dataset="d/", data_root=Path("r"), models=("a", "b"), metrics=("IG", "AUC"),
            protocol="mit2014", maps="naive", images=3, subset="10x20", kernel_size=1.5, seed=4,
            jobs=2, backend="dask", scheduler="tcp://node1:8786", draws=100, out=Path("o"),
        )
    ]  # fmt: skip


# run, and what reads its results


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """A results folder of two photographs of the built-in data set, and what the run printed."""
    from models.centerbias import CenterBias

    folder = tmp_path_factory.mktemp("results") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CenterBias, "fit", classmethod(lambda kind, data: kind(data, 0.1, 0.01)))
        result = invoke(
            "run", "--images", 2, "--draws", 200, "--models", "uniform,centerbias,gold",
            "--metrics", "LL,IG,AUC", "--out", folder,
        )  # fmt: skip
    assert result.exit_code == 0, result.output
    return folder, result.output


def test_the_run_prints_its_table_and_where_it_is(results):
    folder, output = results
    assert (folder / "summary.md").read_text(encoding="utf-8") in output
    assert output.rstrip().endswith(f"Written to {folder}")
    assert json.loads((folder / "run.json").read_text(encoding="utf-8"))["complete"] is True


def test_simulated_observers_are_named_wherever_numbers_are(results):
    folder, output = results
    assert "simulated observers" in output
    for name in ("summary.md", "summary.tex"):
        assert "simulated observers" in (folder / name).read_text(encoding="utf-8")
    drawn = {name: draw(Results.read(folder)) for name, draw in FIGURES.items()}
    drawn = {name: figure for name, figure in drawn.items() if figure is not None}
    assert {"information", "overview"} <= set(drawn)
    for name, figure in drawn.items():
        assert any("simulated observers" in text.get_text() for text in figure.texts), name
    files = {file.name for file in (folder / "figures").iterdir()}
    assert files == {f"{name}.{ending}" for name in drawn for ending in ("pdf", "png")}


def test_tables_and_figures_are_made_from_stored_scores_alone(results, tmp_path):
    folder, _ = results
    code = (
        "import sys\n"
        "from benchmark.cli import main\n"
        "folder, out = sys.argv[1:]\n"
        "main(['table', folder], standalone_mode=False)\n"
        "main(['table', folder, '--format', 'latex', '--intervals'], standalone_mode=False)\n"
        "main(['plot', folder, '--out', out], standalone_mode=False)\n"
        "names = ('torch', 'pysaliency', 'models', 'metrics', 'benchmark.evaluate')\n"
        "print('loaded:', [name for name in names if name in sys.modules])\n"
    )
    lines = run_python(code, folder, tmp_path / "drawn").splitlines()
    assert lines[-1] == "loaded: []"
    assert "\\begin{tabular}" in "\n".join(lines)
    drawn = sorted((tmp_path / "drawn").iterdir())
    assert [str(file) for file in drawn] == sorted(lines[-1 - len(drawn) : -1])
    for file in drawn:
        assert file.read_bytes() == (folder / "figures" / file.name).read_bytes()


def test_the_table_shows_the_columns_asked_for(results):
    folder, _ = results
    output = invoke("table", folder, "--metrics", "AUC").output
    head = next(line for line in output.splitlines() if line.startswith("| Model"))
    assert head == "| Model | AUC ↑ |"
    assert "| Uniform | 0.500 |" in output
    with_intervals = invoke("table", folder, "--metrics", "AUC", "--intervals").output
    assert "| Uniform | 0.500 <sub>\\[0.500,&nbsp;0.500\\]</sub> |" in with_intervals
    unknown = invoke("table", folder, "--metrics", "NSS")
    assert unknown.exit_code == 1
    assert "no scores of the metric 'NSS'" in unknown.output


def test_latex_stands_alone_or_not(results):
    folder, _ = results
    part = invoke("table", folder, "--format", "latex").output
    assert "\\begin{tabular}" in part
    assert "\\documentclass" not in part
    whole = invoke("table", folder, "--format", "latex", "--standalone").output
    assert "\\documentclass" in whole
    assert part.strip() in whole


def test_figures_are_drawn_again_where_they_were(results):
    folder, _ = results
    figures = folder / "figures"
    before = {file.name: file.read_bytes() for file in figures.iterdir()}
    (figures / "overview.png").unlink()
    result = invoke("plot", folder)
    assert result.exit_code == 0
    assert sorted(result.output.split()) == sorted(str(figures / name) for name in before)
    assert {file.name: file.read_bytes() for file in figures.iterdir()} == before


# check and download


def test_check_of_a_sound_folder(make_folder):
    result = invoke("check", make_folder())
    assert result.exit_code == 0
    assert "0 errors" in result.output
    assert "own: 3 images, 2 subjects" in result.output


def test_check_lists_every_problem(make_folder, truncate):
    root = make_folder([("a.png", "amy", "left", 1), ("z.png", "amy", 1, 1), ("a.png", "", 2, 2)])
    truncate(root / "images" / "b.png")
    result = invoke("check", root)
    assert result.exit_code == 1
    for part in ("fixations.csv:2", "fixations.csv:3", "fixations.csv:4", "b.png", "4 errors"):
        assert part in result.output


def test_check_of_predictions(make_folder, tmp_path):
    import numpy as np

    root = make_folder()
    maps = tmp_path / "maps"
    maps.mkdir()
    for name in "abc":
        np.save(maps / f"{name}.npy", np.full((30, 40), -np.log(1200)))
    good = invoke("check", maps, "--dataset", root)
    assert good.exit_code == 0
    assert "Taken as log density: 3 maps." in good.output
    np.save(maps / "a.npy", np.full((40, 30), -np.log(1200)))
    (maps / "b.npy").unlink()
    bad = invoke("check", maps, "--dataset", root)
    assert bad.exit_code == 1
    assert "looks transposed" in bad.output
    assert "no prediction for the image b" in bad.output


def test_download_without_a_connection_says_what_to_do(tmp_path, monkeypatch):
    def offline(*arguments, **options):
        raise requests.ConnectionError("Network is unreachable")

    monkeypatch.setattr(requests, "get", offline)
    monkeypatch.setattr("benchmark.datasets.fetch.time.sleep", lambda seconds: None)
    result = invoke("download", "siena12", "--data-root", tmp_path)
    assert result.exit_code == 1
    assert "cannot be reached" in result.output
    assert "Without a connection: download https://" in result.output
    assert str(tmp_path / ".downloads" / "siena12.archive") in result.output
    assert not (tmp_path / "FixaTons").exists()


def test_download_of_what_has_no_address_says_where_it_is():
    result = invoke("download", "pascal-s")
    assert result.exit_code == 1
    assert "pysaliency.external_datasets.get_PASCAL_S(location=ROOT)" in result.output


def test_a_data_set_that_is_not_there_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setenv("BENCHMARK_DATA", "")
    monkeypatch.setattr("benchmark.datasets.locate.cache_root", lambda: tmp_path / "cache")
    result = invoke("run", "--dataset", "mit1003", "--data-root", tmp_path / "data")
    assert result.exit_code == 1
    assert "python -m benchmark download mit1003" in result.output
    assert str(tmp_path / "data") in result.output


@pytest.mark.parametrize("gpu", [False, True])
@pytest.mark.parametrize("quick", [True, False])
@pytest.mark.parametrize("command", [("train",), ("train", "--device", "cuda"), ("ablation",)])
def test_bfloat16_on_a_processor_without_it_is_warned_of(monkeypatch, command, quick, gpu):
    """A GPU counts where it is used: by train, if it is asked to."""
    import torch

    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: quick)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: int(gpu))
    arguments = [*command, "--dataset", "nowhere"]
    done = CliRunner().invoke(main, [*arguments, "--precision", "bfloat16"])
    assert "'nowhere'" in done.stderr or (not gpu and "finds no GPU" in done.stderr)
    slow = not quick and "cuda" not in command
    assert ("hundreds of times slower" in done.stderr) is slow
    done = CliRunner().invoke(main, arguments)
    assert "hundreds of times slower" not in done.stderr
