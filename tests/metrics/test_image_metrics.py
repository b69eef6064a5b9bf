"""CC, KL divergence and SIM by definition, their invariants and undefined cases."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from metrics.cc import correlation
from metrics.kl import EPSILON, kl_divergence
from metrics.sim import similarity

MAPS = arrays(float, (4, 5), elements=st.integers(0, 50).map(float))


@given(MAPS, MAPS)
def test_correlation_equals_definition(p, q):
    assume(np.ptp(p) > 0 and np.ptp(q) > 0)
    a, b = p - p.mean(), q - q.mean()
    expected = sum((a * b).ravel()) / math.sqrt(sum((a * a).ravel()) * sum((b * b).ravel()))
    assert correlation(p, q) == pytest.approx(expected, abs=1e-12)
    assert correlation(p, q) == pytest.approx(correlation(q, p), abs=1e-12)
    assert correlation(3 * p + 2, q) == pytest.approx(expected, abs=1e-9)
    assert correlation(p, p) == pytest.approx(1)


def test_correlation_of_constant_maps(example):
    density, _, _ = example
    assert correlation(np.full_like(density, 0.1), density) == 0
    assert np.isnan(correlation(density, np.full_like(density, 0.1)))
    assert np.isnan(correlation(np.ones((2, 2)), np.ones((2, 2))))


def test_correlation_of_tiny_densities(example):
    density, _, _ = example
    other = np.roll(density, 5, axis=0)
    assert correlation(density * 1e-200, other) == pytest.approx(correlation(density, other))


@given(MAPS, MAPS)
def test_divergence_equals_definition(p, q):
    assume(p.sum() > 0 and q.sum() > 0)
    expected = 0.0
    for a, b in zip((p / p.sum()).ravel(), (q / q.sum()).ravel()):
        expected += b * math.log(EPSILON + b / (a + EPSILON))
    assert kl_divergence(p, q) == pytest.approx(expected, rel=1e-12, abs=1e-12)


def test_divergence_from_itself_is_zero(example):
    density, _, _ = example
    assert kl_divergence(density * 7, density) == pytest.approx(0, abs=1e-11)


def test_divergence_of_exact_zeros_is_finite():
    value = kl_divergence(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]]))
    assert value == pytest.approx(-math.log(EPSILON))


@given(MAPS, MAPS)
def test_similarity_equals_definition(p, q):
    assume(p.sum() > 0 and q.sum() > 0)
    expected = sum(min(a, b) for a, b in zip((p / p.sum()).ravel(), (q / q.sum()).ravel()))
    assert similarity(p, q) == pytest.approx(expected, abs=1e-12)
    assert 0 <= similarity(p, q) <= 1 + 1e-12
    assert similarity(p, 5 * p) == pytest.approx(1)


@pytest.mark.parametrize("metric", [kl_divergence, similarity])
def test_empty_maps(metric):
    filled, empty = np.array([[1.0, 3.0]]), np.zeros((1, 2))
    assert np.isnan(metric(filled, empty))
    uniform = np.array([[1.0, 1.0]])
    assert metric(empty, filled) == metric(uniform, filled)  # nothing predicted is uniform


@pytest.mark.parametrize("metric", [kl_divergence, similarity])
def test_log_densities_are_refused(metric):
    with pytest.raises(ValueError, match="log density"):
        metric(np.log([[0.5, 0.5]]), np.ones((1, 2)))
    with pytest.raises(ValueError, match="NaN"):
        metric(np.array([[np.nan, 1]]), np.ones((1, 2)))


@pytest.mark.parametrize("metric", [correlation, kl_divergence, similarity])
def test_shapes_must_agree(metric):
    with pytest.raises(ValueError, match=r"\(2, 3\).*\(3, 2\)"):
        metric(np.ones((2, 3)), np.ones((3, 2)))


def test_correlation_needs_finite_maps():
    with pytest.raises(ValueError, match="finite"):
        correlation(np.array([[np.inf, 0.0]]), np.array([[1.0, 0.0]]))
