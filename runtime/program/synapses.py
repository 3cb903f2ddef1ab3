"""The largest messages and input that integer weights can give."""

from __future__ import annotations

import numpy as np

from .program import INPUT, ConvSynapses, IntArray, Population, Program, Projection


def largest_message(program: Program, projection: Projection) -> int:
    """Largest magnitude that one source neuron sends in a step: 1 for spikes, the range for graded input."""
    if projection.source != INPUT:
        return 1
    return max(abs(program.input.minimum), abs(program.input.maximum))


def fan_in_weight(projection: Projection) -> IntArray:
    """Sum of absolute effective weights per target channel (conv) or neuron (dense)."""
    weight = np.abs(projection.effective_weight)
    return np.asarray(weight.reshape(len(weight), -1).sum(axis=1), dtype=np.int64)


def summed_input_range(program: Program, population: Population) -> tuple[IntArray, IntArray]:
    """Least and largest synaptic input of one step, every source at its worst; they broadcast to the neurons.

    In weight units. Padding counts as input, so the bound holds at the edges of a map too.
    """
    low = high = np.zeros((1,) * len(population.shape), dtype=np.int64)
    for projection in program.incoming(population.name):
        least, most = _input_range(program, projection)
        shared = isinstance(projection.synapses, ConvSynapses)
        shape = (-1, *(1,) * (len(population.shape) - 1)) if shared else population.shape
        low, high = low + least.reshape(shape), high + most.reshape(shape)
    return low, high


def _input_range(program: Program, projection: Projection) -> tuple[IntArray, IntArray]:
    weight = projection.synapses.weight.reshape(len(projection.synapses.weight), -1)
    total, magnitude = weight.sum(axis=1), np.abs(weight).sum(axis=1)
    excitation, inhibition = (magnitude + total) // 2, (total - magnitude) // 2
    least, most = (program.input.minimum, program.input.maximum) if projection.source == INPUT else (0, 1)
    # A source outside the map, or a silent one, sends zero.
    least, most = min(least, 0), max(most, 0)
    # A negative exponent is refused where exponents are checked.
    exponent = max(projection.exponent, 0)
    low, high = inhibition * most + excitation * least, excitation * most + inhibition * least
    return low << exponent, high << exponent
