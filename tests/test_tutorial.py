"""The tutorial stays true: its blocks run in order in an empty folder and print what it says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
TUTORIAL = REPOSITORY / "docs" / "tutorial.md"
NUMBER = re.compile(r"[−-]?\d+\.\d+")
#: How far numbers with a decimal point may be off on another machine: p-values are of few images.
TOLERANCE = 0.02


def blocks(text):
    """(language, content, the text before it) of every fenced block, in order."""
    parts = re.split(r"^```(\w*)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    return list(zip(parts[1::3], parts[2::3], parts[0::3]))


def same_line(expected, printed):
    """Whether lines agree but for runs of spaces and numbers within the tolerance."""
    expected, printed = (" ".join(line.split()) for line in (expected, printed))
    if NUMBER.sub("#", expected) != NUMBER.sub("#", printed):
        return False
    pairs = zip(NUMBER.findall(expected), NUMBER.findall(printed))
    values = [tuple(float(text.replace("−", "-")) for text in pair) for pair in pairs]
    return all(abs(a - b) <= TOLERANCE * max(1.0, abs(a)) for a, b in values)


def assert_printed(expected, printed):
    """Every expected line is printed, in this order; "..." stands for any lines."""
    lines = iter(printed.splitlines())
    for line in expected.strip().splitlines():
        if line == "...":
            continue
        assert any(same_line(line, other) for other in lines), f"{line!r} is not in:\n{printed}"


def file_named(before):
    """The file that a block is to be saved as or appended to, from the sentence before it."""
    found = re.findall(r"(Save as|Append to)\s+`([\w.]+)`:\s*$", before)
    assert len(found) == 1, before[-200:]
    return found[0]


def run(command, folder):
    return subprocess.run(
        ["bash", "-euc", command],
        cwd=folder,
        env={
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(REPOSITORY),
        },
        capture_output=True,
        text=True,
        timeout=900,
    )


@pytest.fixture(scope="module")
def tutorial():
    return blocks(TUTORIAL.read_text(encoding="utf-8"))


def test_every_block_runs_and_prints_what_it_says(tutorial, tmp_path):
    printed, commands, compared = "", 0, 0
    for language, content, text in tutorial:
        if language in ("python", "latex"):
            how, name = file_named(text)
            old = (tmp_path / name).read_text(encoding="utf-8") if how == "Append to" else ""
            (tmp_path / name).write_text(f"{old}\n\n{content}".lstrip(), encoding="utf-8")
        elif language == "text":
            assert_printed(content, printed)
            compared += 1
        elif "pip install" in content:
            continue  # what is tested is installed
        elif content.startswith("pdflatex"):
            if shutil.which("pdflatex"):  # CI has it
                done = run(content, tmp_path)
                assert done.returncode == 0, done.stdout[-2000:]
                assert (tmp_path / "paper.pdf").stat().st_size > 10_000
        else:
            assert language == "sh"
            done = run(content, tmp_path)
            assert done.returncode == 0, f"{content}{done.stdout}{done.stderr}"
            printed, commands = done.stdout, commands + 1
    assert commands >= 7
    assert compared >= 6
    assert (tmp_path / "comparison" / "figures" / "mine.pdf").is_file()
    assert (tmp_path / "statistics" / "figures" / "power.png").is_file()
    figure = re.search(r"\\includegraphics\{(.*?)\}", (tmp_path / "paper.tex").read_text())
    assert figure is not None
    assert (tmp_path / f"{figure.group(1)}.pdf").is_file()


def test_only_the_installation_is_not_run(tutorial):
    skipped = [content for language, content, _ in tutorial if "pip install" in content]
    assert skipped == ["pip install -e .\n"]
    assert {language for language, _, _ in tutorial} == {"sh", "python", "text", "latex"}


def test_the_model_has_ten_lines(tutorial):
    model = next(content for language, content, text in tutorial if "my_model.py" in text[-40:])
    assert len([line for line in model.splitlines() if line.strip()]) <= 10


def test_a_wrong_output_would_be_noticed():
    assert_printed("a 0.50\n...\nb", "x\na  0.49\nc\nb")
    for wrong in ("a 0.60", "b\na 0.5", "a 0.5 c", "d"):
        with pytest.raises(AssertionError):
            assert_printed(wrong, "x\na 0.5\nb\n")


def test_links_lead_somewhere():
    links = re.findall(r"\]\(([^)#]+)", TUTORIAL.read_text(encoding="utf-8"))
    assert len(links) >= 2
    for link in links:
        assert (TUTORIAL.parent / link).exists(), link
