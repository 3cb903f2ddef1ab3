from __future__ import annotations

import math

import numpy as np

from spikec.compiler.ir.network import Network, Node, evaluate
from spikec.compiler.ir.operators import Clip, Floor, Operator, QuantizeClip, Relu, Scale
from spikec.compiler.passes.recognise_activations import recognised


def test_a_bound_is_left_to_the_quantiser_that_needs_it() -> None:
    """The second Relu changes nothing behind the first quantiser, and bounds the second one from below."""
    first: tuple[Operator, ...] = (Floor(), Relu(), Clip(-math.inf, 5.0), Scale(np.array(0.4)))
    second = (Relu(), Scale(np.array(1.5)), Floor(), Scale(np.array(0.2)), Clip(-math.inf, 0.4))
    nodes: list[Node] = []
    for operator in (*first, *second):
        nodes.append(Node(f"n{len(nodes)}", operator, (nodes[-1].name if nodes else "input",), (4,)))
    network = Network("net", (4,), tuple(nodes), nodes[-1].name)
    samples = np.linspace(-2, 8, 400).reshape(100, 4)
    result = recognised(network)
    kinds = [type(node.operator) for node in result.nodes]
    assert kinds.count(QuantizeClip) == 2
    assert not {Floor, Clip, Relu} & set(kinds)
    found, expected = (evaluate(n, samples)[n.output] for n in (result, network))
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
