"""What of a program NIR has nodes for, checked before anything is written."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...targets.diagnostic import Diagnostic, Place
from ..program import Population, Program
from ..program.neuron_models import PLAIN_IF
from ..program.window_range import window_range
from .layout import Layout

LARGEST_MATRIX = 1 << 26
"""Entries of a matrix that stands for synapses which are no convolution of maps: 256 MiB."""

_HINT = "the program as it is runs on the backends of 'spikec verify'"


def find_problems(program: Program) -> list[Diagnostic]:
    """Everything in ``program`` that no NIR graph says, as E765."""
    return list(_problems(program))


def find_warnings(program: Program, layout: Layout) -> list[Diagnostic]:
    """W762 for each layer of which a reader that does as the graph says can differ, or that one cannot load."""
    found = []
    for population in program.populations:
        reach = window_range(program, population)
        # Neurons that fire stop at the least of the state in a reader too, where it is set to.
        below = population.threshold is None and int(np.min(reach.lowest)) < program.state_minimum
        if below or int(np.max(reach.highest)) > program.state_maximum:
            message = "the potential saturates where the state ends, which no NIR reader does"
            found.append(Diagnostic("W762", message, Place(layer=population.name), hint="the check says if it matters"))
        if layout.differs(population):
            message = "the graph has several thresholds for the layer, and snnTorch reads one"
            found.append(Diagnostic("W762", message, Place(layer=population.name), hint="sinabs reads them"))
    return found


def _problems(program: Program) -> Iterator[Diagnostic]:
    if program.neuron != PLAIN_IF:
        state = "; ".join(program.neuron.extra_state)
        yield _problem(f"NIR has no neuron of the model '{program.neuron.name}', which needs {state}")
    if program.pulses or program.schedule != "pipelined":
        yield _problem(f"NIR has no gates and pulses, and the program's schedule is '{program.schedule}'")
    if len(program.readouts) > 1:
        yield _problem(f"readers of NIR take one output, and the program has {len(program.readouts)} read-outs")
    layout = Layout.of(program)
    for population in program.populations:
        yield from _size_problems(program, population, layout)


def _size_problems(program: Program, population: Population, layout: Layout) -> Iterator[Diagnostic]:
    if population.name in layout.maps:
        return  # its kernels are the program's own
    for projection in program.incoming(population.name):
        entries = population.neurons * int(np.prod(program.source_shape(projection)))
        if entries > LARGEST_MATRIX:
            message = "synapses that are no convolution of maps are a matrix in NIR, and it is too large"
            yield _problem(message, population.name, entries, LARGEST_MATRIX, "entries")


def _problem(
    message: str, layer: str | None = None, measured: int | None = None, limit: int | None = None, unit: str = ""
) -> Diagnostic:
    return Diagnostic(
        "E765",
        message,
        Place(layer=layer),
        measured=None if measured is None else float(measured),
        limit=None if limit is None else float(limit),
        unit=unit or None,
        hint=_HINT,
    )
