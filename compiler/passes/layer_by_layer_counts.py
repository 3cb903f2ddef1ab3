"""Run a spiking network layer by layer on calibration data, and fit each layer before the next one is run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ...runtime import program as level3
from ...runtime.encoding import encode
from ...runtime.samples import Samples
from ...runtime.simulator.batches import batch_for_memory
from ...targets.records import dataclass
from ..arithmetic import mean
from ..ir.maxima import MaximumNeuron
from ..ir.network import Network, evaluate
from ..ir.operators import FloatArray, Shape
from ..ir.spiking import INPUT, Population, Projection, SpikingNetwork
from .calibrate_initial_potential import aim_of, divergences
from .choose_by_counts import Received, chosen_by_counts, chosen_start
from .contract import Compilation, Context, float_network, spiking_level
from .fan_in_moments import Messages
from .fit_weights import Fitted, can_be_fitted, fitted_to_counts, fitted_to_input
from .kept_spikes import InParts, KeptSpikes
from .paired_difference import is_certainly_less
from .rescaled_channels import share_and_start, with_choice, with_fitted
from .staggered_starts import staggered_starts
from .trial_program import trial_layer, trial_program, units_of, with_finest_input, with_layer

if TYPE_CHECKING:
    from ...runtime.simulator import LayerInput, PopulationSimulator

_HELD_OUT_SHARE = 4
_TRIED_VALUES = 1 << 19
"""Neurons times samples that thresholds are tried on, and the samples at least."""
_FEWEST_TRIED = 8
_MISSED_PLACES = 1 << 15
"""Places of a map times samples that what spikes miss is looked at on, and the samples at least."""
_FEWEST_MISSED = 64
_BATCH = 32

Values = npt.NDArray[np.float32]
WeightFit = Callable[[Population, tuple[Projection, ...], Messages, Values], Fitted]


@dataclass(frozen=True, slots=True, eq=False)
class CountData:
    """Calibration data: what goes in, what each fitted layer's input and value should be, and the scores.

    The first ``fitted`` of ``samples`` are fitted to; the scores are those of the rest. Layers ``compared`` by a
    maximum share a grid with it.
    """

    samples: Samples
    fitted: int
    inputs: dict[str, Values]
    values: dict[str, Values]
    wanted: tuple[FloatArray, ...]
    compared: frozenset[str]

    @classmethod
    def of(cls, state: Compilation, context: Context, samples: Samples, free: frozenset[str]) -> CountData:
        """What the network before thresholds gives on ``samples`` for the populations ``free`` and the read-out."""
        spiking, network = spiking_level(state), float_network(state)
        used = len(samples) - len(samples) // _HELD_OUT_SHARE
        populations = [p for p in spiking.populations if p.name in free or p.threshold is None]
        before = {p.name: _input_of(network, p) for p in populations}
        given = _evaluated(network, samples.between(0, used), frozenset(before.values()))
        inputs, values = {}, {}
        for p in populations:
            reached = given[before[p.name]].reshape(-1, *p.shape)
            inputs[p.name] = reached / _spike_value(p)
            if p.threshold is not None:
                values[p.name] = network.node(p.activation).operator.evaluate((reached,)) / _spike_value(p)
        wanted = aim_of(state, context).log_probabilities(samples.between(used, len(samples)))
        return cls(samples, used, inputs, values, wanted, _compared(state, spiking))


def without_most(data: CountData, fitted: int) -> CountData:
    """``data`` with the first ``fitted`` of the samples that are fitted to, and with all that are held out."""
    if fitted >= data.fitted:
        return data
    parts = data.samples.between(0, fitted), data.samples.between(data.fitted, len(data.samples))
    return replace(
        data,
        samples=replace(data.samples, inputs=np.concatenate([part.inputs for part in parts]), labels=None),
        fitted=fitted,
        inputs={name: values[:fitted] for name, values in data.inputs.items()},
        values={name: values[:fitted] for name, values in data.values.items()},
    )


def _compared(state: Compilation, spiking: SpikingNetwork) -> frozenset[str]:
    maxima = {node.name for node in state.network.nodes if isinstance(node.operator, MaximumNeuron)}
    readers = {p.name for p in spiking.populations if p.activation in maxima}
    return frozenset(p.source for p in spiking.projections if p.target in readers)


def _spike_value(population: Population) -> npt.NDArray[np.float32]:
    return np.asarray(population.spike_value, dtype=np.float32)


def _input_of(network: Network, population: Population) -> str:
    """Value that ``population`` receives: what its activation reads, or the read-out's result."""
    return population.activation if population.threshold is None else network.node(population.activation).inputs[0]


def _evaluated(network: Network, samples: Samples, names: frozenset[str]) -> dict[str, Values]:
    inputs = samples.as_float()
    parts = [evaluate(network, inputs[i : i + _BATCH], names) for i in range(0, len(inputs), _BATCH)]
    return {name: np.concatenate([part[name] for part in parts]).astype(np.float32) for name in names}


@dataclass(frozen=True, slots=True, eq=False)
class Counted:
    """The network after all layers, how far each sample's scores are from those wanted, and what each layer got."""

    spiking: SpikingNetwork
    distances: FloatArray
    layers: dict[str, Any]

    @property
    def distance(self) -> float:
        """Mean of ``distances``."""
        return float(mean(self.distances))


class LayerByLayer:
    """Runs a network, whose gates are set, on ``data``, and fits each layer before the next one is run.

    Without ``fits``, initial potentials alone are chosen.
    """

    def __init__(self, spiking: SpikingNetwork, context: Context, data: CountData, *, fits: bool) -> None:
        self._spiking = with_finest_input(spiking, context)
        self._timesteps, self._data, self._fits = context.timesteps, data, fits
        self._progress = context.progress
        self._program = trial_program(self._spiking, context.timesteps)
        self._sent: dict[str, InParts] = {}
        self._layers: dict[str, Any] = {}

    def result(self) -> Counted:
        """Run all layers; the distances are those of the read-out on what is held out."""
        from ...runtime.simulator import encoded_input

        integers = encode(self._program.input, self._data.samples.inputs)[0]
        self._sent[INPUT] = encoded_input(self._program.input, integers, self._timesteps)
        firing = self._spiking.firing
        done, neurons = 0, sum(prod(p.shape) for p in firing)
        for population in firing:
            self._run_layer(population.name)
            done += prod(population.shape)
            self._progress(done, neurons)
        before = self._spiking
        counted = self._read_outs(fits_weights=False)
        if not self._fits or not any(can_be_fitted(before.incoming(p.name)) for p in before.readouts):
            return counted
        self._spiking = before
        # Often a read-out has more weights than there are samples, and then looks too good on some held out, too.
        fitted = self._read_outs(fits_weights=True)
        return fitted if is_certainly_less(fitted.distances, counted.distances) else counted

    def _run_layer(self, name: str) -> None:
        if name in self._data.values:
            layer, simulator = self._fitted(name)
        else:
            layer, simulator = self._planned(name)
        self._program = with_layer(self._program, layer, ())
        received = self._received(name, simulator, len(self._data.samples))
        self._sent[name] = kept = KeptSpikes(len(self._data.samples))
        for part in received:
            kept.put(simulator.fire(part, layer.initial_potential, layer.threshold))
        self._forget(name)

    def _planned(self, name: str) -> tuple[level3.Population, PopulationSimulator]:
        from ...runtime.simulator import PopulationSimulator

        layer, incoming = trial_layer(self._spiking, self._spiking.population(name), self._timesteps)
        self._program = with_layer(self._program, layer, incoming)
        return layer, PopulationSimulator(self._program, layer)

    def _fitted(self, name: str) -> tuple[level3.Population, PopulationSimulator]:
        """Fit the layer and plan it as it is to run."""
        fits_weights = self._fits and can_be_fitted(self._spiking.incoming(name))
        if fits_weights:
            self._fit_weights(name, fitted_to_input, self._data.inputs[name])
        layer, simulator = self._planned(name)
        received = self._tried(layer, simulator)
        if self._fits and name not in self._data.compared:
            chosen = chosen_by_counts(layer, received)
        else:
            chosen = chosen_start(layer, received, np.ones((1,) * len(layer.shape)))
        if fits_weights:
            width, _ = share_and_start(layer, chosen)
            self._fit_weights(name, fitted_to_counts, self._missed(layer, chosen, simulator))
            layer, simulator = self._planned(name)
            chosen = chosen_start(layer, self._tried(layer, simulator), width)
        self._spiking = with_choice(self._spiking, layer, chosen, self._timesteps)
        self._layers[name] = _told(layer, chosen)
        return chosen, simulator

    def _fit_weights(self, name: str, fit: WeightFit, aim: Values) -> None:
        incoming = self._spiking.incoming(name)
        sources = {INPUT, *(p.source for p in incoming)}
        messages = {source: self._mean_messages(source, len(aim)) for source in sources}
        fitted = fit(self._spiking.population(name), incoming, messages, aim)
        changed = replace(self._spiking.population(name), bias=fitted.bias)
        self._spiking = with_fitted(self._spiking, changed, fitted.incoming)

    def _missed(self, layer: level3.Population, chosen: level3.Population, simulator: PopulationSimulator) -> Values:
        """What the spikes of ``chosen`` miss (n, *shape), in thresholds of ``layer`` per step."""
        share, _ = share_and_start(layer, chosen)
        samples = min(self._data.fitted, max(_FEWEST_MISSED, _MISSED_PLACES // prod(layer.shape[1:])))
        received = self._received(layer.name, simulator, samples)
        spikes = [simulator.fire(r, chosen.initial_potential, chosen.threshold).counts for r in received]
        counts = np.concatenate(spikes).transpose(0, 3, 1, 2).reshape(-1, *layer.shape)
        return self._data.values[layer.name][:samples] - counts * (share / self._timesteps).astype(np.float32)

    def _mean_messages(self, source: str, samples: int) -> Values:
        sent, shape = self._sent[source].part(0, samples), self._shape(source)
        maps = sent.counts / np.float32(self._timesteps) if sent.graded is None else sent.graded
        return np.ascontiguousarray(maps.transpose(0, 3, 1, 2), dtype=np.float32).reshape(-1, *shape)

    def _shape(self, source: str) -> Shape:
        return self._spiking.input.shape if source == INPUT else self._spiking.population(source).shape

    def _tried(self, layer: level3.Population, simulator: PopulationSimulator) -> Received:
        few = min(self._data.fitted, max(_FEWEST_TRIED, _TRIED_VALUES // layer.neurons))
        wanted = self._data.values[layer.name][:few]
        by_place = wanted.transpose(0, 2, 3, 1) if wanted.ndim == 4 else wanted.reshape(few, 1, 1, -1)
        received = self._input(layer.name, simulator, 0, few)
        return Received(simulator, received, by_place, self._timesteps, self._stagger(layer.name))

    def _stagger(self, name: str) -> FloatArray:
        """How far apart neurons of a channel start; those whose counts a maximum compares start together."""
        if not self._fits or name in self._data.compared:
            return np.zeros(1)
        return staggered_starts(self._spiking, self._spiking.population(name))

    def _received(self, name: str, simulator: PopulationSimulator, samples: int) -> Iterator[LayerInput]:
        size = batch_for_memory(self._program)
        for first in range(0, samples, size):
            yield self._input(name, simulator, first, min(first + size, samples))

    def _input(self, name: str, simulator: PopulationSimulator, first: int, last: int) -> LayerInput:
        sources = {p.source for p in self._spiking.incoming(name)}
        return simulator.receive({s: self._sent[s].part(first, last) for s in sources}, last - first)

    def _forget(self, reader: str) -> None:
        last = {p.source: p.target for p in self._spiking.projections}
        for source in [s for s in self._sent if last.get(s) == reader and s != INPUT]:
            del self._sent[source]

    def _read_outs(self, *, fits_weights: bool) -> Counted:
        scores = [self._read_out(p.name, fits_weights) for p in self._spiking.readouts]
        distances = divergences(self._data.wanted, [each[self._data.fitted :] for each in scores])
        return Counted(self._spiking, distances, self._layers)

    def _read_out(self, name: str, fits_weights: bool) -> FloatArray:
        """Scores of all samples (N, neurons), after what they miss is fitted."""
        used, scores = self._data.fitted, self._scores(name)
        if not self._fits:
            return scores
        wanted = self._data.inputs[name].reshape(used, -1)
        if fits_weights and can_be_fitted(self._spiking.incoming(name)):
            missed = (wanted - scores[:used]).reshape(used, *self._shape(name)).astype(np.float32)
            self._fit_weights(name, fitted_to_counts, missed)
            scores = self._scores(name)
        readout, missing = self._spiking.population(name), mean(wanted - scores[:used], axis=0)
        bias = readout.bias + missing.reshape(readout.shape)
        self._spiking = with_fitted(self._spiking, replace(readout, bias=bias), ())
        return np.asarray(scores + missing)

    def _scores(self, name: str) -> FloatArray:
        """What the read-out stands for (N, neurons), as it is."""
        _, simulator = self._planned(name)
        received = self._received(name, simulator, len(self._data.samples))
        potentials = np.concatenate([simulator.integrate(part) for part in received])
        units = units_of(self._spiking, self._spiking.population(name), self._timesteps)[0]
        return np.asarray(potentials / (units * self._timesteps))


def _told(layer: level3.Population, chosen: level3.Population) -> dict[str, float]:
    share, start = share_and_start(layer, chosen)
    figures = {
        "smallest_threshold": share.min(),
        "largest_threshold": share.max(),
        "mean_initial_potential": mean(start),
    }
    return {name: float(f"{value:.4g}") for name, value in figures.items()}
