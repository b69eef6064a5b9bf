"""Simulated observers follow exactly the density that the data set says they do."""

import pickle
import time
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pysaliency
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from benchmark import registry
from benchmark.datasets import simulated
from benchmark.datasets.base import DatasetSpec
from benchmark.datasets.photographs import PHOTOGRAPHS, SalientObject
from benchmark.datasets.simulated import (
    Scene,
    SimulatedTruth,
    random_scene,
    simulate,
    true_information_gain,
)
from benchmark.errors import DataError, UnknownNameError

SCENE = Scene(
    60,
    80,
    (
        SalientObject("left", 15, 20, 8, 5, 3.0),
        SalientObject("right", 62, 41, 5, 9, 1.0),
        SalientObject("across the border", 78, 2, 9, 6, 0.5),
    ),
)


@lru_cache
def loaded():
    entry = registry.datasets()["photographs"]
    return entry.load()(None, DatasetSpec(**entry.metadata))


def truth_of(*scenes, seed=0):
    return SimulatedTruth(scenes, tuple(range(len(scenes))), seed)


def trial(dataset, n, subject):
    chosen = (dataset.fixations.n == n) & (dataset.fixations.subjects == subject)
    return np.stack([dataset.fixations.x[chosen], dataset.fixations.y[chosen]])


def brute_force_density(scene, traits, preferences):
    """The density by its definition, pixel map by pixel map, without separable products."""
    y, x = np.indices((scene.height, scene.width)).astype(float)

    def gaussian(centre_x, centre_y, sigma_x, sigma_y):
        values = np.exp(-((x - centre_x) ** 2) / (2 * sigma_x**2)) * np.exp(
            -((y - centre_y) ** 2) / (2 * sigma_y**2)
        )
        return values / values.sum()

    centre, uniform, looking = traits
    pull = sum(o.pull for o in scene.objects)
    engaged = pull / (simulated.NOTHING_IN_PARTICULAR + pull)
    idle = looking * (1 - engaged)
    density = (centre + simulated.NOTHING_TO_CENTRE * idle) * gaussian(
        (scene.width - 1) / 2,
        (scene.height - 1) / 2,
        simulated.CENTRE_SIGMA_X * scene.width,
        simulated.CENTRE_SIGMA_Y * scene.height,
    )
    density += (uniform + (1 - simulated.NOTHING_TO_CENTRE) * idle) / y.size
    for o, preference in zip(scene.objects, preferences, strict=True):
        for share, scale in (
            (simulated.TIGHT_SHARE, simulated.TIGHT_SIGMA),
            (1 - simulated.TIGHT_SHARE, simulated.LOOSE_SIGMA),
        ):
            density += (looking * engaged * preference * share) * gaussian(
                o.x,
                o.y,
                np.sqrt((scale * o.radius_x) ** 2 + simulated.SCATTER**2),
                np.sqrt((scale * o.radius_y) ** 2 + simulated.SCATTER**2),
            )
    return density


def chi_square_p(x, y, density, block=10):
    """P value of fixation counts in square blocks, with rare blocks pooled."""
    height, width = density.shape
    bins = (np.arange(height) // block)[:, None] * width + (np.arange(width) // block)[None]
    labels, bins = np.unique(bins, return_inverse=True)
    bins = bins.reshape(height, width)
    expected = np.bincount(bins.ravel(), density.ravel(), len(labels)) * len(x)
    observed = np.bincount(bins[y.astype(int), x.astype(int)], minlength=len(labels))
    rare = expected < 8
    if rare.any():
        expected = np.append(expected[~rare], expected[rare].sum())
        observed = np.append(observed[~rare], observed[rare].sum())
    assert len(expected) > 20
    return chisquare(observed, expected * observed.sum() / expected.sum()).pvalue


# What is loaded


def test_the_registered_data_set_is_marked_as_simulated():
    metadata = registry.datasets()["photographs"].metadata
    assert metadata["simulated"] is True
    assert loaded().spec.simulated
    assert loaded().name == "photographs"


def test_the_registered_data_set_has_what_its_summary_says():
    dataset = loaded()
    assert "16 photographs" in dataset.spec.summary
    assert "15 observers" in dataset.spec.summary
    assert len(dataset) == len(PHOTOGRAPHS) == 16
    assert len(dataset.subject_names) == 15
    assert isinstance(dataset.stimuli, pysaliency.FileStimuli)
    assert not dataset.stimuli.cached
    assert len(set(dataset.image_names)) == 16
    assert dataset.dropped == {}


def test_loading_takes_less_than_three_seconds():
    started = time.perf_counter()
    simulate()
    assert time.perf_counter() - started < 3


def test_images_have_the_sizes_of_the_truth_and_grey_ones_stay_flat():
    dataset = loaded()
    np.testing.assert_array_equal(dataset.sizes, dataset.extras["truth"].sizes)
    shapes = [stimulus.shape for stimulus in dataset.stimuli.stimuli]
    assert [s[:2] for s in shapes] == [tuple(size) for size in dataset.sizes]
    assert {len(shape) for shape in shapes} == {2, 3}
    assert len(np.unique(dataset.groups)) == len(dataset)


def test_fixations_are_pixel_indices_inside_their_image():
    dataset = loaded()
    fixations = dataset.fixations
    sizes = dataset.sizes[fixations.n]
    for values, limit in ((fixations.x, sizes[:, 1]), (fixations.y, sizes[:, 0])):
        np.testing.assert_array_equal(values, np.floor(values))
        assert (values >= 0).all()
        assert (values < limit).all()


def test_every_observer_sees_every_image_with_varying_numbers_of_fixations():
    fixations = loaded().fixations
    trials = set(zip(fixations.train_ns, fixations.train_subjects, strict=True))
    assert len(trials) == len(fixations.train_ns) == 16 * 15
    assert fixations.train_lengths.min() >= 1
    assert fixations.train_lengths.std() > 1
    # 240 trials of one plus Poisson(6): the mean is within 4 standard errors of 7.
    assert abs(fixations.train_lengths.mean() - 7) < 4 * np.sqrt(6 / 240)


def test_no_fixation_is_forced_to_the_centre():
    """First fixations are as far from the centre as all others."""
    fixations = simulate(n_subjects=40).fixations
    sizes = loaded().sizes[fixations.n]
    distance = np.hypot(
        fixations.x / sizes[:, 1] - 0.5,
        fixations.y / sizes[:, 0] - 0.5,
    )
    first, later = distance[fixations.lengths == 0], distance[fixations.lengths > 0]
    error = np.hypot(first.std() / len(first) ** 0.5, later.std() / len(later) ** 0.5)
    assert abs(first.mean() - later.mean()) < 4 * error


# The densities


@pytest.mark.parametrize("n", range(len(PHOTOGRAPHS)), ids=lambda n: PHOTOGRAPHS[n].name)
def test_densities_are_normalised(n):
    truth = loaded().extras["truth"]
    photograph = PHOTOGRAPHS[n]
    for log_density in (truth.log_density(n), truth.subject_log_density(n, 3)):
        assert log_density.shape == (photograph.height, photograph.width)
        assert log_density.dtype == np.float64
        assert abs(np.exp(log_density).sum() - 1) < 1e-12
        assert not np.isnan(log_density).any()


coordinates = st.floats(-50, 150)
objects = st.builds(
    SalientObject,
    st.just("o"),
    coordinates,
    coordinates,
    st.floats(0.01, 200),
    st.floats(0.01, 200),
    st.floats(0.01, 10),
)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 60),
    st.integers(1, 60),
    st.lists(objects, max_size=4),
    st.integers(0, 10**6),
)
def test_any_scene_has_normalised_densities_and_fixations_inside(height, width, placed, subject):
    truth = truth_of(Scene(height, width, tuple(placed)))
    for log_density in (truth.log_density(0), truth.subject_log_density(0, subject)):
        assert log_density.shape == (height, width)
        assert abs(np.exp(log_density).sum() - 1) < 1e-12
    x, y = truth.fixations(0, subject, 5.0)
    assert ((x >= 0) & (x < width) & (y >= 0) & (y < height)).all()


def test_population_density_is_the_mixture_defined():
    truth = truth_of(SCENE)
    traits = (simulated.CENTRE_SHARE, simulated.UNIFORM_SHARE, simulated.OBJECTS_SHARE)
    expected = brute_force_density(SCENE, traits, np.array([3.0, 1.0, 0.5]) / 4.5)
    np.testing.assert_allclose(np.exp(truth.log_density(0)), expected, rtol=1e-12)
    # With x and y or the rows mixed up, the density would peak elsewhere.
    y, x = np.unravel_index(expected.argmax(), expected.shape)
    assert abs(x - 15) <= 2
    assert abs(y - 20) <= 2


def test_shares_sum_to_one():
    shares = simulated.CENTRE_SHARE + simulated.UNIFORM_SHARE + simulated.OBJECTS_SHARE
    assert shares == pytest.approx(1, abs=1e-15)


def test_an_object_far_outside_raises_nothing_and_attracts_to_the_border():
    scene = Scene(40, 50, (SalientObject("gone", 5000, 20, 1, 1, 4.0),))
    log_density = truth_of(scene).log_density(0)
    assert np.isfinite(log_density).all()
    assert np.unravel_index(log_density.argmax(), log_density.shape)[1] == 49


def test_expected_observer_is_the_population():
    truth = truth_of(SCENE)
    weights = np.stack([truth.subject_weights(0, s) for s in range(4000)])
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-12)
    assert (weights >= 0).all()
    error = weights.std(axis=0, ddof=1) / np.sqrt(len(weights))
    assert (error > 0).all()
    assert (np.abs(weights.mean(axis=0) - truth.weights(0)) < 4 * error).all()


def test_expected_density_of_observers_is_the_populations():
    truth = truth_of(SCENE)
    densities = np.stack([np.exp(truth.subject_log_density(0, s)) for s in range(1500)])
    error = densities.std(axis=0, ddof=1) / np.sqrt(len(densities))
    deviation = (densities.mean(axis=0) - np.exp(truth.log_density(0))) / error
    assert np.abs(deviation).max() < 5


# The fixations


def test_one_fixation_each_of_many_observers_follows_the_population():
    dataset = simulate(n_subjects=5000, fixations_per_trial=1, scenes=[SCENE])
    x, y = dataset.fixations.x, dataset.fixations.y
    assert len(x) == 5000
    density = np.exp(dataset.extras["truth"].log_density(0))
    assert chi_square_p(x, y, density) > 0.01
    # The test has power: it rejects a density with the same centre bias and other weights.
    weaker = Scene(60, 80, tuple(replace(o, pull=o.pull / 2) for o in SCENE.objects))
    assert chi_square_p(x, y, np.exp(truth_of(weaker).log_density(0))) < 1e-6


@pytest.mark.parametrize("subject", [0, 1, 7])
def test_many_fixations_of_one_observer_follow_their_own_density(subject):
    truth = truth_of(SCENE)
    x, y = truth.fixations(0, subject, 5000.0)
    assert abs(len(x) - 5000) < 300
    assert chi_square_p(x, y, np.exp(truth.subject_log_density(0, subject))) > 0.01
    assert chi_square_p(x, y, np.exp(truth.log_density(0))) < 1e-6
    assert chi_square_p(x, y, np.exp(truth.subject_log_density(0, subject + 1))) < 1e-6


def test_fixations_on_photographs_follow_the_population():
    """Blocks of all photographs pooled by how likely they are; one fixation a trial."""
    truth = loaded().extras["truth"]
    levels = []
    for n in range(len(truth)):
        log_density = truth.log_density(n)
        density = np.exp(log_density)
        order = np.sort(density.ravel())[::-1]
        mass = np.cumsum(order)
        for subject in range(150):
            x, y = truth.fixations(n, subject, 1.0)
            rank = np.searchsorted(-order, -density[int(y[0]), int(x[0])])
            levels.append(mass[rank])
    # The mass of all likelier pixels is uniformly distributed, up to the mass of one pixel.
    observed, _ = np.histogram(levels, bins=20, range=(0, 1))
    assert observed.sum() == 150 * len(truth)
    assert chisquare(observed).pvalue > 0.01


def test_numbers_of_fixations_do_not_depend_on_observer_or_place():
    truth = truth_of(*[random_scene(i) for i in range(20)])
    counts = np.array([[len(truth.fixations(n, s, 7.0)[0]) for s in range(40)] for n in range(20)])
    variance = 6.0
    assert abs(counts.mean() - 7) < 4 * np.sqrt(variance / counts.size)
    # Were observers or images different, their means would scatter more than by chance.
    assert counts.mean(axis=0).var(ddof=1) < 2 * variance / 20
    assert counts.mean(axis=1).var(ddof=1) < 2.5 * variance / 40


def test_observers_differ():
    """Own densities predict fixations better than the population's, beyond any chance."""
    dataset = simulate(photographs=["camera", "chelsea", "coins", "page", "rocket", "text"])
    truth, fixations = dataset.extras["truth"], dataset.fixations
    x, y = fixations.x.astype(int), fixations.y.astype(int)
    own = np.empty(len(x))
    shared = np.empty(len(x))
    swapped = np.empty(len(x))
    for n in range(len(dataset)):
        population = truth.log_density(n)
        for subject in range(15):
            chosen = (fixations.n == n) & (fixations.subjects == subject)
            at = (y[chosen], x[chosen])
            shared[chosen] = population[at]
            own[chosen] = truth.subject_log_density(n, subject)[at]
            swapped[chosen] = truth.subject_log_density(n, (subject + 1) % 15)[at]
    gain = (own - shared) / np.log(2)
    assert gain.mean() > 0.15
    assert gain.mean() > 5 * gain.std() / np.sqrt(len(gain))
    assert swapped.mean() < shared.mean()  # another observer's density is worse


def test_traits_last_and_preferences_do_not():
    empty = Scene(60, 80, ())
    truth = truth_of(empty, empty, SCENE, SCENE)
    # Without objects, only traits matter: the same on every image, different between observers.
    np.testing.assert_array_equal(truth.subject_weights(0, 4), truth.subject_weights(1, 4))
    assert not np.allclose(truth.subject_weights(0, 4), truth.subject_weights(0, 5))
    assert not np.allclose(truth.subject_weights(2, 4), truth.subject_weights(3, 4))
    # Centre and uniform weights come from traits alone, also with objects.
    np.testing.assert_allclose(
        truth.subject_weights(2, 4)[-2:], truth.subject_weights(3, 4)[-2:], rtol=1e-12
    )


# Determinism


def test_the_same_seed_gives_the_same_data_set_and_another_seed_another():
    assert simulate(seed=3).content_hash == simulate(seed=3).content_hash
    assert simulate(seed=3).content_hash != simulate(seed=4).content_hash
    assert simulate().content_hash == loaded().content_hash


def test_more_observers_change_nothing_for_the_others():
    few, many = simulate(n_subjects=4), simulate(n_subjects=9)
    for n in range(len(few)):
        for subject in range(4):
            np.testing.assert_array_equal(trial(few, n, subject), trial(many, n, subject))


def test_other_images_change_nothing_for_an_image():
    chosen = simulate(photographs=["moon", "camera"])
    everything = loaded()
    assert chosen.image_names == ["moon.png", "camera.png"]
    for n, name in enumerate(chosen.image_names):
        place = everything.image_names.index(name)
        for subject in range(15):
            assert trial(chosen, n, subject).size
            np.testing.assert_array_equal(
                trial(chosen, n, subject), trial(everything, place, subject)
            )
    scenes = [random_scene(i) for i in range(6)]
    few, many = simulate(scenes=scenes[:2]), simulate(scenes=scenes)
    for n in range(2):
        np.testing.assert_array_equal(few.stimuli.stimuli[n], many.stimuli.stimuli[n])
        np.testing.assert_array_equal(trial(few, n, 7), trial(many, n, 7))


def test_more_fixations_continue_the_same_sequence():
    truth = truth_of(SCENE)
    short, long = truth.fixations(0, 2, 3.0), truth.fixations(0, 2, 300.0)
    assert 0 < len(short[0]) < len(long[0])
    for a, b in zip(short, long, strict=True):
        np.testing.assert_array_equal(a, b[: len(a)])


def test_images_and_observers_are_independent():
    """The same scene shown twice is looked at anew, and by nobody in the same way."""
    dataset = simulate(n_subjects=6, fixations_per_trial=20, scenes=[SCENE, SCENE])
    trials = [tuple(trial(dataset, n, s)[:, :3].ravel()) for n in range(2) for s in range(6)]
    assert len(set(trials)) == 12


# Scenes


def test_scenes_are_grey_noise_with_the_truth_of_their_objects():
    scenes = [random_scene(i, 48, 64) for i in range(3)]
    dataset = simulate(n_subjects=3, scenes=scenes)
    assert dataset.name == "scenes"
    assert dataset.spec.simulated
    for n, image in enumerate(dataset.stimuli.stimuli):
        assert image.shape == (48, 64)
        assert image.dtype == np.uint8
        assert image.std() > 20
        np.testing.assert_array_equal(
            dataset.extras["truth"].log_density(n),
            truth_of(*scenes).log_density(n),
        )


@pytest.mark.parametrize(("height", "width"), [(48, 64), (500, 700)])
def test_no_two_noise_images_count_as_copies(height, width):
    dataset = simulate(n_subjects=1, scenes=[random_scene(i, height, width) for i in range(12)])
    np.testing.assert_array_equal(dataset.groups, np.arange(12))


def test_random_scenes_are_the_same_for_the_same_index():
    assert random_scene(5) == random_scene(5)
    assert random_scene(5) != random_scene(6)
    for scene in map(random_scene, range(50)):
        assert 2 <= len(scene.objects) <= 7
        assert all(0 < o.x < scene.width and 0 < o.y < scene.height for o in scene.objects)


# Truth as an object


def test_truth_is_small_and_survives_pickling():
    truth = loaded().extras["truth"]
    content = pickle.dumps(truth)
    assert len(content) < 20_000
    copy = pickle.loads(content)
    assert copy == truth
    np.testing.assert_array_equal(copy.subject_log_density(2, 1), truth.subject_log_density(2, 1))


def test_subset_of_the_truth_keeps_observers_and_densities():
    truth = loaded().extras["truth"]
    part = truth.subset(np.array([5, 2]))
    assert len(part) == 2
    for new, old in enumerate([5, 2]):
        np.testing.assert_array_equal(part.log_density(new), truth.log_density(old))
        np.testing.assert_array_equal(
            part.subject_log_density(new, 3), truth.subject_log_density(old, 3)
        )
        np.testing.assert_array_equal(part.fixations(new, 3, 7.0), truth.fixations(old, 3, 7.0))


@pytest.mark.parametrize("n", [-1, 1])
def test_an_image_out_of_range_is_an_error(n):
    with pytest.raises(IndexError, match=f"image {n}: there are 1"):
        truth_of(SCENE).log_density(n)


def test_a_negative_observer_is_an_error():
    with pytest.raises(IndexError, match="observer -1"):
        truth_of(SCENE).subject_log_density(0, -1)


# Information gain


def test_information_gain_over_uniform_is_the_missing_entropy():
    truth = truth_of(SCENE, random_scene(1))
    gains = true_information_gain(truth)
    for n, gain in enumerate(gains):
        p = np.exp(truth.log_density(n))
        assert gain == pytest.approx(np.log2(p.size) + (p * np.log2(p)).sum(), abs=1e-12)
        assert gain > 0


def test_information_gain_over_itself_is_zero_and_of_others_negative():
    truth = truth_of(SCENE, SCENE)
    np.testing.assert_array_equal(true_information_gain(truth, truth.log_density), 0)
    for subject in range(5):

        def other(n, subject=subject):
            return truth.subject_log_density(n, subject)

        assert (true_information_gain(truth, truth.log_density, other) < -0.01).all()


def test_information_gain_is_what_simulated_fixations_show():
    dataset = simulate(n_subjects=1500, fixations_per_trial=1, photographs=["chelsea"])
    truth = dataset.extras["truth"]
    x, y = dataset.fixations.x.astype(int), dataset.fixations.y.astype(int)
    log_density = truth.log_density(0)
    gains = (log_density[y, x] + np.log(log_density.size)) / np.log(2)
    error = gains.std(ddof=1) / np.sqrt(len(gains))
    assert error < 0.1
    assert abs(gains.mean() - true_information_gain(truth)[0]) < 4 * error


def test_a_baseline_of_another_shape_is_an_error():
    with pytest.raises(
        ValueError, match=r"image 0: density of shape \(3, 3\), expected \(60, 80\)"
    ):
        true_information_gain(truth_of(SCENE), lambda n: np.zeros((3, 3)))


def test_information_is_of_the_size_that_measured_data_have():
    """A centre bias of 0.3 to 0.9 bit over uniform, and 1.2 to 2.3 bit above it."""
    truth = loaded().extras["truth"]

    def centre(n):
        """A Gaussian and a uniform part fitted to the mean of all densities."""
        height, width = truth.sizes[n]
        y, x = np.indices((height, width))
        values = np.exp(
            -(((x + 0.5) / width - 0.494) ** 2) / (2 * 0.175**2)
            - ((y + 0.5) / height - 0.467) ** 2 / (2 * 0.245**2)
        )
        return np.log(0.83 * values / values.sum() + 0.17 / values.size)

    assert 0.3 < true_information_gain(truth, None, centre).mean() < 0.9
    assert 1.2 < true_information_gain(truth, centre).mean() < 2.3


# Arguments


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_subjects": 0}, "n_subjects=0: expected at least 1"),
        ({"fixations_per_trial": 0.5}, "fixations_per_trial=0.5: expected at least 1"),
        ({"fixations_per_trial": float("nan")}, "fixations_per_trial=nan"),
        ({"seed": -1}, "seed=-1: expected 0 or more"),
        ({"photographs": []}, "no images"),
        ({"scenes": []}, "no images"),
        ({"photographs": ["camera"], "scenes": [SCENE]}, "both given"),
    ],
)
def test_arguments_out_of_range_are_explained(arguments, message):
    with pytest.raises(DataError, match=message):
        simulate(**arguments)


def test_unknown_photograph_is_explained():
    with pytest.raises(UnknownNameError, match="Did you mean 'coins'"):
        simulate(photographs=["coin"])


@pytest.mark.parametrize(
    "make",
    [
        lambda: Scene(0, 5, ()),
        lambda: Scene(5, 5, (SalientObject("flat", 1, 1, 0, 1, 1),)),
        lambda: Scene(5, 5, (SalientObject("dull", 1, 1, 1, 1, 0),)),
        lambda: Scene(5, 5, (SalientObject("unknown", 1, 1, 1, float("nan"), 1),)),
    ],
)
def test_impossible_scenes_are_explained(make):
    with pytest.raises(DataError, match=r"expected at least 1x1|must be positive"):
        make()
