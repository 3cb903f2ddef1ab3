"""A chunk's samples in as many parts as there are threads, each run through all layers on a thread of its own.

No layer waits for the slowest part of the one in front of it, and what a layer wrote is read by the core that wrote it.
Threads live as long as a run, so that a fork behind it meets none.
"""

from __future__ import annotations

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
    waiting = [others.submit(run, samples[start:end], record, first + start) for start, end in left]
    with kernel_threads(1):
        own = run(samples[:last], record, first)
    return [own, *(part.result() for part in waiting)]
