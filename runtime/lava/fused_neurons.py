"""Integrate-and-fire or graded neurons of a fused section, for all lanes at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..program import IntArray, Population, Program
from ..program.neuron_models import GRADED
from ..program.synapses import summed_input_range
from ..simulator.kernels import exact_float
from .layout import Layout
from .recording import Recorder, Recording

Floats = npt.NDArray[np.floating[Any]]

_LARGEST = (1 << 53) - 1
"""The rules on programs keep every potential that counts within the integers of 64-bit floats."""


class FusedNeurons:
    """One population: ``potential`` (lanes, *port shape) as integers in floats that hold every sum of a window."""

    def __init__(
        self, program: Program, population: Population, layout: Layout, lanes: int, recording: Recording | None
    ) -> None:
        pulses = program.potential_of_pulses(population.name)
        bound, reached = _bounds(program, population, pulses)
        self.kind = exact_float(min(bound, _LARGEST))
        self._may_saturate = reached > min(-program.state_minimum, program.state_maximum)
        self._limits = program.state_minimum, program.state_maximum

        def of_each_neuron(values: IntArray) -> Floats:
            if values.size == 1:
                return values.reshape(()).astype(self.kind)
            return np.ascontiguousarray(layout.to_port(population.name, values), dtype=self.kind)

        shape = lanes, *layout.port_shape(population.name)
        self._depth = population.depth
        self._window = program.window
        self._initial = of_each_neuron(population.initial_potential)
        self._bias = of_each_neuron(population.bias) if population.bias.any() else None
        self._threshold = None if population.threshold is None else of_each_neuron(population.threshold)
        self._pulses = {step: of_each_neuron(np.asarray(value)) for step, value in pulses.items()}
        self._subtracted: Floats = np.empty(shape, dtype=self.kind)
        self._recorder = None if recording is None else Recorder(recording)
        self.potential: Floats = np.empty(shape, dtype=self.kind)
        self.potential[...] = self._initial
        self._payloads = population.payloads
        self._is_graded = program.neuron.name == GRADED
        self.spikes: npt.NDArray[Any] = np.zeros(shape, dtype=np.int32 if self._is_graded else bool)

    def begin(self, time_step: int) -> None:
        """Start ``time_step`` (from 1): the reset at a window's beginning, the bias, and pulses."""
        step = (time_step - 1 - self._depth) % self._window
        if step == 0:
            self.potential[...] = self._initial
        if self._bias is not None:
            self.potential += self._bias
        if step + 1 in self._pulses:
            self.potential += self._pulses[step + 1]

    def fire(self, time_step: int) -> None:
        """End ``time_step``, all synaptic input being added to ``potential``: saturate, compare, subtract, record."""
        if self._may_saturate:
            np.clip(self.potential, *self._limits, out=self.potential)
        if self._threshold is not None and self._is_graded:
            np.floor_divide(self.potential, self._threshold, out=self._subtracted)
            self.spikes[...] = np.clip(self._subtracted, *self._payloads)
        elif self._threshold is not None:
            np.greater_equal(self.potential, self._threshold, out=self.spikes)
            np.multiply(self.spikes, self._threshold, out=self._subtracted)
            self.potential -= self._subtracted
        if self._recorder is not None:
            self._recorder.record(time_step, self.spikes, self.potential)


def _bounds(program: Program, population: Population, pulses: dict[int, IntArray]) -> tuple[int, int]:
    """Largest magnitude of any partial sum in a window, and of any potential before it saturates."""
    low, high = summed_input_range(program, population)
    step = int(np.maximum(-low, high).max()) + _largest(population.bias)
    added = step * program.window + sum(_largest(value) for value in pulses.values())
    threshold = 0 if population.threshold is None else _largest(population.threshold)
    unlimited = _largest(population.initial_potential) + added + threshold
    partial = step + sum(_largest(value) for value in pulses.values()) + threshold
    saturated = max(-program.state_minimum, program.state_maximum, _largest(population.initial_potential))
    return min(unlimited, saturated) + partial, unlimited


def _largest(values: IntArray) -> int:
    return int(np.abs(values).max())
