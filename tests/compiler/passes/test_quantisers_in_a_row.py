from __future__ import annotations

import math

import numpy as np
import pytest

from spikec.compiler.ir.network import Network, Node, evaluate
from spikec.compiler.ir.operators import Add, Clip, Floor, Offset, Operator, QuantizeClip, Relu, Round, Scale
from spikec.compiler.passes.recognise_activations import recognised
from spikec.targets.diagnostic import UnusableInput


def chain(*operators: Operator) -> Network:
    nodes: list[Node] = []
    for operator in operators:
        nodes.append(Node(f"n{len(nodes)}", operator, (nodes[-1].name if nodes else "input",), (4,)))
    return Network("net", (4,), tuple(nodes), nodes[-1].name)


def read_twice(network: Network, one: Operator, other: Operator) -> Network:
    """``network`` whose result goes through both operators, and their sum."""
    last = network.output
    readers = (Node("a", one, (last,), (4,)), Node("b", other, (last,), (4,)))
    return Network("net", (4,), (*network.nodes, *readers, Node("sum", Add(), ("a", "b"), (4,))), "sum")


def require_equal(network: Network) -> list[type[Operator]]:
    """Kinds of the operators of the network with its activations recognised, after comparing its results."""
    result = recognised(network)
    samples = np.linspace(-2, 8, 400).reshape(100, 4)
    found, expected = (evaluate(n, samples)[n.output] for n in (result, network))
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
    return [type(node.operator) for node in result.nodes]


def test_a_bound_is_left_to_the_quantiser_that_needs_it() -> None:
    """The second Relu changes nothing behind the first quantiser, and bounds the second one from below."""
    first: tuple[Operator, ...] = (Floor(), Relu(), Clip(-math.inf, 5.0), Scale(np.array(0.4)))
    second = (Relu(), Scale(np.array(1.5)), Floor(), Scale(np.array(0.2)), Clip(-math.inf, 0.4))
    kinds = require_equal(chain(*first, *second))
    assert kinds.count(QuantizeClip) == 2
    assert not {Floor, Clip, Relu} & set(kinds)


def test_a_quantiser_that_never_reaches_its_first_level_is_one_all_the_same() -> None:
    """Behind the bound the sum stays below one, so all is zero; each part is a neuron."""
    low = (Clip(0.0, 0.3), Scale(np.array(0.5)), Relu(), Scale(np.array(5.0)), Floor(), Clip(-math.inf, 4.0))
    kinds = require_equal(read_twice(chain(*low), Scale(np.array(2.0)), Scale(np.array(3.0))))
    assert kinds.count(QuantizeClip) == 2
    assert not {Floor, Clip} & set(kinds)


@pytest.mark.parametrize("bound", [Relu(), Clip(2.0, np.inf), Clip(-np.inf, -9.0)], ids=["relu", "low", "high"])
def test_a_bound_that_a_quantiser_never_reaches_is_a_neuron_that_never_fires(bound: Operator) -> None:
    kinds = require_equal(chain(Clip(0.0, 4.0), Round(), Scale(np.array(-0.5)), bound))
    assert kinds[:2] == [QuantizeClip, Scale]
    assert kinds.count(QuantizeClip) == 2
    assert Relu not in kinds


def test_a_rectifier_directly_behind_a_bounded_range_has_its_upper_bound() -> None:
    kinds = require_equal(chain(Scale(np.array(3.0)), Clip(0.0, 4.0), Round(), Offset(np.array(-1.0)), Relu()))
    assert Relu not in kinds


@pytest.mark.parametrize(
    ("one", "code"),
    [(Scale(np.array(2.0)), "E110"), (Clip(0.0, 4.0), "E112")],
    ids=["the end", "in the middle"],
)
def test_a_result_read_twice_is_told_only_if_the_chain_goes_on_behind_it(one: Operator, code: str) -> None:
    with pytest.raises(UnusableInput) as caught:
        recognised(read_twice(chain(Round()), one, Scale(np.array(3.0))))
    assert [problem.code for problem in caught.value.diagnostics] == [code]
