"""Delay short paths so that all input of a population belongs to the same step of the same sample.

    depth_i = 1 + max_j depth_j,   delay_ij = depth_i - depth_j - 1

with depth 0 for the input. Sample n is integrated by population i at steps n T + depth_i + 1 .. n T + depth_i + T,
so a spike sent at step t of a source's window arrives at step t of the target's window whatever the path.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..ir.spiking import INPUT, SpikingNetwork
from .contract import Compilation, Context, Outcome, spiking_level


@dataclass(frozen=True)
class AlignDelays:
    """depth = longest path from the input; delay = what a shorter path lacks."""

    name: str = "align-delays"
    preserves: bool = True

    def run(self, state: Compilation, context: Context) -> Outcome:
        """Set every population's depth and every projection's delay."""
        spiking = spiking_level(state)
        depths = depths_of(spiking)
        projections = tuple(replace(p, delay=depths[p.target] - depths[p.source] - 1) for p in spiking.projections)
        populations = tuple(replace(p, depth=depths[p.name]) for p in spiking.populations)
        delayed = {p.name: p.delay for p in projections if p.delay}
        effect = {"depth": depths[spiking.readout.name], "delayed": delayed}
        return Outcome(replace(state, spiking=spiking.with_parts(populations, projections)), effect)


def depths_of(spiking: SpikingNetwork) -> dict[str, int]:
    """Number of projections on the longest path from the input to each population."""
    depths = {INPUT: 0}
    for population in spiking.populations:
        depths[population.name] = 1 + max((depths[p.source] for p in spiking.incoming(population.name)), default=0)
    return depths
