"""The maps for shuffled AUC, CC, KL and SIM are the best ones for their metric."""

from __future__ import annotations

import numpy as np
import pytest

from metrics.auc import shuffled_auc
from metrics.gaussian import filtered_points
from metrics.maps import _draw, blurred_map, shuffled_map, sim_map
from metrics.sim import similarity
from tests.metrics.examples import peaks


def expected_similarity(saliency_map, density, sigma, n_fixations, draws=400):
    """Monte-Carlo estimate with draws of its own."""
    rng = np.random.default_rng(99)
    scores = []
    for _ in range(draws):
        flat = rng.choice(density.size, size=n_fixations, p=density.ravel())
        rows, columns = np.divmod(flat, density.shape[1])
        empirical = filtered_points(columns, rows, density.shape, sigma)
        scores.append(similarity(saliency_map, empirical))
    return float(np.mean(scores))


@pytest.mark.parametrize("n_fixations", [3, 10, 60])
def test_sim_map_beats_density_and_blurred_density(n_fixations):
    density, sigma = peaks(), 6.0
    best = sim_map(density, sigma, n_fixations, np.random.default_rng(0))
    score = expected_similarity(best, density, sigma, n_fixations)
    assert score > expected_similarity(density, density, sigma, n_fixations) + 0.01
    blurred = expected_similarity(blurred_map(density, sigma), density, sigma, n_fixations)
    assert score > blurred - 1e-3
    if n_fixations == 3:  # few fixations leave most of the image empty: clearly better
        assert score > blurred + 0.02


def test_sim_map_cannot_be_improved_locally():
    density, sigma = peaks((48, 64)), 6.0
    best = sim_map(density, sigma, 8, np.random.default_rng(0), samples=2000)
    score = expected_similarity(best, density, sigma, 8)
    rng = np.random.default_rng(5)
    for _ in range(8):
        tilt = filtered_points(rng.integers(0, 64, 5), rng.integers(0, 48, 5), best.shape, 6.0)
        moved = best * (1 + 0.5 * tilt / tilt.max())
        assert expected_similarity(moved, density, sigma, 8) < score + 1e-3


def test_sim_map_is_a_density_and_repeatable():
    density = peaks((50, 70))
    first = sim_map(density, 24.0, 20, np.random.default_rng(1))
    assert first.shape == (50, 70)
    assert first.min() >= 0
    assert first.sum() == pytest.approx(1)
    assert (first == sim_map(density, 24.0, 20, np.random.default_rng(1))).all()
    assert sim_map(density, 24.0, 0, np.random.default_rng(1)) == pytest.approx(1 / 3500)


def test_draws_follow_the_density():
    density = np.array([[0.5, 0.0, 0.25], [0.0, 0.05, 0.2]])
    drawn = _draw(density, 200_000, np.random.default_rng(0))
    frequencies = np.bincount(drawn, minlength=6) / len(drawn)
    assert frequencies == pytest.approx(density.ravel(), abs=0.005)
    halves = np.bincount(drawn[:100_000], minlength=6) / 100_000
    assert halves == pytest.approx(density.ravel(), abs=0.007)  # shuffled, not sorted


def test_likelihood_ratio_is_best_for_shuffled_auc():
    rng = np.random.default_rng(2)
    density, other = peaks(), np.roll(peaks(), 17, axis=1)
    fixations = np.divmod(rng.choice(density.size, 4000, p=density.ravel()), density.shape[1])
    elsewhere = np.divmod(rng.choice(density.size, 4000, p=other.ravel()), density.shape[1])

    def score(saliency_map):
        y, x = fixations
        return shuffled_auc(saliency_map, x, y, elsewhere[1], elsewhere[0]).mean()

    assert score(shuffled_map(np.log(density), np.log(other))) > score(density) + 0.01


def test_shuffled_map_of_zero_densities():
    with np.errstate(divide="ignore"):
        ratio = shuffled_map(np.log([[0.0, 1.0, 0.0]]), np.log([[0.0, 0.5, 0.5]]))
    assert ratio.tolist() == [[0.0, np.log(2), -np.inf]]
    with pytest.raises(ValueError, match="shuffled baseline"):
        shuffled_map(np.zeros((2, 2)), np.zeros((2, 3)))
