"""What a spiking network stands for: the ANN of its rates, evaluated in float.

    r_i = q((sum_j W_ij theta_j r_j + b_i) / theta_i),   q(x) = clip(floor(x L + s) / L, 0, 1)

in whichever unit the network's thresholds are; the limit of long windows, not a simulation of spikes. Graded neurons
have payloads in place of rates, in units of one level, so that L is 1 and the bounds are those of the payloads.
"""

from __future__ import annotations

import math

import numpy as np

from ...runtime.simulator.sparse import SparseMatrix
from ..arithmetic import convolve, matmul
from .operators import AnyFloat
from .spiking import INPUT, ConvMap, Population, Projection, SparseMap, SpikingNetwork


def evaluate_rates(
    spiking: SpikingNetwork,
    samples: AnyFloat,
    *,
    continuous: bool = False,
    count: int | None = None,
    keep: frozenset[str] | None = None,
) -> dict[str, AnyFloat]:
    """Rates in 0..1, or payloads, per population, and the read-out's potential per step, or only those to ``keep``.

    ``samples`` are (N, *sample_shape). ``continuous`` leaves out the levels, so that q only clips, which makes the
    result insensitive to rounding. ``count`` is the number of slices that operands are multiplied in, see ``matmul``.
    What a population sends is freed as soon as its last reader has run.
    """
    signal = spiking.input
    arranged = samples.transpose(0, *(axis + 1 for axis in signal.axes)).reshape(len(samples), *signal.shape)
    sent: dict[str, AnyFloat] = {INPUT: arranged / np.asarray(signal.message_value, dtype=samples.dtype)}
    rates: dict[str, AnyFloat] = {}
    last_reader = {p.source: each.name for each in spiking.populations for p in spiking.incoming(each.name)}
    for population in spiking.populations:
        drive = np.broadcast_to(population.bias.astype(samples.dtype), (len(samples), *population.shape))
        for projection in spiking.incoming(population.name):
            if population.takes_largest:
                drive = np.maximum(drive, largest_received(projection, sent[projection.source], population))
            else:
                drive = drive + received(projection, sent[projection.source], population, count)
        for source in [name for name, reader in last_reader.items() if reader == population.name]:
            del sent[source], last_reader[source]
        if population.threshold is None:
            found = drive
        else:
            threshold = population.threshold.astype(samples.dtype)
            found = _rate(population, drive / threshold, continuous)
            if population.name in last_reader:
                sent[population.name] = found * threshold
        if keep is None or population.name in keep:
            rates[population.name] = found
    return rates


def received(projection: Projection, messages: AnyFloat, target: Population, count: int | None = None) -> AnyFloat:
    """What ``target`` (N, *shape) receives through ``projection`` when its source sends ``messages`` (N, *shape)."""
    weight = projection.map.weight.astype(messages.dtype, copy=False)
    if isinstance(projection.map, ConvMap):
        return convolve(messages, weight, projection.map.geometry, count=count)
    flat = messages.reshape(len(messages), -1)
    if isinstance(projection.map, SparseMap):
        entries = SparseMatrix(weight, projection.map.source, projection.map.target, math.prod(target.shape))
        return entries.multiply(flat).reshape(len(messages), *target.shape)
    flat = matmul(flat, weight.T, count=count)
    return flat.reshape(len(messages), *target.shape)


def largest_received(projection: Projection, messages: AnyFloat, target: Population) -> AnyFloat:
    """Largest of what each synapse delivers; none is below zero, and each channel reads one."""
    linear = projection.map
    assert isinstance(linear, ConvMap), "a maximum of spikes keeps the channels of its source"
    largest = np.zeros((len(messages), *target.shape), dtype=messages.dtype)
    for row, column in np.ndindex(*linear.weight.shape[2:]):
        single = np.zeros_like(linear.weight)
        single[:, :, row, column] = linear.weight[:, :, row, column]
        weight = single.astype(messages.dtype, copy=False)
        largest = np.maximum(largest, convolve(messages, weight, linear.geometry))
    return largest


def _rate(population: Population, drive: AnyFloat, continuous: bool) -> AnyFloat:
    return np.clip(drive, *population.payloads) if continuous else quantised_rate(population, drive)


def quantised_rate(population: Population, drive: AnyFloat) -> AnyFloat:
    """Rates in 0..1, or payloads, for ``drive`` in thresholds: q(drive)."""
    least, largest = population.payloads
    levels = population.levels_per_message
    if levels is None:
        return np.clip(drive, least, largest)
    steps = np.floor(drive * levels + population.shift)
    return np.asarray(np.clip(steps, least * levels, largest * levels) / levels, dtype=drive.dtype)
