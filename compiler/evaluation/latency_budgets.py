"""Rows with a latency budget that is shorter than their network without any gate: left out, and told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ...targets.diagnostic import Diagnostic, UnusableInput
from .journal import Figures

LEAST_LATENCY = "least_latency"
"""Figure in place of all others: steps that the program without any gate takes, more than its budget."""


def figures_beyond(refusal: UnusableInput) -> Figures | None:
    """Figures of a program that is refused for its latency budget (E635); None where it is refused for more."""
    found = {d.code: d.measured for d in refusal.diagnostics}
    return {LEAST_LATENCY: found["E635"]} if set(found) == {"E635"} else None


def is_beyond(figures: Figures) -> bool:
    """Whether there is no program within the budget."""
    return LEAST_LATENCY in figures


def beyond_budgets(rows: Mapping[str, Sequence[Figures]]) -> Iterator[Diagnostic]:
    """A remark (W637) for each of ``rows``, figures of its networks by its name, in which one is beyond its budget.

    Raises ``UnusableInput`` (E635) where that is so in every row.
    """
    least = {name: [f[LEAST_LATENCY] for f in figures if is_beyond(f)] for name, figures in rows.items()}
    beyond = {name: max(steps) for name, steps in least.items() if steps}
    hint = "give it a longer budget, or fewer time steps"
    if len(beyond) == len(rows):
        message = "the latency budget of '{}' is shorter than the network without any gate"
        raise UnusableInput(
            Diagnostic("E635", message.format(name), measured=steps, unit="time steps", hint=hint)
            for name, steps in beyond.items()
        )
    for name, steps in beyond.items():
        message = f"'{name}' is left out: the network takes {steps} time steps without any gate"
        yield Diagnostic("W637", message, hint=hint)
