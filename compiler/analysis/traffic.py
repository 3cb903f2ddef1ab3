"""What a program's spikes cause on the cores of a chip, counted on samples: synaptic events, messages, hops, busy time.

Counted as SANA-FE does. Every neuron is accessed at every step. It is updated where its potential, its input or its
bias is not 0; neurons without initial potential and bias count from the first step of their window. A spike is one
message to each core that it reaches. All is whole numbers, exact in any order.

A step takes as long as its slowest core and the barrier over all tiles in use. A core first goes through its neurons
and sends, then takes what comes in; the slowest is the maximum over both and over all cores.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ...runtime.execution import SpikeTrains
from ...runtime.program import INPUT, IntArray, Population, Program
from ...runtime.simulator import Simulator
from ...targets import Target
from ...targets.records import dataclass
from ...targets.schema import Cost
from .axons import Axons, axons_of
from .energy import fan_out

SAMPLES = 16
"""As many are looked at, at most: averages over so many neurons settle soon."""

_TRAINS = 1 << 28
"""Bytes that their trains may take together, more than one sample's."""

_FOLLOWED = 4
"""Samples of them whose time is followed, step by step and core by core."""


@dataclass(frozen=True, slots=True, eq=False)
class LayerTraffic:
    """Events of one population, summed over the samples that were looked at; ``INPUT`` has messages alone.

    ``accesses`` and ``updates`` of its neurons and ``spikes`` that they send, as ``messages`` to cores that take
    ``hops`` (east-west, north-south) from tile to tile; ``synaptic_events`` that reach it.
    """

    name: str
    accesses: int
    updates: int
    spikes: int
    messages: int
    hops: tuple[int, int]
    synaptic_events: int


@dataclass(frozen=True, slots=True, eq=False)
class Traffic:
    """Events by layer (``INPUT`` first) over ``samples`` samples, each alone on the chip: ``latency`` steps.

    ``alone`` and ``streamed`` (samples that were followed,) are picoseconds from a sample's first step to its last,
    and of the steps of one window where samples follow each other without gaps; empty without costs.
    ``cores`` and ``tiles`` are those in use; ``tiles`` 0 where the chip has no mesh.
    """

    samples: int
    layers: tuple[LayerTraffic, ...]
    alone: IntArray
    streamed: IntArray
    cores: int
    tiles: int


def measure_traffic(program: Program, target: Target, cores: Mapping[str, IntArray], encoded: IntArray) -> Traffic:
    """Count on the first ``SAMPLES`` of ``encoded`` (N, *input shape), N >= 1.

    ``cores`` holds the core of each neuron, by population and in C order. ``program`` has plain neurons.
    """
    neurons = sum(population.neurons for population in program.populations)
    samples = encoded[: min(SAMPLES, max(1, _TRAINS // (neurons * program.timesteps)))]
    trains = Simulator(program).run(samples, record=True).spike_trains
    assert trains is not None, "the trains were asked for"
    tiles = _Tiles(target, cores)
    clock = None if target.cost is None else _Clock(program, target.cost, cores, tiles.used)
    events = dict.fromkeys((p.name for p in program.populations), 0)
    layers = [_of_input(program, samples, axons_of(program, INPUT, cores))]
    sent: dict[str, tuple[int, int, tuple[int, int]]] = {}
    for population in program.firing:
        train = trains.pop(population.name)
        axons = axons_of(program, population.name, cores)
        counts = train.sum(axis=(0, 1), dtype=np.int64)
        for projection in program.projections:
            if projection.source == population.name:
                shape = program.population(projection.target).shape
                reached = fan_out(projection, population.shape, shape).ravel()
                events[projection.target] += int((reached * counts).sum())
        messages, hops = _messages(counts, axons, cores[population.name], tiles)
        sent[population.name] = (int(counts.sum()), messages, hops)
        if clock is not None:
            clock.follow(population, train[:_FOLLOWED], axons)
    for population in program.populations:
        spikes, messages, hops = sent.get(population.name, (0, 0, (0, 0)))
        accesses = population.neurons * program.latency * len(samples)
        updates = sum(_updates(program, population).sum(axis=0, dtype=np.int64).tolist()) * len(samples)
        layers.append(LayerTraffic(population.name, accesses, updates, spikes, messages, hops, events[population.name]))
    alone, streamed = (np.zeros(0, dtype=np.int64),) * 2 if clock is None else clock.times()
    used = len(np.unique(np.concatenate(list(cores.values()))))
    return Traffic(len(samples), tuple(layers), alone, streamed, used, tiles.used)


def _of_input(program: Program, samples: IntArray, axons: Axons) -> LayerTraffic:
    """Messages that the host sends: one for each value other than 0, step and core."""
    sent = np.zeros(int(np.prod(program.input.shape)), dtype=np.int64)
    for step in range(program.timesteps):
        values = program.input.messages(samples, step, program.timesteps)
        sent += (values != 0).sum(axis=0, dtype=np.int64).ravel()
    of_axons = sent[axons.neuron]
    events = int((of_axons * axons.synapses).sum())
    return LayerTraffic(INPUT, 0, 0, 0, int(of_axons.sum()), (0, 0), events)


def _messages(counts: IntArray, axons: Axons, cores: IntArray, tiles: _Tiles) -> tuple[int, tuple[int, int]]:
    """Messages of neurons on ``cores`` that spiked ``counts`` times, and hops east-west and north-south."""
    live = axons.of(counts)
    of_axons = counts[live.neuron]
    here, there = tiles.place(cores), tiles.place(np.arange(int(axons.core.max(initial=0)) + 1))
    hops = [
        int((of_axons * np.abs(own[live.neuron] - other[live.core])).sum())
        for own, other in zip(here, there, strict=True)
    ]
    return int(of_axons.sum()), (hops[0], hops[1])


def _updates(program: Program, population: Population) -> IntArray:
    """(latency, neurons): whether each neuron is updated at each step that a sample alone takes, 0 or 1."""
    begins = np.broadcast_to(population.initial_potential, population.shape).ravel() != 0
    steps = np.arange(program.latency)[:, None] >= population.depth
    return np.asarray(steps | begins, dtype=np.int64)


class _Tiles:
    """Cores fill tile after tile, tiles the mesh column by column, and chips stand side by side."""

    def __init__(self, target: Target, cores: Mapping[str, IntArray]) -> None:
        chip = target.chip
        self._cores = chip.cores_per_tile.value if chip.cores_per_tile else 0
        self._rows = chip.mesh_rows.value if chip.mesh_rows else 1
        every = np.concatenate(list(cores.values()))
        self.used = len(np.unique(every // self._cores)) if self._cores else 0

    def place(self, cores: IntArray) -> tuple[IntArray, IntArray]:
        """Column and row of the tile of each core; all one where there is no mesh."""
        if not self._cores:
            return np.zeros_like(cores), np.zeros_like(cores)
        column, row = np.divmod(cores // self._cores, self._rows)
        return column, row


class _Clock:
    """How long each core is busy in each step, in picoseconds: with its neurons, and with what comes in."""

    def __init__(self, program: Program, cost: Cost, cores: Mapping[str, IntArray], tiles: int) -> None:
        self._program, self._cost, self._cores = program, cost, cores
        self._barrier = cost.barrier_time(tiles)
        self._used = 1 + max(int(each.max()) for each in cores.values())
        everywhere = np.concatenate([cores[p.name] for p in program.populations])
        neurons = np.bincount(everywhere, minlength=self._used)
        access, update = cost.neuron_access_time.value, cost.neuron_update_time.value
        self._in_stream = neurons * (access + update)
        self._alone = np.tile(neurons * access, (program.latency, 1))
        for population in program.populations:
            updates = _updates(program, population)
            # Of all steps there are but two kinds: before the window, and from there on.
            for first, last in ((0, population.depth), (population.depth, program.latency)):
                counts = np.bincount(cores[population.name], updates[first], self._used).astype(np.int64)
                self._alone[first:last] += update * counts
        self._sending: list[tuple[int, IntArray]] = []
        self._receiving: list[tuple[int, IntArray]] = []

    def follow(self, population: Population, train: SpikeTrains, axons: Axons) -> None:
        """Note what the spikes ``train`` (S, T, neurons) cost the cores that send and that receive them."""
        cost, program = self._cost, self._program
        readers = np.bincount(axons.neuron, minlength=population.neurons)
        sending = cost.spike_time.value + readers * cost.message_out_time.value
        live = axons.of(train.any(axis=(0, 1)))
        receiving = cost.message_in_time.value + live.synapses * cost.synaptic_event_time.value
        first = population.depth + program.fires_after(population.name)
        cores = self._cores[population.name]
        for step in range(program.timesteps):
            out, into = [], []
            for fired in train[:, step]:
                reached = np.flatnonzero(fired[live.neuron])
                out.append(np.bincount(cores, sending * fired, self._used).astype(np.int64))
                into.append(np.bincount(live.core[reached], receiving[reached], self._used).astype(np.int64))
            self._sending.append((first + step, np.array(out)))
            self._receiving.append((first + step, np.array(into)))

    def times(self) -> tuple[IntArray, IntArray]:
        """``Traffic.alone`` and ``Traffic.streamed``."""
        window = self._program.window
        return self._slowest(self._alone), self._slowest(np.tile(self._in_stream, (window, 1)))

    def _slowest(self, neurons: IntArray) -> IntArray:
        """(S,): the slowest core of each step and the barriers, for what ``neurons`` (steps, cores) take."""
        total = np.zeros(1, dtype=np.int64)
        for step, own in enumerate(neurons):
            sending, receiving = (
                [busy for at, busy in noted if at % len(neurons) == step] for noted in (self._sending, self._receiving)
            )
            busiest = np.maximum(_summed(sending, own).max(axis=1), _summed(receiving, 0 * own).max(axis=1))
            total = total + busiest + self._barrier
        return total


def _summed(parts: list[IntArray], first: IntArray) -> IntArray:
    """Sum of ``parts`` (S, cores) and of ``first`` (cores,)."""
    whole = first[None]
    for part in parts:
        whole = whole + part
    return whole
