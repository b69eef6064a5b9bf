"""Fixtures that make runs quick and repeatable."""

from __future__ import annotations

import sys

import pytest

from tests.benchmark.tiny import tiny


@pytest.fixture(scope="session")
def dataset():
    """Four noise images of three sizes, three simulated observers."""
    return tiny()


@pytest.fixture
def quick(monkeypatch, dataset):
    """Runs read the tiny data set, fit no centre bias, and say the same of their surroundings."""
    from benchmark import provenance, run
    from models.centerbias import CenterBias

    monkeypatch.setattr(run, "load", lambda name, root: dataset)
    monkeypatch.setattr(CenterBias, "fit", classmethod(lambda kind, data: kind(data, 0.15, 0.05)))
    monkeypatch.setattr(provenance, "commit", lambda: {"commit": "0" * 40, "dirty": False})
    monkeypatch.setattr(sys, "argv", ["benchmark", "run"])
    return monkeypatch


@pytest.fixture
def no_figures(monkeypatch):
    """Runs write scores and tables, but no figures, which take longest."""
    monkeypatch.setattr("benchmark.report.writer.write_figures", lambda results, folder: [])


@pytest.fixture
def no_report(monkeypatch):
    """Runs write scores, but neither tables nor figures."""
    monkeypatch.setattr("benchmark.report.writer.write_report", lambda folder: [])
