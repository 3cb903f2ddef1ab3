"""A small network of maps with a shortcut, at level 1 and level 2."""

from __future__ import annotations

import numpy as np
import pytest

from spikec import targets
from spikec.compiler.ir.network import INPUT, Network, Node
from spikec.compiler.ir.operators import Add, AveragePool, Clip, Conv, Dense, QuantizeClip, Reshape
from spikec.compiler.ir.spiking import SpikingNetwork
from spikec.compiler.passes.align_delays import AlignDelays
from spikec.compiler.passes.compose_linear_maps import ComposeLinearMaps
from spikec.compiler.passes.contract import Compilation, Context
from spikec.runtime.program.geometry import ConvGeometry

_SAME = ConvGeometry(padding=(1, 1, 1, 1))


def _ramp(*shape: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return np.linspace(-0.4, 0.6, int(np.prod(shape))).reshape(shape)


@pytest.fixture
def network() -> Network:
    maps = (2, 4, 4)
    return Network(
        "small",
        (1, 4, 4),
        (
            Node("conv1", Conv(_ramp(2, 1, 3, 3), _ramp(2), _SAME), (INPUT,), maps),
            Node("act1", QuantizeClip(1.5, 4, 0.5), ("conv1",), maps),
            Node("conv2", Conv(_ramp(2, 2, 3, 3), _ramp(2), _SAME), ("act1",), maps),
            Node("act2", QuantizeClip(0.7, 2, 0.0), ("conv2",), maps),
            Node("sum", Add(), ("act1", "act2"), maps),
            Node("act3", QuantizeClip(2.0, 4, 0.25), ("sum",), maps),
            Node("pool", AveragePool((2, 2), (2, 2)), ("act3",), (2, 2, 2)),
            Node("flat", Reshape((8,)), ("pool",), (8,)),
            Node("scores", Dense(_ramp(3, 8), _ramp(3)), ("flat",), (3,)),
        ),
        "scores",
    )


@pytest.fixture
def clipped(network: Network) -> Network:
    return network.with_nodes(
        tuple(Node(n.name, Clip(0.0, 1.5), n.inputs, n.shape) if n.name == "act1" else n for n in network.nodes)
    )


@pytest.fixture
def spiking(network: Network) -> SpikingNetwork:
    context = Context(targets.load("lava"), 4)
    composed = ComposeLinearMaps().run(Compilation(network), context).state
    aligned = AlignDelays().run(composed, context).state.spiking
    assert aligned is not None
    return aligned
