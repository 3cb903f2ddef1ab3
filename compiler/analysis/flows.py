"""What passes from layer to layer, and from chip to chip: messages counted on samples."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from ...runtime.program import INPUT, IntArray, Program
from ...runtime.progress import Report as Progress
from ...runtime.progress import untold
from ...targets import Target
from ...targets.records import dataclass
from ..mapping.mesh import mesh_of
from .axons import Axons, axons_of


@dataclass(frozen=True, slots=True)
class Flow:
    """``messages`` from ``source`` to ``target``: a spike is one to each core of it that it reaches.

    ``crossings`` of them pass from chip to chip; the host's do not.
    """

    source: str
    target: str
    messages: int
    crossings: int


@dataclass(frozen=True, slots=True, eq=False)
class Flows:
    """``along`` each pair of layers, in program order; ``between`` chips (from, to), where each message counts once."""

    along: tuple[Flow, ...]
    between: IntArray


def measure_flows(
    program: Program,
    target: Target,
    cores: Mapping[str, IntArray],
    spikes: Mapping[str, IntArray],
    samples: IntArray,
    progress: Progress = untold,
) -> Flows:
    """Count the messages of ``spikes`` per neuron, summed over ``samples`` (N, *input shape), by population.

    ``cores`` holds the core of each population's neurons, in C order. Without a mesh all cores count as of one chip.
    ``progress(done, total)`` counts neurons, and values of the input, whose messages are counted.
    """
    mesh = mesh_of(target)
    last = max(int(each.max()) for each in cores.values())
    on_chip = last + 1 if mesh is None else mesh.cores * mesh.columns * mesh.rows
    chips = last // on_chip + 1
    sent = {INPUT: _sent_by_host(program, samples), **{name: each.ravel() for name, each in spikes.items()}}
    along, every = [], np.zeros((chips, chips), dtype=np.int64)
    sources = dict.fromkeys(projection.source for projection in program.projections)
    done, total = 0, sum(len(sent[source]) for source in sources)
    for source in sources:
        targets = dict.fromkeys(p.target for p in program.projections if p.source == source)
        chip = None if source == INPUT else cores[source] // on_chip
        alone = None
        for name in targets:
            between = alone = _between(axons_of(program, source, cores, name), sent[source], chip, on_chip, chips)
            messages = int(between.sum(dtype=np.int64))
            stay = int(between.diagonal().sum(dtype=np.int64))
            along.append(Flow(source, name, messages, messages - stay if chip is not None else 0))
        if chip is not None and alone is not None:
            # Targets that share a core get a message together.
            whole = axons_of(program, source, cores)
            every += alone if len(targets) == 1 else _between(whole, sent[source], chip, on_chip, chips)
        done += len(sent[source])
        progress(done, total)
    return Flows(tuple(along), every)


def _between(parts: Iterable[Axons], sent: IntArray, chip: IntArray | None, on_chip: int, chips: int) -> IntArray:
    """Messages (chips, chips) from chip to chip; the host's, which has no ``chip``, all in the first row."""
    total = np.zeros((chips, chips), dtype=np.int64)
    for axons in parts:
        live = axons.of(sent)
        begins = np.zeros_like(live.neuron) if chip is None else chip[live.neuron]
        pairs = begins * chips + live.core // on_chip
        # Sums of messages stay below 2^53, where floats are exact.
        total += np.bincount(pairs, sent[live.neuron], chips * chips).astype(np.int64).reshape(chips, chips)
    return total


def _sent_by_host(program: Program, samples: IntArray) -> IntArray:
    """How often each value of the input is sent."""
    sent = np.zeros(int(np.prod(program.input.shape)), dtype=np.int64)
    for step in range(program.timesteps):
        sent += (program.input.sent(samples, step, program.timesteps) != 0).sum(axis=0, dtype=np.int64).ravel()
    return sent
