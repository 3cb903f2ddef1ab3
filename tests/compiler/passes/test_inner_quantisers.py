"""Quantisers within a network that only round are left out; activations, clips and what keeps maps apart stay."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from spikec.compiler.ir.network import INPUT, Network, evaluate
from spikec.compiler.ir.operators import Add, AveragePool, Clip, Operator, QuantizeClip, Relu, Reshape, Round, Scale
from spikec.compiler.passes.contract import Compilation, Context
from spikec.compiler.passes.free_ends import FreeEnds
from spikec.compiler.passes.recognise_activations import recognised

Builder = Callable[..., Any]

SIGNED = (Scale(np.array(30.0)), Round(), Clip(-128.0, 127.0), Scale(np.array(1 / 30)))
NARROW = (Scale(np.array(300.0)), Round(), Clip(-128.0, 127.0), Scale(np.array(1 / 300)))
UNSIGNED = (Scale(np.array(30.0)), Round(), Clip(0.0, 255.0), Scale(np.array(1 / 30)))
FEW = (Scale(np.array(2.0)), Round(), Clip(-8.0, 7.0), Scale(np.array(0.5)))


def chain(net: Any, name: str, value: str, operators: tuple[Operator, ...]) -> str:
    for place, operator in enumerate(operators):
        value = net.add(f"{name}{place}", operator, value)
    return value


def residual(builder: Builder, inner: tuple[Operator, ...], behind_sum: tuple[Operator, ...] = ()) -> Network:
    """A branch that ends with the quantiser ``inner`` before it is added to the shortcut."""
    net = builder((2, 9, 9), seed=3)
    shortcut = net.add("act", Relu(), net.conv("conv", INPUT, 3))
    branch = chain(net, "inner", net.conv("second", shortcut, 3), inner)
    value = chain(net, "behind", net.add("sum", Add(), branch, shortcut), behind_sum)
    if not behind_sum:
        value = net.add("act2", Relu(), value)
    net.dense("scores", net.add("flat", Reshape((243,)), value), 5)
    return recognised(net.network())


def freed(network: Network, context: Context) -> tuple[list[str], Network]:
    outcome = FreeEnds().run(Compilation(network), context)
    assert [d.code for d in outcome.diagnostics] == ["I031"] * len(outcome.effect["freed"])
    return outcome.effect["freed"], outcome.state.network


def test_a_sum_gets_what_a_branch_would_round(builder: Builder, context: Context) -> None:
    network = residual(builder, SIGNED)
    names, changed = freed(network, context)
    assert len(names) == 1
    samples = np.random.default_rng(0).random((10, 2, 9, 9))
    kept = frozenset({"sum"})
    found, wanted = (evaluate(n, samples, kept)["sum"] for n in (changed, network))
    assert 0 < np.abs(found - wanted).max() <= 0.5 / 30 + 1e-9


def test_a_pool_gets_none_either(builder: Builder, context: Context) -> None:
    net = builder((2, 8, 8), seed=3)
    value = net.add("pooled", AveragePool((2, 2), (2, 2)), net.add("act", Relu(), net.conv("conv", INPUT, 3)))
    net.dense("scores", net.add("flat", Reshape((48,)), chain(net, "inner", value, UNSIGNED)), 5)
    images = np.random.default_rng(0).random((20, 2, 8, 8)).astype(np.float32)
    assert context.calibration is not None
    data = replace(context.calibration, inputs=images, labels=None)
    assert len(freed(recognised(net.network()), replace(context, calibration=data))[0]) == 1


@pytest.mark.parametrize(
    ("inner", "changes"),
    [(UNSIGNED, {}), (NARROW, {}), (FEW, {}), (SIGNED, {"calibration": None}), (SIGNED, {"timesteps": 255})],
    ids=["activation", "clips", "few levels", "no data", "steps hold them"],
)
def test_what_stays(builder: Builder, context: Context, inner: tuple[Operator, ...], changes: dict[str, Any]) -> None:
    network = residual(builder, inner)
    names, changed = freed(network, replace(context, **changes))
    assert names == []
    assert changed is network


def test_two_maps_with_weights_are_kept_apart(builder: Builder, context: Context) -> None:
    """Of two that only round, the one between weights on either side stays, whichever goes first."""
    names, changed = freed(residual(builder, SIGNED, SIGNED), context)
    assert len(names) == 1
    assert sum(isinstance(node.operator, QuantizeClip) for node in changed.nodes) == 1
