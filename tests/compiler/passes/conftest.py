"""A small residual network with everything that the passes meet, and images to calibrate on."""

from __future__ import annotations

import numpy as np
import pytest

from spikec import targets
from spikec.compiler.ir.network import INPUT, Network, Node, Origin
from spikec.compiler.ir.operators import (
    Add,
    AveragePool,
    BatchNorm,
    Conv,
    Dense,
    Operator,
    Pad,
    QuantizeClip,
    Relu,
    Reshape,
    Shape,
    Slice,
)
from spikec.compiler.passes.contract import Context
from spikec.runtime.program.geometry import ConvGeometry
from spikec.runtime.samples import Samples

_SAME = ConvGeometry(padding=(1, 1, 1, 1))


class NetworkBuilder:
    def __init__(self, shape: Shape, seed: int = 0) -> None:
        self.random = np.random.default_rng(seed)
        self.shapes: dict[str, Shape] = {INPUT: shape}
        self.nodes: list[Node] = []

    def add(self, name: str, operator: Operator, *inputs: str) -> str:
        shape = operator.result_shape(tuple(self.shapes[i] for i in inputs))
        self.nodes.append(Node(name, operator, inputs, shape, (Origin(f"/{name}", type(operator).__name__),)))
        self.shapes[name] = shape
        return name

    def conv(self, name: str, source: str, outputs: int, kernel: int = 3, geometry: ConvGeometry = _SAME) -> str:
        inputs = self.shapes[source][0] // geometry.groups
        weight = 1.5 * self.random.normal(size=(outputs, inputs, kernel, kernel)) / np.sqrt(inputs * kernel * kernel)
        return self.add(name, Conv(weight, 0.1 * self.random.normal(size=outputs), geometry), source)

    def norm(self, name: str, source: str) -> str:
        channels = self.shapes[source][0]
        scale, variance = 0.5 + self.random.random((2, channels))
        offset, mean = 0.1 * self.random.normal(size=(2, channels))
        return self.add(name, BatchNorm(scale, offset, mean, variance, 1e-5), source)

    def dense(self, name: str, source: str, outputs: int) -> str:
        (inputs,) = self.shapes[source]
        weight = 2 * self.random.normal(size=(outputs, inputs)) / np.sqrt(inputs)
        return self.add(name, Dense(weight, 0.1 * self.random.normal(size=outputs)), source)

    def network(self, name: str = "small") -> Network:
        return Network(name, self.shapes[INPUT], tuple(self.nodes), self.nodes[-1].name)


def residual(activation: Operator) -> Network:
    net = NetworkBuilder((2, 9, 9))
    net.add("act1", activation, net.norm("norm1", net.conv("conv1", INPUT, 4)))
    net.add("act2", activation, net.conv("conv2", "act1", 4))
    net.conv("conv3", "act2", 8, geometry=ConvGeometry((2, 2), (1, 1, 1, 1)))
    net.add("half", Slice((0, 0, 0), (4, 9, 9), (1, 2, 2)), "act1")
    net.add("widened", Pad((2, 0, 0), (2, 0, 0)), "half")
    net.add("act3", activation, net.norm("norm2", net.add("sum", Add(), "conv3", "widened")))
    net.add("pooled", AveragePool((2, 2), (2, 2)), "act3")
    net.add("act4", activation, net.conv("conv4", "pooled", 8, geometry=ConvGeometry(padding=(1, 1, 1, 1), groups=8)))
    net.add("flat", Reshape((32,)), "act4")
    net.dense("scores", "flat", 5)
    return net.network()


@pytest.fixture
def builder() -> type[NetworkBuilder]:
    return NetworkBuilder


@pytest.fixture
def quantised_network() -> Network:
    return residual(QuantizeClip(1.0, 4, 0.5))


@pytest.fixture
def relu_network() -> Network:
    return residual(Relu())


@pytest.fixture
def images() -> Samples:
    random = np.random.default_rng(1)
    return Samples(
        random.integers(0, 256, size=(40, 2, 9, 9)).astype(np.uint8), random.integers(0, 5, size=40).astype(np.int64)
    )


@pytest.fixture
def context(images: Samples) -> Context:
    return Context(targets.load("lava"), 4, images)
