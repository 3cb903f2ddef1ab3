"""A chunk's samples in as many parts as there are threads, each run through all layers on a thread of its own.

No layer waits for the slowest part of the one in front of it, and what a layer wrote is read by the core that wrote it.
Threads live as long as a run, so that a fork behind it meets none.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

from ..program import IntArray
from .native import kernel_threads
from .results import ChunkResult

RunChunk = Callable[[IntArray, bool, int], ChunkResult]
"""Runs samples, recording their spikes or not, of which the first has this place in the run."""

_FEWEST = 2
"""Samples for each thread: fewer are cut unevenly, and layers are cut instead."""


def parts_of(samples: int, threads: int) -> list[tuple[int, int]]:
    """The first and the last but one of each part of ``samples``: one for each thread, if there are enough of them."""
    parts = threads if samples >= _FEWEST * threads else 1
    return list(pairwise(samples * part // parts for part in range(parts + 1)))


def run_in_parts(
    run: RunChunk, samples: IntArray, record: bool, first: int, threads: int, others: ThreadPoolExecutor
) -> list[ChunkResult]:
    """What ``run`` gives for each of the parts, in order: the first part is run here, the others in ``others``."""
    (_, last), *left = parts_of(len(samples), threads)
    if not left:
        return [run(samples, record, first)]
    cores = _cores_for(threads)

    def run_part(core: int | None, start: int, end: int) -> ChunkResult:
        _begin_on(core)
        return run(samples[start:end], record, first + start)

    waiting = [others.submit(run_part, core, *part) for core, part in zip(cores[1:], left, strict=True)]
    with kernel_threads(1):
        own = run_part(cores[0], 0, last)
    return [own, *(part.result() for part in waiting)]


def _cores_for(threads: int) -> list[int | None]:
    """A core for each thread where there are as many as threads; otherwise the system knows better which are idle."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    return [*cores] if len(cores) == threads else [None] * threads


def _begin_on(core: int | None) -> None:
    """Move this thread to a core, from which the system may move it again.

    The idle cores of a virtual machine can look busy, so that two threads begin on one of them and part after
    milliseconds, a tenth of what a chunk takes.
    """
    if core is None:
        return
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {core})
        os.sched_setaffinity(0, allowed)
    except OSError:
        # In a sandbox that forbids it, threads begin where the system puts them.
        return
