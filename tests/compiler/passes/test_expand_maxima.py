"""Maxima become neurons: exactly on a grid, in T levels elsewhere, and not at all without bounds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from spikec.compiler.ir.maxima import AnySpike, Maximum, MaximumNeuron, MaxPool
from spikec.compiler.ir.network import INPUT, Network, Node, evaluate
from spikec.compiler.ir.operators import (
    Add,
    AveragePool,
    Dense,
    Offset,
    Operator,
    QuantizeClip,
    Reshape,
    Scale,
    Shape,
)
from spikec.compiler.ir.sparse_operator import along_axes, picking
from spikec.compiler.ir.text import print_network
from spikec.compiler.passes import value_ranges
from spikec.compiler.passes.contract import Compilation, Context
from spikec.compiler.passes.expand_maxima import ExpandMaxima
from spikec.compiler.passes.value_ranges import UNKNOWN, Range
from spikec.compiler.report import effect_in_words
from spikec.runtime.samples import Samples
from spikec.targets import load
from spikec.targets.diagnostic import UnusableInput

POOL = MaxPool((2, 2), (2, 2))
PADDED = MaxPool((2, 2), (1, 1), (1, 1, 0, 0))
UNEVEN = Offset(np.random.default_rng(2).normal(size=(2, 4, 4)))
"""Keeps two activations from rising with one and the same value."""


def network(*steps: tuple[str, Operator, tuple[str, ...]], shape: Shape = (2, 4, 4)) -> Network:
    shapes: dict[str, Shape] = {INPUT: shape}
    nodes = []
    for name, operator, inputs in steps:
        shapes[name] = operator.result_shape(tuple(shapes[value] for value in inputs))
        nodes.append(Node(name, operator, inputs, shapes[name]))
    return Network("net", shape, tuple(nodes), nodes[-1].name)


def expanded(net: Network, timesteps: int = 4, calibration: Samples | None = None) -> tuple[Network, dict[str, Any]]:
    outcome = ExpandMaxima().run(Compilation(net), Context(load("lava"), timesteps, calibration))
    return outcome.state.network, outcome.effect["maxima"]


def off_by(net: Network, changed: Network) -> float:
    samples = np.random.default_rng(0).uniform(-1, 2, (8, *net.input_shape))
    found, wanted = (evaluate(n, samples)[n.output] for n in (changed, net))
    return float(np.abs(found - wanted).max())


def quantiser(threshold: float = 1.0, levels: int = 4) -> QuantizeClip:
    return QuantizeClip(threshold, levels, 0.5)


def test_a_pool_of_two_by_two(golden: Any) -> None:
    net = network(("a", quantiser(), (INPUT,)), ("pool", POOL, ("a",)))
    changed, effect = expanded(net)
    golden("pool.txt", print_network(changed))
    assert effect == {"pool": {"neurons": 2 * (4 * 2 + 2 * 2), "depth": 2, "exact": True}}
    assert off_by(net, changed) < 1e-12


def test_a_network_without_maxima_is_left_alone() -> None:
    net = network(("a", quantiser(), (INPUT,)))
    assert expanded(net)[0] is net


ON_A_GRID = {
    "values of one activation": (("a", quantiser(), (INPUT,)), ("pool", PADDED, ("a",))),
    "negative values, padded": (
        ("a", quantiser(), (INPUT,)),
        ("n", Scale(np.array(-2.0)), ("a",)),
        ("pool", PADDED, ("n",)),
    ),
    "shifted values, padded": (
        ("a", quantiser(), (INPUT,)),
        ("n", Offset(np.array(-0.7)), ("a",)),
        ("pool", PADDED, ("n",)),
    ),
    "a sum of activations": (
        ("a", quantiser(), (INPUT,)),
        ("h", UNEVEN, (INPUT,)),
        ("b", quantiser(), ("h",)),
        ("s", Add(), ("a", "b")),
        ("pool", PADDED, ("s",)),
    ),
    "thresholds of which one is a multiple": (
        ("a", quantiser(), (INPUT,)),
        ("h", UNEVEN, (INPUT,)),
        ("b", quantiser(2.0), ("h",)),
        ("s", Add(), ("a", "b")),
        ("pool", POOL, ("s",)),
    ),
    "an average": (("a", quantiser(), (INPUT,)), ("m", AveragePool((2, 2), (1, 1)), ("a",)), ("pool", POOL, ("m",))),
    "several values": (
        ("a", quantiser(), (INPUT,)),
        ("h", Scale(np.array(-0.5)), (INPUT,)),
        ("b", quantiser(), ("h",)),
        ("i", Offset(np.array(-0.4)), (INPUT,)),
        ("c", quantiser(), ("i",)),
        ("larger", Maximum(), ("a", "b", "c")),
    ),
    "values below zero": (
        ("a", quantiser(), (INPUT,)),
        ("n", Scale(np.array(-1.0)), ("a",)),
        ("h", Scale(np.array(0.5)), (INPUT,)),
        ("b", quantiser(), ("h",)),
        ("larger", Maximum(), ("n", "b")),
    ),
    "features": (
        ("f", Reshape((32,)), (INPUT,)),
        ("a", quantiser(), ("f",)),
        ("h", Scale(np.array(0.5)), ("f",)),
        ("b", quantiser(), ("h",)),
        ("larger", Maximum(), ("a", "b")),
    ),
}


@pytest.mark.parametrize("name", ON_A_GRID)
def test_on_a_grid_nothing_is_lost(name: str) -> None:
    net = network(*ON_A_GRID[name])
    changed, effect = expanded(net)
    assert [each["exact"] for each in effect.values()] == [True]
    assert off_by(net, changed) < 1e-9
    assert not any(isinstance(node.operator, MaxPool | Maximum) for node in changed.nodes)


def test_a_sum_takes_a_neuron_for_each_threshold_of_its_range() -> None:
    one, two = (expanded(network(*ON_A_GRID[name]))[1]["pool"]["neurons"] for name in ON_A_GRID if name in (
        "values of one activation", "a sum of activations"))  # fmt: skip
    assert two == 2 * one


def test_without_a_grid_differences_have_as_many_levels_as_steps() -> None:
    steps = (
        ("a", quantiser(1.0), (INPUT,)),
        ("b", quantiser(0.7), (INPUT,)),
        ("larger", Maximum(), ("b", "a")),
    )
    net = network(*steps)
    errors = []
    for timesteps in (4, 64):
        changed, effect = expanded(net, timesteps)
        assert not effect["larger"]["exact"]
        errors.append(off_by(net, changed))
    assert 0 < errors[1] <= 1 / 128 < errors[0] <= 1 / 8


def test_at_one_step_one_neuron_takes_the_largest() -> None:
    net = network(("a", quantiser(), (INPUT,)), ("pool", PADDED, ("a",)))
    changed, effect = expanded(net, timesteps=1)
    assert effect == {"pool": {"neurons": 2 * 4 * 4, "depth": 1, "exact": True}}
    assert isinstance(changed.node("pool").operator, AnySpike)
    assert off_by(net, changed) == 0


def test_a_maximum_of_the_input_needs_data() -> None:
    for pool in (POOL, PADDED):
        with pytest.raises(UnusableInput) as caught:
            expanded(network(("pool", pool, (INPUT,))))
        assert {problem.code for problem in caught.value.diagnostics} == {"E221"}


@pytest.mark.parametrize("pool", [POOL, PADDED])
def test_a_maximum_of_the_input_is_compared_in_the_range_of_the_data(pool: MaxPool) -> None:
    net = network(("pool", pool, (INPUT,)))
    inputs = np.random.default_rng(0).uniform(-1, 2, (8, 2, 4, 4)).astype(np.float32)
    changed, effect = expanded(net, 64, Samples(inputs, None))
    assert not effect["pool"]["exact"]
    assert all(n.operator.threshold <= 3 for n in changed.nodes if isinstance(n.operator, MaximumNeuron))
    assert off_by(net, changed) < 0.15


@pytest.mark.parametrize(
    "pool",
    [
        PADDED,
        MaxPool((3, 2), (2, 3), (2, 1, 1, 1)),
        MaxPool((3, 3), (3, 3), (1, 1, 1, 0), ceil=True),
        MaxPool((2, 3), (1, 1), (1, 2, 1, 3), dilation=(2, 2)),
        MaxPool((3, 3), (1, 1), (2, 2, 2, 2), dilation=(2, 1)),
    ],
)
def test_padding_wins_against_no_value_even_where_none_is_the_lowest(
    pool: MaxPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(value_ranges, "value_ranges", lambda net, given: dict.fromkeys([INPUT, "pool"], UNKNOWN))
    net = network(("pool", pool, (INPUT,)))
    inputs = np.random.default_rng(0).uniform(-3, -1, (64, 2, 4, 4)).astype(np.float32)
    changed, _ = expanded(net, 1024, Samples(inputs, None))
    found, wanted = (evaluate(n, inputs[:8].astype(np.float64))[n.output] for n in (changed, net))
    np.testing.assert_allclose(found, wanted, rtol=0, atol=0.1)


def test_entries_that_are_repeated_or_left_out_keep_their_grid() -> None:
    picked = along_axes((2, 4, 4), {2: picking(np.array([0, 0, 2, 3, 3]), 4)})
    net = network(("a", quantiser(), (INPUT,)), ("picked", picked, ("a",)), ("pool", PADDED, ("picked",)))
    changed, effect = expanded(net)
    assert effect["pool"]["exact"]
    assert off_by(net, changed) < 1e-9


def test_a_value_without_bounds_that_is_never_larger_has_no_threshold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(value_ranges, "value_ranges", lambda net, given: dict.fromkeys([INPUT, "pool"], UNKNOWN))
    falling = -np.add.outer(np.arange(4.0), np.arange(4.0))
    inputs = np.broadcast_to(falling, (4, 2, 4, 4)).astype(np.float32)
    with pytest.raises(UnusableInput) as caught:
        expanded(network(("pool", POOL, (INPUT,))), 4, Samples(inputs, None))
    assert {problem.code for problem in caught.value.diagnostics} == {"E222"}


def test_values_that_are_always_alike_take_no_neuron(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(value_ranges, "value_ranges", lambda net, given: dict.fromkeys([INPUT, "pool"], Range(1, 1)))
    changed, effect = expanded(network(("pool", POOL, (INPUT,))))
    assert effect["pool"]["neurons"] == 0
    assert not any(isinstance(node.operator, QuantizeClip) for node in changed.nodes)


@pytest.mark.parametrize("pool", [POOL, PADDED])
@pytest.mark.parametrize("at", [0.4, -0.4])
def test_a_maximum_of_the_input_is_one_also_beyond_the_calibration_data(pool: MaxPool, at: float) -> None:
    """All of the data has one value; what the encoder lets through goes on to 0 or to its opposite, and to 1."""
    net = network(("pool", pool, (INPUT,)))
    changed, effect = expanded(net, 64, Samples(np.full((1, 2, 4, 4), at, np.float32), None))
    assert not effect["pool"]["exact"]
    inputs = np.random.default_rng(0).uniform(min(0, at), abs(at), (8, 2, 4, 4))
    found, wanted = (evaluate(n, inputs)[n.output] for n in (changed, net))
    np.testing.assert_allclose(found, wanted, rtol=0, atol=0.05)


def test_a_value_below_all_calibration_data_may_win_against_other_input() -> None:
    net = network(("a", quantiser(0.3), (INPUT,)), ("larger", Maximum(), (INPUT, "a")))
    data = np.random.default_rng(0).uniform(0.5, 0.9, (4, 2, 4, 4)).astype(np.float32)
    changed, effect = expanded(net, 64, Samples(data, None))
    assert not effect["larger"]["exact"]
    inputs = np.random.default_rng(1).uniform(0, 1, (8, 2, 4, 4))
    found, wanted = (evaluate(n, inputs)[n.output] for n in (changed, net))
    np.testing.assert_allclose(found, wanted, rtol=0, atol=0.01)


@pytest.mark.parametrize(("outputs", "is_kept"), [(1 << 19, False), ((1 << 19) + 1, True)])
def test_a_wide_matrix_reads_the_maxima_alone(outputs: int, is_kept: bool) -> None:
    # One row stands for many: the weights themselves are never looked at.
    dense = Dense(np.broadcast_to(np.arange(8.0), (outputs, 8)), np.zeros(outputs))
    steps = (
        ("a", quantiser(0.3), (INPUT,)),
        ("pool", POOL, ("a",)),
        ("average", AveragePool((1, 1), (1, 1)), ("pool",)),
        ("flat", Reshape((8,)), ("average",)),
    )
    changed, effect = expanded(network(*steps, ("scores", dense, ("flat",))))
    kept = 8 if is_kept else 0
    assert effect == {"pool": {"neurons": 2 * (4 * 2 + 2 * 2) + kept, "depth": 2 + is_kept, "exact": True}}
    reads_population = all(isinstance(changed.node(n).operator, MaximumNeuron) for n in changed.node("pool").inputs)
    assert reads_population == is_kept
    before_scores = changed.with_nodes(changed.nodes[:-1], "flat")
    assert off_by(network(*steps), before_scores) < 1e-12


def test_findings_tell_neurons_and_depth() -> None:
    net = network(("a", quantiser(), (INPUT,)), ("pool", POOL, ("a",)))
    outcome = ExpandMaxima().run(Compilation(net), Context(load("lava"), 4))
    (found,) = outcome.diagnostics
    assert (found.code, found.place.layer) == ("I030", "pool")
    assert found.message == "the maximum became 24 neurons, 2 populations deep, and loses nothing"
    assert effect_in_words("expand-maxima", outcome.effect) == (
        "1 maximum computed by 24 neurons, each 2 deep, nothing lost."
    )
