"""``--maxima average``: another network, with a warning that names each layer and a ledger that measures it."""

from __future__ import annotations

import numpy as np
import pytest

from spikec.compiler.ir.maxima import Maximum, MaxPool
from spikec.compiler.ir.network import INPUT, Network, Node, Origin, evaluate
from spikec.compiler.ir.operators import Operator, QuantizeClip, Reshape, Scale
from spikec.compiler.options import CompileOptions, option_problems
from spikec.compiler.passes.average_maxima import AverageMaxima
from spikec.compiler.passes.contract import Compilation, Context, Outcome
from spikec.compiler.pipeline import passes_for, run_passes
from spikec.targets import load

SAMPLES = np.random.default_rng(0).random((2, 1, 5, 5))


def averaged(operator: Operator, inputs: tuple[str, ...] = ("a",)) -> tuple[Network, Outcome]:
    shape = (1, 5, 5)
    nodes = (
        Node("a", QuantizeClip(1.0, 4, 0.5), (INPUT,), shape),
        Node("b", Scale(np.array(0.5)), ("a",), shape),
        Node("pool", operator, inputs, operator.result_shape((shape,) * len(inputs)), (Origin("/pool", "MaxPool"),)),
    )
    net = Network("net", shape, nodes, "pool")
    return net, AverageMaxima("average").run(Compilation(net), Context(load("lava"), 4))


@pytest.mark.parametrize(
    "pool",
    [
        MaxPool((2, 2), (2, 2)),
        MaxPool((3, 3), (2, 2), (1, 1, 1, 1)),
        MaxPool((2, 2), (3, 3), ceil=True),
        MaxPool((2, 2), (1, 1), dilation=(2, 3)),
        MaxPool((3, 2), (1, 1), (2, 1, 2, 1), (2, 2)),
    ],
)
def test_windows_become_their_averages(pool: MaxPool) -> None:
    net, outcome = averaged(pool)
    values = evaluate(net, SAMPLES, frozenset(("a",)))["a"]
    found = evaluate(outcome.state.network, SAMPLES)["pool"]
    top, left, *_ = pool.geometry((5, 5)).padding
    for row, column in np.ndindex(*found.shape[2:]):
        read = [
            (row * pool.stride[0] - top + i * pool.dilation[0], column * pool.stride[1] - left + j * pool.dilation[1])
            for i, j in np.ndindex(*pool.kernel)
        ]
        entries = [values[0, 0, r, c] for r, c in read if 0 <= r < 5 and 0 <= c < 5]
        assert found[0, 0, row, column] == pytest.approx(sum(entries) / len(entries))


def test_values_become_their_mean() -> None:
    _, outcome = averaged(Maximum(), ("a", "b"))
    values = evaluate(outcome.state.network, SAMPLES, frozenset(("a", "b")))
    np.testing.assert_allclose(values["pool"], (values["a"] + values["b"]) / 2)


def test_every_replaced_layer_is_named() -> None:
    _, outcome = averaged(MaxPool((2, 2), (2, 2)))
    assert [(d.code, d.place.layer, d.place.nodes) for d in outcome.diagnostics] == [("W031", "pool", ("/pool",))]
    assert outcome.effect == {"averaged": ["pool"]}


def test_no_other_policy_replaces_anything() -> None:
    net, _ = averaged(MaxPool((2, 2), (2, 2)))
    assert AverageMaxima().run(Compilation(net), Context(load("lava"), 4)).state.network is net


def test_the_option_reaches_the_pass() -> None:
    net, _ = averaged(MaxPool((2, 2), (2, 2)))
    flat = Node("flat", Reshape((4,)), ("pool",), (4,))
    net = Network("net", net.input_shape, (*net.nodes, flat), "flat")
    pipeline = run_passes(net, Context(load("lava"), 4), passes_for(CompileOptions(maxima="average")))
    assert pipeline.state.program is not None
    assert [p.name for p in pipeline.state.program.populations[:-1]] == ["a"]
    assert [d.code for d in option_problems(CompileOptions(maxima="mean"))] == ["E630"]
