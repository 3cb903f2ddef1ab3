"""sinabs: IAF layers with at most one spike per step and reset by subtraction, all steps in one call."""

from __future__ import annotations

import torch
from torch import Tensor

from spikec.runtime.program import Program

from ..layers import Layer
from .layerwise import Layerwise


class _Neurons:
    def __init__(self, layer: Layer) -> None:
        from sinabs.activation import MembraneSubtract, SingleSpike
        from sinabs.layers import IAF

        threshold = torch.tensor(float(layer.threshold or 0))
        self.neurons = IAF(spike_threshold=threshold, spike_fn=SingleSpike, reset_fn=MembraneSubtract()).eval()

    def __call__(self, currents: Tensor, initial: Tensor) -> Tensor:
        self.neurons.v_mem = initial
        spikes: Tensor = self.neurons(currents)
        return spikes


def build(program: Program) -> Layerwise:
    """The program with sinabs' neurons."""
    return Layerwise(program, _Neurons, time_axis=1)
