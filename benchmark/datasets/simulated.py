"""Observers simulated from a known density, so that the true information gain is known exactly.

The registered data set shows them the photographs that come with installed packages; ``simulate``
varies the number of observers and images, or replaces photographs by synthetic scenes. The data
set hands on the densities behind its fixations as ``extras["truth"]``, a ``SimulatedTruth``.

Model. Every image has components that are normalised over its own pixels: for each object a tight
and a loose Gaussian, a centre bias (a Gaussian in relative coordinates), and a uniform density. The
population looks at the mixture of them with weights w, which follow from the objects' pulls. An
observer has weights of their own whose expectation over observers is exactly w: how much they
favour centre, anywhere and objects is a lasting trait, which objects they prefer is drawn anew for
each image. An observer's fixations are drawn independently, pixel by pixel, from their mixture.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pysaliency

from benchmark import registry
from benchmark.datasets.base import Dataset, DatasetSpec, dataset
from benchmark.datasets.photographs import SalientObject, locate_all, select
from benchmark.errors import DataError

# The numbers below are chosen so that 15 observers resemble measured data sets: about half a bit
# for the centre bias over uniform, and 1.3 bits more for the others' fixations on the same image.

# Mean shares of what an observer does, and how little observers differ in them (the parameters of
# a Dirichlet distribution are shares times concentration).
CENTRE_SHARE = 0.19
UNIFORM_SHARE = 0.04
OBJECTS_SHARE = 0.77
TRAIT_CONCENTRATION = 12.0

# Of the objects' share, images with weak objects give more to the centre and anywhere: this pull
# competes with the pulls of an image's objects, and its part goes to centre and uniform.
NOTHING_IN_PARTICULAR = 1.0
NOTHING_TO_CENTRE = 0.8

# Concentration of an observer's preferences among the objects of an image.
PREFERENCE_CONCENTRATION = 9.0

# An object's fixations: standard deviations in units of its radii, with a scatter in pixels added
# in quadrature (oculomotor noise and the eye tracker's).
TIGHT_SHARE = 0.8
TIGHT_SIGMA = 0.28
LOOSE_SIGMA = 0.65
SCATTER = 7.0

# Standard deviations of the centre bias, relative to the image's width and height.
CENTRE_SIGMA_X = 0.17
CENTRE_SIGMA_Y = 0.17

# What a random stream is for: part of its key, so that no two share numbers.
_TRAITS, _PREFERENCES, _COUNTS, _POSITIONS, _NOISE, _SCENE = range(6)


@dataclass(frozen=True)
class Scene:
    """The size of an image, in pixels, and the objects in it."""

    height: int
    width: int
    objects: tuple[SalientObject, ...]

    def __post_init__(self) -> None:
        if self.height < 1 or self.width < 1:
            raise DataError(f"scene of {self.height}x{self.width} pixels: expected at least 1x1.")
        for o in self.objects:
            if not (o.radius_x > 0 and o.radius_y > 0 and o.pull > 0):
                raise DataError(f"object {o.name!r}: radii and pull must be positive, not {o}.")


class _Components(NamedTuple):
    """Separable densities: component k at (y, x) is ``rows[k, y] * columns[k, x]``.

    Order: tight Gaussians of all objects, loose ones, centre bias, uniform.
    """

    rows: np.ndarray
    columns: np.ndarray


def _gaussians(size: int, centres: np.ndarray, sigmas: np.ndarray) -> np.ndarray:
    """Gaussians at pixels 0 .. size-1, each normalised over them: shape (centres, size)."""
    exponents = -0.5 * ((np.arange(size) - centres[:, None]) / sigmas[:, None]) ** 2
    values = np.exp(exponents - exponents.max(axis=1, keepdims=True))
    return values / values.sum(axis=1, keepdims=True)


@lru_cache(maxsize=4)  # trials of one image follow each other
def _components(scene: Scene) -> _Components:
    def one_axis(size: int, centres: list[float], radii: list[float], centre: float) -> np.ndarray:
        tight = np.hypot(TIGHT_SIGMA * np.array(radii), SCATTER)
        loose = np.hypot(LOOSE_SIGMA * np.array(radii), SCATTER)
        gaussians = _gaussians(
            size,
            np.array([*centres, *centres, (size - 1) / 2]),
            np.array([*tight, *loose, centre * size]),
        )
        return np.vstack([gaussians, np.full(size, 1 / size)])

    objects = scene.objects
    return _Components(
        one_axis(
            scene.height, [o.y for o in objects], [o.radius_y for o in objects], CENTRE_SIGMA_Y
        ),
        one_axis(
            scene.width, [o.x for o in objects], [o.radius_x for o in objects], CENTRE_SIGMA_X
        ),
    )


def _weights(scene: Scene, traits: np.ndarray, preferences: np.ndarray) -> np.ndarray:
    """Weights of the components for shares (centre, uniform, objects) and object preferences.

    Linear in traits and in preferences, which are drawn independently: the expected weights are the
    weights of the expected traits and preferences.
    """
    centre, uniform, objects = traits
    pull = sum(o.pull for o in scene.objects)
    idle = objects * NOTHING_IN_PARTICULAR / (NOTHING_IN_PARTICULAR + pull)
    looking = objects * pull / (NOTHING_IN_PARTICULAR + pull) * preferences
    return np.array(
        [
            *(TIGHT_SHARE * looking),
            *((1 - TIGHT_SHARE) * looking),
            centre + NOTHING_TO_CENTRE * idle,
            uniform + (1 - NOTHING_TO_CENTRE) * idle,
        ]
    )


def _mean_traits() -> np.ndarray:
    return np.array([CENTRE_SHARE, UNIFORM_SHARE, OBJECTS_SHARE])


def _mean_preferences(scene: Scene) -> np.ndarray:
    pulls = np.array([o.pull for o in scene.objects])
    return pulls / pulls.sum() if len(pulls) else pulls


@dataclass(frozen=True)
class SimulatedTruth:
    """The densities that simulated fixations were drawn from, computed when asked for.

    ``n`` indexes the images of the data set. Observers are numbered from 0 and there is no last
    one: those of the data set are the first.

    Attributes:
        scenes: the images.
        keys: what the images' random streams are keyed by; stays with an image in subsets.
        seed: seed of the simulation.
    """

    scenes: tuple[Scene, ...]
    keys: tuple[int, ...]
    seed: int

    def __len__(self) -> int:
        return len(self.scenes)

    @property
    def sizes(self) -> np.ndarray:
        """Image sizes, int array of shape (images, 2): height, width."""
        return np.array([(s.height, s.width) for s in self.scenes], dtype=np.int64)

    def subset(self, indices: Sequence[int] | np.ndarray) -> SimulatedTruth:
        """The truth of the images ``indices`` alone, in this order."""
        chosen = [int(i) for i in indices]
        return replace(
            self,
            scenes=tuple(self.scenes[i] for i in chosen),
            keys=tuple(self.keys[i] for i in chosen),
        )

    def weights(self, n: int) -> np.ndarray:
        """Population weights of the components of image ``n``; they sum to 1."""
        scene = self._scene(n)
        return _weights(scene, _mean_traits(), _mean_preferences(scene))

    def subject_weights(self, n: int, subject: int) -> np.ndarray:
        """One observer's weights; their expectation over observers is ``weights(n)``."""
        scene = self._scene(n)
        traits = self._random(_TRAITS, 0, subject).dirichlet(TRAIT_CONCENTRATION * _mean_traits())
        preferences = _mean_preferences(scene)
        if len(preferences):
            preferences = self._random(_PREFERENCES, self.keys[n], subject).dirichlet(
                PREFERENCE_CONCENTRATION * preferences
            )
        return _weights(scene, traits, preferences)

    def log_density(self, n: int) -> np.ndarray:
        """Log density of the population on image ``n``: float64 (H, W), nats, normalised."""
        return self._log_density(n, self.weights(n))

    def subject_log_density(self, n: int, subject: int) -> np.ndarray:
        """Log density of one observer on image ``n``: float64 (H, W), nats, normalised."""
        return self._log_density(n, self.subject_weights(n, subject))

    def fixations(
        self, n: int, subject: int, fixations_per_trial: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """One observer's fixations on image ``n``: x and y, pixel indices as float64.

        Their number, one plus a Poisson number, has the mean ``fixations_per_trial``. It depends
        on nothing else, and a larger mean continues the same sequence.
        """
        counts = self._random(_COUNTS, self.keys[n], subject)
        count = 1 + int(counts.poisson(fixations_per_trial - 1))
        weights = self.subject_weights(n, subject)
        components = _components(self._scene(n))
        uniforms = self._random(_POSITIONS, self.keys[n], subject).random((count, 3))
        chosen = _invert(np.cumsum(weights)[None], uniforms[:, 0])
        x = _invert(np.cumsum(components.columns[chosen], axis=1), uniforms[:, 1])
        y = _invert(np.cumsum(components.rows[chosen], axis=1), uniforms[:, 2])
        return x.astype(float), y.astype(float)

    def _scene(self, n: int) -> Scene:
        if not 0 <= n < len(self.scenes):
            raise IndexError(f"image {n}: there are {len(self.scenes)}, numbered from 0.")
        return self.scenes[n]

    def _random(self, purpose: int, key: int, subject: int) -> np.random.Generator:
        if subject < 0:
            raise IndexError(f"observer {subject}: they are numbered from 0.")
        return _random(self.seed, purpose, key, subject)

    def _log_density(self, n: int, weights: np.ndarray) -> np.ndarray:
        rows, columns = _components(self._scene(n))
        density = rows.T @ (weights[:, None] * columns)
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(density))


def _random(seed: int, purpose: int, key: int, subject: int) -> np.random.Generator:
    """A stream of its own for each purpose, image and observer, whatever their numbers."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(purpose, key, subject)))


def _invert(cumulated: np.ndarray, uniforms: np.ndarray) -> np.ndarray:
    """Index of the bin each number of [0, 1) falls in; ``cumulated`` has a row each, or one."""
    # Divided by the last value, which rounding leaves a little off 1.
    return np.asarray((cumulated / cumulated[:, -1:] <= uniforms[:, None]).sum(axis=1))


def true_information_gain(
    truth: SimulatedTruth,
    baseline_log_density: Callable[[int], np.ndarray] | None = None,
    log_density: Callable[[int], np.ndarray] | None = None,
) -> np.ndarray:
    """Exact information gain over a baseline, per image, in bits per fixation.

    It is sum p (log2 q - log2 b) over the pixels of an image, with p the population density, q the
    density under test and b the baseline: the expectation of the information gain on fixations of
    observers drawn from the population. No density has a larger one than p itself.

    Args:
        baseline_log_density: gives b for image n, (H, W) in nats; uniform if None.
        log_density: gives q for image n, (H, W) in nats; p itself if None.

    Returns:
        float array (images,); infinite where b or q excludes what p does not.
    """
    gains = np.empty(len(truth))
    for n in range(len(truth)):
        log_p = truth.log_density(n)
        log_q = log_p if log_density is None else np.asarray(log_density(n))
        log_b = (
            np.full(log_p.shape, -np.log(log_p.size))
            if baseline_log_density is None
            else np.asarray(baseline_log_density(n))
        )
        for shape in (log_q.shape, log_b.shape):
            if shape != log_p.shape:
                raise ValueError(f"image {n}: density of shape {shape}, expected {log_p.shape}.")
        p = np.exp(log_p)
        seen = p > 0
        gains[n] = (p[seen] * (log_q[seen] - log_b[seen])).sum() / np.log(2)
    return gains


def random_scene(index: int, height: int = 240, width: int = 320) -> Scene:
    """A scene with 2 to 7 objects at random places, the same for the same arguments."""
    random = _random(0, _SCENE, index, 0)
    side = min(height, width)
    objects = []
    for k in range(random.integers(2, 8)):
        x, y = random.uniform(0.08, 0.92, size=2) * (width, height)
        radius_x, radius_y = random.uniform(0.04, 0.12, size=2) * side
        pull = random.uniform(0.5, 4.0)
        objects.append(SalientObject(f"object {k + 1}", x, y, radius_x, radius_y, pull))
    return Scene(height, width, tuple(objects))


def _noise_image(index: int, scene: Scene) -> np.ndarray:
    """Grey noise, uint8 (H, W): fine noise on coarse blocks, so that no two images look alike."""
    random = _random(0, _NOISE, index, 0)
    blocks = random.integers(48, 208, size=(16, 16))
    rows = np.arange(scene.height) * 16 // scene.height
    columns = np.arange(scene.width) * 16 // scene.width
    fine = random.integers(-32, 32, size=(scene.height, scene.width))
    return np.asarray((blocks[np.ix_(rows, columns)] + fine).astype(np.uint8))


def simulate(
    n_subjects: int = 15,
    fixations_per_trial: float = 7.0,
    seed: int = 0,
    photographs: Sequence[str] | None = None,
    scenes: Sequence[Scene] | None = None,
) -> Dataset:
    """Simulated observers on photographs or on synthetic scenes.

    An observer has the same fixations on an image whatever the number of observers and images, and
    wherever the image stands (a scene is known by its index, a photograph by its content).

    Args:
        n_subjects: number of observers; each sees every image once.
        fixations_per_trial: mean number of fixations of an observer on an image, at least 1.
        seed: of everything about observers; scenes' pictures do not depend on it.
        photographs: names of photographs, such as "camera"; all if None.
        scenes: use these, with noise for pictures, instead of photographs.

    Raises:
        DataError: an argument is out of range, or a photograph is missing or changed.
        UnknownNameError: there is no photograph of a name.
    """
    registered = registry.datasets()["photographs"].metadata
    spec = DatasetSpec(**registered)
    if scenes is not None:
        spec = replace(
            spec,
            name="scenes",
            title="Synthetic scenes, simulated observers",
            summary="Noise images with objects at given places, and simulated observers.",
            licence="none needed: generated",
        )
    return _simulate(spec, n_subjects, fixations_per_trial, seed, photographs, scenes)


def _simulate(
    spec: DatasetSpec,
    n_subjects: int = 15,
    fixations_per_trial: float = 7.0,
    seed: int = 0,
    photographs: Sequence[str] | None = None,
    scenes: Sequence[Scene] | None = None,
) -> Dataset:
    if n_subjects < 1:
        raise DataError(f"n_subjects={n_subjects}: expected at least 1.")
    if not fixations_per_trial >= 1:
        raise DataError(f"fixations_per_trial={fixations_per_trial}: expected at least 1.")
    if seed < 0:
        raise DataError(f"seed={seed}: expected 0 or more.")
    if scenes is None:
        chosen = select(photographs)
        stimuli = pysaliency.FileStimuli([str(p) for p in locate_all(chosen)], cached=False)
        image_names = [p.file_name for p in chosen]
        scenes = [Scene(p.height, p.width, p.objects) for p in chosen]
        keys = [int(p.sha256[:8], 16) for p in chosen]
    elif photographs is None:
        stimuli = pysaliency.Stimuli([_noise_image(n, scene) for n, scene in enumerate(scenes)])
        image_names = [f"scene-{n:05d}" for n in range(len(scenes))]
        keys = list(range(len(scenes)))
    else:
        raise DataError("photographs and scenes are both given: expected one of them.")
    if not image_names:
        raise DataError("no images: expected at least one photograph or scene.")
    truth = SimulatedTruth(tuple(scenes), tuple(keys), seed)
    trials = [(n, subject) for n in range(len(truth)) for subject in range(n_subjects)]
    positions = [truth.fixations(n, subject, fixations_per_trial) for n, subject in trials]
    fixations = pysaliency.FixationTrains.from_fixation_trains(
        xs=[x for x, _ in positions],
        ys=[y for _, y in positions],
        ts=[np.arange(len(x), dtype=float) for x, _ in positions],
        ns=[n for n, _ in trials],
        subjects=[subject for _, subject in trials],
    )
    return Dataset(
        spec=spec,
        stimuli=stimuli,
        fixations=fixations,
        image_names=image_names,
        subject_names=[f"observer {subject + 1}" for subject in range(n_subjects)],
        extras={"truth": truth},
    )


@dataset(
    name="photographs",
    title="Built-in photographs, simulated observers",
    summary=(
        "16 photographs from installed packages, and 15 observers simulated from a known density. "
        "Nothing to download; its scores say nothing about human observers."
    ),
    fixation_rule="All fixations count; none is forced to start at the centre.",
    citation="None: simulated. The photographs' sources are in benchmark/datasets/photographs.py.",
    licence="CC0, CC BY 2.0 or public domain, by photograph",
    folder="",
    pixels_per_degree=24.0,
    kernel_size=24.0,
    simulated=True,
)
def load(root: Path, spec: DatasetSpec) -> Dataset:
    """The photographs with 15 observers; ``root`` is not read, as the photographs are installed."""
    return _simulate(spec)
