"""Alternating measurements: every tool runs once per round, so that a slow minute of the machine meets them all."""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

SHORTEST_RUN = 0.02
"""Seconds; a call that takes less is repeated until its run lasts that long, so that the clock's grain is unseen."""

SETTLING = 0.02
"""Seconds before a run, in which the thread pools of the tool before it stop to spin."""

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds per call of one tool, one value per round: by the clock, and of processor time over all its threads."""

    wall: tuple[float, ...]
    cpu: tuple[float, ...]


def alternating(
    calls: Mapping[str, Callable[[], object]],
    rounds: int,
    clock: Clock = time.perf_counter,
    cpu: Clock = time.process_time,
) -> dict[str, Timings]:
    """Seconds per call of each tool, one value per round, after a warm-up call and one that sets the repetitions.

    The order rotates from round to round, so that no tool always runs after the same other.
    """
    repetitions = {}
    for name, call in calls.items():
        call()
        repetitions[name] = max(1, math.ceil(SHORTEST_RUN / max(_seconds(call, 1, clock, cpu)[0], 1e-9)))
    names = list(calls)
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    for turn in range(rounds):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            gc.collect()
            time.sleep(SETTLING)
            found[name].append(_seconds(calls[name], repetitions[name], clock, cpu))
    return {
        name: Timings(tuple(wall for wall, _ in values), tuple(spent for _, spent in values))
        for name, values in found.items()
    }


def _seconds(call: Callable[[], object], repetitions: int, clock: Clock, cpu: Clock) -> tuple[float, float]:
    spent, begin = cpu(), clock()
    for _ in range(repetitions):
        call()
    return (clock() - begin) / repetitions, (cpu() - spent) / repetitions
