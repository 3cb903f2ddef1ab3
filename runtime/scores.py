"""Scores in the network's own units, and how far spikes can put them off.

A read-out's potential after the window is the score times T times the read-out's scale. The bound compares with the
network that has the program's integer weights, thresholds and encoded input, and whose activations clip their input
without levels and without time. It covers what T steps and whole spikes do; it leaves out the rounding of weights,
biases and input, clipping at thresholds, and pieces that were fitted to functions. A population that waits for its
whole window, as all do under the schedule ``exact`` whose counts timing could change, counts

    N = clip(floor((S + c) / theta), 0, T),    so |theta N - clip(S, 0, theta T)| <= max(c, theta - c)

for an input S that itself is off by at most sum |w| times the error of its sources. Of any other population no more
is known than that it counts from 0 to T.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..targets.diagnostic import refuse
from ..targets.records import dataclass
from ..targets.suggestion import known_names
from .execution import Execution
from .program import INPUT, ConvSynapses, IntArray, Population, Program
from .program.neuron_models import PLAIN_IF
from .program.synapses import fan_in_weight

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class FloatScores:
    """``values`` (N, outputs) in the network's units; ``bound`` (outputs,) on the error that spikes cause.

    Both are of one output. ``bound`` is None for other neuron models than the plain one.
    """

    values: FloatArray
    bound: FloatArray | None


def float_scores(program: Program, execution: Execution, output: str | None = None) -> FloatScores:
    """Scores of ``execution``, of the ``output`` of that name or of the first one.

    E018 for a name that no output has, E630 for a program that was compiled before programs knew their unit.
    """
    named = {each.name: each for each in program.named_outputs}
    if output is not None and output not in named:
        raise refuse("E018", f"the program has no output called {output}", hint=known_names(output, named))
    found = program.named_outputs[0] if output is None else named[output]
    if found.score_unit is None:
        hint = "compile the model again"
        raise refuse("E630", "the program does not say what its scores are in the network's own units", hint=hint)
    bound = None if program.neuron != PLAIN_IF else _potential_bound(program, found.readout) * found.score_unit
    return FloatScores(execution.readouts[found.readout] * found.score_unit, bound)


def _potential_bound(program: Program, readout: str) -> FloatArray:
    """Largest error of each potential of ``readout``, see above."""
    in_spikes = {INPUT: 0.0}
    for population in program.firing:
        threshold = np.asarray(population.threshold, dtype=np.float64)
        most = threshold * program.timesteps
        error = most
        if _is_timeless(program, population):
            offset = _offset(program, population)
            rounding = np.maximum(np.abs(offset), np.abs(threshold - offset))
            error = np.minimum(rounding + _received(program, population, in_spikes), most)
        in_spikes[population.name] = float((error / threshold).max())
    population = program.population(readout)
    return np.broadcast_to(_received(program, population, in_spikes), population.shape).reshape(-1)


def _is_timeless(program: Program, population: Population) -> bool:
    """Whether a count depends on the sum of the window's input alone."""
    return population.gated or program.schedule == "exact"


def _offset(program: Program, population: Population) -> IntArray:
    """What a potential is raised by before the spikes of the window are counted."""
    pulses = program.potential_of_pulses(population.name).values() if population.gated else ()
    offset = population.initial_potential
    for potential in pulses:
        offset = offset + potential
    return offset


def _received(program: Program, population: Population, in_spikes: dict[str, float]) -> FloatArray:
    """Largest error of a window's input where each source's count may be off by ``in_spikes``."""
    total = np.zeros((1,) * len(population.shape))
    for projection in program.incoming(population.name):
        weight = fan_in_weight(program, projection)
        shared = isinstance(projection.synapses, ConvSynapses)
        shape = (-1, *(1,) * (len(population.shape) - 1)) if shared else population.shape
        total = total + weight.reshape(shape) * in_spikes[projection.source]
    return total
