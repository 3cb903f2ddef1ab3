"""Layout changes of the input's values: chains with many axes of length one, against the nodes as they were."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from spikec.compiler.frontend.canonical import canonicalised
from spikec.compiler.ir.network import INPUT, Network, Node, evaluate
from spikec.compiler.ir.operators import AveragePool, Offset, Operator, Pad, Relu, Reshape, Shape, Slice, Transpose

_SIZES = st.sampled_from((1, 1, 2, 3))


def _padded(draw: Any, shape: Shape) -> Operator:
    before, after = (tuple(draw(st.integers(0, 1)) for _ in shape) for _ in range(2))
    return Pad(before, after)


def _sliced(draw: Any, shape: Shape) -> Operator:
    start = tuple(draw(st.integers(0, size - 1)) for size in shape)
    return Slice(
        start, tuple(draw(st.integers(a + 1, n)) for a, n in zip(start, shape, strict=True)), (1,) * len(shape)
    )


def _offset(draw: Any, shape: Shape) -> Operator:
    kept = tuple(size if draw(st.booleans()) else 1 for size in shape)
    return Offset(np.arange(1.0, 1.0 + np.prod(kept)).reshape(kept))


def _transposed(draw: Any, shape: Shape) -> Operator:
    return Transpose(tuple(draw(st.permutations(range(len(shape))))))


def _reshaped(draw: Any, shape: Shape) -> Operator:
    long = [size for size in shape if size != 1]
    if len(long) > 3:
        return Relu()
    for _ in range(draw(st.integers(0, 3 - len(long)))):
        long.insert(draw(st.integers(0, len(long))), 1)
    return Reshape(tuple(long) or (1,))


@st.composite
def networks(draw: Any) -> Network:
    """An input of three axes, a chain of operators that keep or move its values, and a pool that needs the layout."""
    shape = given_shape = tuple(draw(_SIZES) for _ in range(3))
    nodes: list[Node] = []
    value = INPUT
    steps = draw(
        st.lists(st.sampled_from((_padded, _sliced, _offset, _transposed, _transposed, _reshaped)), max_size=6)
    )
    for step in steps:
        operator = step(draw, shape)
        shape = operator.result_shape((shape,))
        nodes.append(Node(f"n{len(nodes)}", operator, (value,), shape))
        value = nodes[-1].name
    if len(shape) == 3:
        pool = AveragePool((shape[1], shape[2]), (1, 1))
        nodes.append(Node("pool", pool, (value,), pool.result_shape((shape,))))
        value = "pool"
    return Network("net", given_shape, tuple(nodes), value)


@settings(max_examples=300)
@given(network=networks())
def test_every_chain_computes_what_it_did(network: Network) -> None:
    samples = np.random.default_rng(0).normal(size=(3, *network.input_shape))

    canonical, _ = canonicalised(network, None)

    found, expected = (evaluate(each, samples)[each.output] for each in (canonical, network))
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
