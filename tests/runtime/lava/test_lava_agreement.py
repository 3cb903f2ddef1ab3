"""Lava computes, spike by spike, what the equations of ``Population`` and ``Projection`` say."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pytest

from spikec.runtime.execution import Execution
from spikec.runtime.lava import availability, run_lava
from spikec.runtime.program import (
    INPUT,
    ConvSynapses,
    DenseSynapses,
    InputEncoding,
    IntArray,
    Population,
    Program,
    Projection,
    Shape,
    SparseSynapses,
    Synapses,
)
from spikec.runtime.program.geometry import ConvGeometry

pytestmark = pytest.mark.skipif(not availability().available, reason=availability().detail)


def matrix_of(synapses: Synapses, source: Shape, target: Shape) -> IntArray:
    """Every synapse one by one, from the definition of cross-correlation."""
    if isinstance(synapses, DenseSynapses):
        return synapses.weight
    if isinstance(synapses, SparseSynapses):
        matrix = np.zeros((int(np.prod(target)), int(np.prod(source))), dtype=np.int64)
        for row, column, weight in zip(synapses.target, synapses.source, synapses.weight, strict=True):
            matrix[row, column] = weight
        return matrix
    g, weight = synapses.geometry, synapses.weight
    matrix = np.zeros((*target, *source), dtype=np.int64)
    outputs, inputs, kernel_rows, kernel_columns = weight.shape
    for o, row, column in np.ndindex(*target):
        for i, y, x in np.ndindex(inputs, kernel_rows, kernel_columns):
            channel = (o // (outputs // g.groups)) * inputs + i
            read_row = row * g.stride[0] + y * g.dilation[0] - g.padding[0]
            read_column = column * g.stride[1] + x * g.dilation[1] - g.padding[1]
            if 0 <= read_row < source[1] and 0 <= read_column < source[2]:
                matrix[o, row, column, channel, read_row, read_column] += weight[o, i, y, x]
    return matrix.reshape(int(np.prod(target)), int(np.prod(source)))


def graded(program: Program, samples: IntArray, t: int) -> IntArray:
    """What the input sends at step ``t`` of the run; where it is spread, what the steps before leave to be sent."""
    sample, step = divmod(t, program.timesteps)
    if not program.input.spread:
        return np.asarray(samples[sample])
    parts = [
        int(v) * (step + 1) // program.timesteps - int(v) * step // program.timesteps for v in samples[sample].flat
    ]
    return np.array(parts).reshape(program.input.shape)


@dataclass
class Expected:
    readout: IntArray
    trains: dict[str, npt.NDArray[np.uint8]]


def expect(program: Program, samples: IntArray) -> Expected:
    """One global clock; every message of every step is kept."""
    window, count = program.timesteps, len(samples)
    steps = count * window + program.depth
    silent = np.zeros(int(np.prod(program.input.shape)), dtype=np.int64)
    sent = {INPUT: [graded(program, samples, t).reshape(-1) if t < count * window else silent for t in range(steps)]}
    sent |= {p.name: [] for p in program.populations}
    matrices = {
        p.name: matrix_of(p.synapses, program.source_shape(p), program.population(p.target).shape) << p.exponent
        for p in program.projections
    }
    trains = {
        p.name: np.zeros((count, window, p.neurons), dtype=np.uint8)
        for p in program.populations
        if p.threshold is not None
    }
    potential = {p.name: np.zeros(p.neurons, dtype=np.int64) for p in program.populations}
    readout = np.zeros((count, program.readout.neurons), dtype=np.int64)
    for t in range(steps):
        for p in program.populations:

            def each(value: IntArray, shape: Shape = p.shape) -> IntArray:
                return np.broadcast_to(value, shape).reshape(-1)

            sample, step = divmod(t - p.depth, window)
            v = each(p.initial_potential).copy() if step == 0 else potential[p.name]
            v = v + each(p.bias)
            for projection in program.incoming(p.name):
                due = t - 1 - projection.delay
                if due >= 0:
                    v = v + matrices[projection.name] @ sent[projection.source][due]
            v = np.minimum(np.maximum(v, program.state_minimum), program.state_maximum)
            spikes = np.zeros(p.neurons, dtype=np.int64)
            if p.threshold is not None:
                spikes = (v >= each(p.threshold)).astype(np.int64)
                v = v - spikes * each(p.threshold)
            sent[p.name].append(spikes)
            potential[p.name] = v
            if 0 <= sample < count and p.name in trains:
                trains[p.name][sample, step] = spikes
            if 0 <= sample < count and step == window - 1 and p is program.readout:
                readout[sample] = v
    return Expected(readout, trains)


class Net:
    """Random integers around a given topology."""

    def __init__(self, seed: int, shape: Shape, timesteps: int, low: int = 0, high: int = 255) -> None:
        self.rng = np.random.default_rng(seed)
        encoding = InputEncoding(shape, tuple(range(len(shape))), shape, 1 / 255, low, high)
        self.program = Program("net", "free", "pipelined", timesteps, -(1 << 17), (1 << 17) - 1, encoding, (), ())

    def shape_of(self, name: str) -> Shape:
        return self.program.input.shape if name == INPUT else self.program.population(name).shape

    def population(self, name: str, shape: Shape, depth: int, spread: int = 60, readout: bool = False) -> None:
        threshold = None if readout else self.rng.integers(spread // 2, 2 * spread, shape)
        initial, bias = self.rng.integers(-spread // 2, 2 * spread, shape), self.rng.integers(-9, 10, shape)
        added = Population(name, shape, threshold, initial, bias, depth)
        self.program = replace(self.program, populations=(*self.program.populations, added))

    def weights(self, shape: Shape, largest: int = 127) -> IntArray:
        return self.rng.integers(-largest, largest + 1, shape)

    def conv(
        self, source: str, target: str, channels: int, kernel: tuple[int, int], geometry: ConvGeometry, delay: int = 0
    ) -> Projection:
        inputs = self.shape_of(source)[0]
        weight = self.weights((channels, inputs // geometry.groups, *kernel), 20)
        return Projection(f"{source}-{target}", source, target, ConvSynapses(weight, geometry), 0, delay)

    def conv_layer(
        self,
        source: str,
        name: str,
        depth: int,
        channels: int,
        kernel: tuple[int, int],
        geometry: ConvGeometry,
        spread: int = 60,
    ) -> None:
        projection = self.conv(source, name, channels, kernel, geometry)
        size = geometry.output_size((self.shape_of(source)[1], self.shape_of(source)[2]), kernel)
        self.population(name, (channels, *size), depth, 2000 if source == INPUT else spread)
        self.connect(projection)

    def connect(self, projection: Projection) -> None:
        self.program = replace(self.program, projections=(*self.program.projections, projection))

    def dense(self, source: str, target: str, weight: IntArray | None = None, exponent: int = 0) -> None:
        sources, targets = int(np.prod(self.shape_of(source))), self.program.population(target).neurons
        chosen = self.weights((targets, sources)) if weight is None else weight
        self.connect(Projection(f"{source}-{target}", source, target, DenseSynapses(chosen), exponent, 0))

    def sparse(self, source: str, target: str, largest: int = 127, exponent: int = 0, delay: int = 0) -> None:
        sources, targets = int(np.prod(self.shape_of(source))), self.program.population(target).neurons
        weight = self.weights((targets, sources), largest) * (self.rng.random((targets, sources)) < 0.1)
        synapses = SparseSynapses.of_matrix(weight)
        self.connect(Projection(f"{source}-{target} sparse", source, target, synapses, exponent, delay))

    def samples(self, count: int) -> IntArray:
        encoding = self.program.input
        return self.rng.integers(encoding.minimum, encoding.maximum + 1, (count, *encoding.shape))


def agree(program: Program, samples: IntArray, *, stock: bool, fused: bool = True) -> Execution:
    execution = run_lava(program, samples, record=True, stock=stock, fused=fused, deadline=120.0)
    expected = expect(program, samples)
    assert execution.spike_trains is not None
    assert execution.spike_trains.keys() == expected.trains.keys()
    for name, trains in expected.trains.items():
        assert trains.any(), f"a test on a silent population proves nothing: {name}"
        np.testing.assert_array_equal(execution.spike_trains[name], trains, err_msg=name)
        assert execution.spike_counts[name] == int(trains.sum())
    np.testing.assert_array_equal(execution.readout, expected.readout)
    assert execution.steps == len(samples) * program.timesteps + program.depth
    return execution


def convolutional(seed: int, timesteps: int) -> Net:
    """Each layer another corner of the geometry."""
    net = Net(seed, (3, 9, 8), timesteps)
    net.conv_layer(INPUT, "a", 1, 4, (3, 2), ConvGeometry((1, 1), (1, 0, 1, 1)))
    net.conv_layer("a", "b", 2, 6, (3, 3), ConvGeometry((1, 1), (2, 2, 2, 2), (2, 2), groups=2))
    net.conv_layer("b", "c", 3, 6, (2, 3), ConvGeometry((1, 1), (-1, 2, 1, -1), (2, 1), groups=3))
    net.conv_layer("c", "d", 4, 4, (3, 3), ConvGeometry((2, 3), (0, 3, 1, 0), (1, 1)))
    net.population("out", (5,), 5, 60, readout=True)
    net.dense("d", "out")
    return net


def residual(timesteps: int) -> Net:
    """Two paths of different length, a projection and a Dense into one population, graded signed input."""
    net = Net(5, (2, 5, 6), timesteps, low=-128, high=127)
    same = ConvGeometry((1, 1), (1, 1, 1, 1))
    net.conv_layer(INPUT, "stem", 1, 3, (3, 3), same)
    net.conv_layer("stem", "inner", 2, 3, (3, 3), same)
    net.conv_layer("inner", "sum", 3, 3, (3, 3), same)
    net.connect(net.conv("stem", "sum", 3, (1, 1), ConvGeometry(), delay=1))
    net.connect(net.conv(INPUT, "sum", 3, (1, 1), ConvGeometry(), delay=2))
    weight = net.weights((90, 90), 3)
    net.connect(Projection("mixed", "stem", "sum", DenseSynapses(weight), 1, 1))
    net.population("hidden", (7,), 4)
    net.dense("sum", "hidden", exponent=1)
    net.population("map", (2, 2, 2), 5)
    net.dense("hidden", "map")
    net.conv_layer("map", "last", 6, 9, (2, 2), ConvGeometry(), spread=10)
    net.population("out", (3,), 7, readout=True)
    net.dense("last", "out")
    return net


@pytest.mark.parametrize(
    ("stock", "fused", "timesteps", "samples"),
    [
        (False, True, 4, 3),
        pytest.param(False, True, 1, 1, marks=pytest.mark.slow),
        (False, False, 4, 2),
        pytest.param(True, False, 4, 2, marks=pytest.mark.slow),
    ],
)
def test_convolutions(stock: bool, fused: bool, timesteps: int, samples: int) -> None:
    net = convolutional(timesteps, timesteps)
    agree(net.program, net.samples(samples), stock=stock, fused=fused)


@pytest.mark.parametrize(
    ("stock", "fused", "timesteps", "spread"),
    [
        (False, True, 3, False),
        (False, True, 3, True),
        pytest.param(False, False, 3, True, marks=pytest.mark.slow),
        (True, False, 4, True),
    ],
)
def test_residual_paths(stock: bool, fused: bool, timesteps: int, spread: bool) -> None:
    net = residual(timesteps)
    net.program = replace(net.program, input=replace(net.program.input, spread=spread))
    agree(net.program, net.samples(3), stock=stock, fused=fused)


@pytest.mark.parametrize(("stock", "fused"), [(False, True), (False, False), (True, False)])
def test_sparse_synapses(stock: bool, fused: bool) -> None:
    """Between maps and rows, delayed, with an exponent, weights wider than a synapse, graded signed input."""
    net = Net(6, (2, 5, 6), 3, low=-128, high=127)
    net.conv_layer(INPUT, "stem", 1, 3, (3, 3), ConvGeometry((1, 1), (1, 1, 1, 1)))
    net.population("map", (3, 5, 6), 2)
    net.sparse("stem", "map")
    net.sparse(INPUT, "map", 1, delay=1)
    net.population("row", (40,), 3, 3000)
    net.sparse("map", "row", 1000, exponent=1)
    net.sparse("stem", "row", 900, delay=1)
    net.conv_layer("map", "side", 3, 2, (2, 2), ConvGeometry((2, 2)))
    net.population("out", (2, 2), 4, readout=True)
    net.sparse("row", "out")
    net.dense("side", "out")
    agree(net.program, net.samples(4), stock=stock, fused=fused)


@pytest.mark.parametrize("stock", [pytest.param(False, marks=pytest.mark.slow), True])
def test_dense_weights_wider_than_a_synapse(stock: bool) -> None:
    net = Net(3, (40,), 2, high=15)
    net.population("wide", (30,), 1, 20_000)
    net.dense(INPUT, "wide", net.weights((30, 40), 1000))
    net.population("even", (20,), 2, 200)
    net.dense("wide", "even", 2 * net.weights((20, 30), 127))
    net.population("negative", (10,), 3, 200)
    net.dense("even", "negative", -np.abs(net.weights((10, 20), 128)))
    net.program = replace(
        net.program, populations=(*net.program.populations[:2], replace(net.program.populations[2], bias=np.array(400)))
    )
    net.population("out", (4,), 4, readout=True)
    net.dense("negative", "out")
    agree(net.program, net.samples(5), stock=stock)


@pytest.mark.slow
def test_sequence_of_one_row() -> None:
    net = Net(11, (6, 1, 20), 4, low=-5, high=90)
    net.conv_layer(INPUT, "a", 1, 8, (1, 5), ConvGeometry((1, 2), (0, 2, 0, 1)))
    net.conv_layer("a", "b", 2, 8, (1, 3), ConvGeometry((1, 1), (0, 0, 0, 4), (1, 2), groups=8))
    net.population("out", (3,), 3, readout=True)
    net.dense("b", "out")
    agree(net.program, net.samples(4), stock=False, fused=False)


@pytest.mark.parametrize("fused", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_depthwise_with_more_groups_than_int8_holds(fused: bool) -> None:
    net = Net(12, (130, 3, 3), 2)
    net.conv_layer(INPUT, "a", 1, 260, (3, 3), ConvGeometry((1, 1), (1, 1, 1, 1), groups=130))
    net.population("out", (2,), 2, readout=True)
    net.dense("a", "out")
    agree(net.program, net.samples(2), stock=False, fused=fused)


def test_state_saturates() -> None:
    net = convolutional(9, 4)
    program = replace(net.program, state_minimum=-1500, state_maximum=2100)
    agree(program, net.samples(2), stock=False)


def test_counts_without_trains_and_progress() -> None:
    net = convolutional(4, 4)
    samples = net.samples(3)
    seen: list[tuple[int, int]] = []
    execution = run_lava(net.program, samples, record=False, progress=lambda done, total: seen.append((done, total)))
    expected = expect(net.program, samples)
    assert execution.spike_trains is None
    assert execution.spike_counts == {name: int(trains.sum()) for name, trains in expected.trains.items()}
    np.testing.assert_array_equal(execution.readout, expected.readout)
    assert seen[-1] == (3, 3)
    assert execution.backend == "lava"
