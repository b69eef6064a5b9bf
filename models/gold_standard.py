"""The gold standard: each subject predicted from the others; and its in-sample bound."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pysaliency
from numpy.typing import NDArray

from models.base import TrainingData, UnavailableError, image_shape, model
from models.centerbias import CenterBias
from models.kde import Points, density_map, kernel_columns, other_counts, pair_sums
from models.mixture_fit import MixtureFit, fit_mixture

_BOUNDS = (1.0, 1000.0)
_STARTS = (15.0, 40.0)


class _SubjectDensity(pysaliency.Model):
    """Kernel density of the fixations on each image, mixed with centre bias and uniform."""

    def __init__(self, data: TrainingData, centerbias: CenterBias, fit: MixtureFit):
        super().__init__(caching=False)
        self.data = data
        self.centerbias = centerbias
        self.mixture = fit
        order = np.argsort(data.fixations.n, kind="stable")
        bounds = np.searchsorted(data.fixations.n[order], np.arange(len(data.stimuli) + 1))
        self._fixations_of = [order[a:b] for a, b in itertools.pairwise(bounds)]

    @property
    def parameters(self) -> dict[str, float]:
        """What was fitted, for the record; the bandwidth is in pixels."""
        names = ("kernel_weight", "centerbias_weight", "uniform_weight")
        return {"bandwidth": self.mixture.bandwidth, **dict(zip(names, self.mixture.weights))}

    def _known(self, stimulus: Any) -> int:
        index = self.data.index_of(stimulus)
        if index is None:
            raise ValueError(
                "the gold standard knows only images that it has fixations for; this image is none "
                f"of the {len(self.data.stimuli)} of its data set."
            )
        return index

    def _points(self, index: int) -> tuple[NDArray, NDArray, NDArray]:
        chosen, fixations = self._fixations_of[index], self.data.fixations
        return fixations.x_int[chosen], fixations.y_int[chosen], fixations.subjects[chosen]

    def _prior(self, centerbias: NDArray[np.float64]) -> NDArray[np.float64]:
        """The mixture's part that does not know this image's fixations."""
        weights = self.mixture.weights
        return weights[1] * centerbias + weights[2] / centerbias.size

    def log_density(self, stimulus: Any) -> NDArray[np.float64]:
        """Natural log of the density from all subjects, (height, width).

        Raises:
            ValueError: the image is not in the data set.
        """
        index = self._known(stimulus)
        shape = image_shape(self.data.stimuli[index])
        x, y, _ = self._points(index)
        density = self._prior(np.exp(self.centerbias.log_density_without(shape, index)))
        if len(x):
            kernels = density_map(x, y, shape, self.mixture.bandwidth)
            density += self.mixture.weights[0] * kernels
        else:  # nobody looked at this image: the remaining weights are renormalised
            density /= 1.0 - self.mixture.weights[0]
        return np.log(density, out=density)

    def _log_density(self, stimulus: Any) -> NDArray[np.float64]:
        return self.log_density(stimulus)

    def shuffled_log_density(self, stimulus: Any) -> NDArray[np.float64]:
        """The mean prediction for other images: the centre bias without this image."""
        return self.centerbias.log_density(stimulus)


@model(
    name="gold",
    title="Gold standard",
    summary="each subject predicted from all other subjects on the same image (kernel density)",
    kind="ceiling",
    citation="Kümmerer, Wallis, Bethge 2015, PNAS 112(52)",
    trained_on=("scored",),
    needs=("centerbias",),
)
class GoldStandard(_SubjectDensity):
    """Leave-one-subject-out kernel density: what the other subjects tell about one of them.

    ``p_s = w_0 * mean_{j not of s} K(. - (x_j, y_j)) + w_1 * centre bias + w_2 * uniform``; K is an
    isotropic Gaussian in pixels, normalised over the image. Bandwidth and weights are the same for
    all images and maximise the leave-one-subject-out likelihood of the whole data set.

    As a pysaliency model it *scores* every fixation without its own subject (``log_likelihoods``,
    ``information_gain``, ``conditional_log_density``). Only ``log_density``, which knows no
    subject, uses all of them: it is for looking at, and optimistic when scored.
    """

    @classmethod
    def fit(cls, data: TrainingData, centerbias: CenterBias) -> GoldStandard:
        """Fit bandwidth (pixels) and both weights by leave-one-subject-out likelihood.

        Raises:
            UnavailableError: no image was seen by two subjects.
            ValueError: there is no fixation.
        """
        points = Points.sorted_by_image(
            data.fixations.x_int,
            data.fixations.y_int,
            data.fixations.n,
            data.fixations.subjects,
            data.sizes,
        )
        others = other_counts(points)
        if len(others) and not others.any():
            raise UnavailableError(
                "the gold standard needs two subjects on an image, to predict one from the other; "
                "no image of this data set was seen by two."
            )
        per_image = np.diff(points.starts)
        areas = np.repeat(points.heights * points.widths, per_image)
        prior = np.empty(len(points.x))
        for index, (first, last) in enumerate(zip(points.starts[:-1], points.starts[1:])):
            if last > first:
                shape = (int(points.heights[index]), int(points.widths[index]))
                x, y = points.x[first:last], points.y[first:last]
                prior[first:last] = np.exp(centerbias.log_density_at(shape, x, y, index))

        def held_out(bandwidth: float) -> tuple[NDArray, NDArray]:
            total, slope = pair_sums(points, bandwidth)
            with np.errstate(invalid="ignore", divide="ignore"):
                return np.where(others, total / others, np.nan), slope / others

        fixed = np.stack([prior, 1.0 / areas], axis=1)
        return cls(data, centerbias, fit_mixture(held_out, fixed, _STARTS, _BOUNDS))

    def held_out_densities(
        self, stimulus: Any, centerbias: NDArray | None = None
    ) -> Iterator[tuple[int, NDArray[np.float64]]]:
        """Yield (subject, density from all others) for each subject with a fixation here.

        A subject whom nobody else can predict, alone on this image, has NaN at every pixel.

        Args:
            stimulus: an image of the data set.
            centerbias: its log density for this image, where the caller has it already.

        Raises:
            ValueError: the image is not in the data set.
        """
        index = self._known(stimulus)
        shape = image_shape(self.data.stimuli[index])
        if centerbias is None:
            centerbias = self.centerbias.log_density_without(shape, index)
        prior = self._prior(np.exp(centerbias))
        x, y, subjects = self._points(index)
        down = kernel_columns(y, shape[0], self.mixture.bandwidth)
        across = kernel_columns(x, shape[1], self.mixture.bandwidth)
        total = down @ across.T
        for subject in np.unique(subjects):
            own = subjects == subject
            if own.all():  # nobody else looked at this image: there is no gold standard
                yield int(subject), np.full(shape, np.nan)
                continue
            density = down[:, own] @ across[:, own].T
            np.subtract(total, density, out=density)
            np.maximum(density, 0.0, out=density)  # subtraction leaves rounding errors
            density *= self.mixture.weights[0] / np.count_nonzero(~own)
            density += prior
            yield int(subject), density

    def conditional_log_density(
        self,
        stimulus: Any,
        x_hist: Any = None,
        y_hist: Any = None,
        t_hist: Any = None,
        attributes: dict[str, Any] | None = None,
        out: Any = None,
    ) -> NDArray[np.float64]:
        """Log density from all subjects but ``attributes["subjects"]``, (height, width).

        NaN if nobody else looked at this image.

        Raises:
            ValueError: no subject is given, or it has no fixation on this image.
        """
        if not attributes or "subjects" not in attributes:
            raise ValueError('the gold standard predicts one subject: give attributes["subjects"].')
        for subject, density in self.held_out_densities(stimulus):
            if subject == attributes["subjects"]:
                return np.log(density)
        return self.log_density(stimulus)  # this subject has no fixation here to leave out

    def log_likelihoods(
        self, stimuli: Any, fixations: Any, verbose: bool = False
    ) -> NDArray[np.float64]:
        """Natural log density of each fixation from all subjects but its own, (fixations,).

        NaN for subjects who are alone on an image.
        """
        result = np.full(len(fixations.x), np.nan)
        for n in np.unique(fixations.n):
            here = fixations.n == n
            pending = set(np.unique(fixations.subjects[here]))
            for subject, density in self.held_out_densities(stimuli[int(n)]):
                chosen = here & (fixations.subjects == subject)
                values = density[fixations.y_int[chosen], fixations.x_int[chosen]]
                result[chosen] = np.log(values)
                pending.discard(subject)
            if pending:
                chosen = here & np.isin(fixations.subjects, list(pending))
                log_density = self.log_density(stimuli[int(n)])
                result[chosen] = log_density[fixations.y_int[chosen], fixations.x_int[chosen]]
        return result


@model(
    name="gold-insample",
    title="Gold standard, in-sample",
    summary="kernel density of all subjects on the image, scored on the same: an optimistic bound",
    kind="ceiling",
    citation="Kümmerer, Wallis, Bethge 2015, PNAS 112(52)",
    trained_on=("scored-in-sample",),
    needs=("gold",),
)
class InSampleGoldStandard(_SubjectDensity):
    """The gold standard's density with no subject left out: it knows what it is scored on."""

    @classmethod
    def fit(cls, data: TrainingData, gold: GoldStandard) -> InSampleGoldStandard:
        """Take bandwidth and weights from the fitted gold standard."""
        return cls(data, gold.centerbias, gold.mixture)
