"""One population at a time, for passes that change a population before its readers are run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ..program import IntArray, Population, Program
from ..program.neuron_models import GRADED
from .graded import payloads_of
from .loops import simulator_threads
from .messages import Sent, one_message
from .neurons import LayerInput, count, fire, integrate, layer_input
from .plan import Layer, arrange_neurons, plan_bounds, plan_layer


class PopulationSimulator:
    """A population of a program: receives what its sources send once, fires as often as wished."""

    def __init__(self, program: Program, population: Population) -> None:
        self._program = program
        self._layer = plan_layer(program, population)

    def receive(self, sent: Mapping[str, Sent], samples: int) -> LayerInput:
        """Synaptic input for ``samples`` samples, given what each source sends."""
        with simulator_threads(None):
            return layer_input(self._layer, sent, samples)

    def fire(self, received: LayerInput, initial_potential: IntArray, threshold: IntArray | None = None) -> Sent:
        """Spikes with ``initial_potential`` and, if given, another ``threshold``.

        Both are integers that broadcast to the population's shape.
        """
        layer = self._starting_from(initial_potential, threshold)
        timesteps = self._program.timesteps
        with simulator_threads(None):
            if self._program.neuron.name == GRADED:
                return one_message(payloads_of(layer, received))
            if layer.by_counts:
                return Sent(timesteps, counts=count(layer, received))
            return Sent(timesteps, trains=fire(layer, received))

    def integrate(self, received: LayerInput) -> IntArray:
        """Potentials (n, neurons) of a read-out at the end of the window."""
        with simulator_threads(None):
            return integrate(self._layer, received)

    def _starting_from(self, initial_potential: IntArray, threshold: IntArray | None) -> Layer:
        population = replace(self._layer.population, initial_potential=initial_potential)
        if threshold is not None:
            population = replace(population, threshold=threshold)
        bounds = plan_bounds(self._program, population, self._layer.bounds.drive)
        neurons = arrange_neurons(self._program, population, bounds.state)
        return replace(self._layer, population=population, bounds=bounds, neurons=neurons)
