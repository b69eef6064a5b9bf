"""Every reader of files from outside refuses damaged ones by name, or reads what is in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmark.fuzzing.campaign import campaign
from benchmark.fuzzing.target import ACCEPTED, REFUSED
from benchmark.fuzzing.targets import TARGETS
from benchmark.fuzzing.worker import Worker

CORPUS = Path(__file__).resolve().parents[2] / "fuzzing" / "corpus"
FOUND = sorted(file for file in CORPUS.glob("*/*") if file.is_file())


@pytest.mark.parametrize("name", TARGETS)
def test_mutated_files(name):
    target = TARGETS[name]
    tally = campaign(target, 60, seed=1, seconds=30)
    assert tally.inputs == 60
    assert not tally.failed, dict(tally.failures)


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_are_the_same_each_time(name):
    if name != "torch-weights":  # torch numbers what it writes by its places in memory
        assert TARGETS[name].seeds() == TARGETS[name].seeds()


@pytest.mark.parametrize("name", sorted({file.parent.name for file in FOUND}))
def test_files_that_once_found_a_bug(name, tmp_path):
    with Worker(TARGETS[name], tmp_path, seconds=60) as worker:
        for file in sorted((CORPUS / name).iterdir()):
            outcome = worker.attempt(file.read_bytes())
            assert outcome.kind in (ACCEPTED, REFUSED), (file.name, outcome)


def test_the_corpus_is_small():
    assert FOUND
    assert all(file.stat().st_size < 2048 for file in FOUND)
