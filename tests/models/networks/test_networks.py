from __future__ import annotations

import pytest
import torch
from torch import nn

from spikec.models.networks.activation import Activation, quantise_clip_layers
from spikec.models.networks.networks import NetworkSpec, PaddedIdentity


@pytest.mark.parametrize(
    ("spec", "weights", "activations"),
    [
        (NetworkSpec("convnet", 1, 28, 10), 144_832, 6),
        (NetworkSpec("convnet", 3, 32, 7, width=4), 12_993, 6),
        (NetworkSpec("resnet20", 3, 32, 10), 272_474 + 19, 19),
        (NetworkSpec("resnet20", 1, 28, 10, shortcut="identity"), 269_434 + 19, 19),
        (NetworkSpec("resnet20", 1, 9, 3, width=4), 17_362, 19),
        (NetworkSpec("vgg16", 1, 28, 10, width=4), 58_627, 13),
        (NetworkSpec("vgg16", 3, 64, 10, width=2), 15_477, 13),
        (NetworkSpec("signalnet", 6, 1, 6, columns=128, signed=True), 39_691, 5),
        (NetworkSpec("bagnet", 4000, 1, 2), 129_220, 2),
        (NetworkSpec("signalnet", 2, 1, 3, width=2, columns=17), 704, 5),
    ],
)
def test_shapes_sizes_and_layers(spec: NetworkSpec, weights: int, activations: int) -> None:
    assert spec.problems() == ()
    network = spec.build(Activation("round", 4))
    assert network(torch.rand(2, *spec.shape)).shape == (2, spec.classes)
    assert len(quantise_clip_layers(network)) == activations
    assert sum(parameter.numel() for parameter in network.parameters()) == weights


MAX_CONVNET = NetworkSpec("convnet", 1, 8, 10, width=2, pooling="max")


def test_relu_twin_lacks_exactly_the_thresholds() -> None:
    spec = NetworkSpec("resnet20", 1, 8, 10, width=2)
    relu, quantised = spec.build(Activation("relu")), spec.build(Activation("floor", 4))
    lacking = quantised.state_dict().keys() - relu.state_dict().keys()
    assert lacking == {f"{name}.threshold" for name in quantise_clip_layers(quantised)}
    assert relu.state_dict().keys() <= quantised.state_dict().keys()


def test_padded_identity_takes_every_second_pixel_and_adds_zero_channels() -> None:
    x = torch.rand(2, 4, 5, 6)
    y = PaddedIdentity(4, 9, 2)(x)
    assert y.shape == (2, 9, 3, 3)
    assert torch.equal(y[:, 2:6], x[:, :, ::2, ::2])
    assert not y[:, :2].any()
    assert not y[:, 6:].any()


def test_networks_pool_by_averages_unless_maxima_are_asked_for() -> None:
    for spec in (NetworkSpec("vgg16", 3, 32, 10, width=2), NetworkSpec("resnet20", 3, 32, 10, width=2)):
        kinds = {type(module) for module in spec.build(nn.ReLU).modules()}
        assert nn.AvgPool2d in kinds
        assert nn.MaxPool2d not in kinds
    for spec, pools in (
        (NetworkSpec("vgg16", 3, 32, 10, width=2, pooling="max"), 5),
        (MAX_CONVNET, 2),
        (NetworkSpec("signalnet", 6, 1, 6, columns=32, pooling="max"), 1),
    ):
        kinds_of_all = [type(module) for module in spec.build(nn.ReLU).modules()]
        assert kinds_of_all.count(nn.MaxPool2d) == pools
        assert (nn.AvgPool2d in kinds_of_all) == (spec.name == "signalnet"), "a signal net ends in one over all time"


def test_every_wrong_choice_is_named() -> None:
    problems = NetworkSpec("vgg16", 0, 48, 10, width=-1, shortcut="diagonal").problems()  # type: ignore[arg-type]
    assert [problem.code for problem in problems] == ["E705"] * 3
    assert "48 pixels" in problems[0].message
    (small,) = NetworkSpec("convnet", 1, 4, 10).problems()
    assert (small.measured, small.limit, small.unit) == (4, 8, "pixels")
    (none,) = NetworkSpec("convnet", 1, 28, 10, shortcut="identity").problems()
    assert "convnet has no shortcuts" in none.message
    (no_pool,) = NetworkSpec("resnet20", 1, 28, 10, pooling="max").problems()
    assert "no maps that are pooled" in no_pool.message
    (strange,) = NetworkSpec("convnet", 1, 28, 10, pooling="median").problems()  # type: ignore[arg-type]
    assert "median" in strange.message
    (square,) = NetworkSpec("convnet", 6, 32, 6, columns=128).problems()
    assert "square images, these have 32 x 128" in square.message
    (rows,) = NetworkSpec("signalnet", 1, 28, 10).problems()
    assert "data of one row, these have 28 x 28" in rows.message
    (short,) = NetworkSpec("signalnet", 6, 1, 6, columns=15).problems()
    assert (short.measured, short.limit) == (15, 16)
    (wide,) = NetworkSpec("bagnet", 9, 1, 2, columns=4).problems()
    assert "one column, these have 4" in wide.message
    (no_maps,) = NetworkSpec("bagnet", 9, 1, 2, pooling="max").problems()
    assert "no maps that are pooled" in no_maps.message
    (unknown,) = NetworkSpec("alexnet", 1, 32, 10).problems()  # type: ignore[arg-type]
    assert "alexnet" in unknown.message
