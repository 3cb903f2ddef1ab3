"""A quantiser at an end that T steps cannot hold is left out; one that they hold, or an activation, stays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from spikec.compiler.ir.network import INPUT, Network, Node, evaluate
from spikec.compiler.ir.operators import Clip, Offset, Operator, QuantizeClip, Reshape, Round, Scale
from spikec.compiler.ir.outputs import Outputs
from spikec.compiler.options import CompileOptions
from spikec.compiler.passes.contract import Compilation, Context
from spikec.compiler.passes.free_ends import FreeEnds
from spikec.compiler.passes.recognise_activations import recognised
from spikec.compiler.pipeline import passes_for, run_passes

Builder = Callable[..., Any]


def ended(builder: Builder, *operators: Operator) -> Network:
    net = builder((2, 9, 9), seed=3)
    value = net.add("flat", Reshape((162,)), net.add("act", QuantizeClip(1.0, 4, 0.5), net.conv("conv", INPUT, 2)))
    value = net.dense("scores", value, 5)
    for place, operator in enumerate(operators):
        value = net.add(f"end{place}", operator, value)
    return recognised(net.network())


BYTES = (Scale(np.array(20.0)), Round(), Clip(-128.0, 127.0), Scale(np.array(0.05)))
UNSIGNED = (Scale(np.array(20.0)), Round(), Clip(0.0, 255.0), Scale(np.array(0.05)))
FEW = (Scale(np.array(1.0)), Round(), Clip(-2.0, 2.0))


def test_scores_are_what_it_would_round(builder: Builder, context: Context) -> None:
    network = ended(builder, *BYTES, Offset(np.array(3.0)))
    outcome = FreeEnds().run(Compilation(network), context)
    freed = outcome.state.network
    assert [d.code for d in outcome.diagnostics] == ["I031"]
    assert outcome.diagnostics[0].measured == 255
    samples = np.random.default_rng(0).random((20, 2, 9, 9))
    found, wanted = (evaluate(n, samples)[n.output] for n in (freed, network))
    assert 0 < np.abs(found - wanted).max() <= 0.025 + 1e-9


@pytest.mark.parametrize(("end", "timesteps"), [(BYTES, 255), (UNSIGNED, 4), (FEW, 4), ((), 4)])
def test_what_steps_hold_and_activations_stay(
    builder: Builder, context: Context, end: tuple[Operator, ...], timesteps: int
) -> None:
    state = Compilation(ended(builder, *end))
    outcome = FreeEnds().run(state, replace(context, timesteps=timesteps))
    assert outcome.state is state
    assert outcome.diagnostics == ()


def test_the_quantiser_may_be_the_result_itself(builder: Builder, context: Context) -> None:
    network = ended(builder, *BYTES)
    twice = network.with_nodes(network.nodes, network.nodes[-1].inputs[0])
    outcome = FreeEnds().run(Compilation(twice), context)
    assert [type(node.operator).__name__ for node in outcome.state.network.nodes].count("QuantizeClip") == 1


@pytest.mark.parametrize("is_read", [False, True])
def test_of_several_results_one_that_is_read_inside_keeps_its_quantiser(
    builder: Builder, context: Context, is_read: bool
) -> None:
    single = ended(builder, *BYTES)
    inside = Node("inside", Scale(np.array(2.0)), (single.output,), (5,))
    nodes = (*single.nodes, inside) if is_read else single.nodes
    values = (single.output, "inside" if is_read else "act")
    operator = Outputs(("a", "b"))
    shape = operator.result_shape(((5,), (5,) if is_read else single.shape("act")))
    network = single.with_nodes((*nodes, Node("both", operator, values, shape)), "both")
    freed = FreeEnds().run(Compilation(network), context).effect["freed"]
    assert len(freed) == (0 if is_read else 1)


def test_a_quantiser_of_bytes_gets_a_threshold_from_data(builder: Builder, context: Context) -> None:
    """Its 255 levels are lost in 4 steps, so the range may shrink to where the values are."""
    net = builder((2, 9, 9), seed=3)
    value = net.add("act", QuantizeClip(50.0, 255, 0.5), net.conv("conv", INPUT, 2))
    net.conv("last", net.add("few", QuantizeClip(5.0, 8, 0.5), net.conv("second", value, 3)), 2)
    network = net.network()
    thresholds = {}
    for given in (context, replace(context, calibration=None)):
        pipeline = run_passes(network, given, passes_for(CompileOptions()))
        nodes = pipeline.stages["calibrate-thresholds"].network
        thresholds[given.calibration is None] = [nodes.node(name).operator.threshold for name in ("act", "few")]  # type: ignore[attr-defined]
    assert thresholds[True] == [50.0, 5.0]
    assert thresholds[False][0] < 10
    assert thresholds[False][1] == 5.0


@pytest.mark.parametrize(
    ("quantiser", "is_freed"),
    [
        (QuantizeClip(1.0, 255, 0.5), True),
        (QuantizeClip(2.0, 127, 0.5), True),
        (QuantizeClip(0.5, 255, 0.5), False),
        (QuantizeClip(1.0, 15, 0.5), False),
        (QuantizeClip(1.0, None), False),
    ],
)
def test_the_input_needs_no_neurons_where_nothing_is_clipped(
    builder: Builder, context: Context, quantiser: QuantizeClip, is_freed: bool
) -> None:
    net = builder((2, 9, 9), seed=3)
    net.conv(
        "scores", net.add("act", QuantizeClip(1.0, 4, 0.5), net.conv("conv", net.add("q", quantiser, INPUT), 2)), 2
    )
    outcome = FreeEnds().run(Compilation(net.network()), context)
    assert outcome.effect["freed"] == (["q"] if is_freed else [])
    assert [type(n.operator).__name__ for n in outcome.state.network.nodes].count("QuantizeClip") == 2 - is_freed
    lifted = builder((2, 9, 9), seed=3)
    lifted.conv("scores", lifted.add("q", quantiser, lifted.add("up", Offset(np.array(-0.1)), INPUT)), 2)
    assert FreeEnds().run(Compilation(lifted.network()), context).effect["freed"] == []
