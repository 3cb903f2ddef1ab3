"""What SANA-FE computes exactly, checked before anything starts."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...targets.diagnostic import Diagnostic, Place
from ..program import INPUT, ConvSynapses, Population, Program, Projection
from ..program.neuron_models import PLAIN_IF
from ..program.window_range import window_range

LONGEST_DELAY = 5
"""Of SANA-FE's dendrites."""
LARGEST_THRESHOLD = (1 << 17) - 1
"""Its Python binding takes 32-bit floats: 24 bits, of which 7 are for the 1/128 below a threshold."""
LARGEST_NUMBER = 1 << 24
MOST_SYNAPSES = 30_000_000
"""It keeps every synapse as an object of its own, some hundred bytes each."""

_SOURCE = "SANA-FE 2.2.9"


def find_problems(program: Program) -> list[Diagnostic]:
    """Everything in ``program`` that SANA-FE would compute wrongly or has no room for, as E732."""
    if program.neuron != PLAIN_IF:
        state = "; ".join(program.neuron.extra_state)
        return [Diagnostic("E732", f"SANA-FE has no neuron of the model '{program.neuron.name}', which needs {state}")]
    found = [problem for p in program.populations for problem in _of_population(program, p)]
    found += [problem for p in program.projections for problem in _of_projection(program, p)]
    synapses = sum(_most_synapses(program, p) for p in program.projections if p.source != INPUT)
    if synapses > MOST_SYNAPSES:
        found.append(
            _problem("the program has more synapses than SANA-FE has room for", synapses, MOST_SYNAPSES, "synapses")
        )
    return found


def _of_population(program: Program, population: Population) -> Iterator[Diagnostic]:
    name = population.name
    if population.threshold is not None and (largest := int(population.threshold.max())) > LARGEST_THRESHOLD:
        yield _problem("a threshold is too wide for SANA-FE", largest, LARGEST_THRESHOLD, "weight units", name)
    reach = window_range(program, population)
    highest, lowest = int(np.max(reach.highest)), int(np.min(reach.lowest))
    if highest > program.state_maximum:
        message = "a potential can leave the state from above, where SANA-FE's neuron does not saturate"
        yield _problem(message, highest, program.state_maximum, "weight units", name)
    elif max(highest, -lowest) > LARGEST_NUMBER and -program.state_minimum > LARGEST_NUMBER:
        yield _problem(
            "a potential is too wide for SANA-FE", max(highest, -lowest), LARGEST_NUMBER, "weight units", name
        )


def _of_projection(program: Program, projection: Projection) -> Iterator[Diagnostic]:
    if projection.source != INPUT and projection.delay > LONGEST_DELAY:
        message = f"the projection '{projection.name}' waits longer than a dendrite of SANA-FE"
        yield _problem(message, projection.delay, LONGEST_DELAY, "steps", projection.target)
    largest = int(np.abs(projection.effective_weight).max(initial=0))
    if largest > LARGEST_NUMBER:
        yield _problem("a weight is too wide for SANA-FE", largest, LARGEST_NUMBER, "weight units", projection.target)


def _most_synapses(program: Program, projection: Projection) -> int:
    used = int(np.count_nonzero(projection.synapses.weight))
    if not isinstance(projection.synapses, ConvSynapses):
        return used
    return used * program.population(projection.target).neurons // len(projection.synapses.weight)


def _problem(message: str, measured: int, limit: int, unit: str, layer: str | None = None) -> Diagnostic:
    return Diagnostic(
        "E732",
        message,
        Place(layer=layer),
        measured=float(measured),
        limit=float(limit),
        unit=unit,
        hint="the backends 'reference' and 'simulator' compute the same program",
        source=_SOURCE,
    )
