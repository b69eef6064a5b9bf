"""Saliency maps made probabilistic: what turns a map into a density over pixels.

A saliency map says where, but not how much more. To score it by likelihood it needs a density:

    log p(x) = log f(u(x)) + w * log prior(x) - log Z,     u = scaled(G_sigma * s)

with a monotone nonlinearity f, a Gaussian, and the data set's centre bias as prior, all fitted by
maximum likelihood on other images than the scored one (Kümmerer, Wallis, Bethge 2015, PNAS
112(52)). log f is piecewise linear in u, so the likelihood is concave in f and w, and the fit has
one optimum; sigma and the scaling are the best of a few.
"""

from __future__ import annotations

import copy
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numba
import numpy as np
import pysaliency
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.optimize import minimize

from models.base import ModelSpec, TrainingData, image_shape
from models.centerbias import CenterBias
from models.deepgaze.images import as_rgb, pixel_hash
from models.map_cache import kept

if TYPE_CHECKING:
    from typing_extensions import Self

#: Images that are fitted on, at most, spread over all folds.
DRAWN = 160
FOLDS = 5
#: Cells of the longer side: of the grid that likelihoods are fitted on, and of the blurred map.
GRID, WORKING = 64, 256
#: Candidates for the Gaussian's standard deviation, relative to the image's longer side.
BLURS = (0.0, 0.01, 0.02, 0.03, 0.045, 0.065)
SCALINGS = ("rank", "range", "none")
KNOTS = 20
#: Half a step of 8 bits: added to a map in 0 to 1, so that no pixel of a plain density is
#: impossible. Values below about 4e-19 of the maximum are lost beside it: the AUC of NAME:plain
#: has them tied.
FLOOR = 1.0 / 510.0
PLAIN = ":plain"
#: Attributes of these types say in full what they are.
_STATED = (bool, int, float, str, tuple, type(None))


@dataclass(frozen=True)
class MapFit:
    """What makes a saliency map a density.

    Attributes:
        scaling: of the blurred map to u: "rank" (share of the image's area with a lower value),
            "range" (0 to 1 over each image) or "none".
        blur: standard deviation of the Gaussian, relative to the image's longer side.
        knots, log_f: log f is linear between (knots[i], log_f[i]) and constant beyond; log_f never
            falls.
        prior_weight: w, not negative.
    """

    scaling: str
    blur: float
    knots: tuple[float, ...]
    log_f: tuple[float, ...]
    prior_weight: float


class SaliencyMap(pysaliency.Model):
    """A model that predicts by a saliency map: the higher the value, the more fixations.

    A subclass defines :meth:`map_of`, and registers with ``needs=("centerbias",)`` and
    ``trained_on=("scored",)``: the class method :meth:`fit` makes its maps densities with
    parameters fitted on other images of the scored data set. An instance that was not fitted
    predicts the plain density: the map, scaled to 0 to 1 and raised by half a step of 8 bits,
    divided by its sum.
    """

    spec: ModelSpec
    #: Whether a map of another aspect ratio than the image's is a mistake.
    keeps_aspect_ratio: ClassVar[bool] = True

    def __init__(self) -> None:
        super().__init__(caching=False)
        self._token = uuid.uuid4().hex
        self.data: TrainingData | None = None
        self.centerbias: CenterBias | None = None
        self.folds: NDArray[np.int64] | None = None
        self.fits: tuple[MapFit, ...] = ()
        self.fitted_on = 0

    def map_of(self, rgb: NDArray[np.uint8]) -> NDArray[np.floating]:
        """Saliency of an image (height, width, 3): finite, higher where it attracts the gaze.

        The map covers the whole image evenly, at the image's resolution or any lower one: its sides
        are those of the image times one factor, each rounded up or down to whole cells. A
        model that stretches images to a shape of its own says so by ``keeps_aspect_ratio = False``.
        """
        raise NotImplementedError

    @classmethod
    def fit(cls, data: TrainingData, centerbias: CenterBias) -> Self:
        """The model with its published parameters, its maps made densities on a data set."""
        return cls().fitted(data, centerbias)

    @classmethod
    def plain(cls) -> Self:
        """The model with plain densities, called NAME:plain."""
        return cls().as_plain()

    def fitted(self, data: TrainingData, centerbias: CenterBias) -> Self:
        """This model with maps made densities on a data set.

        Every image belongs to one of FOLDS folds (copies of an image to the same one), and is
        predicted with what was fitted on at most DRAWN images of the others, whose prior is the
        centre bias of the images outside that fold, too; images of no fold with what was fitted on
        all. An image whose map cannot be made is left out of the fit.

        Raises:
            ValueError: no map could be made.
        """
        made = copy.copy(self)
        made.data, made.centerbias = data, centerbias
        made.folds = _folds(data)
        maps: dict[int, NDArray[np.float32]] = {}
        reason: Exception | None = None
        for candidates in _drawn(data, made.folds):
            found = 0
            for index in candidates:
                try:
                    maps[index] = made.native_map(data.stimuli[index])
                except Exception as error:  # told again, by name, when the image is scored
                    reason = error
                    continue
                found += 1
                if found == DRAWN // FOLDS:
                    break
        if not maps:
            raise ValueError(
                f"{self.spec.name}: no saliency map could be made for any image that its density "
                f"would be fitted on; the last error was: {reason}"
            )
        maps = dict(sorted(maps.items()))
        made.fitted_on = len(maps)
        examples = [_Example.of(data, index, maps[index]) for index in maps]
        made.fits = tuple(
            _fit(examples, data, centerbias, made.folds, fold) for fold in (*range(FOLDS), None)
        )
        return made

    def as_plain(self) -> Self:
        """This model with plain densities, called NAME:plain."""
        made = copy.copy(self)
        made.data, made.centerbias, made.folds, made.fits = None, None, None, ()
        made.fitted_on = 0
        if not self.spec.name.endswith(PLAIN):
            made.spec = replace(
                self.spec,
                name=self.spec.name + PLAIN,
                title=f"{self.spec.title} (plain)",
                trained_on=tuple(name for name in self.spec.trained_on if name != "scored"),
                needs=(),
            )
        return made

    @property
    def parameters(self) -> dict[str, Any]:
        """The model's own, and what was fitted, for the record."""
        return {
            **self._own_parameters,
            "fitted_on": self.fitted_on,
            "fits": [asdict(fit) for fit in self.fits],
        }

    @property
    def _own_attributes(self) -> dict[str, Any]:
        known = {
            "data",
            "centerbias",
            "folds",
            "fits",
            "fitted_on",
            "spec",
            "caching",
            "_cache",
            "_token",
        }
        return {name: value for name, value in vars(self).items() if name not in known}

    @property
    def _own_parameters(self) -> dict[str, Any]:
        return {
            name: value
            for name, value in self._own_attributes.items()
            if not name.startswith("_") and isinstance(value, _STATED)
        }

    @property
    def _identity(self) -> str:
        """Tells apart models that make different maps of the same image."""
        kind = type(self)
        if not self._defined_in:
            return self._token
        return f"{kind.__module__}.{kind.__qualname__} {sorted(self._own_attributes.items())}"

    @property
    def _defined_in(self) -> str:
        """The module that, with the attributes, says all about the maps; empty if none does."""
        module = type(self).__module__
        ours = module.partition(".")[0] == __package__
        stated = all(isinstance(value, _STATED) for value in self._own_attributes.values())
        return module if ours and stated else ""

    def native_map(self, stimulus: Any) -> NDArray[np.float32]:
        """The map as the model makes it, of its own height and width; kept (models/map_cache.py).

        Raises:
            ValueError: it is not a finite map.
        """
        rgb = as_rgb(stimulus)

        def make() -> NDArray[np.float32]:
            made = np.asarray(self._make(stimulus, rgb))
            if made.ndim != 2 or 0 in made.shape or not np.isfinite(made).all():
                raise ValueError(
                    f"{self.spec.name}: a saliency map has finite values of shape (height, width); "
                    f"this one has the shape {made.shape} and {np.sum(~np.isfinite(made))} values "
                    "that are not finite."
                )
            problem = _extent_problem(made.shape, rgb.shape[:2])
            if problem and self.keeps_aspect_ratio:
                raise ValueError(f"{self.spec.name}: {problem}")
            return _single(made)

        return kept(self._identity, pixel_hash(rgb), self._defined_in, make)

    def _make(self, stimulus: Any, rgb: NDArray[np.uint8]) -> NDArray[np.floating]:
        return self.map_of(rgb)

    def log_density(self, stimulus: Any) -> NDArray[np.float64]:
        """Natural log of the density of a stimulus or image array, (height, width)."""
        shape = image_shape(stimulus)
        native = self.native_map(stimulus)
        if not self.fits:
            return _plain(native, shape)
        assert self.data is not None
        assert self.centerbias is not None
        index = self.data.index_of(stimulus)
        fit = self._fit_of(index)
        blurred = _blurred(native, shape, fit.blur)
        u = _scaled(_resampled(blurred, shape), _resampled(blurred, _grid(shape)), fit.scaling)
        values = np.interp(u, fit.knots, fit.log_f)
        values += fit.prior_weight * self.centerbias.log_density_without(shape, index)
        return _normalised(values)

    def _log_density(self, stimulus: Any) -> NDArray[np.float64]:
        return self.log_density(stimulus)

    def _fit_of(self, index: int | None) -> MapFit:
        """What was fitted without the image of this index."""
        assert self.folds is not None
        return self.fits[-1 if index is None else int(self.folds[index])]

    def centerbias_exponent(self, centerbias: Any, stimulus: Any) -> float:
        """The weight of the prior, if it is this centre bias (:mod:`models.base`)."""
        if not self.fits or self.data is None or centerbias is not self.centerbias:
            return 0.0
        return self._fit_of(self.data.index_of(stimulus)).prior_weight


class MapsOf(SaliencyMap):
    """Any pysaliency.SaliencyMapModel, as a saliency map that can be made a density.

    Args:
        source: its ``saliency_map(stimulus)`` may have any resolution, but no other aspect ratio
            than the image.
        spec: what is known of it.
    """

    def __init__(self, source: Any, spec: ModelSpec):
        super().__init__()
        self.source = source
        self.spec = spec

    @property
    def content_hash(self) -> str:
        """Of the source, where it has one."""
        return str(getattr(self.source, "content_hash", ""))

    @property
    def parameters(self) -> dict[str, Any]:
        """Those of the source, and what was fitted."""
        found = getattr(self.source, "parameters", {})
        return {**(found if isinstance(found, dict) else {}), **super().parameters}

    def _make(self, stimulus: Any, rgb: NDArray[np.uint8]) -> NDArray[np.floating]:
        return self.source.saliency_map(stimulus)


# From maps to densities


def _extent_problem(shape: tuple[int, ...], size: tuple[int, ...]) -> str | None:
    """Why a map of a shape cannot cover an image of a size evenly; None if it can.

    Rounding, up, down or padded, may leave each side of the map off by less than a cell.
    """
    (rows, columns), (height, width) = shape, size
    if abs(rows * width - columns * height) < height + width:
        return None
    hint = " It looks transposed." if shape == (width, height) else ""
    return (
        f"the saliency map has the size {columns}x{rows}, the image {width}x{height}: expected the "
        f"image's own aspect ratio, at any resolution.{hint}"
    )


def _single(values: NDArray) -> NDArray[np.float32]:
    """In single precision; values too large or too small for it are scaled."""
    largest = float(np.abs(values).max())
    if largest > 1e30 or 0 < largest < 1e-30:
        values = values / largest
    return np.ascontiguousarray(values, dtype=np.float32)


def _plain(native: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float64]:
    values = _resampled(native, shape).astype(np.float64)
    values -= values.min()
    if highest := values.max():
        values /= highest
    values += FLOOR
    return np.log(values / values.sum())


def _normalised(values: NDArray[np.float64]) -> NDArray[np.float64]:
    values -= values.max()
    values -= np.log(np.exp(values).sum())
    return values


def _grid(shape: tuple[int, int], longest: int = GRID) -> tuple[int, int]:
    """Rows and columns of nearly square cells, at most ``longest`` (one a pixel) along a side."""
    cell = max(1.0, max(shape) / longest)
    return max(1, round(shape[0] / cell)), max(1, round(shape[1] / cell))


def _resampled(values: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    """Bilinear between cell centres, averaged where cells are made larger."""
    if values.shape == tuple(shape):
        return values
    return torch.nn.functional.interpolate(
        torch.from_numpy(values)[None, None],
        size=tuple(shape),
        mode="bilinear",
        align_corners=False,
        antialias=True,
    )[0, 0].numpy()


def _blurred(
    native: NDArray[np.float32], shape: tuple[int, int], blur: float
) -> NDArray[np.float32]:
    """The map under a Gaussian, relative to the longer side of the image; borders mirrored."""
    if not blur:
        return native
    working = _resampled(native, _grid(shape, WORKING))
    return gaussian_filter(working, blur * max(working.shape), mode="reflect", truncate=4.0)


def _scaled(
    values: NDArray[np.float32], on_grid: NDArray[np.float32], scaling: str
) -> NDArray[np.float64]:
    """u of some values of a map, whose values on the grid say what is high in this image."""
    if scaling == "none":
        return values.astype(np.float64)
    low, high = float(on_grid.min()), float(on_grid.max())
    # Rounding must not tell apart the cells of a constant map.
    if high - low <= 1e-6 * max(abs(low), abs(high)):
        return np.full(values.shape, 0.5)
    if scaling == "range":
        return np.clip((values - np.float64(low)) / (high - low), 0.0, 1.0)
    known, counts = np.unique(on_grid, return_counts=True)
    below = np.cumsum(counts) - 0.5 * counts
    return np.interp(values, known, below / on_grid.size)


# The fit


@dataclass(frozen=True)
class _Example:
    """An image that is fitted on.

    Attributes:
        maps: on the grid, by blur. share: of the image's fixations in each cell.
    """

    index: int
    shape: tuple[int, int]
    maps: dict[float, NDArray[np.float32]]
    share: NDArray[np.float64]

    @classmethod
    def of(cls, data: TrainingData, index: int, native: NDArray[np.float32]) -> _Example:
        shape = image_shape(data.stimuli[index])
        grid = _grid(shape)
        maps = {blur: _resampled(_blurred(native, shape, blur), grid) for blur in BLURS}
        own = np.flatnonzero(data.fixations.n == index)
        rows = ((data.fixations.y_int[own] + 0.5) / shape[0] * grid[0]).astype(np.int64)
        columns = ((data.fixations.x_int[own] + 0.5) / shape[1] * grid[1]).astype(np.int64)
        share = np.zeros(grid)
        np.add.at(share, (rows, columns), 1.0 / len(own))
        return cls(index, shape, maps, share)


def _folds(data: TrainingData) -> NDArray[np.int64]:
    """The fold of each image, the same for copies of one."""
    _, group = np.unique(data.groups, return_inverse=True)
    count = int(group.max(initial=-1)) + 1
    return (np.random.default_rng(0).permutation(count) % FOLDS)[group]


def _drawn(data: TrainingData, folds: NDArray[np.int64]) -> list[list[int]]:
    """The images with fixations of each fold, in the order in which they are fitted on."""
    looked_at = np.unique(data.fixations.n)
    rng = np.random.default_rng(1)
    return [
        [int(n) for n in rng.permutation(looked_at[folds[looked_at] == fold])]
        for fold in range(FOLDS)
    ]


def _fit(
    examples: Sequence[_Example],
    data: TrainingData,
    centerbias: CenterBias,
    folds: NDArray[np.int64],
    fold: int | None,
) -> MapFit:
    """The best fit on the images outside a fold, or on all of them for None.

    One that there is nothing to fit on (all images are in the fold) is the uniform density.
    """
    seen = [example for example in examples if fold is None or folds[example.index] != fold]
    if not seen:
        return MapFit("rank", 0.0, (0.0, 1.0), (0.0, 0.0), 0.0)
    outside = np.arange(len(folds)) if fold is None else np.flatnonzero(folds != fold)
    prior = _outside(data, centerbias, outside)
    position = {int(index): n for n, index in enumerate(outside)}
    log_priors = np.concatenate(
        [prior.log_density_without(e.share.shape, position[e.index]).ravel() for e in seen]
    )
    shares = np.concatenate([example.share.ravel() for example in seen])
    starts = np.concatenate([[0], np.cumsum([example.share.size for example in seen])])
    best: tuple[float, MapFit] | None = None
    for scaling in SCALINGS:
        start = None
        for blur in BLURS:
            u = np.concatenate([_scaled(e.maps[blur], e.maps[blur], scaling).ravel() for e in seen])
            # finer where it matters: at the top of the map
            knots = np.unique(np.quantile(u, 1 - (1 - np.linspace(0, 1, KNOTS)) ** 2))
            if len(knots) < 2:
                knots = np.array([knots[0], knots[0] + 1.0])
            lower = np.clip(np.searchsorted(knots, u, side="right") - 1, 0, len(knots) - 2)
            upper = np.clip((u - knots[lower]) / (knots[lower + 1] - knots[lower]), 0.0, 1.0)
            likelihood, found = _concave(
                lower, upper, len(knots), log_priors, shares, starts, start
            )
            start = found
            if best is None or likelihood > best[0]:
                log_f = np.concatenate([[0.0], np.cumsum(found[:-1])])
                best = (
                    likelihood,
                    MapFit(
                        scaling,
                        blur,
                        tuple(knots.tolist()),
                        tuple(log_f.tolist()),
                        float(found[-1]),
                    ),
                )
    assert best is not None
    return best[1]


def _outside(data: TrainingData, centerbias: CenterBias, images: NDArray[np.int64]) -> CenterBias:
    """The centre bias of some of the images, with the bandwidth of the whole."""
    fixations = data.fixations[np.isin(data.fixations.n, images)]
    renumbered = np.full(len(data.groups), -1)
    renumbered[images] = np.arange(len(images))
    part = pysaliency.Fixations.create_without_history(
        fixations.x, fixations.y, renumbered[fixations.n]
    )
    return CenterBias(
        TrainingData(_Sizes(data.sizes[images]), part, data.groups[images]),  # type: ignore[arg-type]
        centerbias.bandwidth,
        centerbias.uniform_weight,
    )


@dataclass(frozen=True)
class _Sizes:
    """Stands for stimuli of which only the sizes matter."""

    sizes: NDArray[np.int64]


def _concave(
    lower: NDArray[np.int64],
    upper: NDArray[np.float64],
    n_knots: int,
    log_prior: NDArray[np.float64],
    shares: NDArray[np.float64],
    starts: NDArray[np.int64],
    start: NDArray[np.float64] | None,
) -> tuple[float, NDArray[np.float64]]:
    """Maximum of the mean log likelihood over the steps of log f and w, none of them negative.

    Args:
        lower, upper: the knot below each cell's u, and how far it is on the way to the next.
        start: where to begin, if it has the right length.

    Returns:
        The mean log likelihood per fixation in nats, every image counting the same; the steps, w.
    """

    def loss(parameters: NDArray) -> tuple[float, NDArray]:
        log_f = np.concatenate([[0.0], np.cumsum(parameters[:-1])])
        value, by_knot, by_weight = _likelihood(
            lower, upper, log_f, log_prior, parameters[-1], shares, starts
        )
        by_step = np.cumsum(by_knot[::-1])[::-1][1:]
        return -value, -np.concatenate([by_step, [by_weight]])

    if start is None or len(start) != n_knots:
        start = np.concatenate([np.full(n_knots - 1, 2.0 / n_knots), [1.0]])
    found = minimize(
        loss, start, jac=True, method="L-BFGS-B", bounds=[(0.0, 30.0)] * n_knots,
        options={"maxiter": 200, "ftol": 1e-8},
    )  # fmt: skip
    return -float(found.fun), np.asarray(found.x)


@numba.njit(cache=True)
def _likelihood(lower, upper, log_f, log_prior, weight, shares, starts):
    """Mean log likelihood, and its derivatives by the log f at each knot and by the weight."""
    by_knot = np.zeros(len(log_f))
    total, by_weight = 0.0, 0.0
    count = len(starts) - 1
    for image in range(count):
        first, last = starts[image], starts[image + 1]
        logits = np.empty(last - first)
        for n in range(first, last):
            below, above = log_f[lower[n]], log_f[lower[n] + 1]
            logits[n - first] = below + upper[n] * (above - below) + weight * log_prior[n]
        highest = logits.max()
        mass = 0.0
        for n in range(last - first):
            mass += np.exp(logits[n] - highest)
        norm = highest + np.log(mass)
        for n in range(first, last):
            share = shares[n]
            total += share * (logits[n - first] - norm)
            excess = share - np.exp(logits[n - first] - norm)
            by_knot[lower[n]] += excess * (1.0 - upper[n])
            by_knot[lower[n] + 1] += excess * upper[n]
            by_weight += excess * log_prior[n]
    return total / count, by_knot / count, by_weight / count
