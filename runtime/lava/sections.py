"""How a network is cut into sections that run as one Lava process each, and how many samples run side by side."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence

from ...targets.records import dataclass
from ..program import INPUT, DenseSynapses, Population, Program, Projection, SparseSynapses
from .fused_synapses import pooling

MAXIMUM_LANES = 256
"""Beyond it the fixed cost of a step is spread thin enough."""

_LANE_MEMORY = 256 << 20
"""Bytes that the lanes of all sections together may take."""

# Seconds, measured with lava-nc 0.10.0 and OpenBLAS on one x86-64 core; only their ratios matter.
_STEP = 4e-4
_SECTION = 2.5e-4
_POPULATION = 5e-6
_PROJECTION = 8e-6
_WEIGHT = 1e-9
_MULTIPLICATION = 2.5e-11
_SPARSE = 120
"""Multiplications of a matrix product in the time of one over coordinates."""
_UNFOLDED = 5e-10
_NEURON = 1e-9


@dataclass(frozen=True, slots=True)
class Section:
    """Consecutive ``populations``; the bus brings messages of ``receives`` and takes on those of ``sends``."""

    populations: tuple[str, ...]
    receives: tuple[str, ...]
    sends: tuple[str, ...]


def bus_width(program: Program, names: Sequence[str]) -> int:
    """Values of a lane on a bus with the messages of ``names``."""
    return sum(_size(program, name) for name in names)


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


def choose_lanes(program: Program, samples: int, cores: int) -> int:
    """Lanes in which ``samples`` samples are done soonest: more lanes share the cost of a step, and refill the pipe."""
    limit = max(1, min(samples, MAXIMUM_LANES, _LANE_MEMORY // _lane_bytes(program)))
    candidates = {-(-samples // -(-samples // min(limit, 1 << power))) for power in range(limit.bit_length() + 1)}
    costs = _costs(program)

    def seconds(lanes: int) -> float:
        return program.steps(-(-samples // lanes)) * _best_cut(costs, lanes, cores)[0]

    return min(sorted(candidates), key=seconds)


def cut(program: Program, lanes: int, cores: int) -> tuple[Section, ...]:
    """Sections of the fastest step on ``cores`` cores, each heavy enough to be worth a process of its own."""
    return sections_of(program, _best_cut(_costs(program), lanes, cores)[1])


def cut_at_readouts(program: Program, cores: int) -> tuple[Section, ...]:
    """Sections for one lane of which the last ones end with a read-out each: what a section sends is its last's."""
    if len(program.readouts) == 1:
        return cut(program, 1, cores)
    return sections_of(program, (len(program.firing) + 1, *(1,) * (len(program.readouts) - 1)))


def sections_of(program: Program, sizes: Sequence[int]) -> tuple[Section, ...]:
    """Sections of as many populations as ``sizes`` says, in program order, with the bus between them."""
    names = [p.name for p in program.populations]
    sources = [INPUT, *names]
    last_use = {
        source: max((names.index(p.target) for p in program.projections if p.source == source), default=-1)
        for source in sources
    }
    sections, first = [], 0
    for size in sizes:
        end = first + size
        # The input is always there, so that the first section has something to listen to.
        receives = tuple(s for i, s in enumerate(sources[: first + 1]) if last_use[s] >= first or i == first == 0)
        sends = tuple(s for s in sources[: end + 1] if last_use[s] >= end)
        sections.append(Section(tuple(names[first:end]), receives, sends))
        first = end
    return tuple(sections)


@dataclass(frozen=True, slots=True)
class _Cost:
    """Seconds that a population takes in a step: ``fixed`` and ``of_lane`` for each lane."""

    fixed: float
    of_lane: float


def _costs(program: Program) -> list[_Cost]:
    return [_cost(program, population) for population in program.populations]


def _cost(program: Program, population: Population) -> _Cost:
    fixed, of_lane = _POPULATION, population.neurons * _NEURON
    for projection in program.incoming(population.name):
        weights, positions, unfolded = _work(projection, population)
        fixed += _PROJECTION + weights * _WEIGHT
        of_lane += weights * positions * _MULTIPLICATION + unfolded * _UNFOLDED
    return _Cost(fixed, of_lane)


def _work(projection: Projection, population: Population) -> tuple[int, int, int]:
    """Weights without folded pooling, how often a step uses each, and how many values are unfolded for them."""
    synapses = projection.synapses
    if isinstance(synapses, SparseSynapses):
        return synapses.weight.size, _SPARSE, 0
    if isinstance(synapses, DenseSynapses):
        return synapses.weight.size, 1, 0
    rows, columns = pooling(synapses.weight, synapses.geometry)
    outputs = len(synapses.weight)
    weights, positions = synapses.weight.size // (rows * columns), population.neurons // outputs
    return weights, positions, positions * weights // outputs * synapses.geometry.groups


def _best_cut(costs: Sequence[_Cost], lanes: int, cores: int) -> tuple[float, tuple[int, ...]]:
    """Seconds of a step with ``lanes`` lanes, and sizes of the sections, with the best number of sections."""
    seconds = [cost.fixed + lanes * cost.of_lane for cost in costs]
    options = []
    for count in range(1, min(cores, len(costs)) + 1):
        sizes = _balance(seconds, count)
        ends = [sum(sizes[: index + 1]) for index in range(len(sizes))]
        slowest = max(sum(seconds[end - size : end]) for size, end in zip(sizes, ends, strict=True))
        options.append((_STEP + len(sizes) * _SECTION + slowest, sizes))
    return min(options)


def _balance(costs: Sequence[float], count: int) -> tuple[int, ...]:
    """Sizes of at most ``count`` runs of ``costs`` whose largest sum is least, to one part in 2**20."""
    low, high = max(costs), sum(costs)
    best = _fill(costs, high)
    for _ in range(20):
        middle = (low + high) / 2
        sizes = _fill(costs, middle)
        if len(sizes) <= count:
            best, high = sizes, middle
        else:
            low = middle
    return best


def _fill(costs: Sequence[float], capacity: float) -> tuple[int, ...]:
    sizes, held = [0], 0.0
    for cost in costs:
        if sizes[-1] and held + cost > capacity:
            sizes.append(0)
            held = 0.0
        sizes[-1] += 1
        held += cost
    return tuple(sizes)


def _lane_bytes(program: Program) -> int:
    """Bytes of one lane: potentials and spikes, messages in flight, padded maps and channels."""
    neurons = sum(population.neurons for population in program.populations)
    total = 24 * neurons + 32 * _size(program, INPUT)
    return total + sum(_size(program, p.source) * (9 + p.delay) for p in program.projections)


def _size(program: Program, source: str) -> int:
    return math.prod(program.input.shape) if source == INPUT else program.population(source).neurons
