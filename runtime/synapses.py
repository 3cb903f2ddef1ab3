"""How many synapses integer weights make, and the largest input that they can give."""

from __future__ import annotations

import numpy as np

from .program import INPUT, ConvSynapses, IntArray, Program, Projection


def largest_message(program: Program, projection: Projection) -> int:
    """Largest magnitude that one source neuron sends in a step: 1 for spikes, the range for graded input."""
    if projection.source != INPUT:
        return 1
    return max(abs(program.input.minimum), abs(program.input.maximum))


def fan_in_weight(projection: Projection) -> IntArray:
    """Sum of absolute effective weights per target channel (conv) or neuron (dense)."""
    weight = np.abs(projection.effective_weight)
    return np.asarray(weight.reshape(len(weight), -1).sum(axis=1), dtype=np.int64)


def input_range(program: Program, projection: Projection) -> tuple[IntArray, IntArray]:
    """Smallest and largest input per step, per target channel (conv) or neuron (dense); padding counts as input."""
    low, high = (program.input.minimum, program.input.maximum) if projection.source == INPUT else (0, 1)
    flat = projection.effective_weight.reshape(len(projection.effective_weight), -1)
    excitation = np.maximum(flat, 0).sum(axis=1)
    inhibition = np.minimum(flat, 0).sum(axis=1)
    low, high = min(low, 0), max(high, 0)
    return excitation * low + inhibition * high, excitation * high + inhibition * low


def per_neuron(projection: Projection, per_channel: IntArray, dimensions: int) -> IntArray:
    """Shape a per-channel (conv) or per-neuron (dense) array so that it broadcasts to the target's shape."""
    if isinstance(projection.synapses, ConvSynapses):
        return per_channel.reshape(-1, *(1,) * (dimensions - 1))
    return per_channel


def unshared_synapses(program: Program, projection: Projection) -> int:
    """Number of synapses when every target neuron holds its own copy of a shared kernel; padding excluded."""
    synapses = projection.synapses
    if not isinstance(synapses, ConvSynapses):
        return int(synapses.weight.size)
    source = program.source_shape(projection)
    target = program.population(projection.target).shape
    taps = 1
    for axis in (0, 1):
        starts = np.arange(target[1 + axis]) * synapses.geometry.stride[axis] - synapses.geometry.padding[axis]
        offsets = np.arange(synapses.weight.shape[2 + axis]) * synapses.geometry.dilation[axis]
        rows = starts[:, None] + offsets[None, :]
        taps *= int(np.count_nonzero((rows >= 0) & (rows < source[1 + axis])))
    return taps * int(synapses.weight.shape[0] * synapses.weight.shape[1])
