"""The program with a recipe of milliseconds, for tests that start processes of their own.

FAIL_AT=FOLD ends the process with an error after the first epoch of that fold.
TRAINED names a file that lists the rank and fold of each training.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

from benchmark import train
from benchmark.cli import main
from benchmark.report import curves
from models.centerbias import CenterBias
from models.deepgaze.recipes import RECIPES
from tests.models.deepgaze.bright import RECIPE


def quickly() -> None:
    """Early layers of a small network, two epochs, no search for a centre bias, no figure."""
    RECIPES["deepgaze2"] = replace(RECIPE, epochs=2, averaging=0.5)
    CenterBias.fit = classmethod(lambda kind, data: kind(data, 0.15, 0.1))
    curves.draw_curves = lambda frame, folder: []
    original = train.train_fold

    def train_fold(plan, fold, seed, cache, checkpoint, report, device):
        with open(os.environ["TRAINED"], "a", encoding="utf-8") as file:
            file.write(f"{os.environ['RANK']} {fold}\n")

        def watched(epoch):
            report(epoch)
            if os.environ.get("FAIL_AT") == str(fold):
                raise ValueError(f"fold {fold} cannot be trained.")

        return original(plan, fold, seed, cache, checkpoint, watched, device)

    train.train_fold = train_fold


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    quickly()
    main()
