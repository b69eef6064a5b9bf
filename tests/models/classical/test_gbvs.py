"""GBVS: equilibria beside explicit Markov chains, what stands out, and its centre preference."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import eig

from models.classical.gbvs import GBVS, activated, concentrated, feature_maps
from tests.models.classical.displays import AnyImage, at, bar, clouds, search_display


@pytest.fixture(scope="module")
def model():
    return GBVS()


class TestAnyImage(AnyImage):
    pass


@pytest.fixture(scope="module")
def feature():
    return np.random.default_rng(1).random((5, 7))


def equilibrium(weights):
    """Principal left eigenvector of the chain with these weights (from, to); sums to 1."""
    transitions = weights / weights.sum(axis=1, keepdims=True)
    values, vectors = eig(transitions.T)
    vector = vectors[:, np.argmax(values.real)].real
    return vector / vector.sum()


def gaussian(shape, width):
    """Of the distance of cells (from, to), pair by pair."""
    sigma = width * np.mean(shape)
    places = [(row, column) for row in range(shape[0]) for column in range(shape[1])]
    return np.array(
        [
            [np.exp(-((a - c) ** 2 + (b - d) ** 2) / (2 * sigma**2)) for c, d in places]
            for a, b in places
        ]
    )


DISSIMILARITIES = {
    "difference": lambda one, other: abs(one - other),
    "log": lambda one, other: abs(np.log((0.01 + 0.99 * one) / (0.01 + 0.99 * other))),
}


@pytest.mark.parametrize("dissimilarity", DISSIMILARITIES)
def test_activation_is_the_equilibrium_of_the_chain_between_unlike_cells(feature, dissimilarity):
    scaled = ((feature - feature.min()) / np.ptp(feature)).ravel()
    distance = DISSIMILARITIES[dissimilarity]
    weights = np.array([[distance(one, other) for other in scaled] for one in scaled])
    expected = equilibrium(weights * gaussian(feature.shape, 0.15)).reshape(feature.shape)
    assert activated(feature, 0.15, dissimilarity) == pytest.approx(expected, rel=1e-6)


def test_normalisation_is_the_equilibrium_of_the_chain_to_active_cells(feature):
    activation = feature / feature.sum()
    weights = activation.ravel()[None, :] * gaussian(feature.shape, 0.06)
    expected = equilibrium(weights).reshape(feature.shape)
    assert concentrated(activation, 0.06) == pytest.approx(expected, rel=1e-6)


def test_map_adds_the_equilibria_of_all_features():
    image = clouds((120, 160))
    maps = feature_maps(image, (24, 32))
    assert maps.shape == (24, 24, 32)
    total = sum(concentrated(activated(feature, 0.15), 0.06) for feature in maps)
    assert GBVS(blur=0).map_of(image) == pytest.approx(total, rel=1e-9)


def test_only_cell_unlike_all_others_has_half_of_the_activation():
    feature = np.zeros((9, 11))
    feature[3, 7] = 2
    activation = activated(feature, 0.15)
    assert activation.sum() == pytest.approx(1)
    assert activation[3, 7] == pytest.approx(0.5)


@pytest.mark.parametrize("dissimilarity", DISSIMILARITIES)
def test_scale_of_a_feature_does_not_matter(feature, dissimilarity):
    expected = activated(feature, 0.15, dissimilarity)
    assert activated(3 * feature - 5, 0.15, dissimilarity) == pytest.approx(expected, rel=1e-9)


def test_normalisation_concentrates_mass_where_there_is_much(feature):
    activation = activated(feature, 0.15)
    normalised = concentrated(activation, 0.06)
    assert normalised.sum() == pytest.approx(1)
    assert (normalised**2).sum() > (activation**2).sum()
    assert normalised.argmax() == activation.argmax()


def test_features_without_contrast_count_nothing():
    assert (activated(np.full((4, 6), 7.0), 0.15) == 0).all()
    assert (concentrated(np.zeros((4, 6)), 0.06) == 0).all()
    grey = np.repeat(clouds((120, 160))[..., :1], 3, axis=2)
    maps = feature_maps(grey, (24, 32))
    colour = np.array([2, 3, 10, 11, 18, 19])
    assert all((activated(feature, 0.15) == 0).all() for feature in maps[colour])
    assert all(activated(feature, 0.15).sum() > 0.99 for feature in np.delete(maps, colour, axis=0))


def test_middle_is_preferred_in_noise(model):
    """The property that the paper names: cells in the middle are near to more cells."""
    noise = [np.random.default_rng(seed).integers(0, 256, (256, 256, 3)) for seed in range(4)]
    saliency = np.mean([model.map_of(image.astype(np.uint8)) for image in noise], axis=0)
    middle = np.zeros((32, 32), dtype=bool)
    middle[8:24, 8:24] = True
    assert saliency[middle].mean() > 1.3 * saliency[~middle].mean()


@pytest.mark.parametrize(
    ("item", "odd"),
    [
        (bar(20, 20, (60, 170, 60)), bar(20, 20, (200, 60, 60))),
        (bar(6, 30), bar(30, 6)),
        (bar(12, 12), bar(28, 28)),
        (bar(20, 20, (150, 150, 150)), bar(20, 20, (250, 250, 250))),
    ],
    ids=["colour", "orientation", "size", "brightness"],
)
def test_odd_item_stands_out(model, item, odd):
    image, centres = search_display(item, odd)
    values = at(model.map_of(image), image.shape[:2], centres)
    assert values[0] > 1.5 * values[1:].max()


@pytest.mark.parametrize("shape", [(90, 120), (97, 61)])
def test_mirror_image_has_the_mirrored_map(model, shape):
    image = clouds(shape)
    expected = model.map_of(image)
    for mirror in (np.s_[:, ::-1], np.s_[::-1]):
        mirrored = model.map_of(np.ascontiguousarray(image[mirror]))[mirror]
        assert mirrored == pytest.approx(expected, rel=1e-3)


def test_transposed_image_has_the_transposed_map(model):
    image = clouds((90, 120))
    transposed = model.map_of(np.ascontiguousarray(image.transpose(1, 0, 2))).T
    assert transposed == pytest.approx(model.map_of(image), rel=1e-3)


def test_parameters():
    image = clouds((90, 120))
    maps = [
        model.map_of(image)
        for model in (
            GBVS(),
            GBVS(dissimilarity="log"),
            GBVS(normalisation="power"),
            GBVS(activation_width=0.1),
            GBVS(normalisation_width=0.1),
            GBVS(blur=0.05),
        )
    ]
    assert all(np.isfinite(saliency).all() for saliency in maps)
    assert len({saliency.tobytes() for saliency in maps}) == len(maps)
    assert GBVS(longest=16).map_of(image).shape == (12, 16)
    activations = [activated(feature, 0.15) for feature in feature_maps(image, (24, 32))]
    power = GBVS(normalisation="power", blur=0).map_of(image)
    assert power == pytest.approx(sum(activation**1.5 for activation in activations), rel=1e-9)
    with pytest.raises(ValueError, match="'ratio'"):
        GBVS(dissimilarity="ratio")
    with pytest.raises(ValueError, match="'iterative'"):
        GBVS(normalisation="iterative")
