"""Which core holds each neuron of a program."""

from __future__ import annotations

from ...runtime.program import IntArray
from .placement import Placement


def cores_of(placement: Placement) -> dict[str, IntArray]:
    """For each population the core of each of its neurons, in C order; boxes of several layers can share one."""
    return {layer.name: layer.core_of_neurons().ravel() for layer in placement.layers}
