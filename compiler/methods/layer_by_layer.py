"""Correct one population after the other, each on the real spikes of those that are corrected already."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ...runtime.encoding import encode
from ...runtime.program import INPUT, Population, Program
from ...runtime.samples import Samples
from ...runtime.simulator import PopulationSimulator, Sent, encoded_input, joined
from ...targets.records import dataclass
from ..arithmetic import total
from ..compilation import Built
from ..ir import spiking as level2
from ..ir.network import Network
from ..ir.operators import AnyFloat, FloatArray
from ..passes.calibrate_initial_potential import Aim, aim_of, chunked_input
from ..passes.calibration_aim import names_in_aim
from ..passes.split_branches import with_split_branches
from ..shared_results import SharedResults

_BATCH = 32


@dataclass(frozen=True, slots=True, eq=False)
class RateErrors:
    """Means over the samples, per neuron and in spikes per step, of (a - phi) / theta and of its absolute value."""

    signed: FloatArray
    absolute: FloatArray


Correction = Callable[[Population, RateErrors], Population]


@dataclass(frozen=True, slots=True, eq=False)
class _Ann:
    """``network`` before thresholds were chosen, which has the ``activations`` of all populations."""

    network: Network
    activations: frozenset[str]
    shared: SharedResults

    @classmethod
    def of(cls, built: Built) -> _Ann:
        given, shared = built.pipeline.stages["fold-batch-norm"].network, built.context.shared
        network, _ = shared.of(("split branches", given), lambda: with_split_branches(given))
        return cls(network, frozenset(p.activation for p in built.spiking.firing), shared)

    def rates(self, samples: Samples, population: level2.Population) -> Iterator[FloatArray]:
        """What ``population`` should send per step, batch by batch."""
        inputs = samples.as_float()
        for first in range(0, len(inputs), _BATCH):
            values = self.shared.values(self.network, inputs[first : first + _BATCH], self.activations)
            yield values[population.activation].astype(np.float64) / population.spike_value


def correct_layer_by_layer(built: Built, program: Program, correction: Correction) -> Program:
    """Apply ``correction`` to each firing population of ``program`` in order, with its errors on calibration data.

    The activations wanted are those of the network before thresholds were chosen. AssertionError without
    calibration data.
    """
    calibration = built.context.calibration
    assert calibration is not None, "the method's needs are checked before"
    ann = _Ann.of(built)
    encoded, _ = encode(program.input, calibration.inputs)
    sent = {INPUT: encoded_input(program.input, encoded, program.timesteps)}
    last_reader = {p.source: p.target for p in program.projections}
    for population in program.firing:
        named = built.spiking.population(population.name)
        wanted = ann.rates(calibration, named)
        simulator = PopulationSimulator(program, population)
        chunks = chunked_input(program, population, simulator, sent, len(calibration), _BATCH)
        spikes = (simulator.fire(chunk(), population.initial_potential) for chunk in chunks)
        corrected = correction(population, _errors(wanted, spikes, population, program.timesteps))
        program = replace(program, populations=tuple(corrected if p is population else p for p in program.populations))
        if corrected.bias is not population.bias:
            simulator = PopulationSimulator(program, corrected)
            chunks = chunked_input(program, corrected, simulator, sent, len(calibration), _BATCH)
        sent[population.name] = joined([simulator.fire(chunk(), corrected.initial_potential) for chunk in chunks])
        for source in [s for s, reader in last_reader.items() if reader == population.name]:
            sent.pop(source, None)
    return program


def _errors(wanted: Iterator[FloatArray], spikes: Iterator[Sent], population: Population, timesteps: int) -> RateErrors:
    signed, absolute, samples = np.zeros(population.shape), np.zeros(population.shape), 0
    for rates, sent in zip(wanted, spikes, strict=True):
        counts = sent.counts.transpose(0, 3, 1, 2).reshape(len(rates), *population.shape)
        difference = rates.reshape(counts.shape) - counts / timesteps
        signed += total(difference, axis=0)
        absolute += total(np.abs(difference), axis=0)
        samples += len(rates)
    return RateErrors(signed / samples, absolute / samples)


@dataclass(frozen=True, slots=True, eq=False)
class LayerOnData:
    """A firing population on calibration data: what it should send, and what its sources do send.

    ``rates`` (N, *shape) are the ANN's activations in spikes per step.
    """

    name: str
    rates: AnyFloat
    sent: dict[str, Sent]

    def counts(self, program: Program) -> npt.NDArray[np.integer[Any]]:
        """Spikes (N, *shape) that it sends in a window as it is in ``program``."""
        counts = _fired(program, self.name, self.sent, len(self.rates)).counts
        return counts.transpose(0, 3, 1, 2).reshape(self.rates.shape)


Fit = Callable[[Program, LayerOnData], Program]


def fit_layer_by_layer(built: Built, program: Program, fit: Fit) -> Program:
    """Let ``fit`` change one firing population of ``program`` after the other, each on the spikes of those before it.

    It aims at the network that is compiled, or at the context's aim. Neurons that a maximum became have no activation
    there, and stay. AssertionError without calibration data.
    """
    calibration = built.context.calibration
    assert calibration is not None, "the method's needs are checked before"
    aim = aim_of(built.pipeline.state, built.context)
    names = names_in_aim(aim.compiled, aim.network)
    encoded, _ = encode(program.input, calibration.inputs)
    sent = {INPUT: encoded_input(program.input, encoded, program.timesteps)}
    last_reader = {p.source: p.target for p in program.projections}
    for name in [p.name for p in program.firing]:
        meant = built.spiking.population(name)
        if meant.activation in names:
            rates = _rates(aim, names[meant.activation], calibration, meant)
            program = fit(program, LayerOnData(name, rates, sent))
        sent[name] = _fired(program, name, sent, len(calibration))
        for source in [s for s, reader in last_reader.items() if reader == name]:
            sent.pop(source, None)
    return program


def _fired(program: Program, name: str, sent: dict[str, Sent], samples: int) -> Sent:
    population = program.population(name)
    simulator = PopulationSimulator(program, population)
    chunks = chunked_input(program, population, simulator, sent, samples, _BATCH)
    return joined([simulator.fire(chunk(), population.initial_potential) for chunk in chunks])


def _rates(aim: Aim, activation: str, samples: Samples, population: level2.Population) -> AnyFloat:
    inputs, wanted = samples.as_float(), frozenset((activation,))
    parts = (inputs[first : first + _BATCH] for first in range(0, len(inputs), _BATCH))
    values = np.concatenate([aim.shared.values(aim.network, part, wanted)[activation] for part in parts])
    return np.asarray(values.reshape(len(values), *population.shape) / population.spike_value, dtype=np.float32)
