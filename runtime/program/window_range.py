"""Which membrane potentials a population can reach in a window, by interval analysis over every input there can be.

With input per step in [low, high], threshold theta and a potential in [v_low, v_high] before the step:

    u in [v_low + low, v_high + high];   after the spike test
    v_high' = max(min(u_high, theta - unit), u_high - theta),   v_low' = min over u of (u - theta [u >= theta])
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ...targets.records import dataclass
from .program import IntArray, Population, Program
from .synapses import input_range_of_steps, summed_input_range

Numbers = npt.NDArray[Any]
Interval = tuple[Numbers, Numbers]


@dataclass(frozen=True, slots=True, eq=False)
class WindowRange:
    """Bounds of a population's window, in weight units; the arrays broadcast to its shape.

    ``lowest`` and ``highest`` are potentials before the spike test, at the steps that a count or read-out depends
    on. ``loudest`` is how far above its threshold a neuron can come at a step where it must be silent; negative
    where it cannot fire there, None where no step has to be silent.
    """

    lowest: IntArray
    highest: IntArray
    loudest: IntArray | None


def window_range(program: Program, population: Population) -> WindowRange:
    """Bounds over one window of ``population``, whatever its sources send."""
    received = _received_by_step(program, population)
    silent = np.zeros_like(received[0][0])
    pulses = program.potential_of_pulses(population.name)
    v = population.initial_potential, population.initial_potential
    lowest, highest, loudest = v[0], v[1], None
    counted = range(1, (2 if population.gated else 1) * program.timesteps + 1)
    steps = counted if population.threshold is None else range(1, program.window + 1)
    for step in steps:
        extra = population.bias + pulses.get(step, 0)
        given = received[step - 1] if step <= program.timesteps else (silent, silent)
        u = v[0] + given[0] + extra, v[1] + given[1] + extra
        if step in counted:
            lowest, highest = np.minimum(lowest, u[0]), np.maximum(highest, u[1])
        if population.threshold is not None and (step <= program.timesteps) == population.gated:
            above = u[1] - population.threshold
            loudest = above if loudest is None else np.maximum(loudest, above)
        v = after_spike_test(u, population.threshold, unit=1)
    return WindowRange(lowest, highest, loudest)


def _received_by_step(program: Program, population: Population) -> list[Interval]:
    """Bounds of the synaptic input of each step; where nothing is subtracted in between, those of its running sum."""
    if program.input.spread and (population.gated or population.threshold is None):
        return list(input_range_of_steps(program, population))
    return [summed_input_range(program, population)] * program.timesteps


def after_spike_test(u: Interval, threshold: Numbers | None, unit: float) -> Interval:
    """Interval of v that follows from that of u; ``unit`` is the distance between neighbouring potentials.

    ``unit`` is 1 for integers and 0 for reals. ``threshold`` None never fires.
    """
    u_low, u_high = u
    if threshold is None:
        return u
    v_high = np.maximum(np.minimum(u_high, threshold - unit), u_high - threshold)
    resting = np.where(u_high >= threshold, np.minimum(u_low, 0), u_low)
    return np.where(u_low >= threshold, u_low - threshold, resting), v_high
