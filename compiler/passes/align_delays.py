"""Delay short paths so that all input of a population belongs to the same step of the same sample.

    depth_i = 1 + max_j (depth_j + hold_j),   delay_ij = depth_i - depth_j - hold_j - 1

with depth 0 for the input and hold_j = T where population j is gated, else 0. Windows follow each other every P
steps (P = T, or 2T where a population is gated): sample n is integrated by population i at steps n P + depth_i + 1
.. n P + depth_i + T, so the t-th step of a source's firing arrives at step t of the target's window on every path.
"""

from __future__ import annotations

from dataclasses import replace

from ...targets.records import dataclass
from ..ir.spiking import INPUT, SpikingNetwork
from .contract import Compilation, Context, Outcome, spiking_level


@dataclass(frozen=True)
class AlignDelays:
    """depth = longest path from the input, gates included; delay = what a shorter path lacks."""

    name: str = "align-delays"
    preserves: bool = True

    def run(self, state: Compilation, context: Context) -> Outcome:
        """Set every population's depth and every projection's delay."""
        spiking = spiking_level(state)
        depths = depths_of(spiking)
        projections = tuple(
            replace(p, delay=depths[p.target] - depths[p.source] - spiking.fires_after(p.source) - 1)
            for p in spiking.projections
        )
        populations = tuple(replace(p, depth=depths[p.name]) for p in spiking.populations)
        delayed = {p.name: p.delay for p in projections if p.delay}
        effect = {"depth": max(depths[p.name] for p in spiking.readouts), "delayed": delayed}
        return Outcome(replace(state, spiking=spiking.with_parts(populations, projections)), effect)


def depths_of(spiking: SpikingNetwork) -> dict[str, int]:
    """Steps on the longest path from the input to each population: one per projection, and what sources hold back."""
    depths = {INPUT: 0}
    for population in spiking.populations:
        arrivals = (depths[p.source] + spiking.fires_after(p.source) for p in spiking.incoming(population.name))
        depths[population.name] = 1 + max(arrivals, default=0)
    return depths
