"""Correct one population after the other, each on the real spikes of those that are corrected already."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from ...runtime.encoding import encode
from ...runtime.program import INPUT, Population, Program
from ...runtime.simulator import PopulationSimulator, Sent, encoded_input, joined
from ...targets.records import dataclass
from ..arithmetic import total
from ..compilation import Built
from ..ir.network import Network, evaluate
from ..ir.operators import AnyFloat, FloatArray
from ..passes.split_branches import with_split_branches

_BATCH = 32


@dataclass(frozen=True, slots=True, eq=False)
class RateErrors:
    """Means over the samples, per neuron and in spikes per step, of (a - phi) / theta and of its absolute value."""

    signed: FloatArray
    absolute: FloatArray


Correction = Callable[[Population, RateErrors], Population]


def correct_layer_by_layer(built: Built, program: Program, correction: Correction) -> Program:
    """Apply ``correction`` to each firing population of ``program`` in order, with its errors on calibration data.

    The activations wanted are those of the network before thresholds were chosen. AssertionError without
    calibration data.
    """
    calibration = built.context.calibration
    assert calibration is not None, "the method's needs are checked before"
    network, _ = with_split_branches(built.pipeline.stages["fold-batch-norm"].network)
    encoded, _ = encode(program.input, calibration.inputs)
    sent = {INPUT: encoded_input(program.input, encoded, program.timesteps)}
    inputs = calibration.as_float()
    last_reader = {p.source: p.target for p in program.projections}
    for population in program.firing:
        named = built.spiking.population(population.name)
        wanted = _rates(network, inputs, named.activation, named.spike_value)
        errors = _errors(wanted, _spikes(program, population, sent, len(inputs)), population, program.timesteps)
        corrected = correction(population, errors)
        program = replace(program, populations=tuple(corrected if p is population else p for p in program.populations))
        sent[population.name] = joined(list(_spikes(program, corrected, sent, len(inputs))))
        for source in [s for s, reader in last_reader.items() if reader == population.name]:
            sent.pop(source, None)
    return program


def _spikes(program: Program, population: Population, sent: dict[str, Sent], samples: int) -> Iterator[Sent]:
    simulator = PopulationSimulator(program, population)
    sources = {p.source for p in program.incoming(population.name)}
    for first in range(0, samples, _BATCH):
        last = min(first + _BATCH, samples)
        received = simulator.receive({s: sent[s].part(first, last) for s in sources}, last - first)
        yield simulator.fire(received, population.initial_potential)


def _rates(
    network: Network, inputs: AnyFloat, activation: str, spike_value: float | FloatArray
) -> Iterator[FloatArray]:
    for first in range(0, len(inputs), _BATCH):
        values = evaluate(network, inputs[first : first + _BATCH], frozenset((activation,)))[activation]
        yield values.astype(np.float64) / spike_value


def _errors(wanted: Iterator[FloatArray], spikes: Iterator[Sent], population: Population, timesteps: int) -> RateErrors:
    signed, absolute, samples = np.zeros(population.shape), np.zeros(population.shape), 0
    for rates, sent in zip(wanted, spikes, strict=True):
        counts = sent.counts.transpose(0, 3, 1, 2).reshape(len(rates), *population.shape)
        difference = rates.reshape(counts.shape) - counts / timesteps
        signed += total(difference, axis=0)
        absolute += total(np.abs(difference), axis=0)
        samples += len(rates)
    return RateErrors(signed / samples, absolute / samples)
