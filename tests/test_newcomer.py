"""The model of CONTRIBUTING, pasted into a file: scored, listed, drawn, with no other edit."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from matplotlib.text import Text

from benchmark.report.figures import FIGURES
from benchmark.report.results import Results

REPOSITORY = Path(__file__).resolve().parents[1]
NAME, TITLE = "upper-half", "Upper half"

CONTRACT = f"""
import numpy as np
from benchmark import registry
from benchmark.run import fit_models
from tests.benchmark.tiny import tiny
from tests.contracts import checks
from tests.contracts.test_models import test_a_registered_model_keeps_the_contract as contract

assert {NAME!r} in contract.pytestmark[0].args[1]
dataset = tiny()
model = fit_models(dataset, [{NAME!r}])[{NAME!r}]
unknown = [np.zeros((26, 40, 3), np.uint8), np.ones((37, 29), np.uint8)]
checks.check_model(model, registry.models()[{NAME!r}].metadata, dataset.stimuli, unknown)
print("kept by", type(model).__module__)
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """The project, where a newcomer has followed CONTRIBUTING and done nothing else."""
    folder = tmp_path_factory.mktemp("newcomer")
    for name in ("benchmark", "metrics", "models", "tests"):
        # with compiled code: compiling it again would take longer than everything else
        shutil.copytree(
            REPOSITORY / name, folder / name, ignore=shutil.ignore_patterns("*.safetensors")
        )
    text = (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8")
    example = r"^## A model\n\n`(\S+)`:\n\n```python\n(.*?)```"
    ((file, source),) = re.findall(example, text, re.MULTILINE | re.DOTALL)
    assert not (folder / file).exists()
    (folder / file).write_text(source, encoding="utf-8")
    return folder


def python(folder, *arguments):
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_it_has_ten_lines(copy):
    lines = (copy / "models" / "mymodel.py").read_text(encoding="utf-8").splitlines()
    assert len([line for line in lines if line.strip()]) <= 10


def test_it_is_listed(copy):
    listed = python(copy, "-m", "benchmark", "list", "models")
    assert re.search(rf"^  {NAME}  +twice as likely above the middle", listed, re.MULTILINE)


def test_it_keeps_the_contract(copy):
    assert "kept by models.mymodel" in python(copy, "-c", CONTRACT)


def test_it_is_scored_and_shown(copy, make_folder):
    out = copy / "out"
    shown = python(
        copy, "-m", "benchmark", "run", "--dataset", make_folder(), "--models",
        f"uniform,centerbias,{NAME},gold", "--metrics", "IG,AUC", "--draws", "200", "--out", out,
    )  # fmt: skip
    assert re.search(rf"^\| {TITLE} \|.*\d", shown, re.MULTILINE)
    assert f"\n{TITLE} " in (out / "summary.tex").read_text(encoding="utf-8")
    for name in ("explained", "overview"):
        assert (out / "figures" / f"{name}.pdf").is_file()
        figure = FIGURES[name](Results.read(out))
        assert TITLE in {text.get_text() for text in figure.findobj(Text)}
