"""Processes that torchrun starts share a training, and write what one process would."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from benchmark import provenance
from benchmark import train as train_module
from benchmark.cli import main
from benchmark.distributed import Ranks
from benchmark.errors import BenchmarkError
from benchmark.report import curves as curves_module
from benchmark.train import TrainOptions, chosen_device, train
from models.centerbias import CenterBias
from models.deepgaze.recipes import RECIPES
from models.deepgaze.weights import Weights
from tests.benchmark.test_train import write_folder
from tests.models.deepgaze.bright import RECIPE

REPOSITORY = Path(__file__).resolve().parents[2]
WRITTEN = ("deepgaze2.safetensors", "test.csv", "curves.csv", "training.json")


def torchrun(
    module: str, *arguments: object, restarts: int = 0, **variables: object
) -> subprocess.CompletedProcess:
    """Two processes that run a module."""
    return subprocess.run(
        [
            sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
            "--max-restarts", str(restarts), "-m", module, *map(str, arguments),
        ],
        capture_output=True, text=True, cwd=REPOSITORY, timeout=120,
        env={**os.environ, **{name: str(value) for name, value in variables.items()}},
    )  # fmt: skip


def trained_folds(file: Path) -> dict[str, list[int]]:
    """Folds by the rank that trained them."""
    found: dict[str, list[int]] = {}
    for line in file.read_text().splitlines():
        rank, fold = line.split()
        found.setdefault(rank, []).append(int(fold))
    return found


def test_two_processes_write_what_one_does_and_go_on_after_a_failure(tmp_path, monkeypatch):
    folder, out = write_folder(tmp_path / "mine"), tmp_path / "two"
    arguments = ("train", "--dataset", folder, "--folds", 3, "--out", out)
    module = "tests.benchmark.quick_train"

    # fold 1 fails after its first epoch: nothing is written but checkpoints
    shared = {"BENCHMARK_FEATURES": tmp_path / "shared"}
    failed = torchrun(module, *arguments, **shared, TRAINED=tmp_path / "before", FAIL_AT=1)
    assert failed.returncode == 1
    assert "Error: fold 1 cannot be trained." in failed.stderr
    assert "Traceback" not in failed.stderr.partition("torch/distributed/elastic")[0]
    assert not any((out / name).exists() for name in WRITTEN)
    assert (out / "checkpoints" / "fold1-seed0.pt").is_file()
    assert trained_folds(tmp_path / "before")["1"] == [1]

    resumed = torchrun(module, *arguments, **shared, TRAINED=tmp_path / "after")
    assert resumed.returncode == 0, resumed.stderr
    assert trained_folds(tmp_path / "after") == {"0": [0, 2], "1": [1]}
    assert "fold 1, seed 0, training 1:" not in resumed.stdout
    assert "fold 1, seed 0, training 2:" in resumed.stdout
    assert resumed.stdout.count("Mean information gain on the test images") == 1
    assert resumed.stdout.count(f"Written to {out / 'deepgaze2.safetensors'}") == 1

    monkeypatch.setitem(RECIPES, "deepgaze2", replace(RECIPE, epochs=2, averaging=0.5))
    monkeypatch.setattr(CenterBias, "fit", classmethod(lambda kind, data: kind(data, 0.15, 0.1)))
    monkeypatch.setattr(curves_module, "draw_curves", lambda curves, folder: [])
    command = f"torchrun --nproc-per-node 2 -m benchmark {' '.join(map(str, arguments))}"
    monkeypatch.setattr(provenance, "command_line", lambda: command)
    options = TrainOptions(
        dataset=str(folder), n_folds=3, out=tmp_path / "one", features=tmp_path / "own"
    )
    assert train(options) is not None
    for name in WRITTEN:
        assert (out / name).read_bytes() == (tmp_path / "one" / name).read_bytes(), name
    assert Weights.load(out / "deepgaze2.safetensors").record["device"] == "cpu"
    gathered, own = (
        {file.relative_to(tmp_path / name): file.read_bytes() for file in maps}
        for name in ("shared", "own")
        for maps in [(tmp_path / name).rglob("*.npy")]
    )
    assert gathered == own
    assert len(own) == 6 * 2 * 2  # images, layers, views


def test_a_killed_process_ends_the_others(tmp_path):
    done = torchrun("tests.benchmark.collective", FOLDER=tmp_path, KILLED=1)
    assert done.returncode == 1
    assert "exitcode  : -9" in done.stderr
    assert not [*tmp_path.glob("done-*")]
    for told in tmp_path.glob("told-*"):  # unless torchrun was quicker
        assert "one of them has ended early" in told.read_text()


def test_processes_meet_again_after_a_restart_and_tell_each_other(tmp_path):
    done = torchrun("tests.benchmark.collective", restarts=1, FOLDER=tmp_path, KILLED=1)
    assert done.returncode == 0, done.stderr
    assert {file.name for file in tmp_path.iterdir()} - {"told-0"} == {
        "done-0", "done-1", "of-0", "of-1", "together"
    }  # fmt: skip
    assert not [*tmp_path.glob("*/.*.shared")]


# Without other processes


@pytest.fixture
def launched(monkeypatch):
    """As torchrun would start the second of three processes of a machine, of two machines."""
    variables = {
        "TORCHELASTIC_RUN_ID": "none", "RANK": 4, "WORLD_SIZE": 6, "LOCAL_RANK": 1,
        "LOCAL_WORLD_SIZE": 3,
    }  # fmt: skip
    for name, value in variables.items():
        monkeypatch.setenv(name, str(value))


def test_without_torchrun_there_is_one_process(monkeypatch):
    monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)
    monkeypatch.setenv("RANK", "3")  # of something else
    monkeypatch.setenv("WORLD_SIZE", "4")
    ranks = Ranks.here()
    assert ranks == Ranks()
    assert ranks.is_first
    assert ranks.share([1, 2, 3]) == ranks.share_here([1, 2, 3]) == [1, 2, 3]
    assert ranks.gather([1, 2, 3]) == [1, 2, 3]
    assert ranks.sees(Path("nowhere"))
    ranks.wait()
    monkeypatch.setattr(sys, "argv", ["benchmark", "train"])
    assert provenance.command_line() == "python -m benchmark train"


def test_one_process_imports_no_torch():
    code = (
        "import sys; from benchmark.distributed import joined\n"
        "with joined() as ranks: ranks.gather(ranks.share([1]))\n"
        "assert 'torch' not in sys.modules"
    )
    environment = {k: v for k, v in os.environ.items() if k != "TORCHELASTIC_RUN_ID"}
    subprocess.run([sys.executable, "-c", code], check=True, cwd=REPOSITORY, env=environment)


@pytest.mark.parametrize("world", [1, 2, 3, 5])
def test_shares_are_everything_once(world):
    items = list(range(7))
    shares = [Ranks(rank, world).share(items) for rank in range(world)]
    assert sorted(item for share in shares for item in share) == items
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_what_torchrun_says(launched, monkeypatch):
    ranks = Ranks.here()
    assert ranks == Ranks(4, 6, 1, 3, True)
    assert not ranks.is_first
    assert ranks.share(range(12)) == [4, 10]
    assert ranks.share_here(range(6)) == [1, 4]
    monkeypatch.setattr(sys, "argv", ["benchmark", "train", "--out", "a b"])
    assert provenance.command_line() == (
        "torchrun --nnodes 2 --nproc-per-node 3 -m benchmark train --out 'a b'"
    )


def test_only_training_is_shared(launched):
    result = CliRunner().invoke(main, ["published"])
    assert result.exit_code == 1
    assert "torchrun is for `train`" in result.output
    assert "python -m benchmark published" in result.output


def test_each_process_of_a_machine_has_a_gpu_of_its_own(monkeypatch):
    alone, second = Ranks(), Ranks(5, 6, 2, 3, True)
    assert chosen_device("auto", second) == torch.device("cpu")
    with pytest.raises(BenchmarkError, match="finds no GPU"):
        chosen_device("cuda", second)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 8)
    assert chosen_device("auto", second) == torch.device("cuda", 2)
    assert chosen_device("cpu", second) == torch.device("cpu")
    assert chosen_device("auto", alone) == torch.device("cpu")
    assert chosen_device("cuda", alone) == torch.device("cuda", 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)  # fewer than processes
    assert chosen_device("cuda", second) == torch.device("cuda", 0)


def test_other_processes_than_the_first_write_nothing(tmp_path, monkeypatch):
    folder = write_folder(tmp_path / "mine")
    second = Ranks(1, 2)
    monkeypatch.setattr(Ranks, "wait", lambda self: None)
    monkeypatch.setattr(Ranks, "gather", lambda self, results: None)
    monkeypatch.setitem(RECIPES, "deepgaze2", replace(RECIPE, epochs=1))
    monkeypatch.setattr(CenterBias, "fit", classmethod(lambda kind, data: kind(data, 0.15, 0.1)))
    said: list[str] = []
    options = TrainOptions(dataset=str(folder), n_folds=3, out=tmp_path / "out", cache=False)
    assert train_module._train(options, second, said.append) is None
    assert [line[:14] for line in said] == ["fold 1, seed 0"]
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["checkpoints"]
