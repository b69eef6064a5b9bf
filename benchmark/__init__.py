"""Benchmark of models of human fixations: reads data, runs models, scores, reports."""

import warnings

__version__ = "0.1.0"

# pysaliency needs pkg_resources; nobody who reads this warning here can do anything about it.
warnings.filterwarnings("ignore", message="pkg_resources is deprecated", category=UserWarning)
