"""Saliency maps as densities: the definition written out, a known truth, and no leak."""

from __future__ import annotations

from dataclasses import replace

import cloudpickle
import numpy as np
import pysaliency
import pytest
from scipy.ndimage import gaussian_filter
from scipy.special import logsumexp

from models import map_cache, saliency_map
from models.base import ModelSpec, TrainingData
from models.centerbias import CenterBias
from models.saliency_map import FOLDS, MapsOf, SaliencyMap

SPEC = ModelSpec(
    name="bright", title="Bright", summary="where it is bright", trained_on=("scored",)
)
SHAPES = ((48, 64), (64, 48), (45, 61))


class Bright(SaliencyMap):
    spec = SPEC

    def map_of(self, rgb):
        return rgb.mean(axis=2) / 255.0


class Power(Bright):
    def __init__(self, exponent=3.0):
        super().__init__()
        self.exponent = exponent

    def map_of(self, rgb):
        return 7.0 + super().map_of(rgb) ** self.exponent


@pytest.fixture(scope="module", autouse=True)
def quick():
    """A coarser grid and fewer Gaussians to choose from."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(saliency_map, "GRID", 24)
        patch.setattr(saliency_map, "BLURS", (0.0, 0.03))
        yield


@pytest.fixture(autouse=True)
def nothing_kept():
    map_cache.forget()


def picture(seed: int) -> np.ndarray:
    """Soft blobs, uint8 (height, width, 3)."""
    shape = SHAPES[seed % len(SHAPES)]
    blobs = gaussian_filter(np.random.default_rng(seed).normal(size=shape), 4)
    grey = 127 + 90 * blobs / np.abs(blobs).max()
    return np.repeat(grey.astype(np.uint8)[:, :, None], 3, axis=2)


def prior(shape) -> np.ndarray:
    y, x = ((np.arange(n) + 0.5) / n - 0.5 for n in shape)
    density = np.exp(-(y[:, None] ** 2 + x[None, :] ** 2) / (2 * 0.25**2))
    return np.log(density / density.sum())


def truth(rgb: np.ndarray) -> np.ndarray:
    """Log density by which the observers look: bright places, and the middle."""
    u = rgb.mean(axis=2) / 255.0
    values = 6.0 * u**2 + prior(rgb.shape[:2])
    return values - logsumexp(values)


def looked_at(images, count=60, log_density=truth, seed=0) -> TrainingData:
    rng = np.random.default_rng(seed)
    x, y, n = [], [], []
    for index, image in enumerate(images):
        density = np.exp(log_density(image))
        found = rng.choice(density.size, count, p=density.ravel() / density.sum())
        y += list(found // image.shape[1])
        x += list(found % image.shape[1])
        n += [index] * count
    fixations = pysaliency.Fixations.create_without_history(
        np.array(x, float), np.array(y, float), np.array(n)
    )
    return TrainingData(pysaliency.Stimuli(list(images)), fixations, np.arange(len(images)))


def gain(model, data, centerbias, images) -> float:
    """Mean information gain in bits over the centre bias."""
    found = []
    for index in images:
        own = np.flatnonzero(data.fixations.n == index)
        at = data.fixations.y_int[own], data.fixations.x_int[own]
        stimulus = data.stimuli[index]
        ratio = model.log_density(stimulus)[at] - centerbias.log_density(stimulus)[at]
        found.append(ratio.mean() / np.log(2))
    return float(np.mean(found))


@pytest.fixture(scope="module")
def data(quick):
    return looked_at([picture(seed) for seed in range(40)])


@pytest.fixture(scope="module")
def centerbias(data):
    return CenterBias(data, bandwidth=0.08, uniform_weight=0.05)


@pytest.fixture(scope="module")
def fitted(data, centerbias):
    return Bright.fit(data, centerbias)


def test_a_known_truth_is_found(data, centerbias, fitted):
    best = MapsOf(None, SPEC)
    best.log_density = lambda stimulus: truth(stimulus.stimulus_data)
    images = range(len(data.stimuli))
    limit, found = (gain(model, data, centerbias, images) for model in (best, fitted))
    assert limit > 0.3
    assert limit - 0.05 < found < limit + 0.01
    assert gain(Bright.plain(), data, centerbias, images) < found - 0.1
    assert all(0.6 < fit.prior_weight < 1.3 for fit in fitted.fits)


def test_the_nonlinearity_never_falls_whatever_the_data():
    images = [picture(seed) for seed in range(20)]
    away = looked_at(images, log_density=lambda rgb: truth(255 - rgb))
    model = Bright.fit(away, CenterBias(away, 0.08, 0.05))
    for fit in model.fits:
        assert (np.diff(fit.knots) > 0).all()
        assert (np.diff(fit.log_f) >= 0).all()
        assert fit.log_f[-1] < 0.5  # the best monotone function of what repels is nearly flat
        assert fit.prior_weight >= 0


def test_a_monotone_change_of_the_map_changes_little(data, centerbias, fitted):
    images = range(len(data.stimuli))
    expected = gain(fitted, data, centerbias, images)
    for exponent in (0.5, 3.0):
        found = gain(Power(exponent).fitted(data, centerbias), data, centerbias, images)
        assert abs(found - expected) < 0.03


@pytest.mark.parametrize("scaling", saliency_map.SCALINGS)
@pytest.mark.parametrize("blur", [0.0, 0.03])
@pytest.mark.parametrize("known", [True, False])
def test_the_density_is_as_defined(data, centerbias, fitted, scaling, blur, known):
    fit = replace(
        fitted.fits[0], scaling=scaling, blur=blur, knots=(0.1, 0.4, 0.9), log_f=(0.0, 1.0, 4.0)
    )
    model = Bright()
    model.__dict__.update(fitted.__dict__, fits=(fit,) * (FOLDS + 1))
    stimulus = data.stimuli[3] if known else picture(999)
    rgb = np.asarray(stimulus.stimulus_data if known else stimulus)
    smooth = rgb.mean(axis=2) / 255.0
    if blur:
        smooth = gaussian_filter(smooth, blur * max(smooth.shape))
    u = {
        "none": smooth,
        "range": (smooth - smooth.min()) / (smooth.max() - smooth.min()),
        "rank": (np.argsort(np.argsort(smooth, axis=None)) / smooth.size).reshape(smooth.shape),
    }[scaling]
    log_f = np.where(u < 0.4, (u - 0.1).clip(0) / 0.3, 1 + 3 * (u.clip(max=0.9) - 0.4) / 0.5)
    expected = log_f + fit.prior_weight * centerbias.log_density(stimulus)
    expected -= logsumexp(expected)
    # ranks of equal grey values are drawn apart by argsort
    tolerance = 0.25 if scaling == "rank" else 1e-4
    np.testing.assert_allclose(model.log_density(stimulus), expected, atol=tolerance)


def test_a_coarse_map_is_laid_over_the_whole_image():
    class Corner(Bright):
        def map_of(self, rgb):
            values = np.zeros((3, 4))
            values[0, 3] = 1.0
            return values

    density = np.exp(Corner.plain().log_density(np.zeros((30, 40, 3), np.uint8)))
    np.testing.assert_allclose(density.sum(), 1)
    row, column = np.unravel_index(density.argmax(), density.shape)
    assert row <= 5
    assert column >= 34
    # halfway between the centres of two cells, half of the highest value
    at = density[2] - density.min()
    np.testing.assert_allclose(at[29] + at[30], at[39], rtol=1e-3)


@pytest.mark.parametrize(
    ("shape", "refused"),
    [
        ((45, 60), False),
        ((12, 15), False),
        ((11, 16), False),  # both sides rounded, the other way
        ((4, 5), False),
        ((1, 1), False),
        ((90, 120), False),
        ((60, 45), True),
        ((15, 11), True),
        ((32, 32), True),
        ((12, 18), False),
        ((12, 20), True),
    ],
)
def test_a_map_must_cover_the_image_evenly(shape, refused):
    class Shaped(Bright):
        def map_of(self, rgb):
            return np.arange(np.prod(shape), dtype=float).reshape(shape)

    image = np.zeros((45, 60, 3), np.uint8)
    if not refused:
        assert Shaped.plain().log_density(image).shape == (45, 60)
        return
    text = f"bright:plain: the saliency map has the size {shape[1]}x{shape[0]}, the image 60x45"
    with pytest.raises(ValueError, match=text) as caught:
        Shaped.plain().log_density(image)
    assert ("It looks transposed." in str(caught.value)) == (shape == (60, 45))


# No leak


def test_nothing_about_a_fold_is_learned_from_its_own_fixations(data, centerbias, fitted):
    for fold in range(2):
        own = fitted.folds[data.fixations.n] == fold
        assert own.any()
        moved = data.fixations.copy()
        moved.x[own] = 1.0
        moved.y[own] = 2.0
        poisoned = TrainingData(data.stimuli, moved, data.groups)
        other = Bright.fit(poisoned, CenterBias(poisoned, 0.08, 0.05))
        assert other.fits[fold] == fitted.fits[fold]
        assert other.fits[(fold + 1) % FOLDS] != fitted.fits[(fold + 1) % FOLDS]
        assert other.fits[-1] != fitted.fits[-1]


def test_an_images_own_fixations_are_not_in_its_density(data, fitted):
    image = int(np.flatnonzero(fitted.folds == 1)[0])
    moved = data.fixations.copy()
    own = moved.n == image
    moved.x[own] = 1.0
    moved.y[own] = 2.0
    poisoned = TrainingData(data.stimuli, moved, data.groups)
    other = Bright.fit(poisoned, CenterBias(poisoned, 0.08, 0.05))
    found = other.log_density(data.stimuli[image])
    np.testing.assert_array_equal(found, fitted.log_density(data.stimuli[image]))


def test_copies_of_an_image_are_in_one_fold(data, centerbias):
    groups = np.arange(len(data.groups)) // 2
    folds = Bright.fit(replace(data, groups=groups), centerbias).folds
    assert (folds[0::2] == folds[1::2]).all()
    assert set(folds) == set(range(FOLDS))


# Every map, every image


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (37, 29), (41, 30, 3)])
@pytest.mark.parametrize("value", [None, 0, 200])
def test_any_image_gets_a_density(fitted, shape, value):
    rng = np.random.default_rng(0)
    image = (
        rng.integers(0, 256, shape, dtype=np.uint8)
        if value is None
        else np.full(shape, value, np.uint8)
    )
    for model in (fitted, Bright.plain()):
        found = model.log_density(image)
        assert found.shape == shape[:2]
        assert np.isfinite(found).all()
        np.testing.assert_allclose(np.exp(found).sum(), 1, atol=1e-9)


def test_a_constant_map_is_uniform_and_zeros_are_possible():
    image = np.zeros((20, 30, 3), np.uint8)
    np.testing.assert_allclose(Bright.plain().log_density(image), -np.log(600))
    image[5, 5] = 255
    found = np.exp(Bright.plain().log_density(image))
    np.testing.assert_allclose(found[5, 5] / found[0, 0], 1 + 510)


def test_the_plain_form_is_called_so(fitted):
    plain = fitted.as_plain()
    assert (plain.spec.name, plain.spec.title) == ("bright:plain", "Bright (plain)")
    assert plain.spec.trained_on == ()
    assert Bright.plain().spec == plain.spec == plain.as_plain().spec
    assert fitted.spec == SPEC
    image = picture(5)
    np.testing.assert_array_equal(plain.log_density(image), Bright.plain().log_density(image))


@pytest.mark.parametrize(
    "bad", [np.zeros(5), np.zeros((0, 4)), np.full((3, 3), np.nan), np.full((3, 3), np.inf)]
)
def test_what_is_no_map_is_refused(bad):
    class Bad(Bright):
        def map_of(self, rgb):
            return bad

    with pytest.raises(ValueError, match="bright:plain: a saliency map has finite values"):
        Bad.plain().log_density(picture(0))


def test_an_image_without_map_is_left_out_of_the_fit(data, centerbias):
    class Picky(Bright):
        def map_of(self, rgb):
            if rgb.shape[0] == 48:
                raise RuntimeError("no such map")
            return super().map_of(rgb)

    model = Picky.fit(data, centerbias)
    assert np.isfinite(model.log_density(data.stimuli[1])).all()
    with pytest.raises(RuntimeError, match="no such map"):
        model.log_density(data.stimuli[0])

    class Never(Bright):
        def map_of(self, rgb):
            raise RuntimeError("no such map")

    with pytest.raises(ValueError, match=r"no saliency map could be made for any.*no such map"):
        Never.fit(data, centerbias)


# Again, elsewhere


def test_a_map_is_made_once_and_kept_apart_from_others(data, monkeypatch):
    calls = []

    class Counted(Power):
        def map_of(self, rgb):
            calls.append(self.exponent)
            return super().map_of(rgb)

    image = picture(3)
    squared = Counted(2.0)
    first = squared.log_density(image)
    np.testing.assert_array_equal(squared.log_density(image), first)
    assert calls == [2.0]
    assert np.abs(Counted(4.0).log_density(image) - first).max() > 0.01
    assert calls == [2.0, 4.0]
    monkeypatch.setattr(map_cache, "KEPT_BYTES", 0)
    squared.log_density(picture(4))
    assert len(map_cache._kept) == 1
    np.testing.assert_array_equal(squared.log_density(image), first)


def test_models_that_differ_in_what_cannot_be_compared_share_nothing():
    class Signed(Bright):
        def __init__(self, sign):
            super().__init__()
            self._sign = np.array([sign])

        def map_of(self, rgb):
            return self._sign[0] * super().map_of(rgb)

    image = picture(3)
    bright, dark = Signed(1.0).native_map(image), Signed(-1.0).native_map(image)
    np.testing.assert_array_equal(dark, -bright)


def test_a_few_maps_among_many_images_are_all_fitted_on(data, centerbias):
    class Some(Bright):
        def map_of(self, rgb):
            if rgb[0, 0, 0] % 4:
                raise ValueError("no such map")
            return super().map_of(rgb)

    there = sum(int(picture(seed)[0, 0, 0]) % 4 == 0 for seed in range(40))
    assert 0 < there < 20
    assert Some.fit(data, centerbias).parameters["fitted_on"] == there


def test_it_fits_the_same_again_and_can_be_pickled(data, centerbias, fitted):
    map_cache.forget()
    again = Bright.fit(data, centerbias)
    assert again.parameters == fitted.parameters
    copy = cloudpickle.loads(cloudpickle.dumps(fitted))
    expected = fitted.log_density(data.stimuli[2])
    np.testing.assert_array_equal(copy.log_density(data.stimuli[2]), expected)
    pixels = np.asarray(data.stimuli[2].stimulus_data)
    np.testing.assert_array_equal(fitted.log_density(pixels), expected)


def test_maps_of_other_programs(data, centerbias, fitted):
    class Theirs(pysaliency.SaliencyMapModel):
        content_hash = "abc"

        def _saliency_map(self, stimulus):
            return np.asarray(stimulus).mean(axis=2) / 255.0

    spec = replace(SPEC, name="theirs")
    model = MapsOf(Theirs(), spec).fitted(data, centerbias)
    assert model.content_hash == "abc"
    np.testing.assert_array_equal(
        model.log_density(data.stimuli[0]), fitted.log_density(data.stimuli[0])
    )
    assert model.as_plain().spec.name == "theirs:plain"
