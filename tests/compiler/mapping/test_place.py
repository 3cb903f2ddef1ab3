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
from spikec.compiler.mapping.boxes import tile_sizes
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

from .recount import full_matrix, recount

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


def _check_every_core(program: Program, target: Target) -> Placement:
    """Place ``program``, count every core again, and compare.

    The counts are the same unless weights are zero, or equal in cells that the target cannot use: what could be left
    out then is counted.
    """
    placement = place(program, target)
    cores, decoded = recount(program, target, placement)
    assert set(cores) == set(range(placement.cores))
    limits = {use.name: use.limit for use in placement.layers[0].uses}
    loose = {use.name for layer in placement.layers for use in layer.uses if use.unplaceable}
    for count in cores.values():
        assert len(count.first_boxes) <= 1
        for name, amount in count.amounts().items():
            limit = limits[name]
            assert limit is None or name in loose or amount <= limit.value
    boxes_on = np.bincount(np.concatenate([layer.core.ravel() for layer in placement.layers]))
    without_zeros = all((p.synapses.weight != 0).all() for p in program.projections)
    exact = without_zeros and target.synapses.shared_axons is not None
    for layer in placement.layers:
        alone = [cores[int(core)].amounts() for core in layer.core.ravel() if boxes_on[core] == 1]
        if len(alone) < layer.boxes:
            continue
        for use in layer.uses:
            most = max(each[use.name] for each in alone)
            assert use.used == most if exact else use.used >= most, (layer, use, most)
    for projection in program.projections:
        assert np.array_equal(decoded[projection.name], full_matrix(program, projection))
    return placement


def _sparse(random: np.random.Generator, targets: int, sources: int, density: float) -> SparseSynapses:
    weight = 2 * random.integers(1, 60, (targets, sources))
    return SparseSynapses.of_matrix(weight * (random.random(weight.shape) < density))


def _random_synapses(random: np.random.Generator, source: Shape, zeros: bool) -> tuple[Shape, Synapses]:
    """Synapses of any kind that read a map, and the map that they give."""
    kind = random.choice(["convolution", "pooled", "dense", "sparse"], p=[0.5, 0.2, 0.15, 0.15])
    rows, columns = source[1:]
    if kind == "sparse":
        return (4, 1, 1), _sparse(random, 4, int(np.prod(source)), 0.3)
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


def _random_program(seed: int) -> Program:
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
    return _program(first, layers)


def _random_target(seed: int) -> Target:
    random = np.random.default_rng(seed)

    def some(low: int, high: int) -> int | None:
        return int(random.integers(low, high)) if random.random() < 0.6 else None

    target = _target(some(12, 200), some(30, 200), some(20, 300), some(4_000, 60_000), some(2, 8))
    limits = targets.load("loihi1").synapses
    form = replace(
        limits,
        axon_base_maximum=_number(int(random.choice([7, 31, 255]))),
        population_axons=limits.population_axons if random.random() < 0.8 else None,
        shared_axons=limits.shared_axons if random.random() < 0.8 else None,
    )
    return replace(target, synapses=form)


@settings(deadline=None, max_examples=200)
@given(seed=st.integers(0, 2**32 - 1))
def test_counts_equal_those_of_every_single_synapse(seed: int) -> None:
    _check_every_core(_random_program(seed), _random_target(seed))


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
    placement = _check_every_core(program, _target(neurons=4))
    assert placement.layers[1].use("input axons").used == 1


def _without_population_axons(target: Target) -> Target:
    return replace(target, synapses=replace(target.synapses, population_axons=None))


@pytest.mark.parametrize("slack", [-1, 0, 1])
@pytest.mark.parametrize("resource", RESOURCES)
def test_layer_is_divided_exactly_beyond_the_limit(resource: str, slack: int) -> None:
    weight = np.full((4, 2, 3, 3), 2)
    thresholds = np.array([3, 4, 5, 6]).reshape(4, 1, 1)
    first = ((4, 4, 4), thresholds, INPUT, ConvSynapses(weight, ConvGeometry(padding=(1, 1, 1, 1))))
    program = _program((2, 4, 4), [first, ((3,), None, "layer0", DenseSynapses(np.full((3, 64), 2)))])
    whole = place(program, _without_population_axons(_target())).layers[0]
    assert whole.cores == 1
    limit = whole.use(resource).used + slack
    name = dict(zip(RESOURCES, ("neurons", "inputs", "outputs", "memory", "thresholds"), strict=True))[resource]
    layer = place(program, _without_population_axons(_target(**{name: limit}))).layers[0]
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

    def placed(inputs: int, *, population_axons: bool) -> LayerPlacement:
        target = _target(inputs=inputs, neurons=8)
        return place(program, target if population_axons else _without_population_axons(target)).layers[0]

    layer = placed(35, population_axons=False)
    assert not layer.placeable
    assert layer.use("input axons").single_neuron == 36
    assert layer.use("neurons").used <= 8
    assert layer.boxes == 9
    assert placed(36, population_axons=False).placeable
    assert placed(9, population_axons=True).placeable
    assert not placed(8, population_axons=True).placeable


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
    placement = _check_every_core(program, _target())
    # A pixel of each source is an axon, its channels are atoms.
    assert placement.layers[1].use("input axons").used == 2 * 9


def test_every_reader_costs_output_axons() -> None:
    weight = np.arange(2, 74, 2).reshape(2, 2, 3, 3)
    padded = ConvSynapses(weight, ConvGeometry(padding=(1, 1, 1, 1)))
    shape = (2, 4, 4)
    layers = [(shape, np.array(5), source, padded) for source in (INPUT, "layer0", "layer1")]
    program = _program(shape, [*layers[:2], (shape, None, "layer1", padded)])
    skip = Projection("skip", "layer0", "layer2", padded, delay=1)
    program = replace(program, projections=(*program.projections, skip))
    placement = _check_every_core(program, _target(neurons=16))
    assert all(layer.cores == 4 for layer in placement.layers)


def test_pixels_share_lists_of_synapses() -> None:
    """A 3x3 kernel over a whole map has 3 kinds of rows and columns; with a border one list serves every pixel."""
    weight = np.random.default_rng(1).integers(1, 127, (20, 3, 3, 3)) * 2
    padded = ConvSynapses(weight, ConvGeometry(padding=(1, 1, 1, 1)))
    program = _program((3, 6, 6), [((20, 6, 6), None, INPUT, padded)])
    one = _with_one_compartment(_target())
    lists = [_bits_of_list(20 * 3 * rows * columns, 8 + 10) for rows in (2, 3, 2) for columns in (2, 3, 2)]
    whole = _check_every_core(program, one).layers[0]
    assert whole.border.lined == (False, False)
    assert whole.use("synapse memory").used == sum(lists)
    lined = _check_every_core(program, _with_one_compartment(_target(memory=15_000))).layers[0]
    entry = 8 + 11  # weight, and an index of 20 x 8 x 8 places
    assert lined.border.lined == (True, True)
    assert lined.use("neurons").used == 20 * 8 * 8
    assert lined.use("synapse memory").used == _bits_of_list(20 * 3 * 9, entry)


def _with_one_compartment(target: Target) -> Target:
    return replace(target, neuron=replace(target.neuron, compartments_per_neuron=Number(1, "", "", Status.MEASURED)))


def _bits_of_list(entries: int, bits: int) -> int:
    return sum(-(-(min(64, entries - block) * bits + 10) // 64) * 64 for block in range(0, entries, 64))


def test_a_pool_is_read_by_cells() -> None:
    """Neurons of a folded pool send to one axon, whatever the layer behind it."""
    weight = np.random.default_rng(1).integers(1, 127, (4, 3, 2, 2)) * 2
    kernel = np.repeat(np.repeat(weight, 2, axis=2), 2, axis=3)
    first = ((3, 8, 8), np.array(9), INPUT, ConvSynapses(np.full((3, 1, 1, 1), 2), ConvGeometry()))
    second = ((4, 3, 3), np.array(9), "layer0", ConvSynapses(kernel, ConvGeometry(stride=(2, 2))))
    dense = np.repeat(np.random.default_rng(2).integers(1, 127, (5, 4)) * 2, 9, axis=1)
    program = _program((1, 8, 8), [first, second, ((5,), None, "layer1", DenseSynapses(dense))])
    placement = _check_every_core(program, _target())
    assert [layer.held[0].pool for layer in placement.layers] == [(1, 1), (2, 2), (3, 3)]
    assert [layer.use("input axons").used for layer in placement.layers] == [64, 16, 4]
    unequal = kernel.copy()
    unequal[0, 0, 0, 0] += 2
    second = ((4, 3, 3), np.array(9), "layer0", ConvSynapses(unequal, ConvGeometry(stride=(2, 2))))
    other = place(_program((1, 8, 8), [first, second]), _target())
    assert other.layers[1].use("input axons").used == 64


def test_a_chip_that_holds_kernels_once() -> None:
    program = _conv_program(8, (16, 16), 16, 3, ConvGeometry(padding=(1, 1, 1, 1)))
    target = replace(targets.load("loihi2"), core=Core())
    layer = place(program, target).layers[0]
    assert layer.held[0].form == "kernel"
    assert layer.use("synapse memory").used == layer.stored_once * layer.weight_bits
    unrolled = replace(target, synapses=replace(target.synapses, kernels_once=None))
    assert place(program, unrolled).layers[0].use("synapse memory").used == layer.synapses * layer.weight_bits


def test_small_layers_share_a_core() -> None:
    weight = np.full((2, 2, 1, 1), 2)
    layers = [((2, 3, 3), np.array(5), source, ConvSynapses(weight, ConvGeometry())) for source in (INPUT, "layer0")]
    program = _program((2, 3, 3), [*layers, ((4,), None, "layer1", DenseSynapses(np.full((4, 18), 2)))])
    placement = _check_every_core(program, _target(neurons=90))
    assert placement.cores == 1
    assert all((layer.core == 0).all() for layer in placement.layers)
    assert _check_every_core(program, _target(neurons=40)).cores == 3


def test_distinct_thresholds_divide_by_channel() -> None:
    thresholds = np.arange(1, 17).reshape(16, 1, 1)
    first = ((16, 4, 4), thresholds, INPUT, ConvSynapses(np.full((16, 1, 1, 1), 2), ConvGeometry()))
    layer = place(_program((1, 4, 4), [first]), _target(thresholds=8)).layers[0]
    assert (layer.boxes, layer.cores_any_threshold, layer.threshold_configurations) == (2, 1, 16)
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
    assert placement.cores == 2


def test_a_large_network_is_placed_in_seconds() -> None:
    layers: list[tuple[Shape, IntArray | None, str, Synapses]] = []
    channels, source = 3, INPUT
    for i, outputs in enumerate((64, 64, 128, 128, 256, 256)):
        weight = np.full((outputs, channels, 3, 3), 2)
        layers.append(((outputs, 32, 32), np.array(9), source, ConvSynapses(weight, ConvGeometry(padding=(1,) * 4))))
        channels, source = outputs, f"layer{i}"
    program = _program((3, 32, 32), layers)
    began = time.process_time()
    placement = place(program, targets.load("loihi1"))
    # Placing neuron by neuron would take minutes.
    assert time.process_time() - began < 10
    assert placement.layers[0].cores > 64
