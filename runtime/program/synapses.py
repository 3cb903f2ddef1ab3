"""The largest messages and input that integer weights can give."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .program import INPUT, ConvSynapses, IntArray, Population, Program, Projection, SparseSynapses, Synapses, Weights

_ENTRIES_AT_ONCE = 1 << 16


def narrowest(values: Weights) -> Weights:
    """``values`` in the narrowest signed type that holds them all."""
    low, high = (int(values.min()), int(values.max())) if values.size else (0, 0)
    for kind in (np.int8, np.int16, np.int32):
        if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max:
            return values.astype(kind, copy=False)
    return values


def message_range(program: Program, source: str) -> tuple[int, int]:
    """Least and largest message of ``source`` in a step, 0 among them: spikes, payloads, or graded input."""
    if source != INPUT:
        return program.population(source).payloads
    low, high = program.input.message_range(program.timesteps)
    return min(low, 0), max(high, 0)


def largest_message(program: Program, projection: Projection) -> int:
    """Largest magnitude that one source neuron sends in a step: 1 for spikes, else the range of its integers."""
    low, high = message_range(program, projection.source)
    return max(-low, high)


def sum_by_target(synapses: Synapses, weight: Weights, targets: int) -> IntArray:
    """Sum of ``weight``, shaped as that of ``synapses``, per target channel (conv) or each of ``targets`` neurons."""
    if isinstance(synapses, SparseSynapses):
        return sum_of_runs(weight, synapses.target, targets)
    return np.asarray(weight.reshape(len(weight), -1).sum(axis=1, dtype=np.int64))


def sum_of_runs(values: Weights, target: IntArray, targets: int) -> IntArray:
    """Sum (targets,) of the ``values`` (n,) of each target; ``target`` (n,) ascends."""
    ends = np.searchsorted(target, np.arange(1, targets + 1))
    before = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(values, dtype=np.int64)])
    return np.diff(before[ends], prepend=0)


def magnitude_by_target(synapses: Synapses, targets: int) -> IntArray:
    """Sum of the weights' magnitudes, without exponent, per target channel (conv) or each of ``targets`` neurons."""
    weight = synapses.weight
    if isinstance(synapses, SparseSynapses):
        return sum_of_runs(np.abs(weight, dtype=np.int64), synapses.target, targets)
    # A few rows at a time: the magnitudes of a large matrix take as much memory as it does.
    sums, size = np.empty(len(weight), dtype=np.int64), max(1, _ENTRIES_AT_ONCE * len(weight) // max(1, weight.size))
    for first in range(0, len(weight), size):
        some = np.abs(weight[first : first + size], dtype=np.int64)
        sums[first : first + size] = some.reshape(len(some), -1).sum(axis=1)
    return sums


def fan_in_weight(program: Program, projection: Projection) -> IntArray:
    """Sum of absolute effective weights per target channel (conv) or neuron."""
    targets = program.population(projection.target).neurons
    return magnitude_by_target(projection.synapses, targets) << projection.exponent


def summed_input_range(program: Program, population: Population) -> tuple[IntArray, IntArray]:
    """Least and largest synaptic input of one step, every source at its worst; they broadcast to the neurons.

    In weight units. Padding counts as input, so the bound holds at the edges of a map too.
    """
    return _range_of_sum(program, population, program.input.message_range(program.timesteps), steps=1)


def window_input_range(program: Program, population: Population) -> tuple[IntArray, IntArray]:
    """Least and largest sum of the synaptic input of a window's T steps, as ``summed_input_range``."""
    graded = program.input.window_range(program.timesteps)
    return _range_of_sum(program, population, graded, steps=program.timesteps)


def input_range_of_steps(program: Program, population: Population) -> Iterator[tuple[IntArray, IntArray]]:
    """What each of the T steps adds to the bounds of the input summed since the window began.

    The bounds of the sum are tighter than the sum of ``summed_input_range`` where the input is spread.
    """
    known: dict[tuple[int, int], tuple[IntArray, IntArray]] = {}
    ends = np.array([program.input.minimum, program.input.maximum])
    for step in range(program.timesteps):
        low, high = program.input.messages(ends, step, program.timesteps)
        graded = int(low), int(high)
        if graded not in known:
            known[graded] = _range_of_sum(program, population, graded, steps=1)
        yield known[graded]


def _range_of_sum(
    program: Program, population: Population, given: tuple[int, int], steps: int
) -> tuple[IntArray, IntArray]:
    """Bounds of the input if input neurons send sums within ``given`` and others a message at each of ``steps``."""
    low = high = np.zeros((1,) * len(population.shape), dtype=np.int64)
    for projection in program.incoming(population.name):
        sent = given
        if projection.source != INPUT:
            low_payload, high_payload = program.population(projection.source).payloads
            sent = steps * low_payload, steps * high_payload
        least, most = _input_range(program, projection, sent)
        shared = isinstance(projection.synapses, ConvSynapses)
        shape = (-1, *(1,) * (len(population.shape) - 1)) if shared else population.shape
        low, high = low + least.reshape(shape), high + most.reshape(shape)
    return low, high


def _input_range(program: Program, projection: Projection, sent: tuple[int, int]) -> tuple[IntArray, IntArray]:
    synapses, targets = projection.synapses, program.population(projection.target).neurons
    total = sum_by_target(synapses, synapses.weight, targets)
    magnitude = magnitude_by_target(synapses, targets)
    excitation, inhibition = (magnitude + total) // 2, (total - magnitude) // 2
    # A source outside the map, or a silent one, sends zero.
    least, most = min(sent[0], 0), max(sent[1], 0)
    # A negative exponent is refused where exponents are checked.
    exponent = max(projection.exponent, 0)
    low, high = inhibition * most + excitation * least, excitation * most + inhibition * least
    return low << exponent, high << exponent
