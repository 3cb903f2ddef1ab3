"""Plans of windowed maxima: what they compute, how many comparisons they take, and that they stay convolutions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikec.compiler.ir.maxima import MaxPool, Taps
from spikec.compiler.ir.network import INPUT, Network, Node, evaluate
from spikec.compiler.ir.operators import Conv, QuantizeClip
from spikec.compiler.ir.spiking import ConvMap
from spikec.compiler.passes.compose_linear_maps import ComposeLinearMaps
from spikec.compiler.passes.contract import Compilation, Context
from spikec.compiler.passes.expand_maxima import ExpandMaxima
from spikec.compiler.passes.maximum_windows import planned
from spikec.runtime.program.geometry import ConvGeometry
from spikec.targets import load

AXIS = st.tuples(st.integers(1, 13), st.integers(1, 7), st.integers(1, 4), st.integers(0, 3), st.integers(0, 3))
"""Size, kernel, stride, padding before and behind."""


def network(pool: MaxPool, size: tuple[int, int], *, padded_behind: bool) -> Network:
    shape = (2, *size)
    pooled = pool.result_shape((shape,))
    nodes = [
        Node("a", QuantizeClip(1.0, 4, 0.5), (INPUT,), shape),
        Node("p", pool, ("a",), pooled),
    ]
    if padded_behind:
        weight = np.random.default_rng(0).normal(size=(2, 2, 3, 3))
        conv = Conv(weight, np.zeros(2), ConvGeometry(padding=(1, 1, 1, 1)))
        nodes.append(Node("c", conv, ("p",), conv.result_shape((pooled,))))
    return Network("net", shape, tuple(nodes), nodes[-1].name)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(rows=AXIS, columns=AXIS, dilated=st.booleans(), ceil=st.booleans())
def test_expansion_is_the_maximum_and_stays_a_convolution(
    rows: tuple[int, ...], columns: tuple[int, ...], dilated: bool, ceil: bool
) -> None:
    pads = [min(pad, axis[1] - 1, axis[0] - 1) if not dilated else 0 for axis in (rows, columns) for pad in axis[3:]]
    pool = MaxPool(
        (rows[1], columns[1]),
        (rows[2], columns[2]),
        (pads[0], pads[2], pads[1], pads[3]),
        (2, 1) if dilated else (1, 1),
        ceil,
    )
    size = (rows[0], columns[0])
    try:
        pool.result_shape(((2, *size),))
    except ValueError:
        return
    if not pool.covers_map(size):
        return
    require_the_maximum(pool, size)


@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("width", range(1, 10))
def test_a_single_window_is_the_maximum(width: int, dilation: int) -> None:
    for place in range(3):
        size = (4, (width - 1) * dilation + 1 + place)
        require_the_maximum(MaxPool((4, width), (1, size[1]), dilation=(1, dilation)), size)


def require_the_maximum(pool: MaxPool, size: tuple[int, int]) -> None:
    original = network(pool, size, padded_behind=True)
    context = Context(load("lava"), 4)
    outcome = ExpandMaxima().run(Compilation(original), context)
    samples = np.random.default_rng(1).uniform(-0.2, 1.2, (3, *original.input_shape))
    found, wanted = (evaluate(n, samples)[n.output] for n in (outcome.state.network, original))
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-9)
    assert outcome.effect["maxima"]["p"]["exact"]
    spiking = ComposeLinearMaps().run(outcome.state, context).state.spiking
    assert spiking is not None
    assert all(isinstance(projection.map, ConvMap) for projection in spiking.projections)


@pytest.mark.parametrize(
    ("pool", "size", "places", "depth"),
    [
        (MaxPool((2, 2), (2, 2)), (8, 8), 8 * 4 + 4 * 4, 2),
        (MaxPool((2, 2), (2, 2)), (9, 8), 8 * 4 + 4 * 4, 2),
        (MaxPool((2, 1), (2, 1)), (8, 8), 4 * 8, 1),
        (MaxPool((1, 1), (2, 2)), (8, 8), 0, 0),
        (MaxPool((3, 3), (2, 2), (1, 1, 1, 1)), (8, 8), None, 4),
        (MaxPool((8, 8), (1, 1)), (8, 8), 8 * 7 + 7, 6),
    ],
)
def test_numbers_of_comparisons(pool: MaxPool, size: tuple[int, int], places: int | None, depth: int) -> None:
    plan = planned(pool, size)
    assert places is None or plan.places == places
    assert not plan.is_open
    outcome = ExpandMaxima().run(Compilation(network(pool, size, padded_behind=False)), Context(load("lava"), 4))
    assert outcome.effect["maxima"]["p"]["depth"] == depth
    assert outcome.effect["maxima"]["p"]["neurons"] == 2 * plan.places


def test_long_windows_share_comparisons() -> None:
    plan = planned(MaxPool((1, 9), (1, 1)), (1, 30))
    assert plan.is_open
    assert plan.places == 29 + 27 + 23 + 22


def test_taps_read_beyond_the_map_as_zero() -> None:
    taps = Taps(((-1, 0, 1.0), (1, 2, -2.0)), (2, 1), (2, 3))
    values = np.arange(12.0).reshape(1, 1, 3, 4)
    wanted = [[-2 * 6, -2 * 7, 0], [4 - 0, 5 - 0, 6]]
    assert taps.evaluate((values,))[0, 0].tolist() == wanted


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (1, 2), (7, 7), (5, 1), (1, 4097), (112, 96)])
def test_a_single_window_is_folded(rows: int, columns: int) -> None:
    plan = planned(MaxPool((rows, columns), (1, 1)), (rows, columns))
    assert len(plan.comparisons) == sum(math.ceil(math.log2(width)) for width in (rows, columns))
    assert plan.places == rows * columns - 1
    assert not plan.is_open
