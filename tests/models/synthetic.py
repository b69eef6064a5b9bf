"""Small data sets that tests of fitted models share."""

from __future__ import annotations

import numpy as np
import pysaliency

from models.base import TrainingData

SHAPES = [(60, 80), (90, 60), (60, 80), (50, 50), (64, 96)]


def training_data(seed=0, n_subjects=4, shapes=SHAPES, per_trial=6):
    """Fixations around a hot spot of each image and around its centre; all subjects see all."""
    rng = np.random.default_rng(seed)
    images = [np.full(shape, index, dtype=np.uint8) for index, shape in enumerate(shapes)]
    x, y, n, subjects = [], [], [], []
    for index, (height, width) in enumerate(shapes):
        spot = rng.uniform(0.2, 0.8, 2) * (height, width)
        for subject in range(n_subjects):
            for _ in range(per_trial):
                centre, spread = ((spot, 5.0), (np.array([height, width]) / 2, 14.0))[
                    int(rng.random() < 0.4)
                ]
                row, column = rng.normal(centre, spread)
                y.append(np.clip(row, 0, height - 0.01))
                x.append(np.clip(column, 0, width - 0.01))
                n.append(index)
                subjects.append(subject)
    fixations = pysaliency.Fixations.create_without_history(
        np.array(x), np.array(y), np.array(n), np.array(subjects)
    )
    return TrainingData(pysaliency.Stimuli(images), fixations, np.arange(len(shapes)))
