"""How often neurons fire in what was measured, layer by layer: what a simulator of spikes costs depends on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spikec.compiler.analysis.energy import fan_outs
from spikec.runtime.backends import run_backend
from spikec.runtime.program import INPUT, Program

from .nets import Net, encoded

SAMPLES = 16


@dataclass(frozen=True, slots=True)
class LayerRate:
    """A layer's neurons, the share of steps in which one fires, and the synapses that its spikes reach per sample."""

    layer: str
    neurons: int
    rate: float
    active_synapses: float


@dataclass(frozen=True, slots=True)
class Rates:
    """The rates of one program, on ``samples`` of a net's images.

    ``graded_synapses`` are those that an input reaches once per sample, ``weights`` all synapses, each once: the
    multiply-accumulates of a network with them.
    """

    net: str
    timesteps: int
    samples: int
    layers: tuple[LayerRate, ...]
    graded_synapses: int
    weights: int

    @property
    def rate(self) -> float:
        """Share of steps in which a neuron fires, over all layers."""
        neurons = sum(layer.neurons for layer in self.layers)
        return sum(layer.rate * layer.neurons for layer in self.layers) / neurons

    @property
    def active_synapses(self) -> float:
        """Synapses that the spikes of one sample reach in its window."""
        return sum(layer.active_synapses for layer in self.layers)


def rates_of(net: Net, program: Program) -> Rates:
    """Simulate some images and count."""
    samples = encoded(program, net.images(SAMPLES))
    trains = run_backend("simulator", program, samples, record=True).spike_trains
    assert trains is not None
    reached = fan_outs(program)
    layers = []
    for population in program.populations[:-1]:
        spikes = trains[population.name].sum(axis=(0, 1), dtype=np.int64)
        rate = float(spikes.sum()) / (population.neurons * program.timesteps * SAMPLES)
        synapses = float((spikes * reached[population.name].ravel()).sum()) / SAMPLES
        layers.append(LayerRate(population.name, population.neurons, rate, synapses))
    every = sum(int(synapses.sum()) for synapses in reached.values())
    return Rates(net.name, program.timesteps, SAMPLES, tuple(layers), int(reached[INPUT].sum()), every)
