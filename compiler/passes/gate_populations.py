"""Decide which populations wait with firing until they have integrated the whole window.

A gated population fires in the T steps after the T steps of its input, so its count is that of the quantised
activation whatever the timing of the spikes:

    N_i = clip(floor((v0_i + sum_t I_i(t)) / theta_i), 0, T)

No gate is needed where timing cannot matter: at T = 1, and where all input is graded input that is the same at
every step (neither spread over the window nor given as frames), provided 0 <= v0 <= theta. See
docs/exact-schedule.md for the proofs.
"""

from __future__ import annotations

from dataclasses import replace

from ...targets.records import dataclass
from ..ir.spiking import INPUT, Population, SpikingNetwork
from .contract import Compilation, Context, Outcome, spiking_level


@dataclass(frozen=True)
class GatePopulations:
    """hold = T for populations whose count must not depend on the timing of spikes."""

    name: str = "gate-populations"
    preserves: bool = True

    def run(self, state: Compilation, context: Context) -> Outcome:
        """Set ``hold`` as the schedule says; unchanged where no population is gated."""
        spiking = with_gated(spiking_level(state), context)
        gated = sorted(p.name for p in spiking.populations if p.hold)
        effect = {"schedule": context.schedule, "gated": gated}
        return Outcome(replace(state, spiking=spiking) if gated else state, effect)


def with_gated(spiking: SpikingNetwork, context: Context) -> SpikingNetwork:
    """Set ``hold`` of the populations that the context's schedule gates, and ``closed`` of the others."""
    gated = frozenset(p.name for p in spiking.populations if _is_gated(spiking, p, context))
    if not gated:
        return spiking
    return spiking.with_parts(
        tuple(
            replace(p, hold=context.timesteps) if p.name in gated else replace(p, closed=p.threshold is not None)
            for p in spiking.populations
        )
    )


def _is_gated(spiking: SpikingNetwork, population: Population, context: Context) -> bool:
    if context.schedule == "pipelined" or not _timing_matters(spiking, population, context):
        return False
    return context.schedule == "exact" or population.name in context.exact_layers


def _timing_matters(spiking: SpikingNetwork, population: Population, context: Context) -> bool:
    return timing_matters(spiking, population, context.timesteps, frames=context.frames)


def timing_matters(spiking: SpikingNetwork, population: Population, timesteps: int, *, frames: bool = False) -> bool:
    """Whether the count of ``population`` could depend on when its input arrives; ``frames`` are those of samples."""
    if population.threshold is None or timesteps == 1:
        return False
    if frames:
        return True
    starts_inside = (population.initial_potential >= 0) & (population.initial_potential <= population.threshold)
    only_equal = spiking.input.spread_over == 1 and all(p.source == INPUT for p in spiking.incoming(population.name))
    return not (only_equal and bool(starts_inside.all()))
