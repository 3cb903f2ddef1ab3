"""What the witnesses compute exactly, checked before anything starts."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...targets.diagnostic import Diagnostic, Place
from ..program import INPUT, ConvSynapses, Program, Projection
from ..program.neuron_models import PLAIN_IF

MOST_SYNAPSES = 30_000_000
"""That brian2 has room for: it keeps each one by itself, with some eighty bytes."""

HINT = "the backends 'reference' and 'simulator' compute the same program"


def neuron_problems(program: Program, title: str) -> Iterator[Diagnostic]:
    """E761 where the neurons are none that the witness called ``title`` is made to have here."""
    if program.neuron != PLAIN_IF:
        state = "; ".join(program.neuron.extra_state)
        message = (
            f"{title} is a witness of plain neurons, not of the model '{program.neuron.name}', which needs {state}"
        )
        yield Diagnostic("E761", message, hint=HINT)


def unrolled_problems(program: Program, title: str) -> Iterator[Diagnostic]:
    """E761 where there are more synapses, each on its own, than the witness has room for."""
    count = sum(synapses_of(program, projection) for projection in program.projections if projection.source != INPUT)
    if count > MOST_SYNAPSES:
        yield Diagnostic(
            "E761",
            f"the program has more synapses than {title} has room for",
            measured=float(count),
            limit=float(MOST_SYNAPSES),
            unit="synapses",
            hint=f"{HINT}; sinabs runs kernels as they are",
        )


def saturated(program: Program, highest: dict[str, int], title: str) -> Iterator[Diagnostic]:
    """E761 for each population whose ``highest`` potential left the state from above, where the witness goes on."""
    for name, potential in highest.items():
        if potential > program.state_maximum:
            yield Diagnostic(
                "E761",
                f"on these samples a potential leaves the state from above, and {title} does not saturate",
                Place(layer=name),
                measured=float(potential),
                limit=float(program.state_maximum),
                unit="weight units",
                hint="brian2 saturates as the program does: --backends reference,brian2",
            )


def synapses_of(program: Program, projection: Projection) -> int:
    """At most how many synapses ``projection`` has, one for each place at which a kernel reads."""
    used = int(np.count_nonzero(projection.synapses.weight))
    if not isinstance(projection.synapses, ConvSynapses):
        return used
    return used * program.population(projection.target).neurons // len(projection.synapses.weight)
