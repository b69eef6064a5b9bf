"""A measurement that is interrupted loses nothing, and is not mixed with another machine's."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from click.testing import CliRunner

from benchmark.errors import BenchmarkError
from benchmark.scaling import components, measuring
from benchmark.scaling import curves as curves_module
from benchmark.scaling.__main__ import main
from benchmark.scaling.curves import quick
from benchmark.scaling.measure import COLUMNS

FILES = ("scaling.csv", "parts.csv", "machine.json")


@pytest.fixture
def measured(monkeypatch):
    """What was measured, in place of measuring; after ``measured.limit`` it is interrupted."""

    class Measured(list):
        limit = 10**6
        amount = 1.0

        def add(self, what):
            if len(self) >= self.limit:
                raise KeyboardInterrupt
            self.append(what)
            return self.amount

    found = Measured()
    monkeypatch.setattr(
        curves_module,
        "measure",
        lambda run: pd.DataFrame(
            [
                {
                    **run.settings,
                    "quantity": "wall",
                    "part": "all",
                    "amount": found.add(run),
                    "calls": 1,
                }
            ],
        )[COLUMNS],
    )
    monkeypatch.setattr(
        components, "_forked", lambda part, n: (found.add((part, n)), int(found.amount))
    )
    return found


def contents(folder):
    return {name: (folder / name).read_bytes() for name in FILES}


def interrupted(out, measured, after, resume=False):
    measured.limit = len(measured) + after
    with pytest.raises(KeyboardInterrupt):
        measuring.measure_all(out, quick=True, resume=resume)
    measured.limit = 10**6


@pytest.mark.parametrize("after", [0, 3, 10])
def test_tables_stay_until_new_ones_are_complete(tmp_path, measured, after):
    measuring.measure_all(tmp_path, quick=True)
    before = contents(tmp_path)
    measured.amount = 2.0
    interrupted(tmp_path, measured, after)
    assert contents(tmp_path) == before
    measuring.measure_all(tmp_path, quick=True, resume=True)
    assert (pd.read_csv(tmp_path / "scaling.csv")["amount"] == 2.0).all()
    assert (pd.read_csv(tmp_path / "parts.csv")["seconds"] == 2.0).all()
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(FILES)


def test_interrupting_again_and_again_ends_with_all_measured_once(tmp_path, measured):
    measuring.measure_all(tmp_path / "whole", quick=True)
    whole = list(measured)
    measured.clear()
    interrupted(tmp_path / "parts", measured, 4)
    for _ in range(10):
        interrupted(tmp_path / "parts", measured, 2, resume=True)
    measuring.measure_all(tmp_path / "parts", quick=True, resume=True)
    assert measured == whole
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")


def test_only_what_the_tables_lack_is_measured(tmp_path, measured):
    measuring.measure_all(tmp_path, quick=True)
    before = contents(tmp_path)
    for name, first in (("scaling.csv", 4), ("parts.csv", 2)):
        table = pd.read_csv(tmp_path / name)
        table[table.index >= first].to_csv(tmp_path / name, index=False)
    measured.clear()
    measuring.measure_all(tmp_path, quick=True, resume=True)
    # the first run belongs to other curves, too, whose rows are there
    assert measured == [*quick()[1:4], *components.tasks(quick=True)[:2]]
    assert contents(tmp_path) == before


@pytest.mark.parametrize(("key", "value"), [("processor", "abacus"), ("versions", {"numpy": "0"})])
def test_other_machines_and_versions_are_refused(tmp_path, measured, key, value):
    measuring.measure_all(tmp_path, quick=True)
    file = tmp_path / "machine.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), key: value}))
    before, name = contents(tmp_path), "numpy: 0" if key == "versions" else "processor: abacus"
    with pytest.raises(BenchmarkError, match=rf"machine\.json: .*{name}, here .*without --resume"):
        measuring.measure_all(tmp_path, quick=True, resume=True)
    assert contents(tmp_path) == before
    file.unlink()
    with pytest.raises(BenchmarkError, match=r"machine\.json is missing"):
        measuring.measure_all(tmp_path, quick=True, resume=True)


def test_the_command_tells_a_refusal(tmp_path, measured):
    (tmp_path / "scaling.csv").write_text(",".join(COLUMNS) + "\n")
    done = CliRunner().invoke(main, ["--resume", "--quick", "--out", str(tmp_path)])
    assert done.exit_code == 1
    assert "machine.json is missing" in done.output
