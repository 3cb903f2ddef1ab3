"""Operations counted synapse by synapse, and eq. 18 with the figures that were published for it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from spikec.compiler.analysis.energy import (
    energy_ratio,
    fan_out,
    fan_outs,
    network_macs,
    program_macs,
    ratio_of_operations,
    synaptic_operations,
)
from spikec.compiler.analysis.residuals import measure_activity
from spikec.compiler.ir.network import INPUT as NETWORK_INPUT
from spikec.compiler.ir.network import Network, Node
from spikec.compiler.ir.operators import AveragePool, Conv, Dense, FloatArray, Operator, Relu, Reshape
from spikec.compiler.mapping.connectivity import connectivity
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


def projection(synapses: Synapses) -> Projection:
    return Projection("drawn", "a", "b", synapses)


def reached_one_by_one(synapses: Synapses, source: Shape, target: Shape) -> IntArray:
    """Where a spike of each neuron arrives, every weight but 0 taken as 1."""
    ones = (synapses.weight != 0).astype(np.int64)
    counted = ConvSynapses(ones, synapses.geometry) if isinstance(synapses, ConvSynapses) else DenseSynapses(ones)
    reached = np.zeros(source, dtype=np.int64)
    for neuron in np.ndindex(*source):
        spike = np.zeros(source, dtype=np.int64)
        spike[neuron] = 1
        reached[neuron] = synaptic_input(projection(counted), spike, target).sum()
    return reached


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 2**32 - 1),
    size=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    kernel=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    padding=st.tuples(*[st.integers(-1, 3)] * 4),
    dilation=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    groups=st.integers(1, 3),
)
def test_fan_out_of_a_convolution_is_exact_at_every_border(
    seed: int,
    size: tuple[int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int, int, int],
    dilation: tuple[int, int],
    groups: int,
) -> None:
    random = np.random.default_rng(seed)
    geometry = ConvGeometry(stride, padding, dilation, groups)
    rows, columns = geometry.output_size(size, kernel)
    assume(rows >= 1 and columns >= 1)
    outputs, inputs = groups * int(random.integers(1, 3)), int(random.integers(1, 3))
    synapses = ConvSynapses(random.integers(-1, 2, (outputs, inputs, *kernel)), geometry)
    source, target = (inputs * groups, *size), (outputs, rows, columns)
    found = fan_out(projection(synapses), source, target)
    assert np.array_equal(found, reached_one_by_one(synapses, source, target))
    assert found.sum() == connectivity(projection(synapses), source, target).synapses


def test_fan_out_of_all_to_all_synapses_leaves_out_weights_of_zero() -> None:
    synapses = DenseSynapses(np.array([[1, 0, -2, 0], [3, 0, 0, 4], [5, 0, 6, 0]]))
    found = fan_out(projection(synapses), (1, 2, 2), (3,))
    assert found.tolist() == [[[3, 0], [2, 1]]]
    assert np.array_equal(found, reached_one_by_one(synapses, (1, 2, 2), (3,)))


def test_fan_out_of_sparse_synapses() -> None:
    random = np.random.default_rng(0)
    weight = random.integers(-3, 4, (12, 18)) * (random.random((12, 18)) < 0.3)
    found = fan_out(projection(SparseSynapses.of_matrix(weight)), (2, 3, 3), (3, 2, 2))
    assert np.array_equal(found, fan_out(projection(DenseSynapses(weight)), (2, 3, 3), (3, 2, 2)))


def by_hand() -> Program:
    """Input 2 values, T = 3; population a of 2 neurons reads both; b and the read-out read a; b feeds the read-out."""
    zero, ten = np.zeros(1, dtype=np.int64), np.array([10])
    return Program(
        "by hand",
        "lava",
        "pipelined",
        3,
        -(1 << 20),
        (1 << 20) - 1,
        InputEncoding((2,), (0,), (2,), 1.0, 0, 10),
        (
            Population("a", (2,), ten, zero, zero, 1),
            Population("b", (1,), ten, zero, zero, 2),
            Population("out", (2,), None, zero, zero, 3),
        ),
        (
            Projection("in", INPUT, "a", DenseSynapses(np.array([[1, 0], [1, 1]]))),
            Projection("ab", "a", "b", DenseSynapses(np.array([[10, 0]]))),
            Projection("a out", "a", "out", DenseSynapses(np.array([[1, 1], [1, 1]])), 0, 1),
            Projection("b out", "b", "out", DenseSynapses(np.array([[1], [0]]))),
        ),
    )


def test_operations_by_hand() -> None:
    program = by_hand()
    reached = fan_outs(program)
    assert {name: fan.tolist() for name, fan in reached.items()} == {
        INPUT: [2, 1],
        "a": [3, 2],
        "b": [1],
        "out": [0, 0],
    }
    # Sample (10, 0) makes both neurons of a fire three times, hence b; sample (0, 0) nobody.
    activity = measure_activity(program, np.array([[10, 0], [0, 0]]))
    assert synaptic_operations(activity, reached) == {"a": 3 * 3 + 3 * 2, "b": 3}
    assert program_macs(program) == 3 + 5 + 1
    found = energy_ratio(20, program, activity)
    assert (found.macs_per_sample, found.first_layer_macs, found.synaptic_operations_per_sample) == (20, 3, 9.0)
    # A sum of three products in 64-bit floats.
    assert found.first_layer_once == pytest.approx((3 * 4.6 + 9 * 0.9) / (20 * 4.6), rel=1e-15)
    assert found.first_layer_every_step == pytest.approx((9 * 4.6 + 9 * 0.9) / (20 * 4.6), rel=1e-15)


def test_nothing_to_compare_with_gives_no_ratio() -> None:
    found = ratio_of_operations(0, first_layer=0, accumulates=0.0, timesteps=4)
    assert (found.first_layer_once, found.first_layer_every_step) == (None, None)


def vgg16(classes: int) -> Network:
    """VGG-16 for 32 x 32 images with 4096-4096 fully connected layers; its weights are one zero, seen many times."""
    nodes: list[Node] = []
    value, shape = NETWORK_INPUT, (3, 32, 32)

    def zeros(*sizes: int) -> FloatArray:
        return np.broadcast_to(np.zeros(()), sizes)

    def add(operator: Operator) -> None:
        nonlocal value, shape
        shape = operator.result_shape((shape,))  # type: ignore[assignment]
        nodes.append(Node(f"n{len(nodes)}", operator, (value,), shape))
        value = nodes[-1].name

    for block in ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512)):
        for channels in block:
            weight = zeros(channels, shape[0], 3, 3)
            add(Conv(weight, zeros(channels), ConvGeometry(padding=(1, 1, 1, 1))))
            add(Relu())
        add(AveragePool((2, 2), (2, 2)))
    add(Reshape((512,)))
    for inputs, outputs in ((512, 4096), (4096, 4096), (4096, classes)):
        add(Dense(zeros(outputs, inputs), zeros(outputs)))
    return Network("vgg16", (3, 32, 32), tuple(nodes), value)


def test_macs_of_vgg16_are_the_published_ones() -> None:
    network = vgg16(100)
    # 332.5 M in all and 1.77 M in the first layer, to the digits that are printed.
    assert round(network_macs(network) / 1e6, 1) == 332.5
    first = Network("first", network.input_shape, network.nodes[:1], network.nodes[0].name)
    assert round(network_macs(first) / 1e6, 2) == 1.77


def test_macs_of_groups_and_strides_include_the_padding() -> None:
    conv = Conv(np.ones((6, 2, 3, 3)), np.zeros(6), ConvGeometry((2, 2), (1, 1, 1, 1), groups=2))
    shape = conv.result_shape(((4, 5, 5),))
    network = Network("grouped", (4, 5, 5), (Node("c", conv, (NETWORK_INPUT,), shape),), "c")
    assert network_macs(network) == math.prod(shape) * 2 * 9 == 972


def test_eq_18_gives_the_published_ratio_with_the_first_layer_once() -> None:
    macs, first, timesteps = 332_500_000, 1_770_000, 64
    published = ratio_of_operations(macs, first_layer=first, accumulates=0.0555 * timesteps * macs, timesteps=timesteps)
    assert published.first_layer_once is not None
    # 70.06 % is printed; the rate has three digits, and half of its last one is 64 x 0.00005 x 0.9 / 4.6 = 0.06 points.
    assert published.first_layer_once == pytest.approx(0.7006, abs=0.0007)
    nominal = 0.0616 * timesteps * (macs - first)
    both = ratio_of_operations(macs, first_layer=first, accumulates=nominal, timesteps=timesteps)
    assert both.first_layer_once is not None
    assert both.first_layer_every_step is not None
    # Figures given to a tenth of a point.
    assert round(both.first_layer_once, 3) == 0.773
    assert round(both.first_layer_every_step, 3) == 1.108
