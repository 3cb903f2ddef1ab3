"""Express every population in units of its own threshold, and every projection per spike.

    W'_ij = W_ij theta_j / theta_i,   b'_i = b_i / theta_i,   v0'_i = v0_i / theta_i,   theta'_i = 1

Scaling input, threshold and initial potential of a neuron together changes nothing (Diehl et al. 2015, weight
normalisation), so the spikes are the same; what is gained is that the next passes see how many thresholds one spike
is worth. The read-out has no threshold and keeps its unit.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...targets.records import dataclass
from ..ir.operators import FloatArray
from ..ir.spiking import INPUT, Population, Projection, SpikingNetwork
from .contract import Compilation, Context, Outcome, spiking_level


@dataclass(frozen=True)
class BalanceThresholds:
    """W' = W theta_source / theta_target, theta' = 1."""

    name: str = "balance-thresholds"
    preserves: bool = True

    def run(self, state: Compilation, context: Context) -> Outcome:
        """Rescale every population with a threshold other than 1; ``largest_weight`` is in thresholds per spike."""
        spiking = spiking_level(state)
        populations = tuple(_balanced(p) for p in spiking.populations)
        projections, largest = list[Projection](), dict[str, float]()
        done, weights = 0, sum(p.map.weight.size for p in spiking.projections)
        for given in spiking.projections:
            projection = _per_spike(spiking, given)
            projections.append(projection)
            largest[projection.name] = float(f"{_largest(projection.map.weight):.4g}")
            done += projection.map.weight.size
            context.progress(done, weights)
        effect = {"largest_weight": dict(sorted(largest.items()))}
        return Outcome(replace(state, spiking=spiking.with_parts(populations, tuple(projections))), effect)


def _largest(weight: FloatArray) -> float:
    return max(float(weight.max(initial=0.0)), -float(weight.min(initial=0.0)))


def _balanced(population: Population) -> Population:
    if population.threshold is None:
        return population
    threshold = population.threshold
    return replace(
        population,
        threshold=np.ones_like(threshold),
        initial_potential=population.initial_potential / threshold,
        bias=population.bias / threshold,
    )


def _per_spike(spiking: SpikingNetwork, projection: Projection) -> Projection:
    amplitude = 1.0 if projection.source == INPUT else spiking.population(projection.source).spike_value
    target = spiking.population(projection.target)
    unit = 1.0 if target.threshold is None else target.spike_value
    weight: FloatArray = projection.map.weight * (amplitude / unit)
    return replace(projection, map=replace(projection.map, weight=weight))
