"""``srp`` and ``cos``, layer by layer: a first pass that measures every neuron, and the pass that counts.

Both passes of a layer run before the next layer starts, each on what the sources sent in the same pass.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...targets.records import dataclass
from ..execution import SpikeTrains
from ..program import INPUT, IntArray, Program
from ..program.neuron_models import PLAIN_IF, SRP
from ..program.neuron_range import neuron_range
from .kernels import Floats, exact_float
from .loops import loops_for
from .messages import Messages, Sent, encoded_input
from .neurons import LayerInput, add_input, fire, input_rows, integrate, layer_input
from .plan import Bounds, Layer, arrange_neurons, plan_layers
from .results import ChunkResult, last_readers


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """A first pass: ``spikes`` (tau, n, H, W, C), and per neuron as rows v after it, the least u with a spike and the
    largest u without; +-inf where there is none.
    """

    spikes: Messages
    final: Floats
    least_firing: Floats
    largest_resting: Floats


class SecondPassSimulator:
    """Runs the layers of a program whose neurons are ``srp`` or ``cos`` on the processor."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._layers = tuple(_widened(program, layer) for layer in plan_layers(replace(program, neuron=PLAIN_IF)))
        self._last_reader = last_readers(program)
        self._run_layer = self._masked if program.neuron.name == SRP else self._shifted

    def run_chunk(self, samples: IntArray, record: bool, first: int = 0) -> ChunkResult:
        """Run ``samples`` (n, *input shape), all layers one after the other; ``first`` is their place in the run."""
        graded = encoded_input(self._program.input, samples, self._program.timesteps)
        before, sent = {INPUT: graded}, {INPUT: graded}
        readouts: dict[str, IntArray] = {}
        counts: dict[str, int] = {}
        trains: dict[str, SpikeTrains] = {}
        for layer in self._layers:
            name = layer.population.name
            received = layer_input(layer, sent, len(samples))
            if layer.population.threshold is None:
                readouts[name] = integrate(layer, received)
                continue
            measuring = replace(layer, timesteps=self._program.neuron.first_pass)
            received_before = layer_input(measuring, before, len(samples))
            for source in [s for s in sent if self._last_reader.get(s) == name]:
                del sent[source], before[source]
            in_first, spikes = self._run_layer(measuring, layer, received_before, received)
            counts[name] = spikes.total
            if record:
                trains[name] = spikes.recorded
            if name in self._last_reader:
                before[name], sent[name] = in_first, spikes
        return ChunkResult(readouts, counts, trains)

    def _masked(
        self, measuring: Layer, layer: Layer, received_before: LayerInput, received: LayerInput
    ) -> tuple[Sent, Sent]:
        measured = fire_measured(measuring, received_before)
        # In whole numbers 1000 v > theta is v > floor(theta / 1000), with no product that could round.
        mask = measured.final > _threshold(layer).astype(np.int64) // 1000
        trains = fire(layer, received)
        trains *= mask.reshape(received.samples, *layer.map)
        return Sent(measuring.timesteps, trains=measured.spikes), Sent(layer.timesteps, trains=trains)

    def _shifted(
        self, measuring: Layer, layer: Layer, received_before: LayerInput, received: LayerInput
    ) -> tuple[Sent, Sent]:
        initial = shifted_potential(measuring, fire_measured(measuring, received_before))
        again = fire(measuring, received_before, initial)
        return Sent(measuring.timesteps, trains=again), Sent(layer.timesteps, trains=fire(layer, received, initial))


def shifted_potential(layer: Layer, measured: Measured) -> Floats:
    """Initial potentials (rows, row) with which each neuron's count of the first pass is right: see ``cos``."""
    threshold = _threshold(layer)
    over = (measured.final < 0) & (measured.least_firing < np.inf)
    under = (measured.final >= threshold) & (measured.largest_resting > -np.inf)
    initial: Floats = np.empty(measured.final.shape, dtype=layer.bounds.state)
    initial[...] = layer.neurons.initial
    np.subtract(initial, np.maximum(measured.least_firing - threshold + 1, threshold), out=initial, where=over)
    np.add(initial, np.maximum(threshold - measured.largest_resting, threshold), out=initial, where=under)
    return initial


def fire_measured(layer: Layer, received: LayerInput) -> Measured:
    """Run a first pass of ``layer.timesteps`` steps."""
    neurons, state = layer.neurons, layer.bounds.state
    threshold = _threshold(layer)
    spikes = np.empty((layer.timesteps, received.samples, *layer.map), dtype=np.uint8)
    rows = spikes.reshape(layer.timesteps, -1, neurons.row)
    operands = input_rows(layer, received, steps=layer.timesteps)
    final: Floats = np.empty(rows.shape[1:], dtype=state)
    measured = Measured(spikes, final, np.empty_like(final), np.empty_like(final))
    least, most = measured.least_firing, measured.largest_resting
    limits = state(layer.bounds.lowest), state(layer.bounds.highest)
    loops = loops_for(spikes.size)
    if loops is not None:
        with loops.LOCK:
            loops.fire_measured(
                *operands, neurons.bias[0], threshold, neurons.initial, *limits, rows, final, least, most
            )
        return measured
    final[...], least[...], most[...] = neurons.initial, np.inf, -np.inf
    for step in range(layer.timesteps):
        add_input(final, operands, neurons.bias[0], step)
        np.clip(final, *limits, out=final)
        fired = final >= threshold
        np.minimum(least, final, out=least, where=fired)
        np.maximum(most, final, out=most, where=~fired)
        final -= threshold * fired
        rows[step] = fired
    return measured


def _threshold(layer: Layer) -> Floats:
    assert layer.neurons.threshold is not None, "a read-out does not fire"
    return layer.neurons.threshold


def _widened(program: Program, layer: Layer) -> Layer:
    """``layer`` with bounds that hold in both passes, from any potential that it can be shifted to."""
    population = layer.population
    if population.threshold is None:
        return layer
    low, high = neuron_range(program, population)
    lowest, highest = int(low.min()), int(high.max())
    saturates = lowest < program.state_minimum or highest > program.state_maximum
    limits = (program.state_minimum, program.state_maximum) if saturates else (-np.inf, np.inf)
    reach = max(-lowest, highest) + layer.bounds.drive + 2 * int(population.threshold.max())
    state = exact_float(reach)
    bounds = Bounds(layer.bounds.drive, reach, state, float(limits[0]), float(limits[1]), by_counts=False)
    return replace(layer, bounds=bounds, neurons=arrange_neurons(program, population, state))
