"""The fit finds the likelihood's maximum, with exact gradients, and renormalises what lacks."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from scipy.special import softmax

import models.mixture_fit as module
from models.mixture_fit import fit_mixture


def example(missing=()):
    rng = np.random.default_rng(0)
    distance, fixed = rng.exponential(3.0, 400), rng.uniform(0.02, 0.2, (400, 2))

    def held_out(bandwidth):
        kernel = np.exp(-0.5 * (distance / bandwidth) ** 2) / bandwidth
        slope = kernel * ((distance / bandwidth) ** 2 - 1)
        kernel[list(missing)] = np.nan
        return kernel, slope

    return held_out, fixed


def mean_log_likelihood(held_out, fixed, bandwidth, weights):
    kernel, _ = held_out(bandwidth)
    full = weights[0] * kernel + fixed @ weights[1:]
    rest = fixed @ weights[1:] / (1 - weights[0])
    return np.mean(np.log(np.where(np.isnan(kernel), rest, full)))


@pytest.mark.parametrize("missing", [(), (0, 5, 17, 200)])
def test_no_neighbour_is_better(missing):
    held_out, fixed = example(missing)
    fit = fit_mixture(held_out, fixed, (0.5, 10.0), (0.1, 100.0))
    assert sum(fit.weights) == pytest.approx(1)
    best = mean_log_likelihood(held_out, fixed, fit.bandwidth, np.array(fit.weights))
    assert fit.log_likelihood == pytest.approx(best, abs=1e-12)
    for factor in (0.97, 1.03):
        moved = mean_log_likelihood(held_out, fixed, fit.bandwidth * factor, np.array(fit.weights))
        assert moved < best
    for k in range(3):
        for shift in (-0.02, 0.02):
            weights = np.array(fit.weights)
            weights[k] = np.clip(weights[k] + shift, 1e-9, 1)
            moved = mean_log_likelihood(held_out, fixed, fit.bandwidth, weights / weights.sum())
            assert moved < best + 1e-9


@pytest.mark.parametrize("missing", [(), (0, 5, 17, 200)])
def test_gradients_are_exact(missing, monkeypatch):
    held_out, fixed = example(missing)
    captured = {}

    def stop_here(loss, start, **_):
        captured["loss"] = loss
        raise StopIteration

    monkeypatch.setattr(module, "minimize", stop_here)
    with pytest.raises(StopIteration):
        fit_mixture(held_out, fixed, (2.0,), (0.1, 100.0))
    loss = captured["loss"]
    at = np.array([0.4, -1.3, 0.7])
    weights = softmax([0, *at[1:]])
    assert -loss(at)[0] == pytest.approx(
        mean_log_likelihood(held_out, fixed, np.exp(0.4), weights), abs=1e-12
    )
    assert loss(at)[1] == pytest.approx(approx_fprime(at, lambda p: loss(p)[0]), abs=1e-6)


def test_nothing_to_fit():
    with pytest.raises(ValueError, match="no fixation"):
        fit_mixture(lambda b: (np.zeros(0), np.zeros(0)), np.zeros((0, 1)), (1.0,), (0.1, 10.0))
