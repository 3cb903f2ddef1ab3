"""What a program is: its data, its rules, the ranges of its numbers, and its files."""

from __future__ import annotations

from .program import (
    INPUT,
    SPIKES,
    ConvSynapses,
    DenseSynapses,
    InputEncoding,
    IntArray,
    Output,
    Population,
    Program,
    Projection,
    Pulse,
    Shape,
    SparseSynapses,
    Synapses,
    Weights,
    latency_with_gates,
)

__all__ = [
    "INPUT",
    "SPIKES",
    "ConvSynapses",
    "DenseSynapses",
    "InputEncoding",
    "IntArray",
    "Output",
    "Population",
    "Program",
    "Projection",
    "Pulse",
    "Shape",
    "SparseSynapses",
    "Synapses",
    "Weights",
    "latency_with_gates",
]
