"""Fused sections: what a synapse adds, how networks are cut, and how many samples run side by side."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from spikec.runtime.lava import fused_synapses
from spikec.runtime.lava.fused_neurons import FusedNeurons
from spikec.runtime.lava.fused_synapses import FusedConvolution, FusedDense, Scratch, fuse_synapses, pooling
from spikec.runtime.lava.layout import Layout
from spikec.runtime.lava.recording import Recorder, Recording, read_counts, read_potentials, read_trains
from spikec.runtime.lava.sections import choose_lanes, cut, sections_of
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
from spikec.runtime.reference.network import synaptic_input

sizes = st.integers(1, 3)
NONE = np.array(0)


def one_layer(synapses: Synapses, source: Shape, target: Shape, exponent: int = 0) -> Program:
    encoding = InputEncoding(source, tuple(range(len(source))), source, 1.0, -128, 127)
    return Program(
        name="one",
        target="lava",
        schedule="pipelined",
        timesteps=2,
        state_minimum=-(1 << 31),
        state_maximum=(1 << 31) - 1,
        input=encoding,
        populations=(Population("out", target, None, NONE, NONE, 1),),
        projections=(Projection("first", INPUT, "out", synapses, exponent),),
    )


def received(program: Program, messages: IntArray) -> IntArray:
    """What the fused synapses add, in program order."""
    layout = Layout.of(program)
    fused = fuse_synapses(program, program.projections[0], layout, len(messages))
    in_port_order = layout.samples_to_port(messages).reshape(len(messages), *layout.port_shape(INPUT))
    fused.receive(np.zeros_like(in_port_order), Scratch())
    result = fused.receive(in_port_order, Scratch())
    return layout.from_port("out", result.reshape(len(messages), -1)).astype(np.int64)


def expected(program: Program, messages: IntArray) -> IntArray:
    projection, shape = program.projections[0], program.readout.shape
    return np.stack([synaptic_input(projection, message, shape).ravel() for message in messages])


@settings(deadline=None, max_examples=80)
@given(
    kernel=st.tuples(sizes, sizes),
    pool=st.tuples(sizes, sizes),
    stride=st.tuples(sizes, sizes),
    dilation=st.tuples(sizes, sizes),
    padding=st.tuples(*[st.integers(-2, 4)] * 4),
    groups=st.sampled_from([1, 2, 4]),
    largest=st.sampled_from([5, 1 << 20]),
    limit=st.sampled_from([1, 100, 1 << 19]),
    seed=st.integers(0, 1000),
)
def test_convolutions_of_any_geometry(
    kernel: tuple[int, int],
    pool: tuple[int, int],
    stride: tuple[int, int],
    dilation: tuple[int, int],
    padding: tuple[int, int, int, int],
    groups: int,
    largest: int,
    limit: int,
    seed: int,
) -> None:
    random = np.random.default_rng(seed)
    pooled = np.ones((1, 1, *pool), dtype=np.int64)
    weight = np.kron(random.integers(-largest, largest + 1, (4, 4 // groups, *kernel)), pooled)
    if pool != (1, 1):
        dilation, stride = (1, 1), (stride[0] * pool[0], stride[1] * pool[1])
    geometry = ConvGeometry(stride, padding, dilation, groups)
    rows, columns = geometry.output_size((9, 10), (weight.shape[2], weight.shape[3]))
    assume(min(rows, columns) >= 1)
    program = one_layer(ConvSynapses(weight, geometry), (4, 9, 10), (4, rows, columns), exponent=1)
    messages = random.integers(-128, 128, (3, 4, 9, 10))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fused_synapses, "UNFOLDED_VALUES", limit)
        np.testing.assert_array_equal(received(program, messages), expected(program, messages))


@pytest.mark.parametrize("shape", [(2, 3, 4), (24,)])
def test_dense_between_maps_and_vectors(shape: Shape) -> None:
    random = np.random.default_rng(0)
    program = one_layer(DenseSynapses(random.integers(-(1 << 28), 1 << 28, (5, 24))), shape, (5,))
    messages = random.integers(-128, 128, (4, *shape))
    np.testing.assert_array_equal(received(program, messages), expected(program, messages))


@pytest.mark.parametrize("target", [(5,), (5, 2, 3)])
@pytest.mark.parametrize("shape", [(2, 3, 4), (24,)])
def test_sparse_between_maps_and_vectors(shape: Shape, target: Shape) -> None:
    random = np.random.default_rng(0)
    size = int(np.prod(target)), 24
    weight = random.integers(-(1 << 28), 1 << 28, size) * (random.random(size) < 0.3)
    sparse, flat = SparseSynapses.of_matrix(weight), one_layer(DenseSynapses(weight), shape, target)
    program, messages = one_layer(sparse, shape, target, exponent=2), random.integers(-128, 128, (4, *shape))
    np.testing.assert_array_equal(received(program, messages), 4 * received(flat, messages))


@pytest.mark.parametrize("port_order", ["source", "target", "both"])
def test_sparse_beside_a_convolution(port_order: str) -> None:
    """What touches a convolution has its neurons in another order, which the coordinates follow."""
    random, shape, target = np.random.default_rng(1), (2, 3, 4), (3, 2, 5)
    program = one_layer(SparseSynapses.of_matrix(random.integers(-9, 10, (30, 24))), shape, target)
    names = {"source": {INPUT}, "target": {"out"}, "both": {INPUT, "out"}}[port_order]
    with pytest.MonkeyPatch.context() as patch:
        layout = Layout(Layout.of(program).shapes, frozenset(names))
        patch.setattr(Layout, "of", classmethod(lambda cls, given: layout))
        messages = random.integers(-128, 128, (4, *shape))
        np.testing.assert_array_equal(received(program, messages), expected(program, messages))


def test_folded_pooling_is_found_where_it_is() -> None:
    weight = np.random.default_rng(0).integers(-99, 99, (3, 2, 3, 2))
    folded = np.kron(weight, np.ones((1, 1, 2, 3), dtype=np.int64))
    assert pooling(folded, ConvGeometry(stride=(2, 3))) == (2, 3)
    assert pooling(folded, ConvGeometry(stride=(4, 1))) == (2, 1)
    assert pooling(folded, ConvGeometry(stride=(2, 3), dilation=(1, 2))) == (1, 1)
    folded[0, 0, 1, :3] += 1
    assert pooling(folded, ConvGeometry(stride=(2, 3))) == (1, 3)


@pytest.mark.parametrize(("largest", "kind"), [(127, np.float32), (1 << 20, np.float64)])
def test_numbers_are_as_wide_as_a_window_needs(largest: int, kind: type) -> None:
    program = one_layer(DenseSynapses(np.full((2, 50), largest)), (50,), (2,))
    neurons = FusedNeurons(program, program.readout, Layout.of(program), 1, None)
    assert neurons.kind is kind
    fused = fuse_synapses(program, program.projections[0], Layout.of(program), 1)
    assert isinstance(fused, FusedDense)
    assert fused.kind is kind


def chain(depth: int, channels: int, size: int) -> Program:
    """Equal convolutions, each skipped by a projection over two of them."""
    shape = channels, size, size
    same = ConvGeometry(padding=(1, 1, 1, 1))
    synapses = ConvSynapses(np.ones((channels, channels, 3, 3), dtype=np.int64), same)
    names = [INPUT, *(f"c{index}" for index in range(depth)), "out"]
    populations = [Population(name, shape, np.array(50), NONE, NONE, k) for k, name in enumerate(names[1:-1], 1)]
    projections = [Projection(f"{a}-{b}", a, b, synapses) for a, b in pairwise(names[:-1])]
    projections += [Projection(f"{a}-{b}", a, b, synapses, 0, 1) for a, b in zip(names[:-3], names[2:-1], strict=True)]
    readout = Population("out", (2,), None, NONE, NONE, depth + 1)
    weight = np.ones((2, channels * size * size), dtype=np.int64)
    projections.append(Projection("last", names[-2], "out", DenseSynapses(weight)))
    encoding = InputEncoding(shape, (0, 1, 2), shape, 1.0, 0, 15)
    bounds = -(1 << 31), (1 << 31) - 1
    return Program("chain", "lava", "pipelined", 4, *bounds, encoding, (*populations, readout), tuple(projections))


def test_the_bus_carries_what_later_sections_need() -> None:
    sections = sections_of(chain(4, 1, 3), [1, 2, 2])
    assert [section.populations for section in sections] == [("c0",), ("c1", "c2"), ("c3", "out")]
    assert [section.receives for section in sections] == [(INPUT,), (INPUT, "c0"), ("c1", "c2")]
    assert [section.sends for section in sections] == [(INPUT, "c0"), ("c1", "c2"), ()]


def test_small_networks_stay_together_and_large_ones_use_the_cores() -> None:
    small, large = chain(3, 2, 4), chain(8, 64, 32)
    assert len(cut(small, 1, 4)) == 1
    assert len(cut(large, 1, 1)) == 1
    halves = cut(large, 1, 2)
    assert [len(section.populations) for section in halves] in ([4, 5], [5, 4])
    assert len(cut(large, 1, 64)) <= 9


def test_lanes_grow_with_the_samples_and_shrink_with_the_network() -> None:
    small, large = chain(3, 2, 4), chain(8, 64, 32)
    assert [choose_lanes(small, samples, 2) for samples in (1, 2, 3)] == [1, 2, 3]
    assert 100 < choose_lanes(small, 10_000, 2) <= 256
    assert choose_lanes(large, 10_000, 2) <= 64
    assert choose_lanes(chain(2, 64, 256), 10_000, 2) <= 4


def test_no_lane_is_left_almost_empty() -> None:
    lanes = choose_lanes(chain(3, 2, 4), 257, 2)
    windows = -(-257 // lanes)
    assert lanes * windows - 257 < windows


def test_recordings_keep_the_windows_of_real_samples_only(tmp_path: Path) -> None:
    recording = Recording(
        depth=1,
        timesteps=2,
        window=4,
        fires_after=2,
        samples=3,
        lanes=2,
        trains=tmp_path / "trains",
        counts=tmp_path / "counts",
        potentials=tmp_path / "potentials",
    )
    recorder, random = Recorder(recording), np.random.default_rng(0)
    spikes = random.integers(0, 2, (20, 2, 11)).astype(bool)
    potentials = random.integers(-99, 99, (20, 2, 11))
    for step in range(20):
        recorder.record(step + 1, spikes[step], potentials[step])
    rows = [spikes[3:5, 0], spikes[3:5, 1], spikes[7:9, 0]]
    np.testing.assert_array_equal(read_trains(recording, 11), np.stack(rows))
    assert int(read_counts(recording).sum()) == sum(int(row.sum()) for row in rows)
    expected_potentials = [potentials[2, 0], potentials[2, 1], potentials[6, 0]]
    np.testing.assert_array_equal(read_potentials(recording, 11), np.stack(expected_potentials))


def test_unfolding_is_bounded() -> None:
    program = chain(1, 64, 64)
    convolution = fuse_synapses(program, program.projections[0], Layout.of(program), 2)
    assert isinstance(convolution, FusedConvolution)
    assert convolution.unfolded_values <= fused_synapses.UNFOLDED_VALUES
