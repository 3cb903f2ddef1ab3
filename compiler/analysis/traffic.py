"""What a program's spikes cause on the cores of a chip, counted on samples: synaptic events, messages, hops, busy time.

Counted as SANA-FE does. Every neuron is accessed at every step. It is updated where its potential, its input or its
bias is not 0; neurons without initial potential and bias count from the first step of their window. A spike is one
message to each core that it reaches. All is whole numbers, exact in any order.

A step takes as long as its slowest core and the barrier over all tiles in use. A core first goes through its neurons
and sends, then takes what comes in; the slowest is the maximum over both and over all cores.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ...runtime.execution import SpikeTrains
from ...runtime.program import INPUT, IntArray, Population, Program, Projection
from ...runtime.progress import Report as Progress
from ...runtime.progress import untold
from ...runtime.simulator import Simulator
from ...targets import Target
from ...targets.cost import Cost
from ...targets.records import dataclass
from ..mapping.mesh import Mesh, arranged, mesh_of
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
    ``cores`` and ``tiles`` are those in use; ``tiles`` 0 where the chip has no mesh. ``place`` (tiles,) is where on the
    mesh each tile of cores lies, empty without one; ``crossings`` are messages from chip to chip. ``host_most`` are the
    host's messages of the busiest step.
    """

    samples: int
    layers: tuple[LayerTraffic, ...]
    alone: IntArray
    streamed: IntArray
    cores: int
    tiles: int
    place: IntArray
    crossings: int
    host_most: int


def measure_traffic(
    program: Program,
    target: Target,
    cores: Mapping[str, IntArray],
    encoded: IntArray,
    *,
    arrange: bool = True,
    progress: Progress = untold,
) -> Traffic:
    """Count on the first ``SAMPLES`` of ``encoded`` (N, *input shape), N >= 1.

    ``cores`` holds the core of each neuron, by population and in C order. ``program`` has plain or graded neurons. With
    ``arrange`` tiles lie on the mesh where their messages cost least; otherwise in the order of their cores.
    ``progress(done, total)`` counts neurons whose events are counted.
    """
    neurons = sum(population.neurons for population in program.populations)
    samples = encoded[: min(SAMPLES, max(1, _TRAINS // (neurons * program.timesteps)))]
    sent = Simulator(program).run(samples, record=True).spike_trains
    assert sent is not None, "the trains were asked for"
    # A message is one whatever its payload.
    trains = {name: (train != 0).view(np.uint8) for name, train in sent.items()}
    mesh = mesh_of(target)
    every = np.unique(np.concatenate(list(cores.values())))
    tiles = 0 if mesh is None else len(np.unique(mesh.tile_of(every)))
    clock = None if target.cost is None else _Clock(program, target.cost, cores, tiles)
    between = dict[str, _TileMessages]()
    given, host_most = _of_input(program, samples, cores)
    layers = [given]
    counts = {name: train.sum(axis=(0, 1), dtype=np.int64) for name, train in trains.items()}
    done = 0
    for population in program.populations:
        charged = int(np.count_nonzero(_charged(population)))
        waiting = population.depth * (population.neurons - charged)
        accesses = population.neurons * program.latency
        messages = 0
        if population.threshold is not None:
            messages, between[population.name] = _sent(program, population, trains[population.name], cores, mesh, clock)
        layers.append(
            LayerTraffic(
                name=population.name,
                accesses=accesses * len(samples),
                updates=(accesses - waiting) * len(samples),
                spikes=int(counts[population.name].sum()) if population.name in counts else 0,
                messages=messages,
                hops=(0, 0),
                synaptic_events=sum(
                    _events(program, projection, counts) for projection in program.incoming(population.name)
                ),
            )
        )
        done += population.neurons
        progress(done, neurons)
    alone, streamed = (np.zeros(0, dtype=np.int64),) * 2 if clock is None else clock.times()
    if mesh is None:
        return Traffic(
            len(samples), tuple(layers), alone, streamed, len(every), 0, np.zeros(0, dtype=np.int64), 0, host_most
        )
    messages_of_all = _matrix(between.values(), int(every[-1]) // mesh.cores + 1)
    place = arranged(messages_of_all, mesh) if arrange else np.arange(len(messages_of_all))
    on_mesh = tuple(
        replace(layer, hops=_hops(between[layer.name], place, mesh)) if layer.name in between else layer
        for layer in layers
    )
    chip = place // (mesh.columns * mesh.rows)
    crossings = sum(int(each.messages[chip[each.sender] != chip[each.receiver]].sum()) for each in between.values())
    return Traffic(len(samples), on_mesh, alone, streamed, len(every), tiles, place, crossings, host_most)


@dataclass(frozen=True, slots=True, eq=False)
class _TileMessages:
    """``messages`` from one tile to another, (n,) each: of thousands of tiles few pairs have any. Pairs may recur."""

    sender: IntArray
    receiver: IntArray
    messages: IntArray


def _matrix(between: Iterable[_TileMessages], tiles: int) -> IntArray:
    """(tiles, tiles): all messages from each tile to each."""
    total = np.zeros((tiles, tiles), dtype=np.int64)
    for each in between:
        np.add.at(total, (each.sender, each.receiver), each.messages)
    return total


def _sent(
    program: Program,
    population: Population,
    train: SpikeTrains,
    cores: Mapping[str, IntArray],
    mesh: Mesh | None,
    clock: _Clock | None,
) -> tuple[int, _TileMessages]:
    """Messages that the spikes ``train`` (N, T, neurons) become, and those between tiles; the clock is told of them."""
    counts = train.sum(axis=(0, 1), dtype=np.int64)
    readers = np.zeros(population.neurons, dtype=np.int64)
    between: list[_TileMessages] = []
    for axons in axons_of(program, population.name, cores):
        readers += np.bincount(axons.neuron, minlength=population.neurons)
        if mesh is not None:
            between.append(_between_tiles(counts, axons, cores[population.name], mesh))
        if clock is not None:
            clock.receive(population, train[:_FOLLOWED], axons)
    if clock is not None:
        clock.send(population, train[:_FOLLOWED], readers)
    return int((readers * counts).sum()), _together(between)


def _events(program: Program, projection: Projection, counts: Mapping[str, IntArray]) -> int:
    """Synapses of ``projection`` that spikes reach; none where the input feeds it."""
    if projection.source == INPUT:
        return 0
    source, target = program.population(projection.source), program.population(projection.target)
    return int((fan_out(projection, source.shape, target.shape).ravel() * counts[source.name]).sum())


def _of_input(program: Program, samples: IntArray, cores: Mapping[str, IntArray]) -> tuple[LayerTraffic, int]:
    """Messages that the host sends, one for each value other than 0, step and core; and those of the busiest step."""
    values = int(np.prod(program.input.shape))
    readers, synapses = np.zeros(values, dtype=np.int64), np.zeros(values, dtype=np.int64)
    for axons in axons_of(program, INPUT, cores):
        readers += np.bincount(axons.neuron, minlength=values)
        synapses += np.bincount(axons.neuron, axons.synapses, values).astype(np.int64)
    sent, most = np.zeros(values, dtype=np.int64), 0
    for step in range(program.timesteps):
        live = (program.input.sent(samples, step, program.timesteps) != 0).reshape(len(samples), -1)
        sent += live.sum(axis=0, dtype=np.int64)
        most = max(most, *(int(readers[of_sample].sum()) for of_sample in live))
    return LayerTraffic(INPUT, 0, 0, 0, int((sent * readers).sum()), (0, 0), int((sent * synapses).sum())), most


def _between_tiles(counts: IntArray, axons: Axons, cores: IntArray, mesh: Mesh) -> _TileMessages:
    """Messages from tile to tile, of neurons on ``cores`` that spiked ``counts`` times."""
    live = axons.of(counts)
    if not len(live.neuron):
        return _together([])
    senders, receivers = mesh.tile_of(cores)[live.neuron], mesh.tile_of(live.core)
    first, beside = int(senders.min()), int(receivers.min())
    width = int(receivers.max()) - beside + 1
    sent = np.bincount((senders - first) * width + (receivers - beside), counts[live.neuron])
    pairs = np.flatnonzero(sent)
    return _TileMessages(first + pairs // width, beside + pairs % width, sent[pairs].astype(np.int64))


def _together(parts: Sequence[_TileMessages]) -> _TileMessages:
    def joined(arrays: Iterable[IntArray]) -> IntArray:
        return np.concatenate([np.zeros(0, dtype=np.int64), *arrays])

    return _TileMessages(
        joined(part.sender for part in parts),
        joined(part.receiver for part in parts),
        joined(part.messages for part in parts),
    )


def _hops(between: _TileMessages, place: IntArray, mesh: Mesh) -> tuple[int, int]:
    across, along = mesh.hops(place[between.sender], place[between.receiver])
    return int((between.messages * across).sum()), int((between.messages * along).sum())


def _charged(population: Population) -> npt.NDArray[np.bool_]:
    """(neurons,): which have an initial potential, and so count as updated before their window begins."""
    return np.asarray(np.broadcast_to(population.initial_potential, population.shape).ravel() != 0)


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
            own, before = cores[population.name], population.depth
            for steps, updated in ((slice(before), _charged(population)), (slice(before, None), None)):
                self._alone[steps] += update * np.bincount(own, updated, self._used).astype(np.int64)
        self._sending: dict[int, IntArray] = {}
        self._receiving: dict[int, IntArray] = {}

    def send(self, population: Population, train: SpikeTrains, readers: IntArray) -> None:
        """Note what the spikes ``train`` (S, T, neurons) cost their cores, each a message to ``readers`` cores."""
        price = self._cost.spike_time.value + readers * self._cost.message_out_time.value
        cores = self._cores[population.name]
        for step, of_step in self._steps(population, train):
            busy = [np.bincount(cores, price * fired, self._used) for fired in of_step]
            _add(self._sending, step, busy)

    def receive(self, population: Population, train: SpikeTrains, axons: Axons) -> None:
        """Note what the spikes cost the cores at the ends of ``axons``."""
        live = axons.of(train.any(axis=(0, 1)))
        price = self._cost.message_in_time.value + live.synapses * self._cost.synaptic_event_time.value
        for step, of_step in self._steps(population, train):
            busy = []
            for fired in of_step:
                reached = np.flatnonzero(fired[live.neuron])
                busy.append(np.bincount(live.core[reached], price[reached], self._used))
            _add(self._receiving, step, busy)

    def _steps(self, population: Population, train: SpikeTrains) -> Iterator[tuple[int, SpikeTrains]]:
        """The steps of a sample in which the population fires, from 0, and its spikes (S, neurons) there."""
        first = population.depth + self._program.fires_after(population.name)
        return ((first + step, train[:, step]) for step in range(self._program.timesteps))

    def times(self) -> tuple[IntArray, IntArray]:
        """``Traffic.alone`` and ``Traffic.streamed``."""
        window = self._program.window
        return self._slowest(self._alone), self._slowest(np.tile(self._in_stream, (window, 1)))

    def _slowest(self, neurons: IntArray) -> IntArray:
        """(S,): the slowest core of each step and the barriers, for what ``neurons`` (steps, cores) take."""
        total = np.zeros(1, dtype=np.int64)
        for step, own in enumerate(neurons):
            at_once = range(step, max([step, *self._sending, *self._receiving]) + 1, len(neurons))
            sending, receiving = own[None], 0 * own[None]
            for at in at_once:
                sending = sending + self._sending.get(at, 0)
                receiving = receiving + self._receiving.get(at, 0)
            total = total + np.maximum(sending.max(axis=1), receiving.max(axis=1)) + self._barrier
        return total


def _add(noted: dict[int, IntArray], step: int, busy: list[IntArray]) -> None:
    """Add what cores are busy, (S, cores) picoseconds, to what is known of the step; sums stay below 2^53."""
    noted[step] = noted.get(step, np.zeros((), dtype=np.int64)) + np.array(busy).astype(np.int64)
