"""The definition of the neuron models beyond plain integrate-and-fire, one population and one step at a time.

Equations and sources are in ``neuron_models``.
"""

from __future__ import annotations

import numpy as np

from ..program import IntArray, Population, Program
from ..program.msat_threshold import constants, kept_spikes, payload, value_scale
from ..program.neuron_models import CONFIDENCE_STEPS, COS, LARGEST_PAYLOAD, PAYLOAD_BITS

_NEVER = 1 << 62


class GradedNeurons:
    """``graded``: the quotient of the sum of one step by the threshold, as one message."""

    def __init__(self, program: Program, population: Population) -> None:
        self.program = program
        self.population = population
        self.potential: IntArray = np.zeros(population.shape, dtype=np.int64)

    def integrate_and_fire(self, current: IntArray, sample: int, step_in_window: int) -> IntArray:
        """Payloads sent at one step, given the synaptic input ``current``."""
        population, program = self.population, self.program
        u = population.initial_potential + current + population.bias
        self.potential = np.clip(u, program.state_minimum, program.state_maximum)
        if population.threshold is None:
            return np.zeros_like(self.potential)
        return np.clip(self.potential // population.threshold, *population.payloads)


class SecondPassNeurons:
    """``srp`` and ``cos``: a sample's window is cut into phases, in one of which the neurons are measured.

    Phases before the last take ``first_pass`` steps each. Every phase starts from the initial potential, after the
    measuring one from what it gave.
    """

    def __init__(self, program: Program, population: Population) -> None:
        self.program = program
        self.population = population
        self.measuring = program.levels()[population.name] - 1 if program.neuron.name == COS else 0
        self.last = program.first_pass_steps // program.neuron.first_pass
        self._begin()

    def _begin(self) -> None:
        shape = self.population.shape
        self.potential = self.start = np.broadcast_to(self.population.initial_potential, shape)
        self.mask: IntArray = np.ones(shape, dtype=np.int64)
        self.count: IntArray = np.zeros(shape, dtype=np.int64)
        self.least_firing: IntArray = np.full(shape, _NEVER, dtype=np.int64)
        self.largest_resting: IntArray = np.full(shape, -_NEVER, dtype=np.int64)

    def integrate_and_fire(self, current: IntArray, sample: int, step_in_window: int) -> IntArray:
        """Spikes sent at one step, given the synaptic input ``current``."""
        population, first_pass = self.population, self.program.neuron.first_pass
        phase = min(step_in_window // first_pass, self.last)
        step_in_phase = step_in_window - phase * first_pass
        if step_in_window == 0:
            self._begin()
        if step_in_phase == 0:
            self.potential = self.start
        u = np.clip(self.potential + current + population.bias, self.program.state_minimum, self.program.state_maximum)
        if population.threshold is None:
            self.potential = u
            return np.zeros_like(u)
        spikes = (u >= population.threshold).astype(np.int64)
        self.potential = u - population.threshold * spikes
        # What is sent in a measuring phase is not gated yet, so the mask of this step is kept.
        sent = spikes * self.mask
        if phase == self.measuring:
            self.count += spikes
            self.least_firing = np.where(spikes > 0, np.minimum(self.least_firing, u), self.least_firing)
            self.largest_resting = np.where(spikes > 0, self.largest_resting, np.maximum(self.largest_resting, u))
            if step_in_phase == first_pass - 1:
                self._measured(population.threshold)
        return sent

    def _measured(self, threshold: IntArray) -> None:
        if self.program.neuron.name != COS:
            self.mask = (1000 * self.potential > threshold).astype(np.int64)
            return
        over = (self.potential < 0) & (self.count > 0)
        under = (self.potential >= threshold) & (self.count < self.program.neuron.first_pass)
        down = np.maximum(self.least_firing - threshold + 1, threshold)
        up = np.maximum(threshold - self.largest_resting, threshold)
        self.start = self.start - np.where(over, down, 0) + np.where(under, up, 0)


class AdaptiveThresholdNeurons:
    """``msat``: everything but the weights in 1/256 weight units; what is sent are payloads, 1..256, or 0."""

    def __init__(self, program: Program, population: Population) -> None:
        self.program = program
        self.population = population
        self.layer = program.neuron.msat.layer(population.name)
        self.place = [p.name for p in program.populations].index(population.name)
        self._begin()

    def _begin(self) -> None:
        start = self.population.initial_potential << PAYLOAD_BITS
        self.potential = np.broadcast_to(start, self.population.shape)
        self.total: IntArray = np.zeros(self.population.shape, dtype=np.int64)

    def integrate_and_fire(self, current: IntArray, sample: int, step_in_window: int) -> IntArray:
        """Payloads sent at one step, given the synaptic input ``current`` in 1/256 weight units."""
        population, program = self.population, self.program
        if step_in_window == 0:
            self._begin()
        current = current + (population.bias << PAYLOAD_BITS)
        u = np.clip(
            self.potential + current, program.state_minimum << PAYLOAD_BITS, program.state_maximum << PAYLOAD_BITS
        )
        if population.threshold is None:
            self.potential = u
            return np.zeros_like(u)
        payloads = self._payloads(current, population.threshold, step_in_window)
        spikes = u >= population.threshold * payloads
        self.potential = u - population.threshold * payloads * spikes
        self.total = self.total + self.potential
        return payloads * spikes * self._kept(sample, step_in_window + 1)

    def _payloads(self, current: IntArray, threshold: IntArray, step_in_window: int) -> IntArray:
        if step_in_window == 0:
            return np.full(self.population.shape, LARGEST_PAYLOAD, dtype=np.int64)
        x, v, total = (a.astype(np.float64) for a in (current, self.potential, self.total))
        scale = value_scale(threshold, self.layer.threshold_value)
        given = constants(self.program.neuron.msat)
        value = self.layer.threshold_value
        return np.asarray(payload(x, v, total, float(step_in_window), scale, value, given)).astype(np.int64)

    def _kept(self, sample: int, step: int) -> IntArray:
        if self.layer.confidence >= 1 or step >= CONFIDENCE_STEPS:
            return np.ones(self.population.shape, dtype=np.int64)
        parameters = self.program.neuron.msat
        drawn = kept_spikes(
            parameters, self.place, self.layer.confidence, np.array([sample]), step, self.population.neurons
        )
        return drawn.reshape(self.population.shape).astype(np.int64)
