"""The readout beside a plain one, written out in double precision without any shortcut."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import logsumexp

from models.deepgaze import readout as readout_module
from models.deepgaze.features import FeatureMap, FeatureSet, extract
from models.deepgaze.geometry import Axis, tiling
from models.deepgaze.readout import Lattice, Readout, ReadoutConfig
from tests.models.deepgaze.bright import picture, random_readout

ACTIVATIONS = {
    "relu": lambda v: np.maximum(v, 0.0),
    "softplus": lambda v: np.log1p(np.exp(-np.abs(v))) + np.maximum(v, 0.0),
}


def grid(length: int, step: float) -> np.ndarray:
    """Centres of equal cells of about ``step`` pixels that cover a side."""
    count = max(1, round(length / step))
    return (np.arange(count) + 0.5) * length / count - 0.5


def upsampled(values: np.ndarray, at, to) -> np.ndarray:
    """Every channel of (h, w, channels) interpolated linearly, first down, then across."""
    down = np.empty((len(to[0]), values.shape[1], values.shape[2]))
    for column in range(values.shape[1]):
        for channel in range(values.shape[2]):
            down[:, column, channel] = np.interp(to[0], at[0], values[:, column, channel])
    across = np.empty((len(to[0]), len(to[1]), values.shape[2]))
    for row in range(len(to[0])):
        for channel in range(values.shape[2]):
            across[row, :, channel] = np.interp(to[1], at[1], down[row, :, channel])
    return across


def positions(axis: Axis) -> list[float]:
    return [axis.start + axis.step * cell for cell in range(axis.cells)]


def naive(readout: Readout, maps, height, width, log_prior=None, kept=None, priority_only=False):
    """Log density over the pixels, step by step as the paper describes it."""
    state = {name: value.double().numpy() for name, value in readout.state_dict().items()}
    to = grid(height, readout.config.stride), grid(width, readout.config.stride)
    start, fine = 0, []
    for feature_map in maps:
        values = feature_map.values.double().numpy()
        chosen = slice(start, start + values.shape[2])
        values = (values - state["mean"][chosen]) / state["deviation"][chosen]
        if kept is not None:
            values = values * kept[chosen]
        at = positions(feature_map.rows), positions(feature_map.columns)
        fine.append(upsampled(values, at, to))
        start = chosen.stop
    features = np.concatenate(fine, axis=2)
    activation = ACTIVATIONS[readout.config.nonlinearity]
    priority = np.empty(features.shape[:2])
    for row in range(features.shape[0]):
        for column in range(features.shape[1]):
            vector = features[row, column]
            for n in range(len(readout.config.widths)):
                if n:
                    vector = activation(vector)
                weight, bias = (state[f"convolutions.{n}.{kind}"] for kind in ("weight", "bias"))
                vector = np.array([sum(row * vector) + b for row, b in zip(weight, bias)])
            if readout.config.rectified:
                vector = activation(vector)
            (priority[row, column],) = vector
    if priority_only:
        return priority
    y, x = np.mgrid[:height, :width]
    sigma = np.exp(state["log_blur"])
    total, weights = np.zeros((height, width)), np.zeros((height, width))
    for row, at_y in enumerate(to[0]):
        for column, at_x in enumerate(to[1]):
            gaussian = np.exp(-((y - at_y) ** 2 + (x - at_x) ** 2) / (2 * sigma**2))
            total += gaussian * priority[row, column]
            weights += gaussian
    values = total / weights
    if log_prior is not None:
        values = values + state["prior_weight"] * log_prior
    return values - np.log(np.exp(values - values.max()).sum()) - values.max()


def random_maps(layers, height, width, seed=0, mirrored=False, half=True) -> list[FeatureMap]:
    """Maps of (stride, offset, channels) that cover the image, as a backbone would give them."""
    generator = torch.Generator().manual_seed(seed)
    maps = []
    for stride, offset, channels in layers:
        axes = []
        for side in (height, width):
            cells = -(-side // stride)
            start = offset
            if mirrored and axes:
                start = side - 1 - offset - stride * (cells - 1)
            axes.append(Axis(float(start), float(stride), cells))
        shape = (axes[0].cells, axes[1].cells, channels)
        values = 2 * torch.randn(shape, generator=generator) + 1
        maps.append(FeatureMap(values.half() if half else values, *axes))
    return maps


def some_prior(height, width) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    return -0.5 * (((y - 0.4 * height) / height) ** 2 + ((x - 0.55 * width) / width) ** 2) / 0.04


ONE = [(16, 7.5, 5)]
SAME = [(16, 7.5, 5), (16, 7.5, 3)]
SEVERAL = [(16, 7.5, 5), (8, 3.0, 4), (16, 7.5, 2), (32, 31.0, 3), (8, 3.0, 1)]
CASES = {
    "paper": (48, 64, SAME, {}),
    "odd size": (61, 43, SAME, {}),
    "wide": (33, 130, SAME, {}),
    "tall": (131, 29, SAME, {}),
    "several grids": (57, 83, SEVERAL, {}),
    "stride 3": (31, 45, SEVERAL, {"stride": 3.0}),
    "coarse": (57, 83, SEVERAL, {"stride": 30.0}),
    "a single cell": (9, 11, ONE, {"stride": 64.0}),
    "linear": (57, 83, SEVERAL, {"widths": (1,)}),
    "linear, rectified": (47, 35, ONE, {"widths": (1,), "rectified": True, "nonlinearity": "relu"}),
    "relu": (57, 83, SEVERAL, {"nonlinearity": "relu"}),
    "rectified": (57, 83, SAME, {"rectified": True}),
    "relu, rectified": (57, 83, SAME, {"rectified": True, "nonlinearity": "relu"}),
    "narrow blur": (40, 56, SAME, {"blur": 2.5}),
    "wide blur": (40, 56, SAME, {"blur": 300.0}),
    "weak prior": (40, 56, SAME, {"prior_weight": 0.3}),
}


def made(case):
    height, width, layers, changes = CASES[case]
    config = ReadoutConfig(**{"blur": 11.0, "widths": (6, 7, 2, 1), **changes})
    readout = random_readout(3, config, [c for _, _, c in layers])
    readout.convolutions[-1].weight *= 12  # so that densities are far from uniform
    return height, width, layers, readout


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("with_prior", [True, False])
@pytest.mark.parametrize("case", CASES)
def test_the_network_equals_the_plain_one(case, with_prior, mirrored):
    height, width, layers, readout = made(case)
    maps = random_maps(layers, height, width, mirrored=mirrored)
    prior = some_prior(height, width) if with_prior else None
    expected = naive(readout, maps, height, width, prior)
    given = None if prior is None else torch.from_numpy(prior).float()
    found = readout(maps, Lattice.of_pixels(height, width), given).double().numpy()
    assert found.shape == (height, width)
    np.testing.assert_allclose(found, expected, atol=1e-4, rtol=0)
    if case != "a single cell":  # there was something to get wrong
        assert np.ptp(expected) > (0.1 if case in ("relu", "wide blur") else 0.4)
    assert abs(logsumexp(found)) < 1e-5


@pytest.mark.parametrize("mirrored", [False, True])
def test_it_equals_the_plain_one_on_real_features(mirrored):
    sets = (
        FeatureSet("efficientnet-lite0", ("stem", "block2"), 0.5),
        FeatureSet("efficientnet-lite0", ("block4",), 0.75),
    )
    rgb = picture(5, 57, 83)
    maps = [m for features in sets for m in extract(rgb, features, mirrored).values()]
    readout = random_readout(1, ReadoutConfig(), [m.values.shape[2] for m in maps])
    expected = naive(readout, maps, 57, 83)
    found = readout(maps, Lattice.of_pixels(57, 83)).double().numpy()
    np.testing.assert_allclose(found, expected, atol=1e-4, rtol=0)
    assert np.ptp(expected) > 0.1


def test_a_mirrored_axis_matters():
    height, width, layers, readout = made("several grids")
    maps = random_maps(layers, height, width)
    others = [
        FeatureMap(m.values, m.rows, o.columns)
        for m, o in zip(maps, random_maps(layers, height, width, mirrored=True))
    ]
    lattice = Lattice.of_pixels(height, width)
    assert (readout(maps, lattice) - readout(others, lattice)).abs().max() > 0.01


@pytest.mark.parametrize("case", ["several grids", "linear", "stride 3"])
def test_the_first_layer_may_come_before_the_interpolation(case):
    height, width, layers, readout = made(case)
    maps = random_maps(layers, height, width)
    stride = readout.config.stride
    rows, columns = tiling(height, stride), tiling(width, stride)
    state = readout.state_dict()
    fine = np.concatenate(
        [
            upsampled(
                m.values.double().numpy(),
                (positions(m.rows), positions(m.columns)),
                (grid(height, stride), grid(width, stride)),
            )
            for m in maps
        ],
        axis=2,
    )
    normalised = (fine - state["mean"].double().numpy()) / state["deviation"].double().numpy()
    weight, bias = (state[f"convolutions.0.{k}"].double().numpy() for k in ("weight", "bias"))
    found = readout.interpolated(maps, rows, columns)
    assert found.shape == (rows.cells, columns.cells, readout.config.widths[0])
    np.testing.assert_allclose(found.numpy(), normalised @ weight.T + bias, atol=2e-5)
    np.testing.assert_allclose(
        readout.priority(maps, height, width).numpy(),
        naive(readout, maps, height, width, priority_only=True),
        atol=1e-4,
    )


def test_dropout_leaves_out_normalised_channels():
    height, width, layers, readout = made("several grids")
    maps = random_maps(layers, height, width)
    kept = 2.0 * (np.random.default_rng(0).random(sum(readout.channels)) < 0.5)
    assert set(kept) == {0.0, 2.0}
    found = readout(maps, Lattice.of_pixels(height, width), kept=torch.from_numpy(kept).float())
    expected = naive(readout, maps, height, width, kept=kept)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-4)
    assert np.abs(expected - naive(readout, maps, height, width)).max() > 0.01
    everything = readout(maps, Lattice.of_pixels(height, width), kept=torch.ones(len(kept)))
    torch.testing.assert_close(everything, readout(maps, Lattice.of_pixels(height, width)))


def test_without_any_channel_only_the_prior_is_left():
    height, width, layers, readout = made("weak prior")
    maps = random_maps(layers, height, width)
    none = torch.zeros(sum(readout.channels))
    lattice = Lattice.of_pixels(height, width)
    uniform = readout(maps, lattice, kept=none).numpy()
    np.testing.assert_allclose(uniform, -np.log(height * width), atol=1e-5)
    prior = some_prior(height, width)
    found = readout(maps, lattice, torch.from_numpy(prior).float(), none).numpy()
    np.testing.assert_allclose(found, 0.3 * prior - logsumexp(0.3 * prior), atol=5e-5)


# Lattices


@pytest.mark.parametrize("step", [1.0, 2.0, 3.7, 8.0, 500.0])
@pytest.mark.parametrize("size", [(57, 83), (64, 48), (131, 29)], ids=str)
def test_densities_are_normalised_over_the_pixels_that_positions_stand_for(size, step):
    readout = random_readout(3, ReadoutConfig(blur=11.0), (5, 3))
    maps = random_maps(SAME, *size)
    lattice = Lattice.of_step(*size, step)
    found = readout(maps, lattice).double().numpy()
    assert found.shape == (lattice.rows.cells, lattice.columns.cells)
    pixels = size[0] * size[1] / found.size
    assert abs(logsumexp(found) + np.log(pixels)) < 1e-5


def test_a_lattice_of_step_1_is_every_pixel():
    assert Lattice.of_step(31, 45, 1.0) == Lattice.of_pixels(31, 45)


def test_the_gaussian_is_as_wide_in_degrees_everywhere():
    """Twice the pixels per degree: a Gaussian of twice as many pixels, and nothing else."""
    height, width, layers, readout = made("several grids")
    maps = random_maps(layers, height, width)
    wide = readout(maps, Lattice.of_pixels(height, width, zoom=2.0))
    with torch.no_grad():
        readout.log_blur += np.log(2)
    expected = naive(readout, maps, height, width)
    np.testing.assert_allclose(wide.numpy(), expected, atol=1e-4)
    assert Lattice.of_step(40, 56, 8.0, 2.0).zoom == 2.0
    assert Lattice.of_step(40, 56, 8.0).zoom == Lattice.of_pixels(40, 56).zoom == 1.0


def test_a_coarser_lattice_has_nearly_the_same_values():
    height, width, layers, readout = made("several grids")
    maps = random_maps(layers, height, width)
    exact = readout(maps, Lattice.of_pixels(height, width)).double().numpy()
    lattice = Lattice.of_step(height, width, 4.0)
    found = readout(maps, lattice).double().numpy()
    there = upsampled(
        exact[:, :, None],
        (range(height), range(width)),
        (positions(lattice.rows), positions(lattice.columns)),
    )[:, :, 0]
    np.testing.assert_allclose(found, there, atol=0.05)
    assert np.ptp(there) > 1.0


# What is trained


def test_everything_can_be_trained_and_the_gradient_is_right():
    config = ReadoutConfig(widths=(4, 3, 1), blur=9.0, learn_prior_weight=True)
    readout = random_readout(2, config, (5, 3)).requires_grad_(True)
    maps = random_maps(SAME, 40, 56, half=False)
    prior = torch.from_numpy(some_prior(40, 56)).float()
    lattice = Lattice.of_pixels(40, 56)

    def loss():
        return -readout(maps, lattice, prior)[12, 31]

    loss().backward()
    names = [name for name, _ in readout.named_parameters()]
    assert "log_blur" in names
    assert "prior_weight" in names
    for name, parameter in readout.named_parameters():
        if name == "convolutions.2.bias":  # a constant is lost in the normalisation
            assert parameter.grad.abs().max() < 1e-5
            continue
        assert parameter.grad.abs().max() > 1e-4, name
        # The gradient along itself, beside the difference quotient of the plain readout.
        flat = parameter.grad.flatten()
        position = int(flat.abs().argmax())
        values = []
        for sign in (1, -1):
            with torch.no_grad():
                parameter.flatten()[position] += sign * 1e-2
                values.append(-naive(readout, maps, 40, 56, prior.double().numpy())[12, 31])
                parameter.flatten()[position] -= sign * 1e-2
        slope = (values[0] - values[1]) / 2e-2
        np.testing.assert_allclose(float(flat[position]), slope, rtol=0.02, err_msg=name)


def test_what_is_not_to_be_learned_stays():
    learned = Readout((5,), ReadoutConfig())
    assert learned.log_blur.requires_grad
    assert not learned.prior_weight.requires_grad
    fixed = Readout((5,), ReadoutConfig(learn_blur=False, learn_prior_weight=True))
    assert not fixed.log_blur.requires_grad
    assert fixed.prior_weight.requires_grad
    np.testing.assert_allclose(learned.log_blur.exp().item(), ReadoutConfig().blur, rtol=1e-6)
    assert [tuple(c.weight.shape) for c in learned.convolutions] == [
        (16, 5), (32, 16), (2, 32), (1, 2),
    ]  # fmt: skip
    trained = {name for name, _ in learned.named_parameters()}
    assert not trained & {"mean", "deviation"}


def test_sizes_first_seen_without_gradients_can_be_trained_on():
    """Matrices are kept by size: testing on a size must not make training on it impossible."""
    readout = Readout((5, 3), ReadoutConfig())
    height, width = 71, 53  # of no other test
    maps, lattice = random_maps(SAME, height, width), Lattice.of_step(height, width, 5.0)
    with torch.inference_mode():
        expected = readout(maps, lattice).clone()
    found = readout(maps, lattice)
    assert torch.equal(found, expected)
    found[3, 4].backward()
    assert readout.convolutions[0].weight.grad.abs().max() > 0
    assert readout.log_blur.grad is not None


def test_matrices_of_few_sizes_are_kept():
    """Each size of image has its own; those of the last few are enough."""
    network = random_readout(0, None, (5, 3))
    for side in range(40, 140):
        with torch.inference_mode():
            network(random_maps(SAME, side, side), Lattice.of_pixels(side, side))
    for kept, limit in ((readout_module._squared_distances, 32),
                        (readout_module._interpolation, 128)):  # fmt: skip
        assert 0 < kept.cache_info().currsize <= limit


# Errors


@pytest.mark.parametrize("widths", [(), (16, 2), (0, 1), (-3, 1)], ids=str)
def test_widths_end_with_one_map(widths):
    with pytest.raises(ValueError, match="widths are positive and end with 1"):
        ReadoutConfig(widths=widths)


def test_an_unknown_nonlinearity():
    with pytest.raises(ValueError, match="nonlinearity is relu or softplus, not 'tanh'"):
        ReadoutConfig(nonlinearity="tanh")


@pytest.mark.parametrize("changes", [{"stride": 0.0}, {"blur": -1.0}, {"blur": float("nan")}])
def test_stride_and_blur_are_positive(changes):
    with pytest.raises(ValueError, match=r"stride .* and blur .* have to be positive"):
        ReadoutConfig(**changes)


@pytest.mark.parametrize("name", ["stride", "blur", "prior_weight"])
def test_numbers_of_a_readout_are_finite(name):
    with pytest.raises(ValueError, match=f"{name} has to be finite, not inf"):
        ReadoutConfig(**{name: float("inf")})


def test_maps_of_other_channels_are_refused():
    readout = random_readout(0, None, (5, 3))
    with pytest.raises(ValueError, match=r"reads maps of \(5, 3\) channels; these have \(3, 5\)"):
        readout(random_maps(SAME[::-1], 32, 32), Lattice.of_pixels(32, 32))
