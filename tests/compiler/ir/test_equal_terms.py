"""Values added to themselves: terms of one form become one, so that composing takes no longer than the network is."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikec import targets
from spikec.compiler.ir.composition import MappedValue, identity, summed, then_conv, then_scale, transposed
from spikec.compiler.ir.network import INPUT, Network, Node, evaluate
from spikec.compiler.ir.operators import Add, Conv, Dense, Operator, Pad, Reshape, Scale, Shape, Slice
from spikec.compiler.ir.rates import evaluate_rates
from spikec.compiler.ir.spiking import ConvMap, SpikingNetwork
from spikec.compiler.passes.compose_linear_maps import ComposeLinearMaps
from spikec.compiler.passes.contract import Compilation, Context
from spikec.runtime.program.geometry import ConvGeometry

SAME = ConvGeometry(padding=(1, 1, 1, 1))


class Graph:
    def __init__(self, shape: Shape) -> None:
        self.shapes: dict[str, Shape] = {INPUT: shape}
        self.nodes: list[Node] = []
        self.last = INPUT

    def add(self, operator: Operator, *inputs: str) -> str:
        self.last = f"n{len(self.nodes)}"
        shape = operator.result_shape(tuple(self.shapes[name] for name in inputs))
        self.nodes.append(Node(self.last, operator, inputs, shape))
        self.shapes[self.last] = shape
        return self.last

    def composed(self) -> SpikingNetwork:
        network = Network("net", self.shapes[INPUT], tuple(self.nodes), self.last)
        spiking = ComposeLinearMaps().run(Compilation(network), Context(targets.load("lava"), 4)).state.spiking
        assert spiking is not None
        samples = np.random.default_rng(0).normal(size=(3, *network.input_shape))
        expected = evaluate(network, samples)[network.output]
        result = evaluate_rates(spiking, samples)[spiking.readout.name]
        # Doubles: only the order of sums differs.
        np.testing.assert_allclose(result, expected, rtol=1e-9, atol=1e-9 * max(1.0, float(np.abs(expected).max())))
        return spiking


@pytest.mark.parametrize("shape", [(2, 3, 3), (6,), (4, 5)])
@pytest.mark.parametrize("times", [1, 22, 200])
def test_doubling(shape: Shape, times: int) -> None:
    graph = Graph(shape)
    for _ in range(times):
        graph.add(Add(), graph.last, graph.last)
    spiking = graph.composed()
    assert len(spiking.projections) == 1
    assert float(np.abs(spiking.projections[0].map.weight).max()) == 2.0**times


@pytest.mark.parametrize("kernel", [1, 3])
def test_a_residual_that_is_linear(kernel: int) -> None:
    graph = Graph((2, 6, 6))
    weight = np.random.default_rng(0).normal(size=(2, 2, kernel, kernel)) / 9
    for _ in range(12):
        source = graph.last
        convolved = graph.add(Conv(weight, np.ones(2), SAME if kernel == 3 else ConvGeometry()), source)
        graph.add(Add(), source, convolved)
    started = time.process_time()
    # 4096 paths, of at most 13 different lengths or, at the edges, one matrix.
    assert len(graph.composed().projections) <= 13
    assert time.process_time() - started < 20


def test_a_value_less_itself_keeps_its_projection() -> None:
    graph = Graph((3, 2, 2))
    twice = graph.add(Add(), INPUT, INPUT)
    once = graph.add(Add(), twice, graph.add(Scale(np.array(-1.0)), INPUT))
    assert float(np.abs(graph.composed().projections[0].map.weight).max()) == 1.0
    graph.add(Add(), once, graph.add(Scale(np.array(-1.0)), INPUT))
    (projection,) = graph.composed().projections
    assert not projection.map.weight.any()


def test_joining_a_value_with_itself() -> None:
    graph = Graph((1, 2, 2))
    for _ in range(6):
        channels = graph.shapes[graph.last][0]
        source = graph.last
        left = graph.add(Pad((0, 0, 0), (channels, 0, 0)), source)
        right = graph.add(Pad((channels, 0, 0), (0, 0, 0)), source)
        graph.add(Add(), left, right)
    (projection,) = graph.composed().projections
    assert projection.map.weight.shape == (64, 1, 1, 1)


def test_many_places_of_one_source_become_one_matrix() -> None:
    graph = Graph((1, 1, 2))
    for _ in range(8):
        source, rows = graph.last, graph.shapes[graph.last][1]
        left = graph.add(Pad((0, 0, 0), (0, rows, 0)), source)
        graph.add(Add(), left, graph.add(Pad((0, rows, 0), (0, 0, 0)), source))
    assert len(graph.composed().projections) == 1


def test_terms_of_different_sources_and_orders_stay_apart() -> None:
    source = identity("a", (2, 3, 3))
    conv = then_conv(source, ConvMap(np.ones((2, 2, 1, 1)), ConvGeometry()), (2, 3, 3))
    turned = transposed(transposed(source, (0, 2, 1)), (0, 2, 1))
    other = identity("b", (2, 3, 3))
    swapped = transposed(source, (0, 2, 1))
    found = summed([source, conv, turned, other, swapped, conv, then_scale(source, np.array(0.5))])
    assert [value.source for value in found] == ["a", "a", "a", "b"]
    assert [value.gain for value in found if value.map is None] == [2.5, 1.0, 1.0]
    (doubled,) = (value for value in found if isinstance(value.map, ConvMap))
    assert isinstance(doubled.map, ConvMap)
    assert float(doubled.map.weight.max()) == 2.0


@settings(max_examples=60, deadline=None)
@given(
    steps=st.lists(
        st.sampled_from(["double", "less", "scale", "channel", "conv", "skip", "crop"]), min_size=1, max_size=9
    ),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_graph_of_sums_is_composed_exactly(steps: list[str], seed: int) -> None:
    random = np.random.default_rng(seed)
    graph = Graph((2, 5, 5))
    first = graph.add(Scale(np.array(0.5)), INPUT)
    for step in steps:
        value = graph.last
        if step == "double":
            graph.add(Add(), value, value)
        elif step == "less":
            graph.add(Add(), value, graph.add(Scale(np.array(-0.5)), value))
        elif step == "scale":
            graph.add(Scale(np.array(random.normal())), value)
        elif step == "channel":
            graph.add(Scale(random.normal(size=(2, 1, 1))), value)
        elif step == "conv":
            graph.add(Conv(random.normal(size=(2, 2, 3, 3)) / 4, random.normal(size=2), SAME), value)
        elif step == "skip":
            graph.add(Add(), value, first)
        else:
            cut = graph.add(Slice((0, 1, 0), (2, 5, 5), (1, 1, 1)), value)
            graph.add(Pad((0, 1, 0), (0, 0, 0)), cut)
    flat = graph.add(Reshape((50,)), graph.last)
    graph.add(Dense(random.normal(size=(3, 50)), random.normal(size=3)), flat)
    graph.composed()


def test_one_number_on_a_wide_flat_value_needs_no_matrix() -> None:
    value: MappedValue = then_scale(identity("a", (200_000,)), np.array(-1.0))
    assert value.map is None
    assert value.gain == -1.0
