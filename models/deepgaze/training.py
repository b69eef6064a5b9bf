"""Trains one readout by maximum likelihood, with a checkpoint after every epoch."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.deepgaze.corpus import Example
from models.deepgaze.features import FeatureMap, FeatureSet
from models.deepgaze.files import whole
from models.deepgaze.readout import Readout, ReadoutConfig

#: A channel that hardly varies is not amplified beyond this share of its layer's typical deviation.
LEAST_DEVIATION = 0.01


@dataclass(frozen=True)
class Recipe:
    """How readouts are trained.

    Attributes:
        features: what is read out.
        epochs: passes over the training images; the best one by the stopping images is kept.
        pretraining_epochs: passes over the data sets for pretraining, before.
        batch_size: images a step.
        learning_rate: of AdamW at its highest; it rises for a tenth of the steps and then falls to
            zero along a cosine.
        finetuning_rate: the same after pretraining.
        channel_dropout: share of the normalised features that a step leaves out, drawn anew for
            each image.
        weight_decay: of AdamW.
        mirrored: show the backbone the mirror image every other time.
        both_views: predict with the mean of the densities for the image and its mirror image.
        loss: "fixation" (every fixation counts the same, as in the paper) or "image".
        averaging: share of the running mean of the parameters that a step keeps; the mean is what
            is tested and kept. 0 for none.
        stopping: "best" keeps the best epoch; "paper" also ends training by the paper's rule.
        step: pixels between the positions at which the density is evaluated in training.
    """

    features: tuple[FeatureSet, ...] = (FeatureSet(),)
    readout: ReadoutConfig = field(default_factory=ReadoutConfig)
    epochs: int = 15
    pretraining_epochs: int = 8
    batch_size: int = 10
    learning_rate: float = 1e-3
    finetuning_rate: float = 3e-4
    channel_dropout: float = 0.5
    weight_decay: float = 0.0
    mirrored: bool = True
    both_views: bool = False
    loss: str = "fixation"
    averaging: float = 0.0
    stopping: str = "best"
    step: float = 8.0

    def __post_init__(self) -> None:
        for name, known in (("loss", ("fixation", "image")), ("stopping", ("best", "paper"))):
            if getattr(self, name) not in known:
                raise ValueError(f"{name} is {' or '.join(known)}, not {getattr(self, name)!r}.")
        rates = ("learning_rate", "finetuning_rate")
        for name in ("epochs", "pretraining_epochs", "batch_size", *rates, "step"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} has to be positive, not {getattr(self, name)}.")
        if not self.weight_decay >= 0:
            raise ValueError(f"weight_decay is 0 or more, not {self.weight_decay}.")
        for name in (*rates, "weight_decay", "step"):
            if not np.isfinite(getattr(self, name)):
                raise ValueError(f"{name} has to be finite, not {getattr(self, name)}.")
        for name in ("channel_dropout", "averaging"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} is in 0 to below 1, not {getattr(self, name)}.")


class DivergedError(ValueError):
    """A stage of the training has ended without a readout that it could keep."""


@dataclass
class Stage:
    """A part of the training: what is learned from, and what decides which epoch is kept."""

    name: str
    training: list[Example]
    stopping: list[Example]
    epochs: int
    learning_rate: float


@dataclass(frozen=True)
class Epoch:
    """A point of the learning curve; information gains in bits per fixation over the prior.

    ``training`` is the mean over the epoch with dropout, while the readout still changed.
    """

    stage: str
    epoch: int
    training: float
    stopping: float
    blur: float
    prior_weight: float
    seconds: float = field(compare=False, default=0.0)


def fit_normalisation(readout: Readout, maps: Iterable[Sequence[FeatureMap]]) -> None:
    """Set mean and standard deviation of every channel from the training images' features.

    Every image weighs the same. A nearly constant channel keeps a deviation of LEAST_DEVIATION
    times the median of its layer, so that it cannot explode on other images; where most channels
    are constant, the median is that of the others.
    """
    total = torch.zeros(readout.mean.shape, dtype=torch.float64)
    squares, count = torch.zeros_like(total), 0
    for image in maps:
        flat = [m.values.reshape(-1, m.values.shape[2]).float() for m in image]
        total += torch.cat([values.mean(0) for values in flat])
        squares += torch.cat([values.square().mean(0) for values in flat])
        count += 1
    mean = total / count
    deviation = (squares / count - mean**2).clamp(min=0).sqrt()
    start = 0
    for channels in readout.channels:
        layer = deviation[start : start + channels]
        varying = layer[layer > 0]
        typical = layer.median() or (varying.median() if len(varying) else 1.0 / LEAST_DEVIATION)
        layer.clamp_(min=max(LEAST_DEVIATION * float(typical), 1e-12))
        start += channels
    readout.mean.copy_(mean)
    readout.deviation.copy_(deviation)


def log_densities(readout: Readout, examples: Iterable[Example]) -> list[Tensor]:
    """Natural log of the density per pixel at the fixations of each example, (fixations,) each."""
    found = []
    with torch.inference_mode():
        for example in examples:
            log_density = readout(example.features(False), example.lattice, example.log_prior)
            found.append(example.at_fixations(log_density))
    return found


def information_gain(readout: Readout, examples: Sequence[Example]) -> float:
    """Mean over the fixations, in bits, of the log density ratio to the prior alone.

    Raises:
        ValueError: there is no fixation.
    """
    return mean_gain(log_densities(readout, examples), examples)


def mean_gain(values: Sequence[Tensor], examples: Sequence[Example]) -> float:
    """:func:`information_gain` from the log densities at each example's fixations."""
    if not examples:
        raise ValueError(
            "nobody looked at the images that training is stopped or tested by: take fewer folds, "
            "or a data set with more images."
        )
    ratios = [own - example.baseline() for own, example in zip(values, examples)]
    return float(torch.cat(ratios).double().mean() / np.log(2))


class Training:
    """The state of a training: everything the next epoch depends on.

    Args:
        readout: with its normalisation fitted.
        fingerprint: of all that is trained with; a checkpoint of another one is refused.
    """

    def __init__(
        self,
        readout: Readout,
        stages: Sequence[Stage],
        recipe: Recipe,
        seed: int | Sequence[int],
        fingerprint: str,
    ):
        self.readout, self.stages, self.recipe = readout, stages, recipe
        self.fingerprint = fingerprint
        self.rng = np.random.default_rng(seed)
        self.curve: list[Epoch] = []
        self.stage = self.epoch = self.steps = 0
        self.averaged = copy.deepcopy(readout).eval()
        self.best = float("-inf")
        self.best_state = copy.deepcopy(readout.state_dict())
        self._start_stage()

    @property
    def done(self) -> bool:
        return self.stage == len(self.stages)

    def _start_stage(self) -> None:
        if self.done:
            return
        stage = self.stages[self.stage]
        self.steps = 0
        learned = [p for p in self.readout.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(
            learned, lr=stage.learning_rate, weight_decay=self.recipe.weight_decay
        )
        steps = max(3, stage.epochs * -(-len(stage.training) // self.recipe.batch_size))
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer, stage.learning_rate, total_steps=steps, pct_start=max(0.1, 2 / steps)
        )

    def run(
        self,
        checkpoint: Path | None = None,
        report: Callable[[Epoch], None] = lambda epoch: None,
        clock: Callable[[], float] = lambda: 0.0,
    ) -> Readout:
        """Train to the end, from the checkpoint if there is one; returns the best readout.

        Raises:
            DivergedError: a stage has no epoch with a finite gain on the stopping images.
            ValueError: the checkpoint belongs to another training, or is damaged.
        """
        if checkpoint is not None:
            self._restore(checkpoint)
            for stage in self.stages[: self.stage]:
                self._check_gains(stage)
        while not self.done:
            began = clock()
            point = self._one_epoch(clock, began)
            self.curve.append(point)
            if point.stopping > self.best:
                self.best = point.stopping
                self.best_state = copy.deepcopy(self.averaged.state_dict())
            self.epoch += 1
            if self.epoch == self.stages[self.stage].epochs or self._should_stop():
                self._check_gains(self.stages[self.stage])
                self._next_stage()
            if checkpoint is not None:
                self._save(checkpoint)
            report(point)
        self.readout.load_state_dict(self.best_state)
        return self.readout

    def _check_gains(self, stage: Stage) -> None:
        gains = [point.stopping for point in self.curve if point.stage == stage.name]
        if not np.isfinite(gains).any():
            raise DivergedError(
                f"{stage.name} has diverged: after none of its {len(gains)} epochs at the learning "
                f"rate {stage.learning_rate:g} is the gain on the stopping images finite (the last "
                f"one is {gains[-1]})."
            )

    def _next_stage(self) -> None:
        self.readout.load_state_dict(self.best_state)
        self.averaged.load_state_dict(self.best_state)
        self.stage, self.epoch, self.best = self.stage + 1, 0, float("-inf")
        self._start_stage()

    def _should_stop(self) -> bool:
        """The paper's rule: the last three epochs are all worse than five epochs before each."""
        if self.recipe.stopping != "paper" or self.epoch < 20:
            return False
        gains = [p.stopping for p in self.curve[-self.epoch :]]
        return all(gains[-back] < gains[-back - 5] for back in (1, 2, 3))

    def _one_epoch(self, clock: Callable[[], float], began: float) -> Epoch:
        stage, recipe = self.stages[self.stage], self.recipe
        order = self.rng.permutation(len(stage.training))
        gain, count = 0.0, 0
        self.readout.train()
        for start in range(0, len(order), recipe.batch_size):
            batch = [stage.training[n] for n in order[start : start + recipe.batch_size]]
            fixations = sum(example.n_fixations for example in batch)
            self.optimizer.zero_grad()
            for example in batch:
                log_density = self._log_density(example)
                at_fixations = example.at_fixations(log_density)
                if recipe.loss == "image":
                    loss = -at_fixations.mean() / len(batch)
                else:
                    loss = -at_fixations.sum() / fixations
                loss.backward()
                gain += float((at_fixations.detach() - example.baseline()).sum())
            count += fixations
            self.optimizer.step()
            self.schedule.step()
            self._average()
        self.readout.eval()
        return Epoch(
            stage=stage.name,
            epoch=self.epoch,
            training=gain / count / float(np.log(2)),
            stopping=information_gain(self.averaged, stage.stopping),
            blur=float(self.averaged.log_blur.detach().exp()),
            prior_weight=float(self.averaged.prior_weight.detach()),
            seconds=clock() - began,
        )

    @torch.no_grad()
    def _average(self) -> None:
        """Take the step into the running mean, which forgets its beginning sooner at first."""
        self.steps += 1
        kept = min(self.recipe.averaging, self.steps / (self.steps + 10))
        for mean, value in zip(self.averaged.parameters(), self.readout.parameters()):
            mean.lerp_(value, 1.0 - kept)

    def _log_density(self, example: Example) -> Tensor:
        mirrored = self.recipe.mirrored and bool(self.rng.random() < 0.5)
        maps = example.features(mirrored)
        return self.readout(maps, example.lattice, example.log_prior, self._kept())

    def _kept(self) -> Tensor | None:
        share = self.recipe.channel_dropout
        if not share:
            return None
        kept = self.rng.random(sum(self.readout.channels)) >= share
        return torch.from_numpy(kept).float() / (1.0 - share)

    def _save(self, file: Path) -> None:
        state = {
            "fingerprint": self.fingerprint,
            "readout": self.readout.state_dict(),
            "averaged": self.averaged.state_dict(),
            "steps": self.steps,
            "rng": self.rng.bit_generator.state,
            "curve": [vars(point) for point in self.curve],
            "stage": self.stage,
            "epoch": self.epoch,
            "best": self.best,
            "best_state": self.best_state,
        }
        if not self.done:
            state["optimizer"] = self.optimizer.state_dict()
            state["schedule"] = self.schedule.state_dict()
        save_whole(state, file)

    def _restore(self, file: Path) -> None:
        state = load_checkpoint(file)
        if state is None:
            return
        if not isinstance(state, dict) or state.get("fingerprint") != self.fingerprint:
            raise ValueError(
                f"{file}: is the checkpoint of another training (other data, features, recipe or "
                "seed). Choose another folder, or delete this one to start again."
            )
        self.readout.load_state_dict(state["readout"])
        self.rng.bit_generator.state = state["rng"]
        self.curve = [Epoch(**point) for point in state["curve"]]
        self.stage, self.epoch = state["stage"], state["epoch"]
        self.best, self.best_state = state["best"], state["best_state"]
        self._start_stage()
        self.steps = state["steps"]
        self.averaged.load_state_dict(state["averaged"])
        if not self.done:
            self.optimizer.load_state_dict(state["optimizer"])
            self.schedule.load_state_dict(state["schedule"])


def save_whole(state: dict[str, Any], file: Path) -> None:
    """Write a checkpoint that is never seen half written."""
    with whole(file) as stream:
        torch.save(state, stream)


def load_checkpoint(file: Path) -> dict[str, Any] | None:
    """A checkpoint, None if there is none.

    Raises:
        ValueError: the file is no checkpoint.
    """
    if not file.is_file():
        return None
    try:
        return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises whatever the damage leads to
        raise ValueError(
            f"{file}: cannot be read as a checkpoint; it is damaged. Delete it to train this fold "
            "again."
        ) from error
