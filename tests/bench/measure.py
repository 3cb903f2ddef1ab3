"""Alternating measurements: every tool runs once per round, so that a slow minute of the machine meets them all."""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable, Mapping

SHORTEST_RUN = 0.02
"""Seconds; a call that takes less is repeated until its run lasts that long, so that the clock's grain is unseen."""

SETTLING = 0.02
"""Seconds before a run, in which the thread pools of the tool before it stop to spin."""

Clock = Callable[[], float]


def alternating(
    calls: Mapping[str, Callable[[], object]], rounds: int, clock: Clock = time.perf_counter
) -> dict[str, tuple[float, ...]]:
    """Seconds per call of each tool, one value per round, after a warm-up call and one that sets the repetitions.

    The order rotates from round to round, so that no tool always runs after the same other.
    """
    repetitions = {}
    for name, call in calls.items():
        call()
        repetitions[name] = max(1, math.ceil(SHORTEST_RUN / max(_seconds(call, 1, clock), 1e-9)))
    names = list(calls)
    found: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(rounds):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            gc.collect()
            time.sleep(SETTLING)
            found[name].append(_seconds(calls[name], repetitions[name], clock))
    return {name: tuple(values) for name, values in found.items()}


def _seconds(call: Callable[[], object], repetitions: int, clock: Clock) -> float:
    begin = clock()
    for _ in range(repetitions):
        call()
    return (clock() - begin) / repetitions
