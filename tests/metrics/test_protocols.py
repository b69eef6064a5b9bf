"""Protocols feed each metric its map, and name every metric that the registry knows."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from benchmark import registry
from metrics.gaussian import filtered_map, filtered_points
from metrics.protocols import MAP_SETS, Maps, Target, mit2014, tuebingen
from tests.metrics.examples import peaks


@pytest.fixture
def case(example):
    density, x, y = example
    rng = np.random.default_rng(1)
    other_x, other_y = rng.integers(0, 60, 300), rng.integers(0, 40, 300)
    target = Target(
        density.shape, x, y, other_x, other_y, other_x[:50], other_y[:50], 4.0, seed=(0, 7)
    )
    baseline = np.log(np.full(density.shape, 1 / density.size))
    shuffled = np.log(np.roll(density, 11, axis=1))
    return target, density, baseline, shuffled


def maps_of(kind, case):
    target, density, baseline, shuffled = case
    return MAP_SETS[kind](density, None, baseline, lambda: shuffled, target)


@pytest.mark.parametrize("protocol", [tuebingen, mit2014])
@pytest.mark.parametrize("kind", ["right", "naive"])
def test_every_metric_gives_a_number(case, protocol, kind):
    target, maps = case[0], maps_of(kind, case)
    for name, variant in protocol().items():
        value = np.mean(variant(target, maps))
        if protocol is mit2014 and name == "IG":
            assert np.isnan(value)  # its baseline, scaled to [0, 1], must not be constant
        else:
            assert np.isfinite(value), name


def test_protocols_cover_the_registered_metrics():
    assert set(tuebingen()) | set(mit2014()) == set(registry.metrics())
    assert set(registry.protocols()) == {"tuebingen", "mit2014"}


def test_right_maps_beat_the_naive_one():
    """On fixations drawn from the density itself."""
    density = peaks()
    baseline, shuffled = np.zeros(density.shape), np.log(np.roll(density, 17, axis=1))
    rng = np.random.default_rng(6)
    y, x = np.divmod(rng.choice(density.size, 400, p=density.ravel()), density.shape[1])
    negatives = np.exp(shuffled).ravel()
    other = rng.choice(density.size, 4000, p=negatives / negatives.sum())
    other_y, other_x = np.divmod(other, density.shape[1])
    target = Target(density.shape, x, y, other_x, other_y, other_x, other_y, 4.0)
    right = Maps(density, None, baseline, lambda: shuffled, target)
    naive = MAP_SETS["naive"](density, None, baseline, lambda: shuffled, target)
    for name, sign in (("sAUC", 1), ("CC", 1), ("SIM", 1), ("KL", -1)):
        variant = tuebingen()[name]
        gain = np.mean(variant(target, right)) - np.mean(variant(target, naive))
        assert sign * gain > 0, name


def test_given_log_density_is_not_recomputed(case):
    target, density, baseline, shuffled = case
    log_density = np.log(density)
    log_density[0, 0] = -800.0  # its density underflows to zero
    maps = Maps(np.exp(log_density), log_density, baseline, lambda: shuffled, target)
    assert maps.log_density[0, 0] == -800.0


def test_empirical_map_of_2014_has_the_documented_width():
    target = Target(
        (768, 1024), *[np.array([512.0])] * 1, np.array([384.0]), *[np.array([])] * 4, 1
    )
    sigma = 23.99
    expected = filtered_points([512], [384], (768, 1024), sigma, "constant", truncate=8.0)
    assert target.empirical_2014 == pytest.approx(expected, rel=2e-3, abs=1e-9)
    spread = np.sqrt(
        (target.empirical_2014.sum(axis=0) * (np.arange(1024) - 512) ** 2).sum()
        / target.empirical_2014.sum()
    )
    assert spread == pytest.approx(sigma, abs=0.005)


def test_the_map_of_2014_is_blurred_like_its_fixations():
    """CC and KL of the true density are best with the Gaussian of the fixation map."""
    density = peaks((192, 256))
    none, flat = np.array([]), np.zeros(density.shape)
    rng = np.random.default_rng(3)
    blurred = {}
    scores = {"CC": [], "KL": []}
    for _ in range(100):  # few fixations each, of which few share a pixel
        y, x = np.divmod(rng.choice(density.size, 20, p=density.ravel()), density.shape[1])
        target = Target(density.shape, x, y, none, none, none, none, kernel_size=24.0)
        assert target.sigma_2014 == pytest.approx(5.997, abs=0.002)
        found = Maps(density, None, flat, lambda: flat, target)
        for name in scores:
            row = [mit2014()[name](target, found)]
            for factor in (0.7, 1.0, 1.4):
                if factor not in blurred:
                    blurred[factor] = filtered_map(density, target.sigma_2014 * factor)
                row.append(mit2014()[name](target, SimpleNamespace(blurred_2014=blurred[factor])))
            scores[name].append(row)
    for name, sign in (("CC", 1), ("KL", -1)):
        own, narrow, right, wide = sign * np.mean(scores[name], axis=0)
        assert own == right
        assert right > max(narrow, wide)
    other = Target(density.shape, x, y, none, none, none, none, kernel_size=6.0)
    again = Maps(density, None, flat, lambda: flat, other)
    for name in ("CC", "KL", "SIM"):  # the kernel size of others does not matter
        assert mit2014()[name](other, again) == mit2014()[name](target, found)


@pytest.mark.parametrize("protocol", [tuebingen, mit2014])
def test_log_densities_too_small_for_a_density_have_ranks(protocol):
    log_density = -800.0 - np.arange(80.0).reshape(8, 10)
    log_density[0, 0] = 0.0
    none = np.array([])
    target = Target((8, 10), np.array([1.0]), np.array([0.0]), none, none, none, none, 4.0)
    flat = np.zeros((8, 10))
    maps = Maps(np.exp(log_density), log_density, flat, lambda: flat, target)
    found = np.mean(protocol()["AUC"](target, maps))
    # of 80 pixels, one is higher and 78 are lower
    expected = {tuebingen: 78.5 / 80, mit2014: 1 - 0.5 / 79}[protocol]
    assert found == pytest.approx(expected, abs=1e-9)


def test_ranks_of_densities_and_of_their_logarithms_give_the_same_bytes(case):
    target, density, baseline, shuffled = case
    given = Maps(density, np.log(density), baseline, lambda: shuffled, target)
    computed = Maps(density, None, baseline, lambda: shuffled, target)
    for protocol in (tuebingen, mit2014):
        first, second = (protocol()["AUC"](target, maps) for maps in (given, computed))
        np.testing.assert_array_equal(first, second)
