"""The definition of what a program computes: every neuron, one step after the other, in plain integers.

It moves through global time as the chip does: each projection is a line of ``1 + delay`` steps, each population
resets where its window begins, nothing is aligned by hand. Slow, and the judge of the other backends.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

import numpy as np

from ..encoded_samples import check_samples
from ..execution import Execution, SpikeTrains, type_of_trains
from ..program import INPUT, DenseSynapses, IntArray, Population, Program, Projection, SparseSynapses
from ..program.neuron_models import COS, GRADED, IF, LARGEST_PAYLOAD, MSAT, SRP
from ..simulator.kernels import pad_or_crop
from .neurons import AdaptiveThresholdNeurons, GradedNeurons, SecondPassNeurons


def run_reference(
    program: Program, samples: IntArray, *, record: bool = False, progress: Callable[[int, int], None] | None = None
) -> Execution:
    """Run encoded ``samples``, constant ones (N, *input shape) or frames (N, T, *input shape), one step at a time.

    ``progress(done, total)`` counts steps. Raises ``UnusableInput`` for samples that are not the program's.
    """
    check_samples(program, samples)
    started = time.perf_counter()
    steps = program.steps(len(samples))
    machine = _Machine(program, samples)
    for step in range(1, steps + 1):
        machine.advance(step)
        if progress is not None:
            progress(step, steps)
    return Execution(
        backend="reference",
        readouts=machine.readouts,
        spike_counts={name: int(np.count_nonzero(train)) for name, train in machine.trains.items()},
        spike_trains=machine.trains if record else None,
        steps=steps,
        seconds=time.perf_counter() - started,
    )


class _Machine:
    def __init__(self, program: Program, samples: IntArray) -> None:
        self.program = program
        self.samples = samples
        self.neurons = {p.name: NEURONS[program.neuron.name](program, p) for p in program.populations}
        self.lines = {
            p.name: deque([np.zeros(program.source_shape(p), dtype=np.int64)] * (1 + p.delay))
            for p in program.projections
        }
        self.trains: dict[str, SpikeTrains] = {
            p.name: np.zeros((len(samples), program.timesteps, p.neurons), dtype=type_of_trains(program))
            for p in program.populations
            if p.threshold is not None
        }
        self.readouts = {p.name: np.zeros((len(samples), p.neurons), dtype=np.int64) for p in program.readouts}

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
        program = self.program
        sample, step_in_window = divmod(step - 1, program.window)
        is_inside = sample < len(self.samples) and step_in_window < program.first_pass_steps + program.timesteps
        if not is_inside:
            return np.zeros(program.input.shape, dtype=np.int64)
        one = self.samples[sample : sample + 1]
        graded = program.input.sent(one, step_in_window, program.timesteps).reshape(program.input.shape)
        return graded * LARGEST_PAYLOAD if program.neuron.name == MSAT else graded

    def _integrate_and_fire(self, population: Population, current: IntArray, step: int) -> IntArray:
        """What the population sends; its train and read-out are kept at the steps that count."""
        sample, step_in_window = divmod(step - 1 - population.depth, self.program.window)
        neurons = self.neurons[population.name]
        sent = neurons.integrate_and_fire(current, sample, step_in_window)
        first = self.program.first_pass_steps + self.program.fires_after(population.name)
        step_of_train = step_in_window - first
        if not (0 <= sample < len(self.samples) and 0 <= step_of_train < self.program.timesteps):
            return sent
        if population.threshold is not None:
            kept = sent if self.program.neuron.name == GRADED else sent > 0
            self.trains[population.name][sample, step_of_train] = kept.ravel()
        elif step_of_train == self.program.timesteps - 1:
            self.readouts[population.name][sample] = neurons.potential.ravel()
        return sent


class _PlainNeurons:
    """The neurons of ``population``, one step after the other; ``potential`` is v."""

    def __init__(self, program: Program, population: Population) -> None:
        self.program = program
        self.population = population
        self.potential: IntArray = np.zeros(population.shape, dtype=np.int64)
        self.pulses = program.potential_of_pulses(population.name)

    def integrate_and_fire(self, current: IntArray, sample: int, step_in_window: int) -> IntArray:
        population = self.population
        if step_in_window == 0:
            self.potential = np.broadcast_to(population.initial_potential, population.shape)
        pulse = self.pulses.get(step_in_window + 1, 0)
        u = np.clip(
            self.potential + current + population.bias + pulse, self.program.state_minimum, self.program.state_maximum
        )
        if population.threshold is None:
            self.potential = u
            return np.zeros_like(u)
        spikes = (u >= population.threshold).astype(np.int64)
        self.potential = u - population.threshold * spikes
        return spikes


_Neurons = _PlainNeurons | SecondPassNeurons | AdaptiveThresholdNeurons | GradedNeurons

NEURONS: dict[str, Callable[[Program, Population], _Neurons]] = {
    IF: _PlainNeurons,
    SRP: SecondPassNeurons,
    COS: SecondPassNeurons,
    MSAT: AdaptiveThresholdNeurons,
    GRADED: GradedNeurons,
}


def synaptic_input(projection: Projection, sent: IntArray, target_shape: tuple[int, ...]) -> IntArray:
    """Weighted sum that each target neuron receives when the source sends ``sent``; neuron by neuron."""
    received = np.zeros(target_shape, dtype=np.int64)
    if not sent.any():
        return received
    weight = projection.effective_weight
    flat = sent.ravel()
    if isinstance(projection.synapses, SparseSynapses):
        for target, source, each in zip(projection.synapses.target, projection.synapses.source, weight, strict=True):
            received.flat[target] += each * flat[source]
        return received
    if isinstance(projection.synapses, DenseSynapses):
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
