"""The largest membrane potentials that samples cause, for those who leave no more room than these need."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..program import INPUT, IntArray, Program
from .batches import batch_for_memory
from .kernels import Floats
from .loops import simulator_threads
from .messages import Sent, encoded_input
from .neurons import LayerInput, add_input, count, input_rows, layer_input
from .plan import Layer, plan_layers
from .results import last_readers

_LARGEST_BATCH = 32


def largest_potentials(program: Program, samples: IntArray) -> dict[str, IntArray]:
    """Largest magnitude before the spike test (channels,) of every population that is not gated, by name.

    In weight units, over all steps and ``samples`` (N, *input shape); for plain neurons.
    """
    layers = [layer if layer.population.gated else _by_steps(layer) for layer in plan_layers(program)]
    largest = {p.name: np.zeros(p.shape[0], dtype=np.int64) for p in program.populations if not p.gated}
    readers = last_readers(program)
    size = min(batch_for_memory(program), _LARGEST_BATCH)
    with simulator_threads(None):
        for first in range(0, len(samples), size):
            part = samples[first : first + size]
            sent = {INPUT: encoded_input(program.input, part, program.timesteps)}
            for layer in layers:
                name = layer.population.name
                received = layer_input(layer, sent, len(part))
                for source in [s for s in sent if readers.get(s) == name]:
                    del sent[source]
                if layer.population.gated:
                    sent[name] = Sent(program.timesteps, counts=count(layer, received))
                    continue
                sent[name], reached = _fired(layer, received)
                largest[name] = np.maximum(largest[name], reached)
    return largest


def _by_steps(layer: Layer) -> Layer:
    return replace(layer, bounds=replace(layer.bounds, by_counts=False))


def _fired(layer: Layer, received: LayerInput) -> tuple[Sent, IntArray]:
    """Spikes of a population that fires as it integrates, and its largest magnitudes (channels,)."""
    neurons = layer.neurons
    trains = np.zeros((layer.timesteps, received.samples, *layer.map), dtype=np.uint8)
    rows = trains.reshape(layer.timesteps, -1, neurons.row)
    operands = input_rows(layer, received, steps=layer.timesteps)
    v: Floats = np.empty(rows.shape[1:], dtype=layer.bounds.state)
    v[...] = neurons.initial
    reached: Floats = np.abs(v)
    for step in range(layer.timesteps):
        add_input(v, operands, neurons.bias[step % len(neurons.bias)], step)
        np.clip(v, layer.bounds.lowest, layer.bounds.highest, out=v)
        np.maximum(reached, np.abs(v), out=reached)
        if neurons.threshold is not None:
            fired = v >= neurons.threshold
            v -= neurons.threshold * fired
            rows[step] = fired
    by_place = np.moveaxis(reached.reshape(received.samples, *layer.map), 3, 1).astype(np.int64)
    channels = layer.population.shape[0]
    return Sent(layer.timesteps, trains=trains), by_place.reshape(received.samples, channels, -1).max(axis=(0, 2))
