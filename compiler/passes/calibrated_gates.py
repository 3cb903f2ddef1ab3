"""Gates of populations whose initial potentials are still to be moved.

A gate is the least that holds its population back (see ``gates``), so it is made anew for every start: while
potentials are calibrated with room above them, afterwards for where they came to stand.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ...runtime.program import IntArray, Population, Program
from ...targets import Target
from .gates import with_gates


def with_room_to_rise(program: Program, names: Iterable[str], target: Target) -> Program:
    """Let the gated populations ``names`` start up to a threshold higher than they do."""
    ungated = without_gates(program)
    raised = {name: _raised(ungated.population(name), 1) for name in names}
    roomy = with_gates(_replaced(ungated, raised), target)
    return _replaced(roomy, {name: _raised(roomy.population(name), -1) for name in raised})


def with_least_gates(program: Program, target: Target) -> Program:
    """Make every gate the least for where its population starts."""
    return with_gates(without_gates(program), target)


def without_gates(program: Program) -> Program:
    """Start gated populations from what their gates give back to them, with no pulse left."""
    started = {
        p.name: replace(p, initial_potential=p.initial_potential + held_back(program, p.name))
        for p in program.firing
        if p.gated
    }
    return replace(_replaced(program, started), pulses=())


def held_back(program: Program, name: str) -> IntArray | int:
    """B of the gated population ``name``: the sum of the pulses that it gets."""
    return sum(program.potential_of_pulses(name).values())


def _raised(population: Population, thresholds: int) -> Population:
    assert population.threshold is not None, "what is gated fires"
    return replace(population, initial_potential=population.initial_potential + thresholds * population.threshold)


def _replaced(program: Program, populations: dict[str, Population]) -> Program:
    return replace(program, populations=tuple(populations.get(p.name, p) for p in program.populations))
