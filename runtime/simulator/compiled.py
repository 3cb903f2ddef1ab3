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
from numba.extending import overload, register_jitable

from ..program.msat_threshold import Constants, exponential, larger, payload, softplus
from ..program.neuron_models import LARGEST_PAYLOAD

Values = npt.NDArray[Any]

LOCK = threading.Lock()

MOST_THREADS = int(get_num_threads())

# Compiled where a loop calls them. Numba's cache sees changes of this file alone, so a change of these
# needs one here.
for _function in (exponential, softplus, payload):
    register_jitable(error_model="numpy", inline="always")(_function)


# Loops with a call of numpy's maximum are not vectorised.
overload(larger, inline="always")(lambda x, y: lambda x, y: x if x > y else y)

Loop = TypeVar("Loop", bound=Callable[..., None])


def _loop(function: Loop) -> Loop:
    try:
        return cast(Loop, njit(parallel=True, cache=True, error_model="numpy")(function))
    except RuntimeError:
        # Numba found no folder to keep its work in: it compiles again in the next process.
        return cast(Loop, njit(parallel=True, error_model="numpy")(function))


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
    ``initial`` (rows, L), or (1, L) for all rows.
    """
    # Rows are sliced before the inner loops: only then are these vectorised.
    steps, rows, length = spikes.shape
    saturates = lowest > -np.inf
    for row in prange(rows):
        v = initial[row % len(initial)].copy()
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
def fire_measured(
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
    final: Values,
    least_firing: Values,
    largest_resting: Values,
) -> None:
    """As ``fire``, for one bias at all steps; gives also v after the last step and the extremes of u (rows, L).

    ``least_firing`` is the least u with a spike, ``largest_resting`` the largest without; +-inf where there is none.
    """
    steps, rows, length = spikes.shape
    for row in prange(rows):
        v, least, most = final[row], least_firing[row], largest_resting[row]
        v[:] = initial
        least[:] = np.inf
        most[:] = -np.inf
        silent = np.zeros_like(bias)
        for step in range(steps):
            sent = spikes[step, row]
            if len(constant) > 0:
                same = constant[row]
                for i in range(length):
                    v[i] += same[i]
            if len(spikes_in) > 0:
                direct = spikes_in[step, row]
                for i in range(length):
                    v[i] += factor[i] * direct[i]
            current = received[step, row] if len(received) > 0 else silent
            for i in range(length):
                u = min(max(v[i] + current[i] + bias[i], lowest), highest)
                fires = u >= threshold[i]
                sent[i] = fires
                v[i] = u - threshold[i] * fires
                least[i] = min(least[i], u) if fires else least[i]
                most[i] = most[i] if fires else max(most[i], u)


@_loop
def fire_adaptively(
    received: Values,
    constant: Values,
    spikes_in: Values,
    factor: Values,
    bias: Values,
    least: Values,
    initial: Values,
    lowest: float,
    highest: float,
    scale: Values,
    threshold_value: float,
    constants: Constants,
    payloads: Values,
) -> None:
    """T steps of ``msat`` before spikes are dropped; ``least`` is the threshold with the payload 1.

    Thresholds are worked out only for rows of which a potential reaches the least there is.
    """
    steps, rows, length = payloads.shape
    for row in prange(rows):
        v, total = initial.copy(), np.zeros_like(initial)
        current, u, share = np.empty_like(initial), np.empty_like(initial), np.empty_like(initial)
        for step in range(steps):
            sent = payloads[step, row]
            current[:] = bias
            if len(received) > 0:
                varying = received[step, row]
                for i in range(length):
                    current[i] += varying[i]
            if len(constant) > 0:
                same = constant[row]
                for i in range(length):
                    current[i] += same[i]
            if len(spikes_in) > 0:
                direct = spikes_in[step, row]
                for i in range(length):
                    current[i] += factor[i] * direct[i]
            for i in range(length):
                u[i] = min(max(v[i] + current[i], lowest), highest)
            reached = 0
            for i in range(length):
                reached += u[i] >= least[i]
            if step == 0 or reached == 0:
                share[:] = LARGEST_PAYLOAD
            else:
                for i in range(length):
                    share[i] = payload(current[i], v[i], total[i], step, scale[i], threshold_value, constants)
            for i in range(length):
                charge = least[i] * share[i]
                fires = u[i] >= charge
                sent[i] = share[i] * fires
                v[i] = u[i] - charge * fires
                total[i] += v[i]


@_loop
def divide(
    received: Values,
    constant: Values,
    sent_in: Values,
    factor: Values,
    offset: Values,
    threshold: Values,
    lowest: float,
    highest: float,
    least: int,
    largest: int,
    payloads: Values,
) -> None:
    """``payloads`` = clip(floor(u / threshold), ``least``, ``largest``), u = clip(offset + input, lowest, highest).

    The input is received + constant + factor * sent_in.
    """
    rows, length = payloads.shape
    for row in prange(rows):
        v, sent = offset.copy(), payloads[row]
        if len(received) > 0:
            current = received[row]
            for i in range(length):
                v[i] += current[i]
        if len(constant) > 0:
            same = constant[row]
            for i in range(length):
                v[i] += same[i]
        if len(sent_in) > 0:
            direct = sent_in[row]
            for i in range(length):
                v[i] += factor[i] * direct[i]
        for i in range(length):
            quotient = np.floor(min(max(v[i], lowest), highest) / threshold[i])
            sent[i] = np.int64(min(max(quotient, least), largest))


def set_threads(threads: int) -> int:
    """Let the loops use ``threads`` threads, or as many as numba was started with; returns the number before."""
    before = int(get_num_threads())
    set_num_threads(min(threads, MOST_THREADS))
    return before
