"""Bases of independent components: what they are, and that learning repeats."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import gennorm, kurtosis, ortho_group

from models.classical import ica
from tests.models.classical.displays import clouds


@pytest.fixture(scope="module")
def natural():
    """Patches other than those that the bases were learned from, by name of the basis."""
    images = ica.photographs()
    return {
        name: ica._patches(images, ica.Recipe(recipe.size, 0, 1, patches=16_000, seed=7))
        for name, recipe in ica.RECIPES.items()
    }


def responses_to(patches, basis):
    return (patches - basis.mean.ravel()) @ basis.filters.reshape(len(basis.filters), -1).T


@pytest.mark.parametrize("name", ica.RECIPES)
def test_a_shipped_basis_is_that_of_its_recipe(name):
    recipe, basis = ica.RECIPES[name], ica.load(name)
    assert basis.filters.shape == (recipe.components, recipe.size, recipe.size, 3)
    assert basis.mean.shape == (recipe.size, recipe.size, 3)
    assert basis.scale.shape == basis.exponent.shape == (recipe.components,)
    assert basis.size == recipe.size
    for array in vars(basis).values():
        assert array.dtype == np.float32
        assert np.isfinite(array).all()
        assert not array.flags.writeable
    assert basis.scale.min() > 0
    assert 0.1 < basis.exponent.min() <= basis.exponent.max() < 5


def test_every_file_is_a_basis_and_they_are_small():
    files = sorted(ica.FOLDER.iterdir())
    assert [file.name for file in files] == sorted(f"{name}.npz" for name in ica.RECIPES)
    assert sum(file.stat().st_size for file in files) < 300_000


@pytest.mark.parametrize("name", ica.RECIPES)
def test_responses_to_natural_patches_are_uncorrelated_and_of_unit_variance(name, natural):
    responses = responses_to(natural[name], ica.load(name))
    covariance = np.cov(responses.T)
    np.testing.assert_allclose(np.diag(covariance), 1, atol=0.25)
    assert np.abs(covariance - np.diag(np.diag(covariance))).max() < 0.15
    np.testing.assert_allclose(responses.mean(axis=0), 0, atol=0.1)


@pytest.mark.parametrize("name", ica.RECIPES)
def test_responses_are_sparser_than_those_of_other_whitening_filters(name, natural):
    responses = responses_to(natural[name], ica.load(name))
    rotated = responses @ ortho_group.rvs(responses.shape[1], random_state=1)
    assert np.median(kurtosis(responses)) > 1.2 * np.median(kurtosis(rotated))


def test_the_basis_of_sun_hardly_sees_mean_luminance():
    filters = ica.load("sun").filters
    uniform = filters.sum(axis=(1, 2, 3)) / np.sqrt(filters[0].size)
    assert np.abs(uniform).max() < 0.1 * np.sqrt((filters**2).sum(axis=(1, 2, 3))).max()
    brightest = ica.load("aim").filters.sum(axis=(1, 2, 3))
    assert np.abs(brightest).max() > 1  # AIM's, which keeps it, has filters for it


def test_generalised_gaussians_fit_the_responses(natural):
    basis = ica.load("sun")
    responses = responses_to(natural["sun"], basis).astype(np.float64)
    power = (np.abs(responses) / basis.scale) ** basis.exponent
    # the scale of greatest likelihood: mean(|r / scale| ** exponent) = 1 / exponent
    np.testing.assert_allclose(power.mean(axis=0) * basis.exponent, 1, rtol=0.1)


def test_responses_are_correlations_with_the_patch_around_each_pixel():
    basis = ica.load("sun")
    maps = np.moveaxis(clouds((9, 14)) / np.float32(255), 2, 0)
    found = ica.responses(maps, basis)
    assert found.shape == (180, 9, 14)
    padded = np.pad(maps, ((0, 0), (5, 5), (5, 5)), mode="symmetric")
    for y, x in ((0, 0), (4, 7), (8, 13), (2, 11)):
        patch = np.moveaxis(padded[:, y : y + 11, x : x + 11], 0, 2)
        expected = (basis.filters * patch).sum(axis=(1, 2, 3), dtype=np.float64)
        np.testing.assert_allclose(found[:, y, x], expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("exponent", [0.4, 0.7, 1.0, 2.0])
def test_a_generalised_gaussian_is_found_again(exponent):
    values = gennorm.rvs(exponent, scale=0.3, size=200_000, random_state=3)
    scale, found = ica.generalised_gaussian(values)
    assert found == pytest.approx(exponent, rel=0.03)
    assert scale == pytest.approx(0.3, rel=0.06)


def test_learning_repeats_with_its_seed_and_not_with_another():
    images = [clouds((40, 50), seed) for seed in range(2)]
    recipe = ica.Recipe(size=4, skipped=1, components=5, patches=3000, seed=1)
    one, two = ica.learn(images, recipe), ica.learn(images, recipe)
    assert one.filters.shape == (5, 4, 4, 3)
    for name, array in vars(one).items():
        np.testing.assert_array_equal(array, getattr(two, name))
    other = ica.learn(images, ica.Recipe(4, 1, 5, 3000, seed=2))
    assert not np.array_equal(one.mean, other.mean)


def test_a_basis_is_stored_in_half_precision(tmp_path, monkeypatch):
    basis = ica.load("aim")
    basis.save(tmp_path / "copy.npz")
    monkeypatch.setattr(ica, "FOLDER", tmp_path)
    copy = ica.load("copy")
    for name, array in vars(basis).items():
        np.testing.assert_array_equal(array, getattr(copy, name))


def test_a_missing_photograph_is_named(monkeypatch):
    monkeypatch.setattr(ica, "PHOTOGRAPHS", (("no_such_package", "data/one.png"),))
    with pytest.raises(FileNotFoundError, match="no_such_package"):
        ica.photographs()
    monkeypatch.setattr(ica, "PHOTOGRAPHS", (("skimage", "data/no_such_photograph.png"),))
    with pytest.raises(FileNotFoundError, match="no_such_photograph"):
        ica.photographs()
