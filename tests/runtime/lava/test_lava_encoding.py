"""Encodings keep every integer; what Lava would compute wrongly is refused before it starts."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikec.runtime.lava.deadline import default_deadline
from spikec.runtime.lava.encoding import encode_convolution, encode_digits, message_bits
from spikec.runtime.lava.limits import find_problems, input_bounds
from spikec.runtime.program import (
    INPUT,
    ConvSynapses,
    DenseSynapses,
    InputEncoding,
    IntArray,
    Population,
    Program,
    Projection,
    Pulse,
)
from spikec.runtime.program.geometry import ConvGeometry
from spikec.runtime.simulator.kernels import convolve, pad_or_crop

sizes = st.integers(1, 3)


def program_of(synapses: ConvSynapses | DenseSynapses, shape: tuple[int, ...], maximum: int = 255) -> Program:
    encoding = InputEncoding((4, 5, 5), (0, 1, 2), (4, 5, 5), 1 / 255, 0, maximum)
    none = np.array(0)
    return Program(
        name="one",
        target="free",
        schedule="pipelined",
        timesteps=2,
        state_minimum=-(1 << 30),
        state_maximum=1 << 30,
        input=encoding,
        populations=(Population("out", shape, None, none, none, 1),),
        projections=(Projection("first", INPUT, "out", synapses),),
    )


def lava_dense(weights: IntArray, exponent: int, messages: IntArray) -> IntArray:
    """What Lava's fixed-point Dense computes in mixed sign mode: clip, drop the lowest bit, shift the sum."""
    stored = (np.clip(weights.astype(np.int64), -256, 255) >> 1) << 1
    total = stored @ messages
    return total << exponent if exponent > 0 else total >> -exponent


@settings(deadline=None)
@given(st.lists(st.integers(-(1 << 20), 1 << 20), min_size=6, max_size=6), st.integers(0, 7))
def test_dense_digits_add_up(values: list[int], exponent: int) -> None:
    weight = np.array(values, dtype=np.int64).reshape(2, 3) << exponent
    messages = np.array([1, 200, -7])
    parts = [lava_dense(e.weights.astype(np.int64), e.weight_exp, messages) for e in encode_digits(weight)]
    np.testing.assert_array_equal(sum(parts), weight @ messages)


def test_weights_of_a_synapse_need_one_dense() -> None:
    weight = np.array([[-128, 127, 0], [5, -3, 1]])
    assert [e.weight_exp for e in encode_digits(weight)] == [-1]
    assert [e.weight_exp for e in encode_digits(2 * weight)] == [0]
    assert [e.weight_exp for e in encode_digits(np.zeros((2, 2), dtype=np.int64))] == [-1]


@settings(deadline=None, max_examples=60)
@given(
    kernel=st.tuples(sizes, sizes),
    stride=st.tuples(sizes, sizes),
    dilation=st.tuples(sizes, sizes),
    padding=st.tuples(*[st.integers(-2, 4)] * 4),
    groups=st.sampled_from([1, 2, 4]),
    seed=st.integers(0, 1000),
)
def test_any_padding_becomes_symmetric(
    kernel: tuple[int, int],
    stride: tuple[int, int],
    dilation: tuple[int, int],
    padding: tuple[int, int, int, int],
    groups: int,
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    geometry = ConvGeometry(stride, padding, dilation, groups)
    if min(geometry.output_size((9, 10), kernel)) < 1:
        return
    weight = rng.integers(-9, 10, (4, 4 // groups, *kernel))
    encoding = encode_convolution(ConvSynapses(weight, geometry), weight)
    assert min(encoding.padding) >= 0
    x, y = encoding.padding
    symmetric = ConvGeometry(encoding.stride[::-1], (y, x, y, x), encoding.dilation[::-1], groups)
    correlation = encoding.weight.transpose(0, 3, 2, 1)[:, :, ::-1, ::-1].astype(np.float64)
    maps = rng.integers(0, 50, (1, 4, 9, 10)).astype(np.float64)
    expected = convolve(pad_or_crop(maps, padding), weight.astype(np.float64), replace(geometry, padding=(0, 0, 0, 0)))
    # Integers far below 2**53: float64 is exact in any order of summation.
    np.testing.assert_array_equal(convolve(maps, correlation, symmetric), expected)


@pytest.mark.parametrize(
    ("bounds", "bits"), [((0, 255), 8), ((0, 1), 1), ((-128, 127), 8), ((0, 256), 9), ((-1, 0), 1)]
)
def test_message_bits(bounds: tuple[int, int], bits: int) -> None:
    assert message_bits(bounds) == bits


def test_input_bounds_are_reached() -> None:
    weight = np.array([[3, -2], [-7, 0]])
    program = program_of(DenseSynapses(np.tile(weight, 50)), (2,), maximum=10)
    assert input_bounds(program, program.projections[0]) == (-3500, 1500)


def codes(program: Program, stock: bool) -> list[str]:
    return [problem.code for problem in find_problems(program, stock=stock)]


def test_sums_beyond_24_bits_run_on_the_fast_backend_only() -> None:
    limit = (1 << 23) - 1
    fits = program_of(DenseSynapses(np.full((1, 100), limit // 100)), (1,), maximum=1)
    assert codes(fits, stock=True) == []
    wider = program_of(DenseSynapses(np.full((1, 100), limit // 100 + 1)), (1,), maximum=1)
    assert codes(wider, stock=True) == ["E504"]
    assert codes(wider, stock=False) == []
    widest = program_of(DenseSynapses(np.full((1, 100), 1 << 25)), (1,), maximum=1)
    assert codes(widest, stock=False) == ["E504"]


def test_fan_in_of_two_projections_is_summed() -> None:
    program = program_of(DenseSynapses(np.full((1, 100), 12_000_000)), (1,), maximum=1)
    second = replace(program.projections[0], name="second")
    assert codes(program, stock=False) == []
    assert codes(replace(program, projections=(*program.projections, second)), stock=False) == ["E504"]


def test_all_problems_are_reported_at_once() -> None:
    geometry = ConvGeometry((1, 1), (1, 0, 0, 200), (1, 1), groups=2)
    weight = np.full((4, 2, 2, 2), 1 << 13)
    pulse = Pulse("gate", "out", 1, np.array([[[1 << 22]]]), 0, 2)
    program = replace(program_of(ConvSynapses(weight, geometry), (4, 5, 204)), pulses=(pulse,))
    problems = find_problems(program, stock=True)
    assert [problem.code for problem in problems] == ["E504", "E505", "E505", "E504"]
    assert problems[1].measured == 202
    assert [problem.place.layer for problem in problems] == ["first", "first", "first", "gate"]
    assert codes(program, stock=False) == []
    json.dumps([problem.hint for problem in problems])


def test_pulses_are_bounded_alone_and_with_the_projections() -> None:
    program = program_of(DenseSynapses(np.full((1, 100), 12_000_000)), (1,), maximum=1)
    pulse = Pulse("gate", "out", 2, np.array([-7]), 20, 100)

    def with_pulse(**changes: Any) -> Program:
        return replace(program, pulses=(replace(pulse, **changes),))

    assert codes(with_pulse(), stock=False) == []
    assert codes(with_pulse(axons=1000), stock=False) == ["E504", "E504"]
    assert codes(with_pulse(axons=0, weight=np.array([1100]), exponent=20), stock=False) == ["E504"]
    assert codes(with_pulse(axons=1, weight=np.array([7]), exponent=20), stock=True) == ["E504"]


def test_deadline_grows_with_the_work() -> None:
    small = program_of(ConvSynapses(np.ones((4, 4, 3, 3), dtype=np.int64), ConvGeometry()), (4, 3, 3))
    assert default_deadline(small, 10, stock=False) < default_deadline(small, 1000, stock=False)
    assert default_deadline(small, 1, stock=True) >= 60
