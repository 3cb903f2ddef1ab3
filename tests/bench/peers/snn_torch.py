"""snnTorch: Leaky neurons with beta 1 and reset by subtraction, one call per step, as it has no multi-step mode."""

from __future__ import annotations

import torch
from torch import Tensor

from spikec.runtime.program import Program

from ..layers import Layer
from .layerwise import Layerwise

_STRICT = 0.5
"""snnTorch fires above the threshold, not at it: half a unit more makes the two the same for integers."""


class _Neurons:
    def __init__(self, layer: Layer) -> None:
        from snntorch import Leaky

        self.neurons = Leaky(
            beta=1.0, threshold=layer.threshold, reset_mechanism="subtract", surrogate_disable=True
        ).eval()

    def __call__(self, currents: Tensor, initial: Tensor) -> Tensor:
        membrane = initial + _STRICT
        spikes = []
        for current in currents:
            fired, membrane = self.neurons(current, membrane)
            spikes.append(fired)
        return torch.stack(spikes)


def build(program: Program) -> Layerwise:
    """The program with snnTorch's neurons."""
    return Layerwise(program, _Neurons, time_axis=0)
