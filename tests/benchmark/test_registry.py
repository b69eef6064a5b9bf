"""Discovery reads source text, names what is wrong with it, and imports nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest

from benchmark import registry
from benchmark.errors import BenchmarkError, UnknownNameError
from benchmark.registry import Entry, discover, lookup

HEAVY = ("torch", "pysaliency", "matplotlib", "pandas", "numba", "scipy", "joblib")


@pytest.fixture
def package(request, tmp_path, monkeypatch):
    """``package(**{"file": source})``: a package with these files; returns its name."""

    def make(**files):
        name = f"package_{abs(hash(request.node.name))}"
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
        for file, source in files.items():
            path = tmp_path / name / f"{file.replace('__', '/')}.py"
            path.parent.mkdir(exist_ok=True)
            path.write_text(source, encoding="utf-8")
        monkeypatch.syspath_prepend(tmp_path)
        return name

    return make


def test_listing_imports_no_heavy_module():
    code = (
        "import sys, benchmark.cli\n"
        "from benchmark import registry\n"
        "for kind in ('datasets', 'models', 'backbones', 'metrics', 'protocols'):\n"
        "    assert getattr(registry, kind)(), kind\n"
        f"print([name for name in {HEAVY} if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_entries_are_found_without_importing_their_file(package):
    name = package(
        one='raise RuntimeError\n@model(name="b", weight=(1, -2.5))\nclass B: pass\n',
        sub__two='@other(name="c")\n@model(name="a")\ndef make(): pass\nclass Undecorated: pass\n',
    )
    entries = discover(name, "model")
    assert list(entries) == ["a", "b"]  # sorted
    assert entries["a"] == Entry("a", f"{name}.sub.two", "make", {"name": "a"})
    assert entries["b"].metadata == {"name": "b", "weight": (1, -2.5)}


def test_an_entry_loads_its_object(package):
    name = package(one='def model(**_): return lambda c: c\n@model(name="a")\nclass A: x = 5\n')
    assert discover(name, "model")["a"].load().x == 5


def test_one_definition_can_be_registered_several_times(package):
    name = package(one='@model(name="a")\n@model(name="b")\ndef f(): pass\n')
    assert {n: e.attribute for n, e in discover(name, "model").items()} == {"a": "f", "b": "f"}


def test_the_registries_hold_what_the_program_has():
    assert {"photographs", "mit1003", "osie"} <= set(registry.datasets())
    assert {"uniform", "centerbias", "gold"} <= set(registry.models())
    assert {"LL", "IG", "AUC", "sAUC", "NSS", "KL", "CC", "SIM"} <= set(registry.metrics())
    assert {"tuebingen", "mit2014"} <= set(registry.protocols())
    for entries in (registry.models(), registry.metrics()):
        for name, entry in entries.items():
            assert entry.load().spec.name == name


def test_a_name_registered_twice_names_both_modules(package):
    source = '@model(name="same")\nclass A: pass\n'
    name = package(one=source, two=source)
    with pytest.raises(BenchmarkError, match=rf"'same'.*{name}\.one and in {name}\.two"):
        discover(name, "model")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("\nN = 'a'\n@model(name=N)\nclass A: pass\n", r"one\.py:3: .* must be literals"),
        ('@model(name="a", size=2 * 3)\nclass A: pass\n', r"one\.py:1: .* must be literals"),
        ("\n@model(**SPEC)\nclass A: pass\n", r"one\.py:2: .* must be literals"),
        ('\n@model("a")\nclass A: pass\n', r'one\.py:2: @model .* like @model\(name="\.\.\."'),
        ('@model(title="a")\nclass A: pass\n', r"one\.py:1: @model needs name"),
        ('x = 1\n@model(name="a"\nclass A: pass\n', r"one\.py:\d: is not valid Python"),
    ],
)
def test_what_cannot_be_read_is_named_by_file_and_line(package, source, message):
    with pytest.raises(BenchmarkError, match=message):
        discover(package(one=source), "model")


ENTRIES = {name: Entry(name, "m", "a") for name in ("gold", "gold-insample", "AUC", "IG")}


def test_lookup_finds_by_exact_name():
    assert lookup(ENTRIES, "gold", "model") is ENTRIES["gold"]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("glod", "gold"), ("gold-insampel", "gold-insample"), ("auc", "AUC"), ("ig", "IG")],
)
def test_an_unknown_name_suggests_the_nearest_and_lists_all(typed, meant):
    with pytest.raises(UnknownNameError) as caught:
        lookup(ENTRIES, typed, "model")
    assert str(caught.value) == (
        f"unknown model {typed!r}. Did you mean {meant!r}? Known: gold, gold-insample, AUC, IG."
    )


def test_a_name_like_no_other_gets_no_suggestion():
    with pytest.raises(UnknownNameError) as caught:
        lookup(ENTRIES, "zzzzz", "metric")
    expected = "unknown metric 'zzzzz'. Known: gold, gold-insample, AUC, IG."
    assert str(caught.value) == expected
