"""The fuzzer finds what is broken: parsers that crash, hang, die, fill the memory or are wrong."""

from __future__ import annotations

import builtins
import importlib.util
import json
import os
import random
import re
import signal
import subprocess
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmark.errors import BenchmarkError
from benchmark.fuzzing import guided, report
from benchmark.fuzzing.__main__ import main
from benchmark.fuzzing.campaign import Tally, campaign, minimise, signature
from benchmark.fuzzing.mutate import mutate
from benchmark.fuzzing.target import (
    ACCEPTED,
    CRASH,
    HANG,
    MEMORY,
    REFUSED,
    WRONG,
    Outcome,
    Target,
    attempt,
)
from benchmark.fuzzing.worker import Worker


def read(file):
    """A sound parser: the sum of numbers in lines."""
    try:
        return sum(int(line) for line in file.read_bytes().splitlines())
    except ValueError as error:
        raise BenchmarkError(f"{file}: expected whole numbers; correct it.") from error


def wrong(file, answer):
    plain = sum(int(line) for line in file.read_bytes().splitlines())
    return None if answer == plain else "another sum than the file's"


SOUND = Target("numbers", "numbers", "set/a.txt", lambda: [b"1\n20\n300\n", b"7\n8\n"], read, wrong)


def broken(trigger, damage):
    """A parser that does damage where a file holds some bytes."""

    def run(file):
        if trigger in file.read_bytes():
            return damage(file)
        return read(file)

    return replace(SOUND, run=run)


def key_error(file):
    return {}["key"]


def hang(file):
    while True:
        time.sleep(0.1)


def die(file):
    os.kill(os.getpid(), signal.SIGSEGV)


def fill(file):
    return len(bytearray(os.urandom(2**20)) * 100)


def nameless(file):
    raise BenchmarkError("something is wrong")


def lie(file):
    return read(file) + 1


@pytest.mark.parametrize(
    ("damage", "kind"),
    [(key_error, CRASH), (hang, HANG), (die, CRASH), (fill, MEMORY), (nameless, CRASH),
     (lie, WRONG)],
)  # fmt: skip
def test_damage_is_told_and_the_next_input_read(tmp_path, damage, kind):
    with Worker(broken(b"9", damage), tmp_path, seconds=1, megabytes=64) as worker:
        assert worker.attempt(b"1\n2\n") == Outcome(ACCEPTED)
        assert worker.attempt(b"1\n9\n").kind == kind
        assert worker.attempt(b"x") == Outcome(REFUSED)
        assert worker.attempt(b"1\n2\n") == Outcome(ACCEPTED)


def test_of_a_process_that_died_the_signal_is_told(tmp_path):
    with Worker(broken(b"9", die), tmp_path) as worker:
        assert "SIGSEGV" in worker.attempt(b"9").detail


@pytest.mark.parametrize(("damage", "kind"), [(key_error, CRASH), (lie, WRONG)])
def test_a_campaign_finds_a_broken_parser(damage, kind):
    tally = campaign(broken(b"4", damage), 500)
    assert tally.failed
    assert tally.inputs == 500
    assert tally.counts[kind] > 0
    ((alike, content),) = tally.failures.items()
    assert alike.startswith(kind)
    assert b"4" in content


def test_a_campaign_passes_a_sound_parser_and_repeats_itself():
    first, second = (campaign(SOUND, 500, seed=3) for _ in range(2))
    assert not first.failed
    assert first.counts == second.counts
    assert first.counts[ACCEPTED] > 0
    assert first.counts[REFUSED] > 0


def test_what_no_plain_reading_can_read_should_not_be_accepted(tmp_path):
    lenient = replace(SOUND, run=lambda file: 0)
    file = tmp_path / "a.txt"
    file.write_bytes(b"x")
    assert attempt(lenient, file).kind == WRONG


def test_seeds_that_are_refused_stop_a_campaign():
    with pytest.raises(AssertionError, match="a seed is not accepted"):
        campaign(replace(SOUND, seeds=lambda: [b"x"]), 1)


def test_known_failures_are_counted_and_fail_nothing():
    tally = campaign(replace(broken(b"4", lie), unmended="known"), 300)
    assert tally.counts[WRONG] > 0
    assert not tally.failed


def test_equal_seeds_give_equal_inputs():
    def inputs(seed):
        rng = random.Random(seed)
        return [mutate(SOUND, SOUND.seeds(), rng) for _ in range(200)]

    assert inputs(0) == inputs(0)
    assert inputs(0) != inputs(1)
    assert len(set(inputs(0))) > 150


def test_a_failure_is_minimised():
    target = broken(b"4", key_error)
    content = b"1\n2\n" * 20 + b"4\n" + b"3\n" * 20
    tally = Tally(target)
    tally.add(content, Outcome(CRASH, "KeyError outside the project: 'key'"))
    (alike,) = tally.failures
    assert minimise(target, content, alike) == b"4"


def test_failures_of_one_cause_look_alike():
    details = ("KeyError in a.py, f: 'x' at 3 of /tmp/a", "KeyError in a.py, f: 'y' at 12 of /b/c")
    assert len({signature(Outcome(CRASH, detail)) for detail in details}) == 1


def test_the_report_counts_and_keeps_failures(tmp_path):
    tallies = [campaign(broken(b"4", lie), 200), campaign(replace(SOUND, name="sound"), 100)]
    tallies += [campaign(replace(SOUND, name="other", unmended="It is known."), 50)]
    for tally in tallies:
        tally.command = "the command"
    report.write(tallies, tmp_path)
    text = (tmp_path / "README.md").read_text(encoding="utf-8")
    for words in ("the command", "350 files", "for 3 readers", "[1] other: It is known."):
        assert words in text
    rows = (tmp_path / "fuzzing.csv").read_text().splitlines()
    assert rows[0] == (
        "target,engine,seconds,inputs,accepted,refused,crashes,hangs,memory,wrong,command"
    )
    assert len(rows) == 4
    (kept,) = (f for f in (tmp_path / "failures" / "numbers").iterdir() if not f.suffix)
    assert b"4" in kept.read_bytes()


def rows_of(folder):
    return report.read(folder).set_index(["target", "engine"])["inputs"].to_dict()


def test_rows_of_what_is_left_out_stay(tmp_path):
    other = replace(SOUND, name="other")
    targets = {"numbers": SOUND, "other": other}
    made = [campaign(SOUND, 30), campaign(other, 40)]
    guide = Tally(SOUND, "atheris", Counter({REFUSED: 5}), seconds=60)
    again = campaign(other, 50)
    for tally, command in zip([*made, again, guide], ("first", "first", "second", "third")):
        tally.command = command
    for tallies in (made, [guide], [again]):
        report.write(tallies, tmp_path, targets)
    assert rows_of(tmp_path) == {
        ("numbers", "mutations"): 30,
        ("other", "mutations"): 50,
        ("numbers", "atheris"): 5,
    }
    text = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "```\nfirst\nsecond\nthird\n```" in text
    assert "| numbers | numbers | atheris | 60 | 5 | 0 | 5 |" in text
    assert "85 files" in text
    report.write([], tmp_path, {"other": other})
    assert list(rows_of(tmp_path)) == [("other", "mutations")]


def test_failures_that_are_mended_go(tmp_path):
    report.write([campaign(broken(b"4", lie), 200)], tmp_path)
    report.write([campaign(SOUND, 20)], tmp_path)
    assert not list((tmp_path / "failures" / "numbers").iterdir())


@pytest.mark.parametrize("content", ["target,inputs\na,1\n", "", "\xff"])
def test_a_table_that_cannot_be_added_to_is_named(tmp_path, content):
    (tmp_path / "fuzzing.csv").write_text(content, encoding="latin-1")
    done = CliRunner().invoke(main, ["--inputs", "1", "--out", str(tmp_path)])
    assert done.exit_code == 1
    assert "fuzzing.csv: expected a table with the columns target, engine" in done.output


def test_make_runs_the_command_that_the_results_state():
    root = Path(__file__).resolve().parents[3]
    recipe = re.search(r"^fuzz:\n\t\$\(PYTHON\) (.+)$", (root / "Makefile").read_text(), re.M)
    options = main.make_context("fuzzing", recipe[1].split()[2:]).params
    assert options["atheris"] >= 60
    text = (root / "results" / "fuzzing" / "README.md").read_text(encoding="utf-8")
    assert f"fuzzing --inputs {options['inputs']} --seed {options['seed']}\n" in text
    assert f"fuzzing --inputs 0 --atheris {options['atheris']}" in text


def test_imports_do_not_count_for_atheris(monkeypatch):
    asked = []

    def run(command, **options):
        asked.append(int(command[-1]))
        folder = Path(command[-2])
        code, told = (0, 6.0) if len(asked) > 1 else (1, 3.6)
        counts = {"seconds": told, "counts": {REFUSED: 7}}
        (folder / "counts.json").write_text(json.dumps(counts), encoding="utf-8")
        if code:
            (folder / "artifact-crash").write_bytes(b"9")
        return subprocess.CompletedProcess(command, code, b"", b"")

    monkeypatch.setattr(guided.subprocess, "run", run)
    monkeypatch.setattr(guided, "time", SlowClock(), raising=False)
    tally = guided.guided(SOUND, 10)
    assert asked == [10, 6]
    assert tally.counts == {REFUSED: 14, CRASH: 1}


class SlowClock:
    """An hour passes between any two looks."""

    def __init__(self):
        self.now = 0.0

    def monotonic(self):
        self.now += 3600
        return self.now


def test_the_command_writes_a_folder(tmp_path):
    arguments = ["--inputs", "20", "--only", "fixatons", "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    text = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "python -m benchmark.fuzzing --inputs 20 --seed 0 --only fixatons" in text


def test_the_command_refuses_unknown_targets():
    done = CliRunner().invoke(main, ["--only", "nonsense"])
    assert done.exit_code == 1
    assert "there is no target 'nonsense'" in done.output


def test_without_atheris_the_command_says_how_to_get_it(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "atheris" else find(name, *a)
    )
    done = CliRunner().invoke(main, ["--atheris", "1"])
    assert done.exit_code == 1
    assert "pip install 'deepgaze-benchmark[fuzz]'" in done.output


@pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="needs atheris")
def test_atheris_counts_inputs():
    from benchmark.fuzzing.targets import TARGETS

    tally = guided.guided(TARGETS["fixatons"], 2)
    assert tally.counts[REFUSED] > 0
    assert not tally.failed
    assert not hasattr(builtins, "atheris")
