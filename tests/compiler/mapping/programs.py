"""Programs and chips to place: by hand and at random."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np

from spikec import targets
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
from spikec.targets import Number, Status, Target
from spikec.targets.schema import Chip, Core

from .recount import map_of

LOIHI = targets.load("loihi1")


def number_of(value: int | None) -> Number | None:
    """A limit of a made-up chip."""
    return None if value is None else Number(value, "test units", "a test", Status.MEASURED)


def small_target(
    neurons: int | None = None,
    inputs: int | None = None,
    outputs: int | None = None,
    memory: int | None = None,
    thresholds: int | None = None,
) -> Target:
    """Loihi with other limits of a core, and any number of cores."""
    core = Core(
        neurons=number_of(neurons),
        input_axons=number_of(inputs),
        output_axons=number_of(outputs),
        synapse_memory_bits=number_of(memory),
    )
    neuron = replace(LOIHI.neuron, threshold_configurations=number_of(thresholds))
    return replace(LOIHI, core=core, neuron=neuron, chip=Chip())


def _population(name: str, shape: Shape, threshold: IntArray | None, depth: int = 1) -> Population:
    return Population(name, shape, threshold, np.array(0), np.array(0), depth)


def program_of(input_shape: Shape, layers: list[tuple[Shape, IntArray | None, str, Synapses]]) -> Program:
    """A program of layers (shape, threshold, source, synapses)."""
    populations = tuple(
        _population(f"layer{i}", shape, threshold, i + 1) for i, (shape, threshold, _, _) in enumerate(layers)
    )
    projections = tuple(
        Projection(f"{source}->layer{i}", source, f"layer{i}", synapses)
        for i, (_, _, source, synapses) in enumerate(layers)
    )
    encoding = InputEncoding(input_shape, tuple(range(len(input_shape))), input_shape, 1 / 255, 0, 255)
    return Program("net", "loihi1", "pipelined", 2, -131072, 131071, encoding, populations, projections)


def conv_program(
    channels: int, size: tuple[int, int], outputs: int, kernel: int, geometry: ConvGeometry, seed: int = 0
) -> Program:
    """A convolution and a read-out."""
    weight = np.random.default_rng(seed).integers(1, 100, (outputs, channels // geometry.groups, kernel, kernel)) * 2
    shape = (outputs, *geometry.output_size(size, (kernel, kernel)))
    first = (shape, np.array(9), INPUT, ConvSynapses(weight, geometry))
    dense = np.full((3, int(np.prod(shape))), 2)
    return program_of((channels, *size), [first, ((3,), None, "layer0", DenseSynapses(dense))])


def sparse_synapses(random: np.random.Generator, targets: int, sources: int, density: float) -> SparseSynapses:
    """Random synapses with coordinates."""
    weight = 2 * random.integers(1, 60, (targets, sources))
    return SparseSynapses.of_matrix(weight * (random.random(weight.shape) < density))


def _random_synapses(random: np.random.Generator, source: Shape, zeros: bool) -> tuple[Shape, Synapses]:
    """Synapses of any kind that read a map, and the map that they give."""
    kind = random.choice(["convolution", "pooled", "dense", "sparse"], p=[0.5, 0.2, 0.15, 0.15])
    rows, columns = source[1:]
    if kind == "sparse":
        return (4, 1, 1), sparse_synapses(random, 4, int(np.prod(source)), 0.3)
    if kind == "dense" or min(rows, columns) < 2:
        targets = int(random.integers(1, 12))
        runs = rows * columns if random.random() < 0.3 else 1
        return (targets, 1, 1), DenseSynapses(_weights(random, (targets, int(np.prod(source)) // runs), runs, 1, zeros))
    shape, synapses = _random_convolution(random, source, kind == "pooled", zeros)
    return (shape, synapses) if min(shape) > 0 else _random_synapses(random, source, zeros)


def _random_convolution(
    random: np.random.Generator, source: Shape, pooled: bool, zeros: bool
) -> tuple[Shape, ConvSynapses]:
    channels, rows, columns = source
    cell = 2 if pooled else 1
    groups = int(random.choice([g for g in (1, 2, channels) if channels % g == 0]))
    height, width = (int(k) for k in random.integers(1, 4, 2))
    top, left, bottom, right = (cell * int(k) for k in random.integers(0, 2, 4))
    stride = (2, 2) if pooled else (int(random.integers(1, 3)), int(random.integers(1, 3)))
    dilation = (1, 2) if not pooled and random.random() < 0.2 else (1, 1)
    geometry = ConvGeometry(stride, (top, left, bottom, right), dilation, groups)
    outputs = groups * int(random.integers(1, 5))
    weight = _weights(random, (outputs, channels // groups, height, width), cell, 2, zeros)
    weight = np.repeat(weight, cell, axis=3)
    return (outputs, *geometry.output_size((rows, columns), (height * cell, width * cell))), ConvSynapses(
        weight, geometry
    )


def _weights(random: np.random.Generator, shape: Shape, runs: int, axis: int, zeros: bool) -> IntArray:
    """Even weights, every one ``runs`` times along an axis."""
    weight = 2 * random.integers(1, 100, shape)
    drawn = np.where(random.random(shape) < 0.6, weight, 0) if zeros else weight
    return np.repeat(drawn, runs, axis=axis)


def random_program(seed: int) -> Program:
    """One to four layers of any kind, chained or reading any earlier one."""
    random = np.random.default_rng(seed)
    shape: Shape = (int(random.integers(1, 4)), int(random.integers(2, 9)), int(random.integers(2, 9)))
    first, source, zeros = shape, INPUT, random.random() < 0.4
    layers: list[tuple[Shape, IntArray | None, str, Synapses]] = []
    shapes = {INPUT: shape}
    for n in range(int(random.integers(1, 5))):
        if random.random() < 0.25:
            source = str(random.choice(list(shapes)))
        shape, synapses = _random_synapses(random, shapes[source], zeros)
        distinct = random.integers(1, 6, (shape[0], 1, 1)) if random.random() < 0.4 else np.array(9)
        layers.append((shape, distinct, source, synapses))
        source = f"layer{n}"
        shapes[source] = shape
    return program_of(first, layers)


def random_target(seed: int) -> Target:
    """Loihi with random limits, with and without population axons."""
    random = np.random.default_rng(seed)

    def some(low: int, high: int) -> int | None:
        return int(random.integers(low, high)) if random.random() < 0.6 else None

    target = small_target(some(12, 200), some(30, 200), some(20, 300), some(4_000, 60_000), some(2, 8))
    limits = LOIHI.synapses
    form = replace(
        limits,
        axon_base_maximum=number_of(int(random.choice([7, 31, 255]))),
        population_axons=limits.population_axons if random.random() < 0.8 else None,
        shared_axons=limits.shared_axons if random.random() < 0.8 else None,
    )
    return replace(target, synapses=form)


def full_matrix(program: Program, projection: Projection) -> IntArray:
    """Weights (targets, sources) of a projection by the definition of its synapses."""
    synapses = projection.synapses
    source, target = map_of(program.source_shape(projection)), map_of(program.population(projection.target).shape)
    matrix = np.zeros((math.prod(target), math.prod(source)), dtype=np.int64)
    if isinstance(synapses, DenseSynapses):
        return synapses.weight
    if isinstance(synapses, SparseSynapses):
        matrix[synapses.target, synapses.source] = synapses.weight
        return matrix
    g, (outputs, inputs, rows, columns) = synapses.geometry, synapses.weight.shape
    o = np.arange(outputs)[:, None]
    channel = o // (outputs // g.groups) * inputs + np.arange(inputs)
    for k, m, y, x in itertools.product(range(rows), range(columns), range(target[1]), range(target[2])):
        r = y * g.stride[0] - g.padding[0] + k * g.dilation[0]
        c = x * g.stride[1] - g.padding[1] + m * g.dilation[1]
        if 0 <= r < source[1] and 0 <= c < source[2]:
            to, of = (o * target[1] + y) * target[2] + x, (channel * source[1] + r) * source[2] + c
            matrix[to, of] += synapses.weight[:, :, k, m]
    return matrix
