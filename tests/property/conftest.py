"""Random small networks of every kind that users bring, and images for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from spikec.compiler.ir.network import INPUT, Network, Node, Origin, evaluate
from spikec.compiler.ir.operators import (
    Add,
    AveragePool,
    BatchNorm,
    Conv,
    Dense,
    Offset,
    Operator,
    Pad,
    QuantizeClip,
    Relu,
    Reshape,
    Scale,
    Shape,
    Slice,
    Transpose,
)
from spikec.runtime.program.geometry import ConvGeometry
from spikec.runtime.samples import Samples


@dataclass(frozen=True)
class Drawn:
    """A network and calibration data; ``exact_levels`` says that no ReLU is in it."""

    network: Network
    images: Samples
    exact_levels: bool


class Growing:
    """A network under construction; each method adds a part after a value and returns the new value."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.shape = self.pick([(2, 7, 6), (1, 9, 5), (3, 5, 5), (2, 1, 12), (4, 6, 6), (11,)])
        self.shapes: dict[str, Shape] = {INPUT: self.shape}
        self.nodes: list[Node] = []
        self.extreme = self.chance(0.25)
        self.bias_free = self.chance(0.25)
        self.relu = self.chance(0.25)
        self.images = self._images()

    def chance(self, probability: float) -> bool:
        return bool(self.random.random() < probability)

    def pick(self, options: list[Shape]) -> Shape:
        return options[int(self.random.integers(len(options)))]

    def _images(self) -> Samples:
        count = int(self.random.choice([3, 12, 24]))
        shape = (count, *self.shape)
        labels = None if self.chance(0.5) else self.random.integers(0, 3, count).astype(np.int64)
        if self.chance(0.5):
            return Samples(self.random.integers(0, 256, shape).astype(np.uint8), labels)
        if self.chance(0.5):
            return Samples(self.random.normal(size=shape).astype(np.float32) * 3, labels)
        return Samples(self.random.random(shape).astype(np.float32), labels)

    def add(self, operator: Operator, *inputs: str) -> str:
        shape = operator.result_shape(tuple(self.shapes[i] for i in inputs))
        name = f"n{len(self.nodes)}"
        self.nodes.append(Node(name, operator, inputs, shape, (Origin(f"/{name}", type(operator).__name__),)))
        self.shapes[name] = shape
        return name

    def values(self, name: str) -> np.ndarray[tuple[int, ...], np.dtype[np.floating]]:  # type: ignore[type-arg]
        network = Network("probe", self.shape, tuple(self.nodes), name)
        return evaluate(network, self.images.as_float().astype(np.float64))[name]

    def weights(self, *shape: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        weight = self.random.normal(size=shape) / np.sqrt(np.prod(shape[1:]))
        if self.chance(0.1):
            weight = -np.abs(weight)
        if self.chance(0.15):
            weight[int(self.random.integers(shape[0]))] = 0
        if self.extreme:
            weight *= 10.0 ** self.random.uniform(-6, 6)
        return np.asarray(weight)

    def biases(
        self, weight: np.ndarray[tuple[int, ...], np.dtype[np.float64]]
    ) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        if self.bias_free:
            return np.zeros(len(weight))
        large = 30.0 if self.chance(0.1) else 0.3
        return np.asarray(self.random.normal(size=len(weight)) * np.abs(weight).mean() * large)

    def activation(self, source: str) -> str:
        if self.relu:
            return self.add(Relu(), source)
        largest = float(np.abs(self.values(source)).max()) or 1.0
        threshold = largest * float(10 ** self.random.uniform(-1, 0.3))
        shift = float(self.random.choice([0.0, 0.5, self.random.uniform(0, 0.99)]))
        return self.add(QuantizeClip(threshold, int(self.random.choice([1, 2, 3, 4, 8])), shift), source)

    def conv(
        self, source: str, outputs: int | None = None, kernel: tuple[int, int] = (0, 0), same: bool = False
    ) -> str:
        channels, rows, columns = self.shapes[source]
        depthwise = outputs is None and self.chance(0.3)
        groups = channels if depthwise else (2 if channels % 2 == 0 and self.chance(0.2) and outputs is None else 1)
        multiple = groups * int(self.random.integers(1, 3)) if outputs is None else outputs
        span = (
            [int(self.random.integers(1, 1 + min(3, n))) for n in (rows, columns)] if kernel == (0, 0) else list(kernel)
        )
        geometry = ConvGeometry(groups=groups, padding=(span[0] // 2, span[1] // 2, span[0] // 2, span[1] // 2))
        if not same:
            drawn = ConvGeometry(
                (int(self.random.integers(1, 3)), int(self.random.integers(1, 3))),
                tuple(int(p) for p in self.random.integers(-1, 3, 4)),  # type: ignore[arg-type]
                (int(self.random.integers(1, 3)), 1),
                groups,
            )
            if min(drawn.output_size((rows, columns), (span[0], span[1]))) >= 1:
                geometry = drawn
        if min(geometry.output_size((rows, columns), (span[0], span[1]))) < 1:
            return source
        weight = self.weights(multiple, channels // groups, span[0], span[1])
        return self.add(Conv(weight, self.biases(weight), geometry), source)

    def norm(self, source: str) -> str:
        channels = self.shapes[source][0]
        scale, variance = 0.5 + self.random.random((2, channels))
        offset, mean = 0.1 * self.random.normal(size=(2, channels))
        if self.chance(0.1):
            scale[0] = 0
        return self.add(BatchNorm(scale, offset, mean, variance, 1e-5), source)

    def affine(self, source: str) -> str:
        shape = self.shapes[source]
        per_element = self.chance(0.3)
        tail = shape if per_element else (shape[0], *(1,) * (len(shape) - 1))
        scaled = self.add(Scale(self.random.uniform(0.5, 1.5, tail)), source)
        return self.add(Offset(0.1 * self.random.normal(size=tail)), scaled)

    def pool(self, source: str) -> str:
        _, rows, columns = self.shapes[source]
        kernel = (min(2, rows), min(int(self.random.integers(2, 4)), columns))
        padding = tuple(int(p) for p in self.random.integers(0, 2, 4)) if self.chance(0.4) else (0, 0, 0, 0)
        padding = padding if min(kernel) > 1 else (0, 0, 0, 0)
        pooling = AveragePool(kernel, (2, 2), padding, self.chance(0.5), self.chance(0.3))  # type: ignore[arg-type]
        return self.add(pooling, source)

    def moved(self, source: str) -> str:
        channels, rows, columns = self.shapes[source]
        if self.chance(0.3):
            # No convolution: a sparse map.
            return self.add(Transpose((0, 2, 1)), source)
        if self.chance(0.5):
            return (
                self.add(Pad((1, 0, -(rows > 2)), (0, 1, -(columns > 3))), source)
                if rows > 2 and columns > 1
                else source
            )
        return self.add(Slice((0, 0, 0), (channels, rows, columns), (1, 1 + (rows > 2), 1 + (columns > 2))), source)

    def block(self, source: str) -> str:
        """Two convolutions beside the source, an even or strided shortcut, one activation after the sum."""
        inside = self.activation(
            self.conv(source, self.shapes[source][0], (3 if self.shapes[source][1] > 1 else 1, 3), True)
        )
        second = self.conv(inside, self.shapes[source][0], (1, 1), True)
        branches = [second, source]
        if self.chance(0.3):
            branches.append(source)
        if self.chance(0.3):
            branches.append(self.conv(source, self.shapes[source][0], (1, 1), True))
        return self.activation(self.add(Add(), *branches))

    def dense(self, source: str, outputs: int) -> str:
        (inputs,) = self.shapes[source]
        weight = self.weights(outputs, inputs)
        return self.add(Dense(weight, self.biases(weight)), source)

    def body(self) -> str:
        value = INPUT
        if len(self.shape) == 3:
            value = self.activation(self.norm(self.conv(value, 4)))
            for _ in range(int(self.random.integers(0, 4))):
                if self.shapes[value][1:] == (1, 1):
                    break
                before = value
                kind = self.random.choice(["conv", "block", "pool", "moved", "moved", "affine", "conv"])
                value = {
                    "conv": lambda v: self.activation(self.conv(v)),
                    "block": self.block,
                    "pool": self.pool,
                    "moved": self.moved,
                    "affine": self.affine,
                }[str(kind)](before)
            value = self.add(Reshape((int(np.prod(self.shapes[value])),)), value)
        if self.chance(0.2) and self.shapes[value][0] > 4:
            value = self.activation(self.add(Slice((1,), self.shapes[value], (2,)), value))
        if self.chance(0.5):
            value = self.activation(self.dense(value, 6))
        if self.chance(0.15):
            return value if any(n.name == value for n in self.nodes) else self.dense(value, 3)
        return self.dense(value, 3)


def drawn_network(seed: int) -> Drawn:
    growing = Growing(seed)
    output = growing.body()
    network = Network("random", growing.shape, tuple(growing.nodes), output)
    return Drawn(network, growing.images, not growing.relu)


@pytest.fixture(scope="session")
def random_network() -> Callable[[int], Drawn]:
    """Draw a network from a seed."""
    return drawn_network
