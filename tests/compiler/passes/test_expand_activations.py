"""Activations of both signs become pairs that compute the same, in floats and as counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikec import targets
from spikec.compiler.ir.activations import LeakyRelu
from spikec.compiler.ir.network import INPUT, Network, Node, evaluate
from spikec.compiler.ir.operators import Clip, Offset, Operator, QuantizeClip, Round, Scale
from spikec.compiler.options import CompileOptions
from spikec.compiler.passes.contract import Compilation, Context
from spikec.compiler.passes.expand_activations import ExpandActivations
from spikec.compiler.passes.recognise_activations import recognised
from spikec.compiler.pipeline import passes_for, run_passes
from spikec.runtime.encoding import encode
from spikec.runtime.samples import Samples
from spikec.runtime.simulator import simulate
from spikec.targets.diagnostic import UnusableInput

Builder = Callable[..., Any]


def after(network: Network, timesteps: int = 4) -> tuple[Network, int]:
    outcome = ExpandActivations().run(Compilation(recognised(network)), Context(targets.load("lava"), timesteps, None))
    return outcome.state.network, outcome.effect["pairs"]


def chain(builder: Builder, *operators: Operator) -> Network:
    net = builder((3, 5, 5), seed=3)
    value = net.conv("conv", INPUT, 4)
    for place, operator in enumerate(operators):
        value = net.add(f"step{place}", operator, value)
    net.conv("last", value, 2)
    return net.network()  # type: ignore[no-any-return]


def same(network: Network, other: Network) -> None:
    samples = np.random.default_rng(0).normal(size=(20, *network.input_shape))
    found, wanted = (evaluate(n, samples)[n.output] for n in (other, network))
    np.testing.assert_allclose(found, wanted, atol=1e-9)


CHAINS: dict[str, tuple[tuple[Operator, ...], int]] = {
    "leaky": ((LeakyRelu(np.array(0.1)),), 1),
    "per channel": ((LeakyRelu(np.array([0.1, -0.5, 2.0, 0.0]).reshape(4, 1, 1)),), 1),
    "absolute": ((LeakyRelu(np.array(-1.0)),), 1),
    "hard tanh": ((Clip(-1.0, 1.0),), 1),
    "uneven bounds": ((Clip(-0.5, 2.0),), 1),
    "hard sigmoid": ((Scale(np.array(0.2)), Offset(np.array(0.5)), Clip(0.0, 1.0)), 1),
    "far from zero": ((Clip(0.5, 1.0),), 0),
    "hardly below zero": ((Clip(-0.01, 1.0),), 0),
    "from zero": ((Clip(0.0, 1.0),), 0),
    "signed bytes": ((Scale(np.array(50.0)), Round(), Clip(-128.0, 127.0), Scale(np.array(0.02))), 1),
    "zero point": (
        (Scale(np.array(10.0)), Round(), Offset(np.array(5.0)), Clip(0.0, 15.0), Offset(np.array(-5.0))),
        1,
    ),
    "per channel scale": (
        (Scale(np.array([1.0, 2.0, 3.0, 4.0]).reshape(4, 1, 1)), Round(), Clip(-8.0, 7.0)),
        1,
    ),
    "leaky, then signed bytes": (
        (LeakyRelu(np.array(0.2)), Scale(np.array(30.0)), Round(), Clip(-128.0, 127.0), Scale(np.array(1 / 30))),
        1,
    ),
    "leaky, then a small side": ((LeakyRelu(np.array([0.1, 0.0, 0.3, 1.0]).reshape(4, 1, 1)), Clip(-0.05, 2.0)), 1),
    "absolute, then a clip around zero": ((LeakyRelu(np.array(-1.0)), Clip(-0.5, 2.0)), 2),
    "as many levels as steps": ((Scale(np.array(2.0)), Round(), Clip(-2.0, 2.0)), 0),
}


@pytest.mark.parametrize("name", CHAINS)
def test_the_same_function(builder: Builder, name: str) -> None:
    operators, pairs = CHAINS[name]
    network = chain(builder, *operators)
    expanded, count = after(network)
    assert count == pairs
    assert not any(isinstance(node.operator, LeakyRelu) for node in expanded.nodes)
    same(network, expanded)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(1, 30), st.integers(1, 30), st.floats(0.05, 3), st.floats(0.3, 0.7), st.floats(-2, 2))
def test_random_quantisers(below: int, above: int, unit: float, shift: float, behind: float) -> None:
    operator = QuantizeClip(unit * (below + above), below + above, shift)
    x = np.random.default_rng(0).normal(size=(1, 500)) * 20 * unit
    net = Network("n", (500,), (), INPUT)
    nodes = (
        Node("front", Offset(np.array(unit * below)), (INPUT,), (500,)),
        Node("q", operator, ("front",), (500,)),
        Node("behind", Offset(np.array(behind)), ("q",), (500,)),
    )
    network = net.with_nodes(nodes, "behind")
    outcome = ExpandActivations().run(Compilation(network), Context(targets.load("lava"), 64, None))
    found = evaluate(outcome.state.network, x)["behind"]
    np.testing.assert_allclose(found, evaluate(network, x)["behind"], atol=1e-9 * unit * (below + above))


@pytest.mark.parametrize("steps", [3, 8])
def test_exact_counts_are_those_of_the_quantiser(builder: Builder, steps: int) -> None:
    """Levels on either side as many as steps: on integer weights the pair counts what the activation says."""
    net = builder((6,), seed=2)
    value = net.dense("first", INPUT, 12)
    scaled = net.add("in", Scale(np.array(float(steps))), value)
    value = net.add("clip", Clip(-float(steps), float(steps)), net.add("round", Round(), scaled))
    net.dense("scores", net.add("out", Scale(np.array(1 / steps)), value), 5)
    network = net.network()
    images = Samples(np.random.default_rng(1).random((60, 6)).astype(np.float32), None)
    context = Context(targets.load("lava"), steps, images, schedule="exact")
    pipeline = run_passes(network, context, passes_for(CompileOptions(schedule="exact", calibrate=False)))
    program = pipeline.state.program
    assert program is not None
    assert len(program.populations) == 3
    scores = simulate(program, encode(program.input, images.inputs)[0]).readout
    wanted = evaluate(network, images.as_float())["scores"]
    assert np.corrcoef(scores.ravel(), wanted.ravel())[0, 1] > 0.999


def test_a_side_that_data_never_reaches_is_at_least_as_wide_as_the_other(builder: Builder, context: Context) -> None:
    net = builder((2, 9, 9), seed=1)
    lifted = net.add("lifted", Offset(np.array(20.0)), net.conv("conv", INPUT, 4))
    net.conv("last", net.add("leaky", LeakyRelu(np.array(0.1)), lifted), 2)
    pipeline = run_passes(net.network(), context, passes_for(CompileOptions()))
    found = next(record.effect for record in pipeline.records if record.name == "calibrate-thresholds")
    assert found["thresholds"]["leaky.off"] >= found["thresholds"]["leaky.on"] > 0


@pytest.mark.parametrize(("levels", "code"), [(None, None), (4, "E642")])
def test_an_aim_becomes_the_same_populations_or_is_refused(
    builder: Builder, context: Context, levels: int | None, code: str | None
) -> None:
    def network(activation: Operator) -> Network:
        net = builder((2, 9, 9), seed=1)
        lifted = net.add("lifted", Offset(np.array(1.0)), net.conv("conv", INPUT, 4))
        net.conv("last", net.add("act", activation, lifted), 2)
        return net.network()  # type: ignore[no-any-return]

    given = replace(context, aim=network(QuantizeClip(2.0, levels, 0.5)))
    passes = passes_for(CompileOptions(iterations=1))
    if code is None:
        assert run_passes(network(QuantizeClip(2.0, None)), given, passes).state.program is not None
        return
    with pytest.raises(UnusableInput) as caught:
        run_passes(network(QuantizeClip(2.0, None)), given, passes)
    assert [d.code for d in caught.value.diagnostics] == [code]
