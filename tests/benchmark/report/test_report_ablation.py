"""The table and figure of an ablation whose gold standard may gain nothing."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from benchmark.report.ablation import draw, markdown

ROW = {
    "group": "training", "variation": "short", "description": "fewer epochs", "gain": 0.5,
    "ci_low": 0.4, "ci_high": 0.6, "explained": 0.4, "difference": -0.1, "difference_low": -0.2,
    "difference_high": 0.0, "n_images": 7, "n_fixations": 70,
}  # fmt: skip


@pytest.mark.parametrize(("share", "text"), [(0.4, "40.0 %"), (math.nan, "–")])
def test_a_share_that_is_undefined_is_a_dash(tmp_path, share, text):
    table = pd.DataFrame([{**ROW, "explained": share}])
    told = markdown(table)
    assert f"| {text} |" in told
    assert ("a dash where that cannot be told from 0" in told) == math.isnan(share)
    assert "nan" not in told
    assert all(file.is_file() for file in draw(table, tmp_path))
