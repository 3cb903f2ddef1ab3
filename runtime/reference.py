"""The definition of what a program computes: every neuron, one step after the other, in plain integers.

It moves through global time as the chip does: each projection is a line of ``1 + delay`` steps, each population
resets where its window begins, nothing is aligned by hand. Slow, and the judge of the other backends.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

import numpy as np

from .execution import Execution
from .kernels import pad_or_crop
from .program import INPUT, ConvSynapses, IntArray, Population, Program, Projection


def run_reference(
    program: Program, samples: IntArray, *, record: bool = False, progress: Callable[[int, int], None] | None = None
) -> Execution:
    """Run ``samples`` (N, *input shape) one time step at a time; ``progress(done, total)`` counts steps."""
    started = time.perf_counter()
    steps = program.steps(len(samples))
    machine = _Machine(program, samples)
    for step in range(1, steps + 1):
        machine.advance(step)
        if progress is not None:
            progress(step, steps)
    return Execution(
        backend="reference",
        readout=machine.readout,
        spike_counts={name: int(train.sum()) for name, train in machine.trains.items()},
        spike_trains=machine.trains if record else None,
        steps=steps,
        seconds=time.perf_counter() - started,
    )


class _Machine:
    def __init__(self, program: Program, samples: IntArray) -> None:
        self.program = program
        self.samples = samples
        self.potential = {p.name: np.zeros(p.shape, dtype=np.int64) for p in program.populations}
        self.lines = {
            p.name: deque([np.zeros(program.source_shape(p), dtype=np.int64)] * (1 + p.delay))
            for p in program.projections
        }
        self.trains = {
            p.name: np.zeros((len(samples), program.timesteps, p.neurons), dtype=np.uint8)
            for p in program.populations
            if p.threshold is not None
        }
        self.readout = np.zeros((len(samples), program.readout.neurons), dtype=np.int64)
        self.pulses = {p.name: program.potential_of_pulses(p.name) for p in program.populations}

    def advance(self, step: int) -> None:
        sent = {INPUT: self._graded_input(step)}
        arriving = {p.name: self.lines[p.name].popleft() for p in self.program.projections}
        for population in self.program.populations:
            current = sum(
                (synaptic_input(p, arriving[p.name], population.shape) for p in self.program.incoming(population.name)),
                start=np.zeros(population.shape, dtype=np.int64),
            )
            sent[population.name] = self._integrate_and_fire(population, current, step)
        for projection in self.program.projections:
            self.lines[projection.name].append(sent[projection.source])

    def _graded_input(self, step: int) -> IntArray:
        sample, step_in_window = divmod(step - 1, self.program.window)
        is_inside = sample < len(self.samples) and step_in_window < self.program.timesteps
        return self.samples[sample] if is_inside else np.zeros(self.program.input.shape, dtype=np.int64)

    def _integrate_and_fire(self, population: Population, current: IntArray, step: int) -> IntArray:
        timesteps = self.program.timesteps
        sample, step_in_window = divmod(step - 1 - population.depth, self.program.window)
        if step_in_window == 0:
            self.potential[population.name] = np.broadcast_to(population.initial_potential, population.shape)
        pulse = self.pulses[population.name].get(step_in_window + 1, 0)
        u = np.clip(
            self.potential[population.name] + current + population.bias + pulse,
            self.program.state_minimum,
            self.program.state_maximum,
        )
        inside = 0 <= sample < len(self.samples)
        if population.threshold is None:
            self.potential[population.name] = u
            if inside and step_in_window == timesteps - 1:
                self.readout[sample] = u.ravel()
            return np.zeros_like(u)
        spikes = (u >= population.threshold).astype(np.int64)
        self.potential[population.name] = u - population.threshold * spikes
        step_of_train = step_in_window - self.program.fires_after(population.name)
        if inside and 0 <= step_of_train < timesteps:
            self.trains[population.name][sample, step_of_train] = spikes.ravel()
        return spikes


def synaptic_input(projection: Projection, sent: IntArray, target_shape: tuple[int, ...]) -> IntArray:
    """Weighted sum that each target neuron receives when the source sends ``sent``; neuron by neuron."""
    weight = projection.effective_weight
    received = np.zeros(target_shape, dtype=np.int64)
    if not isinstance(projection.synapses, ConvSynapses):
        flat = sent.ravel()
        for neuron in range(received.size):
            received.flat[neuron] = (weight[neuron] * flat).sum()
        return received
    geometry = projection.synapses.geometry
    padded = pad_or_crop(sent[None], geometry.padding)[0]
    inputs_per_group, rows, columns = weight.shape[1:]
    outputs_per_group = len(weight) // geometry.groups
    for channel, row, column in np.ndindex(*target_shape):
        first = channel // outputs_per_group * inputs_per_group
        top, left = row * geometry.stride[0], column * geometry.stride[1]
        seen = padded[
            first : first + inputs_per_group,
            top : top + (rows - 1) * geometry.dilation[0] + 1 : geometry.dilation[0],
            left : left + (columns - 1) * geometry.dilation[1] + 1 : geometry.dilation[1],
        ]
        received[channel, row, column] = (weight[channel] * seen).sum()
    return received
