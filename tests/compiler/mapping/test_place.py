from __future__ import annotations

import itertools
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from spikec import targets
from spikec.compiler.mapping import LayerPlacement, Placement, place
from spikec.compiler.mapping.boxes import tile_sizes
from spikec.runtime.program import (
    INPUT,
    ConvSynapses,
    DenseSynapses,
    IntArray,
    Program,
    Projection,
    Shape,
    SparseSynapses,
    Synapses,
)
from spikec.runtime.program.geometry import ConvGeometry
from spikec.targets import Number, Status, Target
from spikec.targets.schema import Core

from .programs import conv_program, full_matrix, program_of, random_program, random_target, small_target
from .recount import recount

RESOURCES = ("neurons", "input axons", "output axons", "synapse memory", "threshold configurations")


def _with_distinct_weights(program: Program) -> Program:
    """``program`` with a weight of its own at every tap of a kernel, so that no lists are equal by chance."""

    def distinct(projection: Projection) -> Projection:
        synapses = projection.synapses
        if not isinstance(synapses, ConvSynapses):
            return projection
        weight = np.arange(1, synapses.weight.size + 1).reshape(synapses.weight.shape) * (synapses.weight != 0)
        return replace(projection, synapses=replace(synapses, weight=weight))

    return replace(program, projections=tuple(map(distinct, program.projections)))


def _check_every_core(program: Program, target: Target) -> Placement:
    """Place ``program``, count every core again, and compare.

    The counts are the same unless weights are zero, or equal in cells that the target cannot use: what could be left
    out then is counted, and lists that are equal by the chance of their weights are counted apart.
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
    of_taps, _ = recount(_with_distinct_weights(program), target, placement, decode=False)
    for name, used in placement.use.items():
        counted = np.array([cores[core].amounts()[name] for core in range(placement.cores)])
        assert (used >= counted).all(), name
        # Boxes that share a core are counted with indices into all of it.
        is_exact = np.full(placement.cores, exact) & (boxes_on == 1)
        taps = np.array([of_taps[core].amounts()[name] for core in range(placement.cores)])
        assert (used == taps)[is_exact].all(), name
    for layer in placement.layers:
        alone = [of_taps[int(core)].amounts() for core in layer.core.ravel() if boxes_on[core] == 1]
        if len(alone) < layer.boxes:
            continue
        for use in layer.uses:
            most = max(each[use.name] for each in alone)
            assert use.used == most if exact else use.used >= most, (layer, use, most)
    for projection in program.projections:
        assert np.array_equal(decoded[projection.name], full_matrix(program, projection))
    return placement


@settings(deadline=None, max_examples=200)
@given(seed=st.integers(0, 2**32 - 1))
@example(seed=6708)
@example(seed=2189)
@example(seed=3079)
@example(seed=8731)
def test_counts_equal_those_of_every_single_synapse(seed: int) -> None:
    _check_every_core(random_program(seed), random_target(seed))


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**32 - 1))
@example(seed=213)
def test_sharing_never_takes_more_cores(seed: int) -> None:
    program, target = random_program(seed), random_target(seed)
    unrolled = _without_population_axons(target)
    apart = replace(unrolled, synapses=replace(unrolled.synapses, shared_axons=None))
    placement = place(program, target)
    assert placement.cores <= place(program, apart).cores or not place(program, apart).placeable


def test_a_projection_of_no_synapse_needs_nothing() -> None:
    nothing = SparseSynapses.of_matrix(np.zeros((4, 6), dtype=np.int64))
    layer = place(program_of((6,), [((4,), None, INPUT, nothing)]), small_target()).layers[0]
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
    program = program_of((32, 32, 32), [((32, 64, 64), None, INPUT, SparseSynapses(target * 0 + 2, source, target))])
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
    program = program_of((3, 2, 2), [first, ((4,), None, "layer0", DenseSynapses(sparse))])
    placement = _check_every_core(program, small_target(neurons=4))
    assert placement.layers[1].use("input axons").used == 1


def _without_population_axons(target: Target) -> Target:
    return replace(target, synapses=replace(target.synapses, population_axons=None))


@pytest.mark.parametrize("slack", [-1, 0, 1])
@pytest.mark.parametrize("resource", RESOURCES)
def test_layer_is_divided_exactly_beyond_the_limit(resource: str, slack: int) -> None:
    weight = np.full((4, 2, 3, 3), 2)
    thresholds = np.array([3, 4, 5, 6]).reshape(4, 1, 1)
    first = ((4, 4, 4), thresholds, INPUT, ConvSynapses(weight, ConvGeometry(padding=(1, 1, 1, 1))))
    program = program_of((2, 4, 4), [first, ((3,), None, "layer0", DenseSynapses(np.full((3, 64), 2)))])
    whole = place(program, _without_population_axons(small_target())).layers[0]
    assert whole.cores == 1
    limit = whole.use(resource).used + slack
    name = dict(zip(RESOURCES, ("neurons", "inputs", "outputs", "memory", "thresholds"), strict=True))[resource]
    layer = place(program, _without_population_axons(small_target(**{name: limit}))).layers[0]
    assert (layer.cores > 1) == (slack < 0)
    assert layer.use(resource).used <= limit
    assert layer.placeable


def test_no_other_division_takes_fewer_cores() -> None:
    program = conv_program(2, (7, 5), 6, 3, ConvGeometry(padding=(1, 1, 1, 1)))
    placement = place(program, small_target(neurons=30, inputs=40))
    best = placement.layers[0].cores
    sizes = [range(1, n + 1) for n in (6, 7, 5)]
    for c, h, w in itertools.product(*sizes):
        rows, columns = min(h + 2, 7), min(w + 2, 5)
        # The box that touches neither border reads most; near a border the map ends.
        if 2 * c * h * w <= 30 and 2 * rows * columns <= 40:
            assert -(-6 // c) * -(-7 // h) * -(-5 // w) >= best


def test_single_neuron_over_the_limit_is_said_and_the_rest_still_placed() -> None:
    program = conv_program(4, (5, 5), 4, 3, ConvGeometry())

    def placed(inputs: int, *, population_axons: bool) -> LayerPlacement:
        target = small_target(inputs=inputs, neurons=8)
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
    program = program_of((4,), [((10,), None, INPUT, DenseSynapses(np.full((10, 4), 2)))])
    two = small_target(neurons=10)
    one = replace(two, neuron=replace(two.neuron, compartments_per_neuron=Number(1, "", "", Status.MEASURED)))
    assert place(program, two).cores == 2
    assert place(program, one).cores == 1


def test_two_projections_add_up() -> None:
    weight = np.full((2, 2, 1, 1), 2)
    first = ((2, 3, 3), np.array(5), INPUT, ConvSynapses(weight, ConvGeometry()))
    program = program_of((2, 3, 3), [first, ((2, 3, 3), None, "layer0", ConvSynapses(weight, ConvGeometry()))])
    skip = Projection("skip", INPUT, "layer1", ConvSynapses(weight, ConvGeometry()), delay=1)
    program = replace(program, projections=(*program.projections, skip))
    placement = _check_every_core(program, small_target())
    # A pixel of each source is an axon, its channels are atoms.
    assert placement.layers[1].use("input axons").used == 2 * 9


def test_every_reader_costs_output_axons() -> None:
    weight = np.arange(2, 74, 2).reshape(2, 2, 3, 3)
    padded = ConvSynapses(weight, ConvGeometry(padding=(1, 1, 1, 1)))
    shape = (2, 4, 4)
    layers = [(shape, np.array(5), source, padded) for source in (INPUT, "layer0", "layer1")]
    program = program_of(shape, [*layers[:2], (shape, None, "layer1", padded)])
    skip = Projection("skip", "layer0", "layer2", padded, delay=1)
    program = replace(program, projections=(*program.projections, skip))
    placement = _check_every_core(program, small_target(neurons=16))
    assert all(layer.cores == 4 for layer in placement.layers)


def test_pixels_share_lists_of_synapses() -> None:
    """A 3x3 kernel over a whole map has 3 kinds of rows and columns; with a border one list serves every pixel."""
    weight = np.random.default_rng(1).integers(1, 127, (20, 3, 3, 3)) * 2
    padded = ConvSynapses(weight, ConvGeometry(padding=(1, 1, 1, 1)))
    program = program_of((3, 6, 6), [((20, 6, 6), None, INPUT, padded)])
    one = _with_one_compartment(small_target())
    lists = [_bits_of_list(20 * 3 * rows * columns, 8 + 10) for rows in (2, 3, 2) for columns in (2, 3, 2)]
    whole = _check_every_core(program, one).layers[0]
    assert whole.border.lined == (False, False)
    assert whole.use("synapse memory").used == sum(lists)
    lined = _check_every_core(program, _with_one_compartment(small_target(memory=15_000))).layers[0]
    entry = 8 + 11  # weight, and an index of 20 x 8 x 8 places
    assert lined.border.lined == (True, True)
    assert lined.use("neurons").used == 20 * 8 * 8
    assert lined.use("synapse memory").used == _bits_of_list(20 * 3 * 9, entry)


def test_an_index_reaches_the_last_place_after_the_shift() -> None:
    """Five maps of 11x11 have 605 places; lists shifted to their first place name no more than 509 of them."""
    weight = np.random.default_rng(1).integers(1, 127, (5, 3, 3, 3)) * 2
    padded = ConvSynapses(weight, ConvGeometry(padding=(1, 1, 1, 1)))
    program = program_of((3, 11, 11), [((5, 11, 11), None, INPUT, padded)])
    layer = _check_every_core(program, _with_one_compartment(small_target())).layers[0]
    lists = [_bits_of_list(5 * 3 * rows * columns, 8 + 9) for rows in (2, 3, 2) for columns in (2, 3, 2)]
    assert layer.use("synapse memory").used == sum(lists)


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
    program = program_of((1, 8, 8), [first, second, ((5,), None, "layer1", DenseSynapses(dense))])
    placement = _check_every_core(program, small_target())
    assert [layer.held[0].pool for layer in placement.layers] == [(1, 1), (2, 2), (3, 3)]
    assert [layer.use("input axons").used for layer in placement.layers] == [64, 16, 4]
    unequal = kernel.copy()
    unequal[0, 0, 0, 0] += 2
    second = ((4, 3, 3), np.array(9), "layer0", ConvSynapses(unequal, ConvGeometry(stride=(2, 2))))
    other = place(program_of((1, 8, 8), [first, second]), small_target())
    assert other.layers[1].use("input axons").used == 64


def test_a_chip_that_holds_kernels_once() -> None:
    program = conv_program(8, (16, 16), 16, 3, ConvGeometry(padding=(1, 1, 1, 1)))
    target = replace(targets.load("loihi2"), core=Core())
    layer = place(program, target).layers[0]
    assert layer.held[0].form == "kernel"
    assert layer.use("synapse memory").used == layer.stored_once * layer.weight_bits
    unrolled = replace(target, synapses=replace(target.synapses, kernels_once=None))
    assert place(program, unrolled).layers[0].use("synapse memory").used == layer.synapses * layer.weight_bits


def test_small_layers_share_a_core() -> None:
    weight = np.full((2, 2, 1, 1), 2)
    layers = [((2, 3, 3), np.array(5), source, ConvSynapses(weight, ConvGeometry())) for source in (INPUT, "layer0")]
    program = program_of((2, 3, 3), [*layers, ((4,), None, "layer1", DenseSynapses(np.full((4, 18), 2)))])
    placement = _check_every_core(program, small_target(neurons=90))
    assert placement.cores == 1
    assert all((layer.core == 0).all() for layer in placement.layers)
    assert _check_every_core(program, small_target(neurons=40)).cores == 3


def test_distinct_thresholds_divide_by_channel() -> None:
    thresholds = np.arange(1, 17).reshape(16, 1, 1)
    first = ((16, 4, 4), thresholds, INPUT, ConvSynapses(np.full((16, 1, 1, 1), 2), ConvGeometry()))
    layer = place(program_of((1, 4, 4), [first]), small_target(thresholds=8)).layers[0]
    assert (layer.boxes, layer.cores_any_threshold, layer.threshold_configurations) == (2, 1, 16)
    assert layer.tile == (8, 4, 4)


def test_thresholds_per_neuron() -> None:
    thresholds = np.arange(1, 9).reshape(1, 2, 4)
    first = ((1, 2, 4), thresholds, INPUT, ConvSynapses(np.full((1, 1, 1, 1), 2), ConvGeometry()))
    layer = place(program_of((1, 2, 4), [first]), small_target(thresholds=4)).layers[0]
    assert layer.use("threshold configurations").used <= 4
    assert layer.cores == 2


def test_without_limits_a_layer_is_one_core() -> None:
    program = conv_program(4, (9, 9), 8, 3, ConvGeometry())
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
    program = program_of((3, 32, 32), layers)
    began = time.process_time()
    placement = place(program, targets.load("loihi1"))
    # Placing neuron by neuron would take minutes.
    assert time.process_time() - began < 10
    assert placement.layers[0].cores > 64
