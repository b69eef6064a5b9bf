"""NSS by definition, and its invariants."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from metrics.nss import nss

MAPS = arrays(float, (5, 6), elements=st.integers(-100, 100).map(float))


@given(MAPS)
def test_equals_definition(values):
    assume(np.ptp(values) > 0)
    mean = sum(values.ravel()) / 30
    deviation = (sum((v - mean) ** 2 for v in values.ravel()) / 30) ** 0.5
    expected = [(values[4, 0] - mean) / deviation, (values[0, 5] - mean) / deviation]
    assert nss(values, [0.7, 5], [4.2, 0]) == pytest.approx(expected, rel=1e-12, abs=1e-12)


@given(MAPS, st.floats(0.01, 100), st.floats(-100, 100))
def test_invariant_under_increasing_affine_transforms(values, scale, shift):
    assume(np.ptp(values) > 0)
    expected = nss(values, [1, 2], [3, 4])
    assert nss(scale * values + shift, [1, 2], [3, 4]) == pytest.approx(expected, abs=1e-8)
    assert nss(-values, [1, 2], [3, 4]) == pytest.approx(-expected, abs=1e-12)


@pytest.mark.parametrize("value", [0.0, 0.1, 1 / 3, 1e-12, 12345.678])
def test_constant_map_is_exactly_zero(value):
    assert (nss(np.full((31, 37), value), [0, 36], [0, 30]) == 0).all()


def test_map_that_hardly_varies_is_no_constant():
    values = np.ones((10, 10))
    values[0, 0] += 1e-10
    assert nss(values, [0], [0])[0] == pytest.approx(np.sqrt(99), rel=1e-4)


def test_tiny_densities_do_not_underflow(example):
    density, x, y = example
    assert nss(density * 1e-150, x, y) == pytest.approx(nss(density, x, y), rel=1e-9)


def test_ddof_one_divides_by_one_less(example):
    density, x, y = example
    factor = np.sqrt((density.size - 1) / density.size)
    assert nss(density, x, y, ddof=1) == pytest.approx(nss(density, x, y) * factor)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_must_be_finite(bad):
    values = np.zeros((3, 3))
    values[1, 1] = bad
    with pytest.raises(ValueError, match="finite"):
        nss(values, [0], [0])
