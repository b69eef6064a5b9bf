"""Every registered metric keeps the contract, and the checks of it find what breaks it."""

from __future__ import annotations

import itertools
from dataclasses import asdict, replace

import numpy as np
import pytest

from benchmark import registry
from benchmark.evaluate import Evaluation
from metrics.auc import auc
from metrics.nss import nss
from tests.benchmark.tiny import Blob, tiny, without_fixations
from tests.contracts import checks

DEFAULT = "tuebingen"
PROTOCOLS = {name: entry.load()() for name, entry in registry.protocols().items()}
PAIRS = [(p, metric) for p, variants in PROTOCOLS.items() for metric in variants]


@pytest.mark.parametrize("name", registry.metrics())
def test_a_registered_metric_describes_itself(name):
    entry = registry.metrics()[name]
    checks.check_metric_spec(entry.load(), entry.metadata)
    assert entry.load().spec.name == name


def test_every_metric_can_be_computed_and_is_registered():
    computed = set(itertools.chain.from_iterable(PROTOCOLS.values()))
    assert computed == set(registry.metrics())


@pytest.mark.parametrize(("protocol", "name"), PAIRS)
def test_a_metric_keeps_the_contract(protocol, name):
    spec = registry.metrics()[name].load().spec
    checks.check_metric(PROTOCOLS[protocol][name], spec, strict=protocol == DEFAULT)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_without_fixations_every_metric_is_undefined(protocol):
    dataset = without_fixations(tiny(), 1)
    fitted = {"centerbias": Blob(0.5, 0.5), "blob": Blob()}
    evaluation = Evaluation(
        dataset, fitted, fitted["centerbias"], PROTOCOLS[protocol], range(len(dataset))
    )
    evaluation.models["blob"].shuffled_log_density = fitted["centerbias"].log_density
    scores = evaluation.score(1, ["blob"])
    assert {score.metric for score in scores} == set(PROTOCOLS[protocol])
    assert all(np.isnan(score.value) for score in scores)
    assert {score.n_fixations for score in scores} == {0}
    defined = evaluation.score(0, ["blob"])
    assert not any(np.isnan(score.value) for score in defined)
    assert {score.n_fixations for score in defined} == {int((dataset.fixations.n == 0).sum())}


# The checks themselves

SPEC = nss.spec
LOWER = replace(SPEC, higher_is_better=False)


def sound(target, maps):
    return nss(maps.density, target.x, target.y)


def test_a_sound_metric_passes():
    checks.check_metric(sound, SPEC, strict=True)
    checks.check_metric(lambda t, m: -sound(t, m), LOWER, strict=True)


def test_a_wrong_direction_fails():
    for variant, spec in ((sound, LOWER), (lambda t, m: -sound(t, m), SPEC)):
        with pytest.raises(AssertionError, match="truth"):
            checks.check_direction(variant, spec)


def test_a_metric_that_ignores_its_map_fails():
    with pytest.raises(AssertionError, match="truth"):
        checks.check_direction(lambda t, m: np.ones(len(t.x)), SPEC)


def test_a_wrong_chance_value_fails():
    with pytest.raises(AssertionError, match=r"scores 0\.5, not 0\.0"):
        checks.check_chance(lambda t, m: auc(m.density, t.x, t.y), SPEC)
    with pytest.raises(AssertionError, match="not 0"):
        checks.check_chance(lambda t, m: sound(t, m) + 1e-12, SPEC)
    with pytest.raises(AssertionError, match="not 0"):
        checks.check_chance(lambda t, m: sound(t, m) + 0.2, SPEC, exact=False)


def test_an_undefined_score_of_a_constant_map_fails():
    with pytest.raises(AssertionError, match="no score"):
        checks.check_chance(lambda t, m: np.nan, SPEC)
    checks.check_chance(lambda t, m: np.nan, SPEC, exact=False)


def test_a_wrong_shape_fails():
    with pytest.raises(AssertionError, match="of shape"):
        checks.check_per(lambda t, m: sound(t, m).mean(), SPEC)
    with pytest.raises(AssertionError, match="of shape"):
        checks.check_per(sound, replace(SPEC, per="image"))
    with pytest.raises(AssertionError, match="precision"):
        checks.check_per(lambda t, m: sound(t, m).astype(np.float32), SPEC)


def test_a_metric_that_draws_other_numbers_each_time_fails():
    rng = np.random.default_rng(0)
    with pytest.raises(AssertionError, match="another value"):
        checks.check_metric_repeats(lambda t, m: sound(t, m) + rng.random())


@pytest.mark.parametrize(
    "spoil",
    [
        lambda t, m: np.multiply(m.density, 2, out=m.density),
        lambda t, m: m.log_density.sort(axis=0),
        lambda t, m: np.add(m.baseline, 1, out=m.baseline),
        lambda t, m: t.x.sort(),
        lambda t, m: t.other_y.sort(),
        lambda t, m: np.multiply(t.empirical, 2, out=t.empirical),
    ],
)
def test_a_metric_that_changes_its_input_fails(spoil):
    with pytest.raises(AssertionError, match="changes the"):
        checks.check_metric_keeps_its_input(spoil)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"title": ""}, "must be given"),
        ({"per": "subject"}, "per is 'subject'"),
        ({"higher_is_better": 1}, "direction"),
        ({"chance": "0"}, "chance"),
        ({"unit": None}, "unit"),
    ],
)
def test_an_incomplete_spec_fails(change, message):
    def described():
        pass

    described.spec = replace(SPEC, **change)
    with pytest.raises(AssertionError, match=message):
        checks.check_metric_spec(described, {**asdict(SPEC), **change})


def test_a_spec_that_is_missing_or_another_one_fails():
    with pytest.raises(AssertionError, match="no MetricSpec"):
        checks.check_metric_spec(sound, asdict(SPEC))
    with pytest.raises(AssertionError, match="not the registered one"):
        checks.check_metric_spec(nss, {**asdict(SPEC), "title": "Another"})
