"""What a run gives, part by part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ...targets.records import dataclass
from ..execution import Execution, SpikeTrains, Way, type_of_trains
from ..program import IntArray, Program


@dataclass(frozen=True, slots=True, eq=False)
class ChunkResult:
    """What some samples gave: read-outs (n, neurons), spikes per population, their trains (n, T, neurons), and how
    populations were computed.
    """

    readouts: dict[str, IntArray]
    spike_counts: dict[str, int]
    spike_trains: dict[str, SpikeTrains]
    ways: dict[str, tuple[Way, ...]] = field(default_factory=dict)


def last_readers(program: Program) -> dict[str, str]:
    """The last population, in order, that receives from each source; it is in the order of ``populations``."""
    return {
        projection.source: population.name
        for population in program.populations
        for projection in program.incoming(population.name)
    }


def joined_results(
    program: Program, parts: Sequence[ChunkResult], samples: int, *, record: bool, seconds: float
) -> Execution:
    """The run of all ``samples``, in order, from its ``parts``."""
    spiking = program.firing

    def recorded(name: str, neurons: int) -> SpikeTrains:
        empty = (0, program.timesteps, neurons)
        return _concatenated([p.spike_trains[name] for p in parts], empty, type_of_trains(program))

    return Execution(
        backend="simulator",
        readouts={
            p.name: _concatenated([part.readouts[p.name] for part in parts], (0, p.neurons), np.int64)
            for p in program.readouts
        },
        spike_counts={p.name: sum(part.spike_counts[p.name] for part in parts) for p in spiking},
        spike_trains={p.name: recorded(p.name, p.neurons) for p in spiking} if record else None,
        steps=program.steps(samples),
        seconds=seconds,
        ways=_joined_ways(parts),
    )


def _joined_ways(parts: Sequence[ChunkResult]) -> dict[str, tuple[Way, ...]]:
    def joined(ways: tuple[Way, ...]) -> Way:
        events, dense = sum(way.events for way in ways), sum(way.dense for way in ways)
        return replace(ways[0], events=events, dense=dense)

    names = parts[0].ways if parts else ()
    return {name: tuple(map(joined, zip(*(part.ways[name] for part in parts), strict=True))) for name in names}


def _concatenated(
    parts: list[npt.NDArray[Any]], empty: tuple[int, ...], kind: type[np.integer[Any]]
) -> npt.NDArray[Any]:
    return np.concatenate(parts) if parts else np.zeros(empty, dtype=kind)
