"""One population at a time, for passes that change a population before its readers are run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ..program import IntArray, Population, Program
from .loops import exact_threads
from .messages import Sent
from .neurons import LayerInput, count, fire, layer_input
from .plan import Layer, arrange_neurons, plan_bounds, plan_layer


class PopulationSimulator:
    """A firing population of a program: receives what its sources send once, fires as often as wished."""

    def __init__(self, program: Program, population: Population) -> None:
        self._program = program
        self._layer = plan_layer(program, population)

    def receive(self, sent: Mapping[str, Sent], samples: int) -> LayerInput:
        """Synaptic input for ``samples`` samples, given what each source sends."""
        with exact_threads(None, self._values(samples)):
            return layer_input(self._layer, sent, samples)

    def fire(self, received: LayerInput, initial_potential: IntArray) -> Sent:
        """Spikes with ``initial_potential``, integers that broadcast to the population's shape."""
        layer = self._starting_from(initial_potential)
        timesteps = self._program.timesteps
        with exact_threads(None, self._values(received.samples)):
            if layer.by_counts:
                return Sent(timesteps, counts=count(layer, received))
            return Sent(timesteps, trains=fire(layer, received))

    def _starting_from(self, initial_potential: IntArray) -> Layer:
        population = replace(self._layer.population, initial_potential=initial_potential)
        bounds = plan_bounds(self._program, population, self._layer.bounds.drive)
        neurons = arrange_neurons(self._program, population, bounds.state)
        return replace(self._layer, population=population, bounds=bounds, neurons=neurons)

    def _values(self, samples: int) -> int:
        return samples * self._layer.population.neurons * self._program.timesteps
