"""What a program means, once more and from its data alone: spikes in global time, and counts without any time.

Shares no code with ``spikec.runtime``. All samples go through side by side, each in a window of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spikec.runtime.program import (
    INPUT,
    DenseSynapses,
    IntArray,
    Population,
    Program,
    Projection,
    SparseSynapses,
)


@dataclass(frozen=True, slots=True, eq=False)
class Stepped:
    """Spikes (N, T, neurons) of each firing population, read-outs (N, neurons), least and largest u of each."""

    trains: dict[str, IntArray]
    readouts: dict[str, IntArray]
    extremes: dict[str, tuple[int, int]]


def step_through(program: Program, samples: IntArray) -> Stepped:
    """Run encoded ``samples`` (N, *input shape) step by step, as a chip would."""
    count, timesteps = len(samples), program.timesteps
    silence = {p.name: np.zeros((count, *p.shape), np.int64) for p in program.populations}
    silence[INPUT] = np.zeros_like(samples)
    sent: dict[str, dict[int, IntArray]] = {name: {} for name in silence}
    sent[INPUT] = _graded(program, samples)
    potential = {p.name: np.zeros_like(silence[p.name]) for p in program.populations}
    trains = {p.name: np.zeros((count, timesteps, p.neurons), np.int64) for p in program.firing}
    reached: dict[str, list[int]] = {p.name: [] for p in program.populations}
    readouts: dict[str, IntArray] = {}
    incoming = {p.name: [each for each in program.projections if each.target == p.name] for p in program.populations}
    for step in range(1, program.latency + 1):
        for population in program.populations:
            name, since = population.name, step - population.depth
            if since < 1:
                continue
            # What follows a window is the next one, without a sample.
            local = (since - 1) % program.window + 1
            if local == 1:
                potential[name] = silence[name] + population.initial_potential
            u = potential[name] + population.bias
            for pulse in program.pulses:
                if pulse.target == name and pulse.step == local:
                    u = u + pulse.weight * 2**pulse.exponent * max(1, pulse.axons)
            for projection in incoming[name]:
                message = sent[projection.source].get(step - 1 - projection.delay, silence[projection.source])
                if message.any():
                    u = u + received(projection, message, population)
            u = np.minimum(np.maximum(u, program.state_minimum), program.state_maximum)
            start = timesteps if population.gated else 0
            if since <= start + timesteps:
                reached[name] += [int(u.min()), int(u.max())]
            if population.threshold is None:
                potential[name] = u
                if since == timesteps:
                    readouts[name] = u.reshape(count, -1)
                continue
            if program.neuron.name == "graded":
                spikes = np.minimum(
                    np.maximum(u // population.threshold, population.payloads[0]), population.payloads[1]
                )
            else:
                spikes = np.where(u >= population.threshold, 1, 0)
            potential[name] = u - spikes * population.threshold
            sent[name][step] = spikes
            if 0 < since - start <= timesteps:
                trains[name][:, since - start - 1] = spikes.reshape(count, -1)
    return Stepped(
        trains,
        {p.name: readouts[p.name] for p in program.readouts},
        {name: (min(r), max(r)) for name, r in reached.items()},
    )


def _graded(program: Program, samples: IntArray) -> dict[int, IntArray]:
    """What the input sends at each step from 1: the samples, or parts of them as even as whole numbers can be."""
    steps = range(1, program.timesteps + 1)
    if not program.input.spread:
        return dict.fromkeys(steps, samples)
    ends = [np.floor_divide(samples * step, program.timesteps) for step in range(program.timesteps + 1)]
    return {step: ends[step] - ends[step - 1] for step in steps}


def quantised_counts(program: Program, samples: IntArray) -> dict[str, IntArray]:
    """Counts of every firing population under the schedule ``exact``, and the scores: sums and one division each."""
    sent = {INPUT: np.sum(list(_graded(program, samples).values()), axis=0)}
    for population in program.populations:
        total = np.zeros((len(samples), *population.shape), np.int64)
        total += population.initial_potential + program.timesteps * population.bias
        for projection in program.projections:
            if projection.target == population.name:
                total += received(projection, sent[projection.source], population)
        if population.gated:
            for pulse in program.pulses:
                if pulse.target == population.name:
                    total += pulse.weight * 2**pulse.exponent * max(1, pulse.axons)
        if population.threshold is not None:
            total = np.minimum(np.maximum(total // population.threshold, 0), program.timesteps)
        sent[population.name] = total
    del sent[INPUT]
    return sent


def received(projection: Projection, messages: IntArray, target: Population) -> IntArray:
    """What ``messages`` (N, *source shape) add to the potentials of ``target``."""
    count, synapses = len(messages), projection.synapses
    weight = synapses.weight.astype(np.int64) * 2**projection.exponent
    if isinstance(synapses, SparseSynapses):
        arriving = np.zeros((count, target.neurons), np.int64)
        for at, origin, each in zip(synapses.target, synapses.source, weight, strict=True):
            arriving[:, at] += each * messages.reshape(count, -1)[:, origin]
        return arriving.reshape(count, *target.shape)
    if isinstance(synapses, DenseSynapses):
        summed: IntArray = np.einsum("ts,ns->nt", weight, messages.reshape(count, -1))
        return summed.reshape(count, *target.shape)
    geometry, (channels, rows, columns) = synapses.geometry, target.shape
    top, left, bottom, right = geometry.padding
    groups = geometry.groups
    padded = np.zeros(
        (count, groups, weight.shape[1], messages.shape[2] + max(top, 0) + max(bottom, 0),
         messages.shape[3] + max(left, 0) + max(right, 0)), np.int64,
    )  # fmt: skip
    inner = padded.reshape(count, -1, *padded.shape[3:])
    inner[:, :, max(top, 0) :, max(left, 0) :][:, :, : messages.shape[2], : messages.shape[3]] = messages
    padded = padded[..., max(-top, 0) :, max(-left, 0) :]
    result = np.zeros((count, groups, channels // groups, rows, columns), np.int64)
    by_group = weight.reshape(groups, channels // groups, *weight.shape[1:])
    for row, column in np.ndindex(*weight.shape[2:]):
        y, x = row * geometry.dilation[0], column * geometry.dilation[1]
        seen = padded[:, :, :, y :: geometry.stride[0], x :: geometry.stride[1]][..., :rows, :columns]
        result += np.einsum("goi,ngiyx->ngoyx", by_group[..., row, column], seen)
    return result.reshape(count, channels, rows, columns)
