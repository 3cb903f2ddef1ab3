"""A bound that no value comes near is none; one that is meant stays, whatever the data reach."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from spikec.compiler.ir.network import INPUT, Network, evaluate
from spikec.compiler.ir.operators import Clip, Offset, Operator, Relu, Reshape, Round, Scale
from spikec.compiler.passes.contract import Compilation, Context
from spikec.compiler.passes.recognise_activations import RecogniseActivations
from spikec.runtime.samples import Samples
from spikec.targets.diagnostic import Diagnostic

Builder = Callable[..., Any]

IMAGES = np.random.default_rng(0).random((20, 2, 9, 9)).astype(np.float32)
"""Behind the convolution of ``with_chain`` their values are from -1.3 to 2.2."""


def with_chain(builder: Builder, *operators: Operator) -> Network:
    net = builder((2, 9, 9), seed=3)
    value = net.conv("conv", INPUT, 2)
    for place, operator in enumerate(operators):
        value = net.add(f"op{place}", operator, value)
    net.dense("scores", net.add("flat", Reshape((162,)), value), 5)
    result: Network = net.network()
    return result


def run(network: Network, context: Context, *, data: bool = True) -> tuple[Network, list[Diagnostic]]:
    given = replace(context, calibration=Samples(IMAGES, None) if data else None)
    outcome = RecogniseActivations().run(Compilation(network), given)
    return outcome.state.network, [d for d in outcome.diagnostics if d.code == "I035"]


def result(network: Network) -> Any:
    return evaluate(network, IMAGES.astype(np.float64))[network.output]


FAR = [
    ((-math.inf, 1e30), ()),
    ((-1e30, math.inf), ()),
    ((-math.inf, 65504.0), ()),
    ((-65504.0, 65504.0), ()),
    ((0.0, 65504.0), ("Relu",)),
    ((-1e12, 0.5), ("Scale", "QuantizeClip or Relu")),
    ((-0.5, 1e25), ("QuantizeClip or Relu",)),
]


WITH_DATA = [(*case, True) for case in (*FAR, ((-math.inf, 40.0), ()))]
"""The last is far from the values, but not from what sums of the weights could be."""


@pytest.mark.parametrize(("bounds", "left", "data"), [*WITH_DATA, *((*case, False) for case in FAR)])
def test_a_bound_that_nothing_reaches_is_left_out(
    builder: Builder, context: Context, bounds: tuple[float, float], left: tuple[str, ...], data: bool
) -> None:
    network = with_chain(builder, Clip(*bounds))

    found, remarks = run(network, context, data=data)

    assert len(remarks) == 1
    assert "op0" in str(remarks[0].place)
    np.testing.assert_allclose(result(found), result(network), rtol=1e-9, atol=1e-9)
    neurons = [n for n in found.nodes if type(n.operator).__name__ in ("Relu", "QuantizeClip")]
    assert len(neurons) == bool(left)


@pytest.mark.parametrize(
    "operators",
    [
        (Clip(0.0, 6.0),),
        (Relu(), Clip(-math.inf, 6.0)),
        (Clip(-math.inf, 1.0),),
        (Clip(-math.inf, 3.0),),
        (Scale(np.array(0.01)), Round(), Clip(-math.inf, 65535.0), Clip(0.0, math.inf)),
        (Scale(np.array(1e-3)), Clip(0.0, 1.0)),
    ],
)
def test_a_bound_that_is_meant_stays(builder: Builder, context: Context, operators: tuple[Operator, ...]) -> None:
    network = with_chain(builder, *operators)

    found, remarks = run(network, context)

    assert not remarks
    np.testing.assert_allclose(result(found), result(network), rtol=1e-9, atol=1e-9)


def test_what_stands_around_the_clip_stays(builder: Builder, context: Context) -> None:
    network = with_chain(builder, Scale(np.array(2.0)), Clip(-1e20, 1e30), Offset(np.array(-0.25)), Relu())

    found, remarks = run(network, context)

    assert len(remarks) == 1
    np.testing.assert_allclose(result(found), result(network), rtol=1e-9, atol=1e-9)
