"""Exact, batched simulation: a whole layer for all samples and all T steps at a time.

Delays are aligned, so step t of a population's window sees step t of its sources' windows, and a layer can be run
to its end before the next one starts. Numbers are integers held in the smallest float type in which no sum can
round, proven from the weights before it is used.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .execution import Execution, SpikeTrains
from .kernels import Floats, convolve, exact_float
from .program import INPUT, ConvSynapses, IntArray, Population, Program, Projection
from .synapses import fan_in_weight, largest_message

# Larger batches are slower: their arrays leave the caches, and fresh pages have to be faulted in.
_BATCH_BYTES = 24 << 20

Progress = Callable[[int, int], None]
Messages = npt.NDArray[Any]


def simulate(
    program: Program,
    samples: IntArray,
    *,
    record: bool = False,
    batch: int | None = None,
    progress: Progress | None = None,
) -> Execution:
    """Run ``samples`` (N, *input shape) in batches; ``progress(done, total)`` counts samples.

    ``batch`` bounds the samples in flight; by default it keeps a layer's working memory near 24 MB.
    """
    started = time.perf_counter()
    layers = tuple(_prepare(program, population) for population in program.populations)
    size = batch or batch_for_memory(program)
    readouts, counts, recorded = [], {p.name: 0 for p in program.populations[:-1]}, []
    for first in range(0, len(samples), size):
        chunk = samples[first : first + size]
        trains = {}
        for layer, spikes in _run_layers(program, layers, chunk):
            if layer.population.threshold is None:
                readouts.append(spikes)
                continue
            counts[layer.population.name] += int(np.count_nonzero(spikes))
            if record:
                trains[layer.population.name] = spikes.reshape(len(chunk), program.timesteps, -1)
        recorded.append(trains)
        if progress is not None:
            progress(min(first + size, len(samples)), len(samples))
    return Execution(
        backend="simulator",
        readout=_concatenate(readouts, (0, program.readout.neurons), np.int64),
        spike_counts=counts,
        spike_trains=_join(program, recorded) if record else None,
        steps=len(samples) * program.timesteps + program.depth,
        seconds=time.perf_counter() - started,
    )


def batch_for_memory(program: Program) -> int:
    """Samples per batch that keep the largest layer's currents and windows within the memory budget."""
    neurons = max(p.neurons for p in program.populations)
    return max(1, _BATCH_BYTES // (12 * neurons * program.timesteps))


def layer_input(program: Program, population: Population, sent: dict[str, Messages], samples: int) -> LayerInput:
    """Input of one population for ``samples`` samples given what its sources send.

    ``sent`` maps each source to its spikes (N, T, *shape), or ``INPUT`` to encoded samples (N, *shape).
    """
    return _layer_input(program, _prepare(program, population), sent, samples)


def integrate_and_fire(program: Program, population: Population, received: LayerInput) -> Messages:
    """Spikes (N, T, *shape) uint8 of a population, or for a read-out its final potentials (N, neurons) int64.

    ``population`` may be the one that ``received`` was made for with another initial potential.
    """
    samples = len(received.constant)
    kind = received.state_type
    v: Messages = np.empty((samples, *population.shape), dtype=kind)
    v[...] = population.initial_potential
    threshold = None if population.threshold is None else population.threshold.astype(kind)
    spikes = np.empty((samples, program.timesteps, *population.shape), dtype=np.uint8)
    for step in range(program.timesteps):
        v += received.constant
        if received.varying is not None:
            v += received.varying[:, step]
        if received.may_saturate:
            np.clip(v, program.state_minimum, program.state_maximum, out=v)
        if threshold is None:
            continue
        fired: Messages = v >= threshold
        v -= threshold * fired
        spikes[:, step] = fired
    if threshold is None:
        return v.reshape(samples, -1).astype(np.int64)
    return spikes


@dataclass(frozen=True, slots=True, eq=False)
class LayerInput:
    """What a population receives: the same at every step (N, *shape), and per step (N, T, *shape) or None.

    ``state_type`` holds every potential that can arise exactly; ``may_saturate`` is False where none can leave the
    state's range.
    """

    constant: Floats
    varying: Floats | None
    state_type: type[np.float32] | type[np.float64]
    may_saturate: bool


@dataclass(frozen=True, slots=True, eq=False)
class _Synapses:
    projection: Projection
    weight: Floats


@dataclass(frozen=True, slots=True, eq=False)
class _Layer:
    population: Population
    incoming: tuple[_Synapses, ...]
    state_type: type[np.float32] | type[np.float64]
    may_saturate: bool


def _prepare(program: Program, population: Population) -> _Layer:
    incoming = program.incoming(population.name)
    synapses = []
    drive = int(np.abs(population.bias).max())
    for projection in incoming:
        bound = int(fan_in_weight(projection).max()) * largest_message(program, projection)
        drive += bound
        synapses.append(_Synapses(projection, projection.effective_weight.astype(exact_float(bound))))
    threshold = 0 if population.threshold is None else int(np.abs(population.threshold).max())
    reachable = int(np.abs(population.initial_potential).max()) + program.timesteps * drive + 2 * threshold
    return _Layer(
        population,
        tuple(synapses),
        exact_float(reachable),
        may_saturate=reachable > min(program.state_maximum, -program.state_minimum),
    )


def _run_layers(program: Program, layers: tuple[_Layer, ...], samples: IntArray) -> Iterator[tuple[_Layer, Messages]]:
    sent: dict[str, Messages] = {INPUT: samples}
    waiting: dict[str, set[str]] = {}
    for projection in program.projections:
        waiting.setdefault(projection.source, set()).add(projection.target)
    for layer in layers:
        name = layer.population.name
        sent[name] = integrate_and_fire(program, layer.population, _layer_input(program, layer, sent, len(samples)))
        yield layer, sent[name]
        for source, targets in waiting.items():
            targets.discard(name)
            if not targets:
                sent.pop(source, None)


def _layer_input(program: Program, layer: _Layer, sent: dict[str, Messages], samples: int) -> LayerInput:
    shape = layer.population.shape
    constant: Floats = np.broadcast_to(layer.population.bias.astype(layer.state_type), (samples, *shape))
    varying: Floats | None = None
    for synapses in layer.incoming:
        messages = sent[synapses.projection.source]
        if synapses.projection.source == INPUT:
            constant = constant + _apply(synapses, messages, shape).astype(layer.state_type, copy=False)
            continue
        flat = messages.reshape(-1, *messages.shape[2:])
        received: Floats = _apply(synapses, flat, shape).reshape(len(messages), program.timesteps, *shape)
        # One projection's sum fits its own float type, several together need the state's.
        varying = received if varying is None else np.add(varying, received, dtype=layer.state_type)
    return LayerInput(constant, varying, layer.state_type, layer.may_saturate)


def _apply(synapses: _Synapses, messages: Messages, shape: tuple[int, ...]) -> Floats:
    values = messages.astype(synapses.weight.dtype)
    kind = synapses.projection.synapses
    if isinstance(kind, ConvSynapses):
        return convolve(values, synapses.weight, kind.geometry)
    received: Floats = values.reshape(len(values), -1) @ synapses.weight.T
    return received.reshape(-1, *shape)


def _join(program: Program, recorded: list[dict[str, Messages]]) -> dict[str, SpikeTrains]:
    return {
        p.name: _concatenate([trains[p.name] for trains in recorded], (0, program.timesteps, p.neurons), np.uint8)
        for p in program.populations[:-1]
    }


def _concatenate(parts: list[Messages], empty: tuple[int, ...], kind: type[np.integer[Any]]) -> Messages:
    return np.concatenate(parts) if parts else np.zeros(empty, dtype=kind)
