"""Benchmark of models of human fixations: reads data, runs models, scores, reports."""

__version__ = "0.1.0"
