"""Every registered model keeps the contract, and the checks of the contract find what breaks it."""

from __future__ import annotations

import threading
from dataclasses import asdict

import numpy as np
import pytest

from benchmark import registry
from benchmark.errors import BenchmarkError
from benchmark.run import fit_models
from models.base import ModelSpec
from tests.benchmark.tiny import Blob, tiny, with_images
from tests.contracts import checks

SIZES = ((31, 45), (24, 36), (33, 31), (48, 25))


@pytest.fixture(scope="module")
def dataset():
    """Images of odd and even sizes; grey ones (two-dimensional) and ones in colour."""
    dataset = tiny(sizes=SIZES)
    images = [np.asarray(image) for image in dataset.stimuli.stimuli]
    for n in (1, 2):
        images[n] = np.stack([images[n], images[n][::-1], 255 - images[n]], axis=2)
    return with_images(dataset, images)


@pytest.fixture(scope="module")
def fitted(dataset):
    return fit_models(dataset)


@pytest.fixture(scope="module")
def unknown():
    rng = np.random.default_rng(9)
    return [rng.integers(0, 256, shape, dtype=np.uint8) for shape in ((37, 29), (26, 40, 3))]


def test_every_registered_model_is_fitted(fitted, dataset):
    lacking = set(registry.models()) - set(fitted)
    # no package carries AlexNet, nor is that of DeepGaze's authors on any index
    assert lacking <= {"deepgaze1", "deepgaze1-pytorch", "deepgaze2e-pytorch"}
    for name in lacking:
        with pytest.raises(BenchmarkError, match="not on this machine"):
            fit_models(dataset, [name])
    kinds = [type(model).spec.kind for model in fitted.values()]
    assert kinds == sorted(kinds, key=checks.KINDS.index)  # display order
    for name, model in fitted.items():
        assert type(model).spec.name == name


@pytest.mark.parametrize("name", registry.models())
def test_a_registered_model_keeps_the_contract(name, fitted, dataset, unknown):
    if name not in fitted:
        pytest.skip(f"{name} needs weights that no package carries")
    metadata = registry.models()[name].metadata
    checks.check_model(fitted[name], metadata, dataset.stimuli, unknown)


# The checks themselves


@pytest.fixture
def stimuli(dataset):
    return dataset.stimuli


GOOD = asdict(Blob.spec)


def test_a_sound_dummy_passes(stimuli, unknown):
    checks.check_model(Blob(), GOOD, stimuli, unknown)


def nan_somewhere(log_density):
    log_density[3, 4] = np.nan
    return log_density


def infinite(log_density):
    log_density[3, 4] = np.inf
    return log_density


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (lambda d: d[:-1], "of shape"),
        (lambda d: d.T, "of shape"),
        (lambda d: d[None], "of shape"),
        (lambda d: d + 0.001, "logsumexp"),
        (lambda d: np.exp(d), "logsumexp"),
        (lambda d: d - np.log(2), "logsumexp"),
        (nan_somewhere, "NaN"),
        (infinite, r"\+inf"),
        (lambda d: d.tolist(), "a list"),
        (lambda d: d.astype(np.float16), "float16"),
        (lambda d: np.round(d).astype(int), "int"),
        (lambda d: d + 0j, "complex"),
    ],
)
def test_what_is_no_log_density_fails(stimuli, fault, message):
    class Broken(Blob):
        def log_density(self, stimulus):
            return fault(super().log_density(stimulus))

    with pytest.raises(AssertionError, match=message):
        checks.check_predictions(Broken(), stimuli)


def test_minus_infinity_and_single_precision_pass(stimuli):
    class Sharp(Blob):
        def log_density(self, stimulus):
            density = np.exp(super().log_density(stimulus))
            density[density < density.mean()] = 0
            with np.errstate(divide="ignore"):
                return np.log(density / density.sum()).astype(np.float32)

    assert np.isneginf(Sharp().log_density(stimuli[0])).any()
    checks.check_predictions(Sharp(), stimuli)


def test_another_answer_each_time_fails(stimuli):
    class Moody(Blob):
        def log_density(self, stimulus):
            self.parameters["x"] = np.random.default_rng().random()
            return super().log_density(stimulus)

    with pytest.raises(AssertionError, match="another density for the same image"):
        checks.check_predictions(Moody(), stimuli)


def test_another_answer_for_pixels_fails(stimuli):
    class Spoilt(Blob):
        def log_density(self, stimulus):
            if isinstance(stimulus, np.ndarray):
                return Blob(0.9, 0.9).log_density(stimulus)
            return super().log_density(stimulus)

    with pytest.raises(AssertionError, match="for the same pixels"):
        checks.check_predictions(Spoilt(), stimuli)


def test_broken_parts_fail(stimuli):
    class Shuffled(Blob):
        def shuffled_log_density(self, stimulus):
            return self.log_density(stimulus) - 1

    class HeldOut(Blob):
        def held_out_densities(self, stimulus):
            yield 0, np.exp(self.log_density(stimulus))
            yield 1, np.exp(self.log_density(stimulus)) * 0.9

    for model in (Shuffled(), HeldOut()):
        with pytest.raises(AssertionError, match="logsumexp"):
            checks.check_other_parts(model, stimuli)


def test_refusing_images_fails_unless_it_is_a_ceiling(unknown):
    class Picky(Blob):
        def log_density(self, stimulus):
            raise ValueError("it knows only the images of its data set")

    with pytest.raises(AssertionError, match="refuses an image"):
        checks.check_unknown_images(Picky(), unknown)
    Picky.spec = ModelSpec(**{**GOOD, "kind": "ceiling"})
    checks.check_unknown_images(Picky(), unknown)


def test_changing_the_image_fails(stimuli):
    class Careless(Blob):
        def log_density(self, stimulus):
            if isinstance(stimulus, np.ndarray):
                stimulus[0, 0] = 255 - stimulus[0, 0]
            return super().log_density(stimulus)

    with pytest.raises(AssertionError, match="changes the image"):
        checks.check_model_keeps_its_input(Careless(), stimuli)


def test_what_cannot_be_sent_to_a_process_fails(stimuli):
    model = Blob()
    model.lock = threading.Lock()
    with pytest.raises(AssertionError, match="cannot be pickled"):
        checks.check_model_pickles(model, stimuli[0])


def test_what_is_lost_on_the_way_fails(stimuli):
    class Forgetful(Blob):
        def __reduce__(self):
            return Blob, ()

    with pytest.raises(AssertionError, match="once unpickled"):
        checks.check_model_pickles(Forgetful(x=0.9), stimuli[0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "magic"}, "kind is 'magic'"),
        ({"title": ""}, "must be given"),
        ({"summary": " "}, "must be given"),
        ({"trained_on": ["mit1003"]}, "not a tuple"),
        ({"trained_on": (1,)}, "not all names"),
        ({"version": 0}, "start with 1"),
    ],
)
def test_an_incomplete_spec_fails(change, message):
    class Described(Blob):
        spec = ModelSpec(**{**GOOD, **change})

    with pytest.raises(AssertionError, match=message):
        checks.check_model_spec(Described(), {**GOOD, **change})


def test_a_spec_that_is_missing_or_another_one_fails():
    class Bare(Blob):
        spec = None

    with pytest.raises(AssertionError, match="no ModelSpec"):
        checks.check_model_spec(Bare(), GOOD)
    with pytest.raises(AssertionError, match="not the registered one"):
        checks.check_model_spec(Blob(), {**GOOD, "title": "Another"})
    with pytest.raises(AssertionError, match=r"not a pysaliency\.Model"):
        checks.check_model_spec(object(), GOOD)
