"""What every model and metric must do: functions that raise AssertionError if one does not."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import cloudpickle
import numpy as np
import pysaliency
from scipy.special import logsumexp

from metrics.protocols import Maps, NaiveMaps, Target
from metrics.spec import MetricSpec
from models.base import ModelSpec, image_shape

KINDS = ("baseline", "model", "ceiling")
TOLERANCE = 1e-5

# Models


def check_log_density(log_density: Any, shape: tuple[int, int]) -> None:
    """It is a float array of the image's shape, the log of a density; -inf is allowed."""
    assert isinstance(log_density, np.ndarray), f"a {type(log_density).__name__}, not an array"
    assert log_density.dtype in (np.float32, np.float64), f"of type {log_density.dtype}"
    assert log_density.shape == shape, f"of shape {log_density.shape}, the image {shape}"
    assert not np.isnan(log_density).any(), "holds NaN"
    assert not np.isposinf(log_density).any(), "holds +inf"
    mass = float(logsumexp(log_density.astype(np.float64)))
    assert abs(mass) < TOLERANCE, f"logsumexp is {mass}"


def check_model_spec(model: Any, metadata: dict[str, Any]) -> None:
    """It is a pysaliency model with complete metadata, the same as the registry reads."""
    assert isinstance(model, pysaliency.Model), "not a pysaliency.Model"
    spec = getattr(type(model), "spec", None)
    assert isinstance(spec, ModelSpec), "its class has no ModelSpec"
    assert asdict(spec) == asdict(ModelSpec(**metadata)), "its spec is not the registered one"
    for text in (spec.name, spec.title, spec.summary):
        assert isinstance(text, str), f"{text!r} is not text"
        assert text.strip() == text != "", "name, title and summary must be given"
    assert spec.kind in KINDS, f"kind is {spec.kind!r}"
    for names in (spec.trained_on, spec.needs):
        assert isinstance(names, tuple), f"{names!r} is not a tuple"
        assert all(isinstance(name, str) for name in names), f"{names!r} are not all names"
    assert isinstance(spec.version, int), "version is not a whole number"
    assert spec.version >= 1, "versions start with 1"


def check_predictions(model: Any, stimuli: Any) -> None:
    """A density of each image's own size, the same every time, from stimuli and from pixels."""
    for stimulus in stimuli:
        shape = image_shape(stimulus)
        first = model.log_density(stimulus)
        check_log_density(first, shape)
        kept = first.copy()
        again = model.log_density(stimulus)
        assert np.array_equal(kept, again), "another density for the same image"
        from_pixels = model.log_density(np.asarray(stimulus.stimulus_data))
        assert np.array_equal(kept, from_pixels), "another density for the same pixels"


def check_other_parts(model: Any, stimuli: Any) -> None:
    """Held-out densities and shuffled baselines, where a model has them, are densities, too."""
    for stimulus in stimuli:
        shape = image_shape(stimulus)
        if hasattr(model, "shuffled_log_density"):
            check_log_density(model.shuffled_log_density(stimulus), shape)
        if hasattr(model, "held_out_densities"):
            for _, density in model.held_out_densities(stimulus):
                assert density.min() >= 0, "a negative density"
                with np.errstate(divide="ignore"):
                    check_log_density(np.log(density), shape)


def check_unknown_images(model: Any, images: list[np.ndarray]) -> None:
    """A density for any image; ceilings, which know fixations, may refuse with a ValueError."""
    for image in images:
        refusal = None
        try:
            log_density = model.log_density(image)
        except ValueError as error:
            refusal = str(error)
        if refusal is None:
            check_log_density(log_density, (image.shape[0], image.shape[1]))
        else:
            assert type(model).spec.kind == "ceiling", f"refuses an image: {refusal}"
            assert len(refusal) > 20, "refuses without saying why"


def check_model_keeps_its_input(model: Any, stimuli: Any) -> None:
    """Pixels are the same after the prediction."""
    for stimulus in stimuli:
        pixels = np.array(stimulus.stimulus_data)
        before = pixels.copy()
        model.log_density(pixels)
        model.log_density(stimulus)
        assert np.array_equal(pixels, before), "changes the image it is given"
        assert np.array_equal(stimulus.stimulus_data, before), "changes the stimulus"


def check_model_pickles(model: Any, stimulus: Any) -> None:
    """It can be sent to another process, where it predicts the same."""
    try:
        copy = cloudpickle.loads(cloudpickle.dumps(model))
    except Exception as error:
        raise AssertionError(f"cannot be pickled: {error}") from error
    expected = model.log_density(stimulus)
    found = copy.log_density(np.asarray(stimulus.stimulus_data))
    assert np.array_equal(found, expected), "predicts something else once unpickled"


def check_model(model: Any, metadata: dict[str, Any], stimuli: Any, unknown: list) -> None:
    """All of the above."""
    check_model_spec(model, metadata)
    check_predictions(model, stimuli)
    check_other_parts(model, stimuli)
    check_unknown_images(model, unknown)
    check_model_keeps_its_input(model, stimuli)
    check_model_pickles(model, stimuli[0])


# Metrics. A variant is a metric as a protocol computes it: a function of Target and Maps.

SHAPE = (31, 44)
KERNEL_SIZE = 3.0


def peaked() -> np.ndarray:
    """A density with its peak off the centre, nowhere symmetric."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    density = np.exp(-((x - 12) ** 2 + (y - 9) ** 2) / 50) + 0.03 + 0.01 * x / SHAPE[1]
    return density / density.sum()


def target(density: np.ndarray, count: int = 150) -> Target:
    """Fixations drawn from a density, and elsewhere from the uniform one."""
    rng = np.random.default_rng(4)

    def draw(p: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
        y, x = np.unravel_index(rng.choice(p.size, n, p=p.ravel()), p.shape)
        return x + 0.25, y + 0.75

    flat = np.full(SHAPE, 1 / np.prod(SHAPE))
    x, y = draw(density, count)
    other_x, other_y = draw(flat, 600)
    return Target(SHAPE, x, y, other_x, other_y, other_x[:200], other_y[:200], KERNEL_SIZE, (3, 4))


def maps(density: np.ndarray, measured: Target) -> Maps:
    """A prediction over a centre bias, with a uniform shuffled baseline."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    centre = np.exp(-((x - SHAPE[1] / 2) ** 2 + (y - SHAPE[0] / 2) ** 2) / 150) + 0.1
    flat = np.full(SHAPE, -np.log(density.size))
    baseline = np.log(centre / centre.sum())
    return Maps(density, np.log(density), baseline, lambda: flat, measured)


def value(variant: Any, density: np.ndarray, measured: Target) -> float:
    return float(np.mean(variant(measured, maps(density, measured))))


def check_metric_spec(function: Any, metadata: dict[str, Any]) -> None:
    """It is a function with complete metadata, the same as the registry reads."""
    assert callable(function), "not a function"
    spec = getattr(function, "spec", None)
    assert isinstance(spec, MetricSpec), "has no MetricSpec"
    assert asdict(spec) == asdict(MetricSpec(**metadata)), "its spec is not the registered one"
    for text in (spec.name, spec.title, spec.wants, spec.citation):
        assert isinstance(text, str), f"{text!r} is not text"
        assert text.strip() == text != "", "name, title, wants and citation must be given"
    assert isinstance(spec.unit, str), "the unit is not text"
    assert isinstance(spec.higher_is_better, bool), "the direction is not True or False"
    assert spec.per in ("fixation", "image"), f"per is {spec.per!r}"
    assert spec.chance is None or isinstance(spec.chance, float), "chance is not a float or None"


def check_per(variant: Any, spec: MetricSpec) -> None:
    """One value a fixation, or one an image, as the spec says."""
    measured = target(peaked())
    result = variant(measured, maps(peaked(), measured))
    expected = (len(measured.x),) if spec.per == "fixation" else ()
    assert np.shape(result) == expected, f"of shape {np.shape(result)}, expected {expected}"
    assert np.asarray(result).dtype == np.float64, "not of double precision"


def check_chance(variant: Any, spec: MetricSpec, exact: bool = True) -> None:
    """A constant map over a constant baseline scores exactly at chance, where that is fixed.

    ``exact=False`` is for definitions by which it is undefined, or random because ties are broken
    by chance.
    """
    measured, flat = target(peaked()), np.full(SHAPE, 1 / np.prod(SHAPE))
    # the maps that metrics want of a constant density need not be constant: blur fades to the edge
    given = NaiveMaps(flat, np.log(flat), np.log(flat), lambda: np.log(flat), measured)
    found = float(np.mean(variant(measured, given)))
    if not exact and np.isnan(found):
        return
    assert not np.isnan(found), "a constant map has no score"
    if spec.chance is not None:
        error = abs(found - spec.chance)
        assert error <= (0 if exact else 0.05), f"a constant map scores {found}, not {spec.chance}"


def check_direction(variant: Any, spec: MetricSpec) -> None:
    """The density that fixations were drawn from scores better than wrong ones."""
    truth = peaked()
    measured = target(truth)
    best = value(variant, truth, measured)
    sign = 1 if spec.higher_is_better else -1
    mixed = (truth + truth[::-1, ::-1]) / 2
    scores = [sign * value(variant, density, measured) for density in (mixed, truth[::-1, ::-1])]
    assert sign * best > scores[0] > scores[1], f"truth {best}, worse ones {scores}"


def check_metric_repeats(variant: Any) -> None:
    """The same value every time, also after other calls."""
    measured = target(peaked())
    first = value(variant, peaked(), measured)
    value(variant, peaked()[::-1], measured)
    assert value(variant, peaked(), target(peaked())) == first, "another value for the same input"


def check_metric_keeps_its_input(variant: Any) -> None:
    """Maps and fixations are the same after scoring."""
    density = peaked()
    measured = target(density)
    given = maps(density, measured)
    arrays = {
        "density": density, "log density": given.log_density, "baseline": given.baseline,
        "x": measured.x, "y": measured.y, "other x": measured.other_x, "other y": measured.other_y,
        "ten x": measured.ten_x, "ten y": measured.ten_y, "empirical map": measured.empirical,
    }  # fmt: skip
    before = {name: array.copy() for name, array in arrays.items()}
    variant(measured, given)
    for name, array in arrays.items():
        assert np.array_equal(array, before[name]), f"changes the {name} it is given"


def check_metric(variant: Any, spec: MetricSpec, strict: bool) -> None:
    """All checks of a metric as a protocol computes it.

    ``strict`` is for the default protocol: constant maps have scores, and the shape of the result
    is that of the spec; old definitions may differ in both.
    """
    if strict:
        check_per(variant, spec)
    check_chance(variant, spec, exact=strict)
    check_direction(variant, spec)
    check_metric_repeats(variant)
    check_metric_keeps_its_input(variant)
