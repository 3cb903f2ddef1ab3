"""Which membrane potentials a population can reach under the program's neuron model, whatever its sources send."""

from __future__ import annotations

import numpy as np

from .neuron_models import COS, GRADED, IF, MSAT
from .program import Population, Program
from .synapses import summed_input_range
from .window_range import Interval, Numbers, after_spike_test, window_range


def stays_in_range(program: Program) -> bool:
    """Whether no potential can leave the state's width at a step that counts, whatever the input."""
    for population in program.populations:
        low, high = neuron_range(program, population)
        if np.min(low) < program.state_minimum or np.max(high) > program.state_maximum:
            return False
    return True


def neuron_range(program: Program, population: Population) -> Interval:
    """Least and largest potential before the spike test, in weight units; they broadcast to the population's shape.

    Neurons other than plain ones have neither gates nor pulses. Saturation, which would prevent a potential beyond
    the state, is left out.
    """
    if program.neuron.name in (IF, GRADED):
        reach = window_range(program, population)
        return reach.lowest, reach.highest
    low, high = summed_input_range(program, population)
    drive = low + population.bias, high + population.bias
    start, steps = population.initial_potential, program.timesteps
    if program.neuron.name == MSAT:
        # A threshold is subtracted only from what has reached it, so nothing falls below 0 by firing.
        least = np.minimum(start, 0) + steps * np.minimum(drive[0], 0)
        return least, np.maximum(start, 0) + steps * np.maximum(drive[1], 0)
    if population.threshold is None:
        return _over(drive, None, (start, start), steps)
    first = program.neuron.first_pass
    reached = _over(drive, population.threshold, (start, start), max(first, steps))
    if program.neuron.name != COS:
        return reached
    in_first = _over(drive, population.threshold, (start, start), first)
    down = np.maximum(in_first[1] - population.threshold + 1, population.threshold)
    up = np.maximum(population.threshold - in_first[0], population.threshold)
    shifted = _over(drive, population.threshold, (start - down, start + up), max(first, steps))
    return np.minimum(reached[0], shifted[0]), np.maximum(reached[1], shifted[1])


def _over(drive: Interval, threshold: Numbers | None, start: Interval, steps: int) -> Interval:
    v, lowest, highest = start, start[0], start[1]
    for _ in range(steps):
        u = v[0] + drive[0], v[1] + drive[1]
        lowest, highest = np.minimum(lowest, u[0]), np.maximum(highest, u[1])
        v = after_spike_test(u, threshold, unit=1)
    return lowest, highest
