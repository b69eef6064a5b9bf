"""One readout's training: its loss, its memory of itself, when it stops, and that it learns."""

from __future__ import annotations

import copy
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.deepgaze import training as training_module
from models.deepgaze.corpus import Example
from models.deepgaze.features import FeatureMap
from models.deepgaze.geometry import interpolation_matrix, tiling
from models.deepgaze.readout import Lattice, Readout, ReadoutConfig
from models.deepgaze.training import (
    LEAST_DEVIATION,
    DivergedError,
    Epoch,
    Recipe,
    Stage,
    Training,
    fit_normalisation,
    information_gain,
    load_checkpoint,
    log_densities,
    save_whole,
)

CONFIG = ReadoutConfig(widths=(3, 1), blur=5.0)
RECIPE = Recipe(
    readout=CONFIG, epochs=3, batch_size=2, learning_rate=0.03, channel_dropout=0.25, mirrored=True
)


def example(index: int, n_fixations: int = 8, channels: int = 4) -> Example:
    """An image whose first channel says where people look; the others are noise."""
    random = np.random.default_rng(index)
    height, width = (40, 56) if index % 2 else (48, 33)
    lattice = Lattice.of_step(height, width, 4.0)
    rows, columns = tiling(height, 8), tiling(width, 8)
    values = random.normal(size=(rows.cells, columns.cells, channels))
    density = np.exp(1.5 * values[:, :, 0]).ravel()
    cells = random.choice(density.size, n_fixations, p=density / density.sum())
    y, x = rows.positions[cells // columns.cells], columns.positions[cells % columns.cells]
    maps = {
        mirrored: [FeatureMap(torch.from_numpy(values + 0.05 * mirrored).half(), rows, columns)]
        for mirrored in (False, True)
    }
    prior = np.log(random.uniform(0.5, 1.5, (lattice.rows.cells, lattice.columns.cells)))
    return Example(
        index=index,
        features=maps.__getitem__,
        lattice=lattice,
        log_prior=torch.from_numpy(prior).float(),
        down=torch.from_numpy(interpolation_matrix(lattice.rows, y)).float(),
        across=torch.from_numpy(interpolation_matrix(lattice.columns, x)).float(),
    )


def examples(start: int, count: int) -> list[Example]:
    return [example(n, 5 + 3 * (n % 3)) for n in range(start, start + count)]


def stages(epochs=(2, 3)) -> list[Stage]:
    return [
        Stage("pretraining", examples(0, 5), examples(20, 3), epochs[0], 0.03),
        Stage("training", examples(10, 4), examples(20, 3), epochs[1], 0.01),
    ]


def readout(seed: int = 0) -> Readout:
    torch.manual_seed(seed)
    return Readout((4,), CONFIG)


def trainer(seed: int = 0, recipe: Recipe = RECIPE, plan=None, fingerprint="this one") -> Training:
    return Training(readout(seed), plan or stages(), recipe, [seed, 1], fingerprint)


def assert_same_state(one, other):
    assert list(one) == list(other)
    for name, value in one.items():
        assert torch.equal(value, other[name]), name


class Killed(Exception):
    pass


def kill_after(epochs: int):
    seen = []

    def report(epoch):
        seen.append(epoch)
        if len(seen) == epochs:
            raise Killed

    return report


# Recipes


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"loss": "pixel"}, "loss is fixation or image, not 'pixel'"),
        ({"stopping": "soon"}, "stopping is best or paper, not 'soon'"),
        ({"epochs": 0}, "epochs has to be positive, not 0"),
        ({"pretraining_epochs": -1}, "pretraining_epochs has to be positive"),
        ({"batch_size": 0}, "batch_size has to be positive"),
        ({"learning_rate": float("nan")}, "learning_rate has to be positive, not nan"),
        ({"learning_rate": float("inf")}, "learning_rate has to be finite, not inf"),
        ({"finetuning_rate": 0.0}, "finetuning_rate has to be positive, not 0.0"),
        ({"finetuning_rate": float("inf")}, "finetuning_rate has to be finite, not inf"),
        ({"weight_decay": -0.1}, "weight_decay is 0 or more, not -0.1"),
        ({"weight_decay": float("nan")}, "weight_decay is 0 or more, not nan"),
        ({"weight_decay": float("inf")}, "weight_decay has to be finite, not inf"),
        ({"step": 0.0}, "step has to be positive"),
        ({"step": float("inf")}, "step has to be finite, not inf"),
        ({"channel_dropout": 1.0}, "channel_dropout is in 0 to below 1, not 1.0"),
        ({"averaging": -0.1}, "averaging is in 0 to below 1, not -0.1"),
    ],
)
def test_impossible_recipes(changes, message):
    with pytest.raises(ValueError, match=message):
        Recipe(**changes)


# Normalisation


def maps_of(values) -> list[FeatureMap]:
    values = torch.as_tensor(values)
    return [FeatureMap(values, tiling(8, 1), tiling(8, 1))]


def test_normalisation_is_mean_and_deviation_with_images_weighing_the_same():
    random = np.random.default_rng(0)
    images = [
        random.normal((1, 2, 3), (1, 5, 0.2), (height, 6, 3)) + shift
        for height, shift in ((2, 0.0), (30, 1.0), (7, -2.0))
    ]
    fitted = Readout((2, 1), CONFIG)
    halves = [torch.from_numpy(image).half() for image in images]
    split = [[*maps_of(h[:, :, :2]), *maps_of(h[:, :, 2:])] for h in halves]
    fit_normalisation(fitted, split)
    values = [h.double().numpy().reshape(-1, 3) for h in halves]
    mean = np.mean([v.mean(0) for v in values], axis=0)
    square = np.mean([((v - mean) ** 2).mean(0) for v in values], axis=0)
    np.testing.assert_allclose(fitted.mean, mean, rtol=1e-4)
    np.testing.assert_allclose(fitted.deviation, np.sqrt(square), rtol=1e-4)


def test_a_nearly_constant_channel_is_not_amplified():
    values = torch.randn(10, 10, 5, generator=torch.Generator().manual_seed(0)) * torch.tensor(
        [1.0, 2.0, 3.0, 0.0, 1e-4]
    )
    fitted = Readout((5,), CONFIG)
    fit_normalisation(fitted, [maps_of(values)])
    deviations = values.reshape(-1, 5).std(0, correction=0)
    np.testing.assert_allclose(fitted.deviation[:3], deviations[:3], rtol=1e-4)
    least = LEAST_DEVIATION * float(deviations[0])  # the median of the five
    np.testing.assert_allclose(fitted.deviation[3:], least, rtol=1e-4)


def test_channels_do_not_explode_where_most_are_constant():
    """Few small images leave most rectified channels at zero; others may still activate them."""
    values = torch.zeros(4, 4, 5)
    values[:2, :, 0] = 3.0
    fitted = Readout((5,), CONFIG)
    fit_normalisation(fitted, [maps_of(values)])
    np.testing.assert_allclose(fitted.deviation, [1.5] + [LEAST_DEVIATION * 1.5] * 4, rtol=1e-5)
    fit_normalisation(fitted, [maps_of(torch.full((4, 4, 5), 2.0))])
    np.testing.assert_allclose(fitted.deviation, 1.0, rtol=1e-5)
    np.testing.assert_allclose(fitted.mean, 2.0, rtol=1e-5)


# Measures


def test_log_densities_are_values_of_the_map_at_the_fixations():
    chosen, trained = examples(0, 3), readout()
    found = log_densities(trained, chosen)
    assert [len(values) for values in found] == [5, 8, 11]
    for one, values in zip(chosen, found):
        with torch.no_grad():
            full = trained(one.features(False), one.lattice, one.log_prior).double().numpy()
        expected = [
            (down[:, None] * across[None, :] * full).sum()
            for down, across in zip(one.down.double().numpy(), one.across.double().numpy())
        ]
        np.testing.assert_allclose(values.numpy(), expected, atol=1e-4)


def test_information_gain_is_the_mean_log_ratio_to_the_prior():
    chosen, trained = examples(0, 3), readout()
    ratios = []
    for one, values in zip(chosen, log_densities(trained, chosen)):
        prior = np.exp(one.log_prior.double().numpy())
        pixels = one.lattice.height * one.lattice.width / prior.size
        log_prior = np.log(prior / prior.sum() / pixels)
        baseline = np.einsum("ni,ij,nj->n", one.down, log_prior, one.across)
        np.testing.assert_allclose(one.baseline().numpy(), baseline, atol=1e-4)
        ratios.extend(values.double().numpy() - baseline)
    assert len(ratios) == 24
    np.testing.assert_allclose(
        information_gain(trained, chosen), np.mean(ratios) / np.log(2), atol=1e-5
    )


def test_a_readout_that_says_nothing_gains_nothing():
    silent = readout()
    with torch.no_grad():
        silent.convolutions[-1].weight.zero_()
    assert abs(information_gain(silent, examples(0, 3))) < 1e-6


def test_without_fixations_there_is_no_gain():
    with pytest.raises(ValueError, match="nobody looked at the images that training is stopped"):
        information_gain(readout(), [])


# A step


@pytest.mark.parametrize("loss", ["fixation", "image"])
def test_the_gradient_is_that_of_the_mean_over_fixations_or_images(loss):
    """A first step whose batch is everything leaves the gradient of the whole loss."""
    recipe = replace(RECIPE, loss=loss, batch_size=10, channel_dropout=0.0, mirrored=False)
    chosen = [example(0, 2), example(1, 30), example(2, 9)]
    training = trainer(recipe=recipe, plan=[Stage("training", chosen, chosen, 1, 1e-3)])
    reference = copy.deepcopy(training.readout)
    losses = [
        -one.at_fixations(reference(one.features(False), one.lattice, one.log_prior))
        for one in chosen
    ]
    total = {
        "fixation": torch.cat(losses).mean(),
        "image": torch.stack([values.mean() for values in losses]).mean(),
    }
    names = [name for name, p in reference.named_parameters() if p.requires_grad]
    assert "log_blur" in names
    learned = [p for p in reference.parameters() if p.requires_grad]
    gradients = {
        kind: torch.autograd.grad(value, learned, retain_graph=True)
        for kind, value in total.items()
    }
    training._one_epoch(lambda: 0.0, 0.0)
    (other,) = {"fixation", "image"} - {loss}
    found = [dict(training.readout.named_parameters())[name].grad for name in names]
    for name, gradient, expected in zip(names, found, gradients[loss]):
        torch.testing.assert_close(gradient, expected, atol=1e-5, rtol=1e-3, msg=name)
    assert (found[0] - gradients[other][0]).abs().max() > 1e-3


def test_an_epoch_sees_every_image_once_in_an_order_of_its_own():
    seen = []

    def watched(one):
        def features(mirrored):
            seen.append((one.index, mirrored))
            return one.features(mirrored)

        return replace(one, features=features)

    chosen = [watched(one) for one in examples(0, 7)]
    training = trainer(plan=[Stage("training", chosen, examples(20, 2), 4, 0.01)])
    for _ in range(4):
        training._one_epoch(lambda: 0.0, 0.0)
    orders = [[index for index, _ in seen[7 * n : 7 * n + 7]] for n in range(4)]
    assert [sorted(order) for order in orders] == [list(range(7))] * 4
    assert len(set(map(tuple, orders))) > 1
    assert {mirrored for _, mirrored in seen} == {False, True}


def test_mirror_images_can_be_left_out():
    def only(one):
        def features(mirrored):
            assert not mirrored
            return one.features(mirrored)

        return replace(one, features=features)

    plan = [Stage("training", [only(e) for e in examples(0, 7)], examples(20, 2), 2, 0.01)]
    training = trainer(recipe=replace(RECIPE, mirrored=False), plan=plan)
    training.run()
    assert len(training.curve) == 2


def test_dropout_leaves_out_its_share_and_keeps_the_mean():
    training = trainer(recipe=replace(RECIPE, channel_dropout=0.25))
    kept = torch.stack([training._kept() for _ in range(3000)])
    assert kept.shape == (3000, 4)
    assert set(kept.unique().tolist()) == {0.0, np.float32(1 / 0.75).item()}
    np.testing.assert_allclose((kept == 0).double().mean(0), 0.25, atol=0.04)
    np.testing.assert_allclose(kept.mean(), 1.0, atol=0.03)
    assert trainer(recipe=replace(RECIPE, channel_dropout=0.0))._kept() is None


@pytest.mark.parametrize("steps", [*range(1, 25), 40, 100])
def test_the_learning_rate_rises_and_falls_to_zero(steps):
    plan = [Stage("training", examples(0, 1), examples(20, 1), steps, 0.01)]
    training = trainer(plan=plan)
    rates = []
    for _ in range(steps):
        rates.append(training.optimizer.param_groups[0]["lr"])
        training.optimizer.step()
        training.schedule.step()
    top = int(np.argmax(rates))
    assert top <= max(1, round(0.1 * steps))
    assert (np.diff(rates[: top + 1]) > 0).all()
    assert (np.diff(rates[top:]) < 0).all()
    if steps > 1:
        np.testing.assert_allclose(max(rates), 0.01, rtol=0.01)
    if steps > 2:
        assert rates[-1] < 1e-6


# It learns


def test_it_learns_where_people_look():
    recipe = replace(RECIPE, epochs=12, batch_size=5, channel_dropout=0.0)
    held_out = examples(200, 12)
    plan = [Stage("training", examples(100, 20), examples(40, 8), 12, 0.05)]
    training = trainer(recipe=recipe, plan=plan)
    before = information_gain(training.readout, held_out)
    trained = training.run()
    gain = information_gain(trained, held_out)
    assert gain > 0.15
    assert gain > before + 0.15
    curve = [point.training for point in training.curve]
    assert np.mean(curve[-3:]) > np.mean(curve[:3]) + 0.1
    assert max(point.stopping for point in training.curve) > 0.15


def with_gains(monkeypatch, gains):
    """Stopping images say that the epochs gain so much."""
    gains = iter(gains)
    monkeypatch.setattr(training_module, "information_gain", lambda *arguments: next(gains))


def test_the_best_epoch_is_kept(monkeypatch):
    with_gains(monkeypatch, [0.1, 0.3, 0.5, 0.2, 0.5, 0.4])
    training = trainer(plan=[Stage("training", examples(0, 3), examples(20, 3), 6, 0.03)])
    states = []
    trained = training.run(
        report=lambda point: states.append(copy.deepcopy(training.readout.state_dict()))
    )
    assert len(states) == 6
    assert_same_state(trained.state_dict(), states[2])  # the first of equals
    weights = [state["convolutions.0.weight"] for state in states[:5]]
    assert not any(torch.equal(one, other) for one, other in pairwise(weights))


def test_fine_tuning_starts_at_the_best_pretrained_readout(monkeypatch):
    with_gains(monkeypatch, [0.1, 0.9, 0.2, 0.3, 0.4, 0.5])
    training = trainer(plan=stages((4, 2)))
    states = []
    trained = training.run(
        report=lambda p: states.append(copy.deepcopy(training.readout.state_dict()))
    )
    # The fourth report comes when the readout has gone back to its best epoch, the second.
    assert_same_state(states[3], states[1])
    assert not torch.equal(states[1]["convolutions.0.weight"], states[2]["convolutions.0.weight"])
    # The best of fine-tuning counts, although pretraining had a better epoch.
    assert_same_state(trained.state_dict(), states[5])
    assert not torch.equal(states[5]["log_blur"], states[1]["log_blur"])
    assert [(p.stage, p.epoch) for p in training.curve] == [
        *(("pretraining", n) for n in range(4)), ("training", 0), ("training", 1),
    ]  # fmt: skip


@pytest.mark.parametrize("averaging", [0.0, 0.5, 0.9])
def test_the_running_mean_of_the_parameters_is_tested_and_kept(averaging):
    """Mean after step s: keeps min(averaging, s / (s + 10)) of itself, from where it started."""
    recipe = replace(RECIPE, averaging=averaging, batch_size=1)
    training = trainer(
        recipe=recipe, plan=[Stage("training", examples(0, 6), examples(20, 2), 1, 0.1)]
    )
    path = [[p.detach().clone() for p in training.readout.parameters()]]
    average = training._average

    def followed():
        path.append([p.detach().clone() for p in training.readout.parameters()])
        average()

    training._average = followed
    trained = training.run()
    assert len(path) == 7
    means = [p.double() for p in path[0]]
    for s, values in enumerate(path[1:], start=1):
        kept = min(averaging, s / (s + 10))
        means = [kept * mean + (1 - kept) * value for mean, value in zip(means, values)]
    for found, mean, last in zip(trained.parameters(), means, path[-1]):
        torch.testing.assert_close(found.detach().double(), mean.double(), atol=1e-6, rtol=1e-5)
        assert torch.equal(found, last) or averaging
    np.testing.assert_allclose(
        training.curve[0].stopping, information_gain(trained, examples(20, 2)), atol=1e-7
    )
    assert training.averaged.convolutions[0].weight.grad is None


def test_the_same_seed_gives_the_same_bytes():
    one, same, other = (trainer(seed) for seed in (3, 3, 4))
    states = [training.run().state_dict() for training in (one, same, other)]
    assert_same_state(states[0], states[1])
    assert one.curve == same.curve
    assert one.curve != other.curve


# Divergence


def steep(*rates: float) -> list[Stage]:
    return [replace(stage, learning_rate=rate) for stage, rate in zip(stages(), rates)]


@pytest.mark.parametrize(
    ("rates", "message", "epochs"),
    [
        ((1e30, 0.01), "pretraining has diverged: after none of its 2 epochs at .* rate 1e+30", 2),
        ((0.03, 1e30), "training has diverged: after none of its 3 epochs at .* rate 1e+30", 5),
    ],
)
def test_a_stage_that_diverged_is_an_error_also_when_gone_on_with(tmp_path, rates, message, epochs):
    message = message.replace("+", r"\+")
    checkpoint = tmp_path / "fold.pt"
    training = trainer(plan=steep(*rates))
    with pytest.raises(DivergedError, match=message):
        training.run(checkpoint)
    assert len(training.curve) == epochs
    assert not any(np.isfinite(point.stopping) for point in training.curve[-2:])
    with pytest.raises(DivergedError, match=message):
        trainer(plan=steep(*rates)).run(checkpoint)


@pytest.mark.parametrize(("rates", "stage"), [((1e30, 0.01), "pre"), ((0.03, 1e30), "")])
def test_a_finished_checkpoint_that_had_diverged_is_not_taken_for_a_readout(
    tmp_path, monkeypatch, rates, stage
):
    """As was written before divergence was an error."""
    checkpoint = tmp_path / "fold.pt"
    with monkeypatch.context() as before:
        before.setattr(Training, "_check_gains", lambda self, stage: None)
        trainer(plan=steep(*rates)).run(checkpoint)
    with pytest.raises(DivergedError, match=f"^{stage}training has diverged"):
        trainer(plan=steep(*rates)).run(checkpoint)


def test_a_training_that_recovers_is_kept(monkeypatch):
    training = trainer()
    gains = iter([float("nan"), 0.25, float("-inf"), float("nan"), 0.125])
    monkeypatch.setattr(training_module, "information_gain", lambda *_: next(gains))
    training.run()
    assert len(training.curve) == 5


# Checkpoints


AVERAGED = replace(RECIPE, averaging=0.8)


@pytest.fixture(scope="module")
def uninterrupted():
    training = trainer()
    return training.run().state_dict(), training.curve


@pytest.mark.parametrize("killed", [1, 2, 3])
def test_running_means_survive_a_kill(tmp_path, killed):
    expected = trainer(recipe=AVERAGED)
    expected.run()
    with pytest.raises(Killed):
        trainer(recipe=AVERAGED).run(tmp_path / "fold.pt", kill_after(killed))
    found = trainer(recipe=AVERAGED)
    assert_same_state(found.run(tmp_path / "fold.pt").state_dict(), expected.readout.state_dict())
    assert found.curve == expected.curve


@pytest.mark.parametrize("killed", [(1,), (2,), (3,), (4,), (5,), (1, 1, 1, 1), (2, 2)], ids=str)
def test_a_killed_training_ends_with_the_same_bytes(tmp_path, uninterrupted, killed):
    checkpoint = tmp_path / "folder" / "fold.pt"
    for epochs in killed:
        with pytest.raises(Killed):
            trainer().run(checkpoint, kill_after(epochs))
    seen = []
    training = trainer()
    # Another initial readout and generator: all that matters comes from the checkpoint.
    with torch.no_grad():
        for parameter in training.readout.parameters():
            parameter.fill_(0.5)
    training.rng = np.random.default_rng(99)
    found = training.run(checkpoint, seen.append)
    assert_same_state(found.state_dict(), uninterrupted[0])
    assert training.curve == uninterrupted[1]
    assert len(seen) == 5 - sum(killed)
    assert [file.name for file in checkpoint.parent.iterdir()] == ["fold.pt"]


def test_without_the_checkpoint_the_disturbed_training_differs(uninterrupted):
    training = trainer()
    training.rng = np.random.default_rng(99)
    training.run()
    assert training.curve != uninterrupted[1]


def test_a_kill_within_an_epoch_costs_that_epoch(tmp_path, uninterrupted):
    checkpoint = tmp_path / "fold.pt"
    plan = stages()
    calls = []

    def breaks(mirrored):
        calls.append(mirrored)
        if len(calls) == 2:
            raise Killed
        return example(11, 8).features(mirrored)

    plan[1].training[1] = replace(plan[1].training[1], features=breaks)
    with pytest.raises(Killed):
        trainer(plan=plan).run(checkpoint)
    assert len(load_checkpoint(checkpoint)["curve"]) == 3
    training = trainer()
    assert_same_state(training.run(checkpoint).state_dict(), uninterrupted[0])


def test_a_checkpoint_that_could_not_be_written_leaves_the_last_one(tmp_path, monkeypatch):
    checkpoint = tmp_path / "fold.pt"
    with pytest.raises(Killed):
        trainer().run(checkpoint, kill_after(2))
    before = checkpoint.read_bytes()

    def full(state, stream):
        stream.write(b"half")
        raise OSError("no space left")

    monkeypatch.setattr(training_module.torch, "save", full)
    with pytest.raises(OSError, match="no space left"):
        trainer().run(checkpoint)
    assert checkpoint.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["fold.pt"]


def test_another_trainings_checkpoint_is_refused(tmp_path):
    checkpoint = tmp_path / "fold.pt"
    with pytest.raises(Killed):
        trainer().run(checkpoint, kill_after(1))
    before = checkpoint.read_bytes()
    with pytest.raises(ValueError, match=r"fold\.pt: is the checkpoint of another training"):
        trainer(fingerprint="another").run(checkpoint)
    assert checkpoint.read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"no checkpoint", None], ids=["empty", "text", "half"])
def test_a_damaged_checkpoint_is_a_clear_error(tmp_path, truncate, content):
    checkpoint = tmp_path / "fold.pt"
    with pytest.raises(Killed):
        trainer().run(checkpoint, kill_after(1))
    if content is None:
        truncate(checkpoint)
    else:
        checkpoint.write_bytes(content)
    with pytest.raises(ValueError, match=r"fold\.pt: cannot be read as a checkpoint; .* Delete it"):
        trainer().run(checkpoint)


@pytest.mark.parametrize("state", [[1, 2], {"readout": {}}], ids=str)
def test_something_else_that_torch_saved_is_a_clear_error(tmp_path, state):
    checkpoint = tmp_path / "fold.pt"
    save_whole(state, checkpoint)
    with pytest.raises(ValueError, match=r"fold\.pt: is the checkpoint of another training"):
        trainer().run(checkpoint)


def test_no_checkpoint_yet(tmp_path):
    assert load_checkpoint(tmp_path / "none.pt") is None


def test_a_finished_training_is_not_trained_again(tmp_path, uninterrupted):
    checkpoint = tmp_path / "fold.pt"
    trainer().run(checkpoint)
    training = trainer()
    training._one_epoch = None  # would fail if called
    assert_same_state(training.run(checkpoint).state_dict(), uninterrupted[0])
    assert training.done


# The paper's rule


def curve(gains, name="training") -> list[Epoch]:
    return [Epoch(name, n, 0.0, gain, 1.0, 1.0) for n, gain in enumerate(gains)]


def stops_after(gains, recipe) -> int | None:
    """The epoch after which training stops, None if it goes on."""
    training = trainer(recipe=recipe)
    before = curve(np.linspace(0, 9, 30), "pretraining")  # of no matter
    for epoch in range(1, len(gains) + 1):
        training.curve = before + curve(gains[:epoch])
        training.epoch = epoch
        if training._should_stop():
            return epoch
    return None


def paper(gains) -> int | None:
    """Stops once there are 20 epochs and each of the last three is worse than five before it."""
    for last in range(19, len(gains)):
        if all(gains[e] < gains[e - 5] for e in range(last - 2, last + 1)):
            return last + 1
    return None


PAPER = replace(RECIPE, stopping="paper")


def test_the_papers_rule_on_made_up_curves():
    assert stops_after(np.arange(60.0), PAPER) is None  # still rising
    assert stops_after(-np.arange(60.0), PAPER) == 20  # falling from the start
    assert stops_after(np.zeros(60), PAPER) is None  # equal is not worse
    peak = np.concatenate([np.arange(30.0), 29 - 2.0 * np.arange(1, 31)])  # best epoch: the 30th
    # Epoch 30 + k is at 29 - 2k; five before it at 24 + k: worse from k = 2, thrice at k = 4.
    assert stops_after(peak, PAPER) == 34
    assert stops_after(peak, RECIPE) is None
    two_bad = np.arange(60.0)
    two_bad[40:42] = 0.0
    assert stops_after(two_bad, PAPER) is None
    two_bad[42] = 0.0
    assert stops_after(two_bad, PAPER) == 43


@given(st.lists(st.integers(0, 12), min_size=20, max_size=45))
def test_the_papers_rule_on_any_curve(gains):
    assert stops_after(gains, PAPER) == paper(gains)


def test_a_training_ends_by_the_papers_rule(monkeypatch):
    recipe = replace(PAPER, epochs=50)
    plan = [Stage("training", examples(0, 1), examples(20, 1), 50, 0.01)]
    training = trainer(recipe=recipe, plan=plan)
    gains = iter(-np.arange(50.0))
    monkeypatch.setattr(
        training, "_one_epoch",
        lambda clock, began: Epoch("training", training.epoch, 0.0, next(gains), 1.0, 1.0),
    )  # fmt: skip
    training.run()
    assert len(training.curve) == 20
