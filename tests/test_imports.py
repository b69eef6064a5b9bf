"""Data flows one way: the import statements of each package keep to what its layer may know."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
HEAVY = {
    "h5py", "imageio", "joblib", "matplotlib", "numba", "numpy", "pandas", "PIL", "pysaliency",
    "requests", "scipy", "skimage", "sklearn", "torch", "torchvision", "tqdm",
}  # fmt: skip


def imports(source: str, module: str, top_level: bool = False) -> dict[str, int]:
    """Dotted names that source code imports, and the line of each.

    Args:
        module: the name of the module, to resolve relative imports; ends in ".__init__" if it is a
            package.
        top_level: leave out imports inside functions and under ``if TYPE_CHECKING``.
    """
    found: dict[str, int] = {}
    pending: list[ast.AST] = [ast.parse(source)]
    while pending:
        node = pending.pop()
        if top_level and isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            continue
        if top_level and isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        pending += ast.iter_child_nodes(node)
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = module.split(".")[: -node.level] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            names = [base, *(f"{base}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Call) and node.args:
            called = getattr(node.func, "id", getattr(node.func, "attr", ""))
            first = node.args[0]
            if called in ("import_module", "__import__") and isinstance(first, ast.Constant):
                names = [str(first.value)]
        found.update({name: node.lineno for name in names})  # type: ignore[attr-defined]
    return found


def root(name: str) -> str:
    return name.partition(".")[0]


def is_below(name: str, modules: tuple[str, ...]) -> bool:
    return any(name == module or name.startswith(f"{module}.") for module in modules)


def foreign_to_metrics(name: str) -> bool:
    return root(name) not in {*sys.stdlib_module_names, "numpy", "scipy", "numba", "metrics"}


def foreign_to_models(name: str) -> bool:
    return is_below(name, ("benchmark", "metrics"))


def foreign_to_reports(name: str) -> bool:
    return is_below(
        name,
        (
            "models", "metrics", "pysaliency", "torch", "torchvision", "benchmark.evaluate",
            "benchmark.run", "benchmark.store", "benchmark.datasets",
        ),
    )  # fmt: skip


def heavy(name: str) -> bool:
    return root(name) in HEAVY


RULES = {
    "metrics": (foreign_to_metrics, False),
    "models": (foreign_to_models, False),
    "benchmark/report": (foreign_to_reports, False),
    "benchmark/cli.py": (heavy, True),
    "benchmark/__init__.py": (heavy, True),
    "benchmark/__main__.py": (heavy, True),
    "benchmark/registry.py": (heavy, True),
    "benchmark/errors.py": (heavy, True),
}


def violations(source: str, module: str, rule: str) -> list[str]:
    forbidden, top_level = RULES[rule]
    found = imports(source, module, top_level)
    return sorted(f"line {line}: {name}" for name, line in found.items() if forbidden(name))


def files(rule: str) -> list[Path]:
    path = REPOSITORY / rule
    return sorted(path.rglob("*.py")) if path.is_dir() else [path]


@pytest.mark.parametrize("rule", RULES)
def test_a_layer_imports_only_what_it_may(rule):
    checked = files(rule)
    assert checked
    for file in checked:
        module = ".".join(file.relative_to(REPOSITORY).with_suffix("").parts)
        assert violations(file.read_text(encoding="utf-8"), module, rule) == [], file


@pytest.mark.parametrize(
    ("rule", "bad"),
    [
        ("metrics", "import pandas"),
        ("metrics", "def f():\n    from models.kde import Points"),
        ("metrics", "from benchmark import registry"),
        ("metrics", "import numpy, sklearn.metrics"),
        ("models", "import metrics.auc"),
        ("models", "class A:\n    def f(self):\n        import benchmark.datasets.base as base"),
        ("models", "import importlib\nimportlib.import_module('metrics.nss')"),
        ("benchmark/report", "from benchmark import evaluate"),
        ("benchmark/report", "from benchmark.run import run"),
        ("benchmark/report", "if True:\n    import torch.nn"),
        ("benchmark/report", "from ..evaluate import Score"),
        ("benchmark/report", "from models import uniform"),
        ("benchmark/report", "import pysaliency as p"),
        ("benchmark/cli.py", "import numpy as np"),
        ("benchmark/cli.py", "try:\n    import torch\nexcept ImportError:\n    pass"),
    ],
)
def test_violations_are_found(rule, bad):
    assert violations(bad, rule.replace("/", ".") + ".bad", rule) != []


@pytest.mark.parametrize(
    ("rule", "good"),
    [
        (
            "metrics",
            "import math\nfrom numpy.typing import NDArray\nfrom metrics.spec import metric",
        ),
        ("metrics", "from .spec import metric\nimport scipy.stats, numba"),
        ("models", "import torch\nfrom models.kde import Points\nimport pysaliency"),
        ("benchmark/report", "import pandas\nfrom benchmark.errors import BenchmarkError"),
        ("benchmark/cli.py", "import click\ndef run():\n    import torch"),
        (
            "benchmark/cli.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import numpy",
        ),
    ],
)
def test_what_is_allowed_is_no_violation(rule, good):
    assert violations(good, rule.replace("/", ".") + ".good", rule) == []


def test_reports_reach_no_model_through_others():
    """Whatever the report's modules import, directly or not."""
    names = [
        ".".join(file.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__")
        for file in files("benchmark/report")
    ]
    code = (
        "import importlib, sys\n"
        f"for name in {names}: importlib.import_module(name)\n"
        "print(*sorted(sys.modules))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY
    )
    loaded = done.stdout.split()
    assert set(names) <= set(loaded)
    assert [name for name in loaded if foreign_to_reports(name)] == []
