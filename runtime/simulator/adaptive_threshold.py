"""``msat``, layer by layer: spikes are payloads 1..256, potentials are held in 1/256 weight units in 64-bit floats."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ..execution import SpikeTrains
from ..program import INPUT, IntArray, Population, Program
from ..program.msat_threshold import constants, kept_spikes, payload, value_scale
from ..program.neuron_models import CONFIDENCE_STEPS, LARGEST_PAYLOAD, PAYLOAD_BITS, PLAIN_IF
from .kernels import Floats
from .loops import loops_for
from .messages import Messages, Sent, encoded_input
from .neurons import LayerInput, add_input, input_rows, integrate, layer_input
from .plan import Layer, arrange_neurons, plan_layer
from .results import ChunkResult, last_readers


class AdaptiveThresholdSimulator:
    """Runs the layers of a program whose neurons are ``msat`` on the processor."""

    def __init__(self, program: Program) -> None:
        fine = _in_fractions(program)
        self._program = program
        self._layers = tuple(_widened(fine, plan_layer(fine, p, spike=LARGEST_PAYLOAD)) for p in fine.populations)
        self._last_reader = last_readers(program)

    def run_chunk(self, samples: IntArray, record: bool, first: int = 0) -> ChunkResult:
        """Run ``samples`` (n, *input shape), the first of which is number ``first`` of the run."""
        timesteps = self._program.timesteps
        sent = {INPUT: encoded_input(self._program.input, samples, timesteps)}
        readouts: dict[str, IntArray] = {}
        counts: dict[str, int] = {}
        trains: dict[str, SpikeTrains] = {}
        for place, layer in enumerate(self._layers):
            name = layer.population.name
            received = layer_input(layer, sent, len(samples))
            for source in [s for s in sent if self._last_reader.get(s) == name]:
                del sent[source]
            if layer.population.threshold is None:
                readouts[name] = integrate(layer, received)
                continue
            payloads = fire_adaptively(self._program, layer, received)
            self._drop(payloads, layer, place, np.arange(first, first + len(samples)))
            spikes = Sent(timesteps, trains=(payloads > 0).view(np.uint8))
            counts[name] = spikes.total
            if record:
                trains[name] = spikes.recorded
            if name in self._last_reader:
                sent[name] = Sent(timesteps, trains=payloads)
        return ChunkResult(readouts, counts, trains)

    def _drop(self, payloads: Messages, layer: Layer, place: int, samples: npt.NDArray[np.int64]) -> None:
        parameters = self._program.neuron.msat
        confidence = parameters.layer(layer.population.name).confidence
        if confidence >= 1:
            return
        height, width, channels = layer.map
        for step in range(1, min(CONFIDENCE_STEPS - 1, len(payloads)) + 1):
            kept = kept_spikes(parameters, place, confidence, samples, step, layer.population.neurons)
            payloads[step - 1] *= kept.reshape(-1, channels, height, width).transpose(0, 2, 3, 1)


def fire_adaptively(program: Program, layer: Layer, received: LayerInput) -> Messages:
    """Payloads (T, n, H, W, C) uint16, 0 where there is no spike, before any is dropped."""
    population = layer.population
    assert population.threshold is not None, "a read-out does not fire"
    parameters = program.neuron.msat
    value = parameters.layer(population.name).threshold_value
    # The planned threshold is that of the least payload, one weight unit's 256th times 256.
    least = layer.neurons.threshold
    assert least is not None
    scale, given = value_scale(least, value), constants(parameters)
    payloads = np.empty((layer.timesteps, received.samples, *layer.map), dtype=np.uint16)
    rows = payloads.reshape(layer.timesteps, -1, layer.neurons.row)
    operands = input_rows(layer, received, steps=layer.timesteps)
    limits = layer.bounds.lowest, layer.bounds.highest
    loops = loops_for(payloads.size)
    if loops is not None:
        with loops.LOCK:
            loops.fire_adaptively(
                *operands, layer.neurons.bias[0], least, layer.neurons.initial, *limits, scale, value, given, rows
            )
        return payloads
    v: Floats = np.empty(rows.shape[1:], dtype=np.float64)
    v[...], total = layer.neurons.initial, np.zeros(rows.shape[1:])
    for step in range(layer.timesteps):
        current: Floats = np.zeros_like(v)
        add_input(current, operands, layer.neurons.bias[0], step)
        share = np.full(v.shape, float(LARGEST_PAYLOAD))
        if step > 0:
            share[...] = payload(current, v, total, float(step), scale, value, given)
        v = np.clip(v + current, *limits)
        fired = v >= least * share
        v -= least * share * fired
        total += v
        rows[step] = share * fired
    return payloads


def _in_fractions(program: Program) -> Program:
    """``program`` in 1/256 weight units: its own thresholds are now those of the least payload, 1."""

    def fine(population: Population) -> Population:
        start, bias = population.initial_potential << PAYLOAD_BITS, population.bias << PAYLOAD_BITS
        return replace(population, initial_potential=start, bias=bias)

    return replace(
        program,
        neuron=PLAIN_IF,
        state_minimum=program.state_minimum << PAYLOAD_BITS,
        state_maximum=program.state_maximum << PAYLOAD_BITS,
        populations=tuple(fine(p) for p in program.populations),
        # A spike brings its fraction along, graded input has none.
        projections=tuple(
            replace(p, exponent=p.exponent + PAYLOAD_BITS) if p.source == INPUT else p for p in program.projections
        ),
    )


def _widened(fine: Program, layer: Layer) -> Layer:
    limits = float(fine.state_minimum), float(fine.state_maximum)
    bounds = replace(layer.bounds, state=np.float64, lowest=limits[0], highest=limits[1], by_counts=False)
    return replace(layer, bounds=bounds, neurons=arrange_neurons(fine, layer.population, np.float64))
