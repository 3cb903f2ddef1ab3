"""``--maxima measured``: held-out calibration data decides, and the finding says between what."""

from __future__ import annotations

import numpy as np
import pytest

from spikec.compiler.ir.maxima import MaxPool
from spikec.compiler.ir.network import INPUT, Network, Node
from spikec.compiler.ir.operators import Dense, Operator, QuantizeClip, Reshape, Shape
from spikec.compiler.maxima_choice import with_chosen_maxima
from spikec.compiler.options import CompileOptions
from spikec.compiler.passes.contract import Context
from spikec.compiler.pipeline import Pipeline
from spikec.runtime.samples import Samples
from spikec.targets import load
from spikec.targets.diagnostic import UnusableInput

SHAPE = (1, 4, 4)


def network(pool: Operator | None) -> Network:
    """Two scores: the largest entry of each half of the image, or where there is no pool a sum."""
    steps: list[tuple[str, Operator]] = [("a", QuantizeClip(1.0, 4, 0.5))]
    if pool is not None:
        steps.append(("pool", pool))
    shape: Shape = SHAPE
    nodes: list[Node] = []
    for name, operator in steps:
        shape = operator.result_shape((shape,))
        nodes.append(Node(name, operator, (nodes[-1].name if nodes else INPUT,), shape))
    size = int(np.prod(shape))
    nodes.append(Node("flat", Reshape((size,)), (nodes[-1].name,), (size,)))
    weight = np.zeros((2, size))
    weight[0, : size // 2], weight[1, size // 2 :] = 1.0, 1.0
    nodes.append(Node("scores", Dense(weight, np.zeros(2)), ("flat",), (2,)))
    return Network("net", SHAPE, tuple(nodes), "scores")


def images(kind: str, count: int = 32) -> Samples:
    """``peaks``: one half has the largest entry and the other the larger sum; ``even``: halves of one value each."""
    random = np.random.default_rng(0)
    inputs = np.zeros((count, *SHAPE), np.float32)
    for k in range(count):
        half = slice(0, 2) if random.random() < 0.5 else slice(2, 4)
        other = slice(2, 4) if half.start == 0 else slice(0, 2)
        if kind == "peaks":
            inputs[k, 0, other] = 0.5
            inputs[k, 0, half, :][1, 1] = 1.0
        else:
            inputs[k, 0, half] = 1.0
    return Samples(inputs, None)


def chosen(net: Network, calibration: Samples | None) -> Pipeline:
    context = Context(load("lava"), 4, calibration, schedule="exact")
    return with_chosen_maxima(net, context, CompileOptions(maxima="measured", schedule="exact"))


@pytest.mark.parametrize(("kind", "kept"), [("peaks", "exact"), ("even", "average")])
def test_what_agrees_more_is_kept_and_of_equals_the_cheaper(kind: str, kept: str) -> None:
    pipeline = chosen(network(MaxPool((2, 4), (2, 4))), images(kind))
    (finding,) = (d for d in pipeline.diagnostics if d.code == "I030" and "held-out" in d.message)
    assert finding.message.endswith(f"{kept} is kept")
    assert f"agrees with the model on 100.0 % with {16 + 2 * (8 - 1)} neurons" in finding.message
    assert any(d.code == "W031" for d in pipeline.diagnostics) == (kept == "average")


def test_without_a_maximum_there_is_nothing_to_choose() -> None:
    assert not chosen(network(None), images("even")).diagnostics


@pytest.mark.parametrize("data", [None, images("even", 7)])
def test_too_little_data_is_refused(data: Samples | None) -> None:
    with pytest.raises(UnusableInput, match=r"E630 .*too little to measure on"):
        chosen(network(MaxPool((2, 4), (2, 4))), data)
