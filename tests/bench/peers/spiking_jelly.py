"""SpikingJelly: multi-step IF nodes in evaluation mode, where they run as compiled TorchScript."""

from __future__ import annotations

import warnings

from torch import Tensor

from spikec.runtime.program import Program

from ..layers import Layer
from .layerwise import Layerwise


class _Neurons:
    def __init__(self, layer: Layer) -> None:
        with warnings.catch_warnings():
            # Its TorchScript is what runs; torch announces the successor.
            warnings.simplefilter("ignore", FutureWarning)
            from spikingjelly.activation_based.neuron import IFNode

        assert layer.threshold is not None
        self.node = IFNode(v_threshold=float(layer.threshold), v_reset=None, step_mode="m").eval()

    def __call__(self, currents: Tensor, initial: Tensor) -> Tensor:
        self.node.v = initial
        spikes: Tensor = self.node(currents)
        return spikes


def build(program: Program) -> Layerwise:
    """The program with SpikingJelly's neurons."""
    return Layerwise(program, _Neurons, time_axis=0)
