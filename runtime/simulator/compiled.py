"""Loops compiled by numba: each reads and writes its arrays once, on all cores. Import only where numba is installed.

Arrays are rows of neurons, (rows, L) or (T, rows, L), with parameters (L,) alike for every row. An operand that a
layer does not have is an array without rows. Callers hold ``LOCK``: not every threading layer of numba may be entered
by two threads at a time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt
from numba import get_num_threads, njit, prange, set_num_threads

Values = npt.NDArray[Any]

LOCK = threading.Lock()

_MOST_THREADS = int(get_num_threads())

Loop = TypeVar("Loop", bound=Callable[..., None])


def _loop(function: Loop) -> Loop:
    try:
        return cast(Loop, njit(parallel=True, cache=True)(function))
    except RuntimeError:
        # Numba found no folder to keep its work in: it compiles again in the next process.
        return cast(Loop, njit(parallel=True)(function))


@_loop
def fire(
    received: Values,
    constant: Values,
    spikes_in: Values,
    factor: Values,
    bias: Values,
    threshold: Values,
    initial: Values,
    lowest: float,
    highest: float,
    spikes: Values,
) -> None:
    """T steps of u = clip(v + input); s = u >= threshold; v = u - threshold * s, row by row.

    Input of step t: ``received[t]`` + ``constant`` + ``factor`` * ``spikes_in[t]`` + ``bias[t]`` (or ``bias[0]``).
    """
    # Rows are sliced before the inner loops: only then are these vectorised.
    steps, rows, length = spikes.shape
    saturates = lowest > -np.inf
    for row in prange(rows):
        v = initial.copy()
        silent = np.zeros_like(v)
        for step in range(steps):
            extra, sent = bias[step % len(bias)], spikes[step, row]
            if len(constant) > 0:
                same = constant[row]
                for i in range(length):
                    v[i] += same[i]
            if len(spikes_in) > 0:
                direct = spikes_in[step, row]
                for i in range(length):
                    v[i] += factor[i] * direct[i]
            current = received[step, row] if len(received) > 0 else silent
            if saturates:
                for i in range(length):
                    v[i] = min(max(v[i] + current[i] + extra[i], lowest), highest)
                current, extra = silent, silent
            for i in range(length):
                u = v[i] + current[i] + extra[i]
                fires = u >= threshold[i]
                sent[i] = fires
                v[i] = u - threshold[i] * fires


@_loop
def count(
    received: Values,
    constant: Values,
    counts_in: Values,
    factor: Values,
    offset: Values,
    threshold: Values,
    limit: int,
    counts: Values,
) -> None:
    """``counts`` = clip(floor((offset + received + constant + factor * counts_in) / threshold), 0, ``limit``)."""
    rows, length = counts.shape
    for row in prange(rows):
        v, sent = offset.copy(), counts[row]
        if len(received) > 0:
            current = received[row]
            for i in range(length):
                v[i] += current[i]
        if len(constant) > 0:
            same = constant[row]
            for i in range(length):
                v[i] += same[i]
        if len(counts_in) > 0:
            direct = counts_in[row]
            for i in range(length):
                v[i] += factor[i] * direct[i]
        for i in range(length):
            quotient = max(v[i], 0) / threshold[i]
            sent[i] = np.uint16(limit if quotient > limit else quotient)


@_loop
def pool(maps: Values, rows: int, columns: int, sums: Values) -> None:
    """Sum of each ``rows`` x ``columns`` block of ``maps`` (N, H, W, C); blocks at the edge may be cut off."""
    samples, height, width, channels = sums.shape
    for line in prange(samples * height):
        sample, row = line // height, line % height
        below = min((row + 1) * rows, maps.shape[1])
        for column in range(width):
            right = min((column + 1) * columns, maps.shape[2])
            total = sums[sample, row, column]
            total[:] = 0
            for y in range(row * rows, below):
                for x in range(column * columns, right):
                    part = maps[sample, y, x]
                    for i in range(channels):
                        total[i] += part[i]


def set_threads(threads: int) -> int:
    """Let the loops use ``threads`` threads, or as many as numba was started with; returns the number before."""
    before = int(get_num_threads())
    set_num_threads(min(threads, _MOST_THREADS))
    return before
