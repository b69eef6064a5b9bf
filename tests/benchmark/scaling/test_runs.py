"""Measured runs: memory is flat in images, and the table is complete."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from benchmark.datasets import folder
from benchmark.scaling import components
from benchmark.scaling.measure import COLUMNS, TOTALS, Run, measure
from benchmark.scaling.memory import watched
from benchmark.scaling.workload import Workload

#: Bytes that a run's peak may rise by for an image more: its fixations and scores, and much less
#: than the image (60 000 bytes when it is decoded).
FLAT = 40_000
SMALL = {"subjects": 3, "per_trial": 4}


def test_four_times_the_images_hardly_take_more_memory():
    """By the least peaks of up to eight turns: by chance, drawing adds 100 MB to some."""
    least = [np.inf, np.inf]
    for _ in range(8):
        few, many = (
            measure(Run("images", Workload(images, **SMALL), draws=100)) for images in (60, 240)
        )
        peaks = [float(t.loc[t["quantity"] == "peak", "amount"].iloc[0]) for t in (few, many)]
        least = [min(pair) for pair in zip(least, peaks)]
        if least[1] - least[0] < FLAT * 180:
            break
    assert least[1] - least[0] < FLAT * 180
    for table in (few, many):
        assert list(table.columns) == COLUMNS
        assert set(TOTALS) <= set(table["quantity"])
        parts = set(table["part"])
        assert {"loading the data", "comparing images", "fitting gold", "scoring"} <= parts
        assert {"model blur0", "model gold", "metric sAUC", "metric KL"} <= parts
        assert (table["amount"] >= 0).all()
        phases = table.loc[table["quantity"] == "phase", "amount"].sum()
        cores = table.loc[table["quantity"] == "cores", "amount"].iloc[0]
        assert phases == pytest.approx(cores)
    assert many.loc[many["quantity"] == "rows", "amount"].iloc[0] == 240 * 4 * 8


def test_memory_of_children_counts():
    alone = "x = bytearray(120_000_000); import time; time.sleep(1)"
    nested = (
        "import subprocess, sys; x = bytearray(120_000_000); "
        f"subprocess.run([sys.executable, '-c', {alone!r}])"
    )
    used = watched(subprocess.Popen([sys.executable, "-c", alone]))
    assert used.code == 0
    assert 120e6 < used.peak < 160e6
    assert 240e6 < watched(subprocess.Popen([sys.executable, "-c", nested])).peak < 300e6


def test_a_workload_is_a_folder_that_can_be_read(tmp_path):
    workload = Workload(3, subjects=2, per_trial=4)
    written = folder.load(workload.write(tmp_path / "a"), folder.path_spec(tmp_path / "a"))
    assert len(written) == 3
    assert len(written.fixations.x) == workload.fixations == 24
    assert written.groups.tolist() == [0, 1, 2]
    again = workload.write(tmp_path / "b")
    for file in sorted((tmp_path / "a").iterdir()):
        assert file.read_bytes() == (again / file.name).read_bytes()


@pytest.mark.parametrize("part", components.PARTS, ids=lambda part: part.__name__)
def test_every_part_runs_alone(part, tmp_path):
    n = components.PARTS[part][2][0]
    part(n, tmp_path)()


def test_laws_of_parts_need_no_more_than_the_table():
    from benchmark.scaling.table import Curves

    n = np.array([10, 20, 40])
    parts = pd.DataFrame({"part": "a", "unit": "images", "n": n, "seconds": n / 5, "bytes": 0})
    curves = Curves(pd.DataFrame(columns=COLUMNS), parts)
    assert curves.of_part("a").at(100) == pytest.approx(20)
    assert curves.of_part("a", "bytes").at(100) == 0
