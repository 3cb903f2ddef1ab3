from __future__ import annotations

import itertools
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikec import targets
from spikec.compiler.mapping import LayerPlacement, Placement, place
from spikec.compiler.mapping.boxes import BoolArray, tile_sizes
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

RESOURCES = ("neurons", "input axons", "output axons", "synapse memory", "threshold configurations")


def _number(value: int | None) -> Number | None:
    return None if value is None else Number(value, "test units", "a test", Status.MEASURED)


def _target(
    neurons: int | None = None,
    inputs: int | None = None,
    outputs: int | None = None,
    memory: int | None = None,
    thresholds: int | None = None,
) -> Target:
    loihi = targets.load("loihi1")
    core = Core(
        neurons=_number(neurons),
        input_axons=_number(inputs),
        output_axons=_number(outputs),
        synapse_memory_bits=_number(memory),
    )
    neuron = replace(loihi.neuron, threshold_configurations=_number(thresholds))
    return replace(loihi, core=core, neuron=neuron, chip=Chip())


def _population(name: str, shape: Shape, threshold: IntArray | None, depth: int = 1) -> Population:
    return Population(name, shape, threshold, np.array(0), np.array(0), depth)


def _program(input_shape: Shape, layers: list[tuple[Shape, IntArray | None, str, Synapses]]) -> Program:
    populations = tuple(
        _population(f"layer{i}", shape, threshold, i + 1) for i, (shape, threshold, _, _) in enumerate(layers)
    )
    projections = tuple(
        Projection(f"{source}->layer{i}", source, f"layer{i}", synapses)
        for i, (_, _, source, synapses) in enumerate(layers)
    )
    encoding = InputEncoding(input_shape, tuple(range(len(input_shape))), input_shape, 1 / 255, 0, 255)
    return Program("net", "loihi1", "pipelined", 2, -131072, 131071, encoding, populations, projections)


def _conv_program(
    channels: int, size: tuple[int, int], outputs: int, kernel: int, geometry: ConvGeometry, seed: int = 0
) -> Program:
    weight = np.random.default_rng(seed).integers(1, 100, (outputs, channels // geometry.groups, kernel, kernel)) * 2
    shape = (outputs, *geometry.output_size(size, (kernel, kernel)))
    first = (shape, np.array(9), INPUT, ConvSynapses(weight, geometry))
    dense = np.full((3, int(np.prod(shape))), 2)
    return _program((channels, *size), [first, ((3,), None, "layer0", DenseSynapses(dense))])


def _links(program: Program, projection: Projection) -> BoolArray:
    """Every synapse of a projection, by the definition: (targets, sources), True where a synapse is."""
    synapses = projection.synapses
    if isinstance(synapses, DenseSynapses):
        return np.asarray(synapses.weight != 0)
    source = program.source_shape(projection)
    target = program.population(projection.target).shape
    if isinstance(synapses, SparseSynapses):
        drawn = np.zeros((int(np.prod(target)), int(np.prod(source))), dtype=bool)
        drawn[synapses.target, synapses.source] = True
        return drawn
    geometry = synapses.geometry
    outputs, inputs, rows, columns = synapses.weight.shape
    linked = np.zeros((*target, *source), dtype=bool)
    for o, y, x, i, k, m in itertools.product(*map(range, (*target, inputs, rows, columns))):
        row = y * geometry.stride[0] + k * geometry.dilation[0] - geometry.padding[0]
        column = x * geometry.stride[1] + m * geometry.dilation[1] - geometry.padding[1]
        if 0 <= row < source[1] and 0 <= column < source[2] and synapses.weight[o, i, k, m]:
            linked[o, y, x, o // (outputs // geometry.groups) * inputs + i, row, column] = True
    return linked.reshape(int(np.prod(target)), -1)


def _cores(layer: LayerPlacement) -> IntArray:
    """Core of each neuron of a layer, in C order."""
    axes = [np.arange(n) // t for n, t in zip(layer.map, layer.tile, strict=True)]
    number = (axes[0][:, None, None] * layer.splits[1] + axes[1][:, None]) * layer.splits[2] + axes[2]
    return np.asarray(number).ravel()


def _check_against_synapses(program: Program, placement: Placement, *, sparse_readers: bool = False) -> None:
    for population in program.populations:
        layer = placement.layer(population.name)
        core = _cores(layer)
        assert layer.cores == core.max() + 1
        into = [_links(program, p) for p in program.incoming(population.name)]
        out = [p for p in program.projections if p.source == population.name]
        needed = dict.fromkeys(("neurons", "input axons", "output axons"), 0)
        for number in range(layer.cores):
            here = core == number
            sent = 0
            for projection in out:
                reader_core = _cores(placement.layer(projection.target))
                links = _links(program, projection)[:, here]
                sent += sum(int(links[reader_core == c].any(axis=0).sum()) for c in range(reader_core.max() + 1))
            axons = sum(int(linked[here].any(axis=0).sum()) for linked in into)
            amounts = (int(here.sum()) * 2, axons, sent)
            needed = {name: max(needed[name], amount) for name, amount in zip(needed, amounts, strict=True)}
        assert layer.synapses == sum(int(linked.sum()) for linked in into)
        used = {name: layer.use(name).used for name in needed}
        assert used["output axons"] >= needed["output axons"]
        if sparse_readers:
            used["output axons"] = needed["output axons"]
        assert used == needed


@settings(deadline=None, max_examples=25)
@given(
    groups=st.sampled_from([1, 2]),
    size=st.tuples(st.integers(3, 6), st.integers(3, 6)),
    kernel=st.integers(1, 3),
    stride=st.integers(1, 2),
    padding=st.tuples(*[st.integers(0, 1)] * 4),
    neurons=st.integers(4, 60),
)
def test_counts_equal_those_of_every_single_synapse(
    groups: int, size: tuple[int, int], kernel: int, stride: int, padding: tuple[int, int, int, int], neurons: int
) -> None:
    geometry = ConvGeometry((stride, stride), padding, groups=groups)
    program = _conv_program(2, size, 4, kernel, geometry)
    _check_against_synapses(program, place(program, _target(neurons=neurons, inputs=50)))


def _sparse(random: np.random.Generator, targets: int, sources: int, density: float) -> SparseSynapses:
    weight = 2 * random.integers(-60, 60, (targets, sources))
    return SparseSynapses.of_matrix(weight * (random.random(weight.shape) < density))


@settings(deadline=None, max_examples=25)
@given(
    seed=st.integers(0, 2**32 - 1),
    density=st.sampled_from([0.02, 0.1, 0.5]),
    neurons=st.integers(4, 40),
    flat=st.tuples(st.booleans(), st.booleans()),
)
def test_sparse_counts_equal_those_of_every_single_synapse(
    seed: int, density: float, neurons: int, flat: tuple[bool, bool]
) -> None:
    random = np.random.default_rng(seed)
    shapes: list[Shape] = [(24,) if is_flat else (2, 3, 4) for is_flat in flat]
    first = (shapes[0], np.array(9), INPUT, _sparse(random, 24, 36, density))
    program = _program((3, 4, 3), [first, (shapes[1], None, "layer0", _sparse(random, 24, 24, density))])
    _check_against_synapses(program, place(program, _target(neurons=neurons, inputs=30)))


def test_sparse_memory_is_that_of_its_synapses() -> None:
    synapses = _sparse(np.random.default_rng(0), 24, 36, 0.3)
    program = _program((3, 4, 3), [((2, 3, 4), None, INPUT, synapses)])
    layer = place(program, _target()).layers[0]
    assert layer.shared_weights == layer.synapses == len(synapses.weight)
    linked = _links(program, program.projections[0])
    axons = int(linked.any(axis=0).sum())
    entry = 8 + 6  # weight, and the narrowest index
    padding = 10 + 63  # header of a block, and the rest of a word
    expected = layer.synapses * entry + (axons + layer.synapses // 64) * padding
    assert layer.use("synapse memory").used == expected
    assert layer.use("synapse memory").single_neuron < expected
    assert layer.cores_shared == layer.cores == 1


def test_a_projection_of_no_synapse_needs_nothing() -> None:
    nothing = SparseSynapses.of_matrix(np.zeros((4, 6), dtype=np.int64))
    layer = place(_program((6,), [((4,), None, INPUT, nothing)]), _target()).layers[0]
    assert layer.synapses == layer.use("input axons").used == layer.use("synapse memory").used == 0


def test_sizes_of_boxes_are_thinned_evenly() -> None:
    assert tile_sizes(28).tolist() == [1, 2, 3, 4, 5, 6, 7, 10, 14, 28]
    assert tile_sizes(28, 10).tolist() == tile_sizes(28).tolist()
    assert tile_sizes(28, 4).tolist() == [1, 3, 10, 28]
    assert tile_sizes(1, 4).tolist() == [1]
    assert tile_sizes(2, 1).tolist() == [1, 2]
    assert {int(tile_sizes(n, m)[i]) for n in range(2, 60) for m in (2, 5) for i in (0,)} == {1}
    assert all(tile_sizes(n, m)[-1] == n and len(tile_sizes(n, m)) <= m for n in range(2, 60) for m in (2, 5))


def test_a_large_sparse_layer_is_placed_in_seconds() -> None:
    """Nearest-neighbour resizing of 32 maps from 32x32 to 64x64: 131,072 synapses."""
    target = np.arange(32 * 64 * 64)
    channel, row, column = np.unravel_index(target, (32, 64, 64))
    source = np.ravel_multi_index((channel, row // 2, column // 2), (32, 32, 32))
    program = _program((32, 32, 32), [((32, 64, 64), None, INPUT, SparseSynapses(target * 0 + 2, source, target))])
    began = time.perf_counter()
    layer = place(program, targets.load("loihi1")).layers[0]
    assert time.perf_counter() - began < 20
    assert layer.synapses == 131_072
    assert layer.cores >= 131_072 // 1024
    assert layer.use("input axons").used <= layer.use("neurons").used


def test_channels_without_weights_need_no_axons() -> None:
    weight = np.zeros((2, 3, 1, 1), dtype=np.int64)
    weight[0, 1], weight[1, 2] = 2, 2
    first = ((2, 2, 2), np.array(5), INPUT, ConvSynapses(weight, ConvGeometry()))
    sparse = np.zeros((4, 8), dtype=np.int64)
    sparse[:2, 0], sparse[2:, 5] = 2, 2
    program = _program((3, 2, 2), [first, ((4,), None, "layer0", DenseSynapses(sparse))])
    placement = place(program, _target(neurons=4))
    assert placement.layers[1].use("input axons").used == 1
    # The fan-out into all-to-all synapses with zeros is bounded per channel, not per neuron.
    _check_against_synapses(program, placement, sparse_readers=True)


@pytest.mark.parametrize("slack", [-1, 0, 1])
@pytest.mark.parametrize("resource", RESOURCES)
def test_layer_is_divided_exactly_beyond_the_limit(resource: str, slack: int) -> None:
    weight = np.full((4, 2, 3, 3), 2)
    thresholds = np.array([3, 4, 5, 6]).reshape(4, 1, 1)
    first = ((4, 4, 4), thresholds, INPUT, ConvSynapses(weight, ConvGeometry(padding=(1, 1, 1, 1))))
    program = _program((2, 4, 4), [first, ((3,), None, "layer0", DenseSynapses(np.full((3, 64), 2)))])
    whole = place(program, _target()).layers[0]
    assert whole.cores == 1
    limit = whole.use(resource).used + slack
    name = dict(zip(RESOURCES, ("neurons", "inputs", "outputs", "memory", "thresholds"), strict=True))[resource]
    layer = place(program, _target(**{name: limit})).layers[0]
    assert (layer.cores > 1) == (slack < 0)
    assert layer.use(resource).used <= limit
    assert layer.placeable


def test_no_other_division_takes_fewer_cores() -> None:
    program = _conv_program(2, (7, 5), 6, 3, ConvGeometry(padding=(1, 1, 1, 1)))
    placement = place(program, _target(neurons=30, inputs=40))
    best = placement.layers[0].cores
    sizes = [range(1, n + 1) for n in (6, 7, 5)]
    for c, h, w in itertools.product(*sizes):
        rows, columns = min(h + 2, 7), min(w + 2, 5)
        # The box that touches neither border reads most; near a border the map ends.
        if 2 * c * h * w <= 30 and 2 * rows * columns <= 40:
            assert -(-6 // c) * -(-7 // h) * -(-5 // w) >= best


def test_single_neuron_over_the_limit_is_said_and_the_rest_still_placed() -> None:
    program = _conv_program(4, (5, 5), 4, 3, ConvGeometry())
    layer = place(program, _target(inputs=35, neurons=8)).layers[0]
    assert not layer.placeable
    assert layer.use("input axons").single_neuron == 36
    assert layer.use("neurons").used <= 8
    assert layer.cores == 9
    assert place(program, _target(inputs=36, neurons=8)).layers[0].placeable


def test_compartments_count_against_the_neurons_of_a_core() -> None:
    program = _program((4,), [((10,), None, INPUT, DenseSynapses(np.full((10, 4), 2)))])
    two = _target(neurons=10)
    one = replace(two, neuron=replace(two.neuron, compartments_per_neuron=Number(1, "", "", Status.MEASURED)))
    assert place(program, two).cores == 2
    assert place(program, one).cores == 1


def test_two_projections_add_up() -> None:
    weight = np.full((2, 2, 1, 1), 2)
    first = ((2, 3, 3), np.array(5), INPUT, ConvSynapses(weight, ConvGeometry()))
    program = _program((2, 3, 3), [first, ((2, 3, 3), None, "layer0", ConvSynapses(weight, ConvGeometry()))])
    skip = Projection("skip", INPUT, "layer1", ConvSynapses(weight, ConvGeometry()), delay=1)
    program = replace(program, projections=(*program.projections, skip))
    placement = place(program, _target())
    assert placement.layers[1].use("input axons").used == 2 * 18
    _check_against_synapses(program, placement)


def test_every_reader_costs_output_axons() -> None:
    weight = np.full((2, 2, 3, 3), 2)
    padded = ConvSynapses(weight, ConvGeometry(padding=(1, 1, 1, 1)))
    shape = (2, 4, 4)
    layers = [(shape, np.array(5), source, padded) for source in (INPUT, "layer0", "layer1")]
    program = _program(shape, [*layers[:2], (shape, None, "layer1", padded)])
    skip = Projection("skip", "layer0", "layer2", padded, delay=1)
    program = replace(program, projections=(*program.projections, skip))
    placement = place(program, _target(neurons=16))
    assert all(layer.cores == 4 for layer in placement.layers)
    _check_against_synapses(program, placement)


def test_memory_is_never_less_than_block_by_block() -> None:
    weight = np.random.default_rng(1).integers(1, 127, (20, 3, 3, 3)) * 2
    first = ((20, 6, 6), None, INPUT, ConvSynapses(weight, ConvGeometry(padding=(1, 1, 1, 1))))
    program = _program((3, 6, 6), [first])
    layer = place(program, _target()).layers[0]
    per_axon = _links(program, program.projections[0]).sum(axis=0)
    entry = 8 + 10  # weight, and an index of 720 neurons
    exact = 0
    for synapses in per_axon:
        for block in range(0, int(synapses), 64):
            exact += -(-(min(64, int(synapses) - block) * entry + 10) // 64) * 64
    used = layer.use("synapse memory").used
    # The bound pads the last block of each axon by a word less one bit, and headers of full blocks likewise.
    assert exact <= used <= exact * 1.05


def test_shared_kernels_take_fewer_cores() -> None:
    program = _conv_program(8, (16, 16), 16, 3, ConvGeometry(padding=(1, 1, 1, 1)))
    layer = place(program, _target(memory=200_000)).layers[0]
    assert layer.shared_weights == 16 * 8 * 9
    assert layer.synapses > layer.shared_weights
    assert layer.cores > 8
    assert layer.cores_shared == 1


def test_distinct_thresholds_divide_by_channel() -> None:
    thresholds = np.arange(1, 17).reshape(16, 1, 1)
    first = ((16, 4, 4), thresholds, INPUT, ConvSynapses(np.full((16, 1, 1, 1), 2), ConvGeometry()))
    layer = place(_program((1, 4, 4), [first]), _target(thresholds=8)).layers[0]
    assert (layer.cores, layer.cores_any_threshold, layer.threshold_configurations) == (2, 1, 16)
    assert layer.tile == (8, 4, 4)


def test_thresholds_per_neuron() -> None:
    thresholds = np.arange(1, 9).reshape(1, 2, 4)
    first = ((1, 2, 4), thresholds, INPUT, ConvSynapses(np.full((1, 1, 1, 1), 2), ConvGeometry()))
    layer = place(_program((1, 2, 4), [first]), _target(thresholds=4)).layers[0]
    assert layer.use("threshold configurations").used <= 4
    assert layer.cores == 2


def test_without_limits_a_layer_is_one_core() -> None:
    program = _conv_program(4, (9, 9), 8, 3, ConvGeometry())
    placement = place(program, targets.load("lava"))
    assert [layer.cores for layer in placement.layers] == [1, 1]
    assert placement.cores == placement.cores_shared == 2


def test_a_large_network_is_placed_in_seconds() -> None:
    layers: list[tuple[Shape, IntArray | None, str, Synapses]] = []
    channels, source = 3, INPUT
    for i, outputs in enumerate((64, 64, 128, 128, 256, 256)):
        weight = np.full((outputs, channels, 3, 3), 2)
        layers.append(((outputs, 32, 32), np.array(9), source, ConvSynapses(weight, ConvGeometry(padding=(1,) * 4))))
        channels, source = outputs, f"layer{i}"
    program = _program((3, 32, 32), layers)
    began = time.perf_counter()
    placement = place(program, targets.load("loihi1"))
    # Placing neuron by neuron would take minutes; a busy machine gets a wide margin.
    assert time.perf_counter() - began < 5
    assert placement.layers[0].cores > 64
