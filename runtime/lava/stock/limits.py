"""What a network of Lava's own processes cannot compute as a program says, all at once, before anything starts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from ....targets.diagnostic import Diagnostic, Place, UnusableInput
from ...program import ConvSynapses, Program, Projection
from ...program.neuron_models import GRADED
from ..limits import find_problems
from .delays import synapses_of, with_coordinates
from .neurons import StockForm, stock_form

STOCK_TARGET = "lava-stock"
"""The target whose programs run on Lava's own processes or not at all."""
DELAY_MAXIMUM = 62
"""Steps that a synapse of Lava's can wait beyond the one that it costs."""
CONV_WEIGHT_MAXIMUM = 254
COORDINATES_MAXIMUM = 1 << 25
"""Synapses of a delayed convolution, which are written one by one."""


def lava_form(program: Program) -> StockForm:
    """``program`` as Lava's own processes compute it, bit for bit.

    Raises ``UnusableInput`` with every reason why they cannot: E341 to E348 and E352 for neurons, weights and delays,
    E504 and E505 for what Lava's synapses wrap.
    """
    form, problems = _form_and_problems(program)
    if form is None or problems:
        raise UnusableInput(problems)
    return form


def find_stock_problems(program: Program) -> list[Diagnostic]:
    """Every reason why Lava's own processes would not compute ``program``, of plain or graded neurons."""
    return _form_and_problems(program)[1]


def _form_and_problems(program: Program) -> tuple[StockForm | None, list[Diagnostic]]:
    if program.neuron.name == GRADED:
        return None, [_no_graded_neuron(population.name) for population in program.firing]
    if problems := [d for p in program.projections if p.delay for d in _delay_problems(program, p)]:
        # Such a projection may be too large to be written with coordinates.
        without = replace(program, projections=tuple(replace(p, delay=0) for p in program.projections))
        return None, [*problems, *_problems_without_delays(without)[1]]
    delayed = tuple(with_coordinates(program, p) if p.delay else p for p in program.projections)
    return _problems_without_delays(replace(program, projections=delayed))


def _problems_without_delays(program: Program) -> tuple[StockForm, list[Diagnostic]]:
    form, problems = stock_form(program)
    problems += find_problems(form.program, stock=True)
    problems += [d for p in form.program.projections for d in _weight_problems(p)]
    return form, problems


def _no_graded_neuron(layer: str) -> Diagnostic:
    return Diagnostic(
        "E352",
        "no neuron of Lava's own sends the quotient of its input and a threshold as a payload",
        Place(layer=layer),
        hint="run it with --backend lava, or compile with plain neurons (leave --neuron out)",
        source="lava-nc 0.10.0: GradedVec sends its potential, undivided and unclipped",
    )


def _delay_problems(program: Program, projection: Projection) -> Iterator[Diagnostic]:
    """E348: a delayed projection is one that DelaySparse can be."""
    place = Place(layer=projection.target)
    if projection.delay > DELAY_MAXIMUM:
        yield Diagnostic(
            "E348",
            f"the projection '{projection.name}' waits longer than a synapse of Lava's can",
            place,
            measured=projection.delay,
            limit=DELAY_MAXIMUM,
            unit="steps",
            hint="use fewer layers beside the skip path",
            source="lava-dl 0.6.0, netx clamps delays to 62",
        )
    if (synapses := synapses_of(program, projection)) > COORDINATES_MAXIMUM:
        yield Diagnostic(
            "E348",
            f"the projection '{projection.name}' waits, so that its synapses are written one by one: too many",
            place,
            measured=synapses,
            limit=COORDINATES_MAXIMUM,
            unit="synapses",
            hint="use a smaller kernel or fewer channels in the skip path",
            source="lava-nc 0.10.0: of Conv, Dense and Sparse the first has no delays",
        )


def _weight_problems(projection: Projection) -> Iterator[Diagnostic]:
    """E342: weights of a Conv have 8 bits, the lowest of which stands for the sign, and no exponent."""
    if not isinstance(projection.synapses, ConvSynapses):
        return
    weight = projection.effective_weight
    largest = int(np.abs(weight).max(initial=0))
    if largest <= CONV_WEIGHT_MAXIMUM and not (weight % 2).any():
        return
    fault = "odd weights" if largest <= CONV_WEIGHT_MAXIMUM else "weights beyond 8 bits"
    yield Diagnostic(
        "E342",
        f"the projection '{projection.name}' has {fault}, and a Conv of Lava's takes no exponent to make up for it",
        Place(layer=projection.target),
        measured=largest,
        limit=CONV_WEIGHT_MAXIMUM,
        unit="weight units",
        hint="compile for the target lava-stock, whose weights are even",
        source="lava-nc 0.10.0 ignores weight_exp of Conv; lava-dl 0.6.0 trains even weights in -256..254",
    )
