"""What the probe takes for a changed function, and what for the rounding of sums that cancel."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from spikec.compiler.ir.network import INPUT, Network, Node, Origin
from spikec.compiler.ir.operators import Conv, Dense, Operator, QuantizeClip, Reshape
from spikec.compiler.passes.compose_linear_maps import ComposeLinearMaps
from spikec.compiler.passes.contract import Compilation, Context
from spikec.compiler.probe import check_kept
from spikec.runtime.program.geometry import ConvGeometry
from spikec.targets import load
from spikec.targets.diagnostic import UnusableInput

SHAPE = (1, 8, 8)


def cancelling(seed: int) -> Network:
    """Values less their mean, and then the mean of them: nothing but rounding."""
    random = np.random.default_rng(seed)
    centring = np.eye(64) - np.full((64, 64), 1 / 64)
    average = np.full((1, 64), 10.0 ** random.integers(-3, 4) / 64)
    steps: list[tuple[str, Operator, tuple[int, ...]]] = [
        ("conv", Conv(40 * random.normal(size=(1, 1, 3, 3)), np.zeros(1), ConvGeometry((1, 1), (1, 1, 1, 1))), SHAPE),
        ("act", QuantizeClip(10.0, 4, 0.5), SHAPE),
        ("flat", Reshape((64,)), (64,)),
        ("centred", Dense(centring, np.zeros(64)), (64,)),
        ("scores", Dense(average, np.zeros(1)), (1,)),
    ]
    before = (INPUT, *(name for name, _, _ in steps))
    nodes = [
        Node(name, operator, (source,), shape, (Origin(name, "Test"),))
        for (name, operator, shape), source in zip(steps, before, strict=False)
    ]
    return Network("cancelling", SHAPE, tuple(nodes), "scores")


def composed(network: Network) -> Compilation:
    return ComposeLinearMaps().run(Compilation(network), Context(load("lava"), 4)).state


@pytest.mark.parametrize("seed", range(8))
def test_scores_that_cancel_are_measured_by_what_they_are_summed_of(seed: int) -> None:
    network = cancelling(seed)
    after = composed(network)
    check_kept(Compilation(network), after, lambda: [("compose-linear-maps", after)])


@pytest.mark.parametrize("seed", range(8))
def test_a_changed_function_is_found_where_scores_cancel(seed: int) -> None:
    network = cancelling(seed)
    scores = network.node("scores").operator
    assert isinstance(scores, Dense)
    weight = scores.weight.copy()
    weight[0, 0] *= 1 + 1e-4
    wrong = network.with_nodes((*network.nodes[:-1], replace(network.nodes[-1], operator=Dense(weight, scores.bias))))
    after = composed(wrong)
    with pytest.raises(UnusableInput, match="E901 compose-linear-maps changed the network's function"):
        check_kept(Compilation(network), after, lambda: [("compose-linear-maps", after)])
