"""Maxima move behind activations and in front of linear maps, and the function stays."""

from __future__ import annotations

import numpy as np
import pytest

from spikec.compiler.ir.maxima import Maximum, MaxPool
from spikec.compiler.ir.network import INPUT, Network, Node, evaluate
from spikec.compiler.ir.operators import (
    Add,
    BatchNorm,
    Clip,
    Floor,
    Offset,
    Operator,
    Pad,
    QuantizeClip,
    Relu,
    Round,
    Scale,
    Shape,
)
from spikec.compiler.passes.move_maxima import MAXIMA, before_linear_maps, behind_activations
from spikec.compiler.passes.recognise_activations import recognised

SHAPE = (2, 5, 6)
POOL = MaxPool((2, 3), (2, 2), (0, 1, 0, 1))
SIGNS = Scale(np.array([[[-2.0]], [[0.5]]]))
QUANTISE = (("q1", Scale(np.array(4.0))), ("q2", Round()), ("q3", Clip(0.0, 4.0)), ("q4", Scale(np.array(0.25))))


def chain(*steps: tuple[str, Operator]) -> Network:
    return wired(
        *((name, operator, (INPUT,) if k == 0 else (steps[k - 1][0],)) for k, (name, operator) in enumerate(steps))
    )


def wired(*steps: tuple[str, Operator, tuple[str, ...]]) -> Network:
    shapes: dict[str, Shape] = {INPUT: SHAPE}
    nodes = []
    for name, operator, inputs in steps:
        shapes[name] = operator.result_shape(tuple(shapes[value] for value in inputs))
        nodes.append(Node(name, operator, inputs, shapes[name]))
    return Network("net", SHAPE, tuple(nodes), nodes[-1].name)


def assert_same(net: Network, changed: Network) -> None:
    samples = np.random.default_rng(0).uniform(-2, 3, (4, *SHAPE))
    found, wanted = (evaluate(n, samples)[n.output] for n in (changed, net))
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-12)


def reads_activations(net: Network) -> bool:
    """Whether every maximum reads an activation, or one times -1 in some channels."""
    for node in net.nodes:
        for value in node.inputs if isinstance(node.operator, MAXIMA) else ():
            source = net.node(value)
            if isinstance(source.operator, Scale):
                assert bool((np.abs(source.operator.factor) == 1).all())
                source = net.node(source.inputs[0])
            if not isinstance(source.operator, QuantizeClip | Relu):
                return False
    return True


NORM = BatchNorm(np.array([0.7, -1.2]), np.array([0.1, 0.3]), np.array([0.2, 0.0]), np.array([1.0, 0.5]), 1e-5)
CHAINS = {
    "relu": (("pool", POOL), ("relu", Relu())),
    "quantiser": (("pool", POOL), *QUANTISE),
    "quantiser as one": (("pool", POOL), ("q", QuantizeClip(1.0, 4, 0.5))),
    "norm and quantiser": (("pool", POOL), ("norm", NORM), *QUANTISE),
    "falling in one channel": (("pool", POOL), ("signs", SIGNS), *QUANTISE),
    "falling": (("pool", POOL), ("falls", Scale(np.array(-1.0))), ("floor", Floor()), ("clip", Clip(-2.0, 1.0))),
    "factors behind the activation": (("relu", Relu()), ("signs", SIGNS), ("pool", POOL)),
    "an amount behind the activation": (("relu", Relu()), ("o", Offset(np.array([[[-0.4]], [[0.5]]]))), ("pool", POOL)),
    "norm behind the activation": (("relu", Relu()), ("norm", NORM), ("pool", POOL)),
    "several in a row": (*QUANTISE, ("s", SIGNS), ("n", NORM), ("pool", POOL), ("more", MaxPool((2, 2), (1, 1)))),
}


@pytest.mark.parametrize("name", CHAINS)
def test_a_pool_comes_to_read_the_activation(name: str) -> None:
    net = chain(*CHAINS[name])
    changed = recognised(net)
    assert_same(net, changed)
    if name != "several in a row":
        assert reads_activations(changed)


def test_a_constant_for_each_entry_stays_behind() -> None:
    amounts = Offset(np.random.default_rng(0).normal(size=(2, 2, 3)))
    net = chain(("pool", POOL), ("amounts", amounts), ("relu", Relu()))
    assert behind_activations(net) is net


def test_a_maximum_that_others_read_stays() -> None:
    net = wired(("pool", POOL, (INPUT,)), ("relu", Relu(), ("pool",)), ("sum", Add(), ("relu", "pool")))
    assert behind_activations(net) is net


def test_values_are_activated_each() -> None:
    net = wired(
        ("n", Scale(np.array(-1.0)), (INPUT,)),
        ("larger", Maximum(), (INPUT, "n")),
        ("s", SIGNS, ("larger",)),
        ("relu", Relu(), ("s",)),
        ("end", Scale(np.array(3.0)), ("relu",)),
    )
    changed = recognised(net)
    assert_same(net, changed)
    assert reads_activations(changed)


def test_a_common_factor_goes_behind() -> None:
    net = wired(
        ("a", Relu(), (INPUT,)),
        ("n", Scale(np.array(-1.0)), (INPUT,)),
        ("b", Relu(), ("n",)),
        ("sa", SIGNS, ("a",)),
        ("sb", SIGNS, ("b",)),
        ("larger", Maximum(), ("sa", "sb")),
    )
    changed = before_linear_maps(net)
    assert_same(net, changed)
    assert reads_activations(changed)


def test_joined_channels_are_pooled_apart() -> None:
    net = wired(
        ("a", Relu(), (INPUT,)),
        ("q", QuantizeClip(2.0, 4, 0.5), (INPUT,)),
        ("left", Pad((0, 0, 0), (2, 0, 0)), ("a",)),
        ("right", Pad((2, 0, 0), (0, 0, 0)), ("q",)),
        ("joined", Add(), ("left", "right")),
        ("pool", POOL, ("joined",)),
    )
    changed = before_linear_maps(net)
    assert_same(net, changed)
    assert reads_activations(changed)


def test_overlapping_channels_are_not() -> None:
    net = wired(
        ("a", Relu(), (INPUT,)),
        ("left", Pad((0, 0, 0), (1, 0, 0)), ("a",)),
        ("right", Pad((1, 0, 0), (0, 0, 0)), ("a",)),
        ("joined", Add(), ("left", "right")),
        ("pool", POOL, ("joined",)),
    )
    assert before_linear_maps(net) is net


@pytest.mark.parametrize(("leak", "splits"), [(-0.1, True), (0.1, False)])
def test_terms_that_all_rise_are_pooled_apart(leak: float, splits: bool) -> None:
    """relu(x) - a relu(-x) rises with x, relu(x) + a relu(-x) does not."""
    net = wired(
        ("a", Relu(), (INPUT,)),
        ("n", Scale(np.array(-1.0)), (INPUT,)),
        ("b", Relu(), ("n",)),
        ("leak", Scale(np.array(leak)), ("b",)),
        ("leaky", Add(), ("a", "leak")),
        ("pool", POOL, ("leaky",)),
    )
    changed = before_linear_maps(net)
    assert_same(net, changed)
    assert (changed is not net) == splits
    assert reads_activations(changed) == splits
