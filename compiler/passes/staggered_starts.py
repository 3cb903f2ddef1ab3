"""Initial potentials that differ between neighbours, so that equal input does not make them fire at once.

Neurons of a smooth map get nearly the same input. Started alike they fire in the same steps, and a kernel that reads
several of them receives all in one step and then nothing, which makes its neurons fire on the way to a sum that should
leave them silent. Within each square of four the starts are spread over half a threshold, so that the four counts
together are right still.
"""

from __future__ import annotations

import numpy as np

from ..ir.operators import FloatArray
from ..ir.spiking import ConvMap, Population, Projection, SpikingNetwork

_STARTS = np.array([[-3.0, 1.0], [3.0, -1.0]]) / 16
"""Of a square of four, in thresholds; their mean is zero, and neighbours of a row or a column are far apart."""

_SMALLEST_SIDE = 12
"""Of a map whose neighbours are alike."""


def staggered_starts(spiking: SpikingNetwork, population: Population) -> FloatArray:
    """What initial potentials are to have beyond their channel's, in thresholds; broadcasts to the population's shape.

    Those of a large map are staggered, if it fires as it integrates, and so does what reads it by a kernel.
    """
    is_map = len(population.shape) == 3 and min(population.shape[1:]) >= _SMALLEST_SIDE
    readers = [p for p in spiking.projections if p.source == population.name]
    if not is_map or population.hold or not any(_hears_neighbours(spiking, reader) for reader in readers):
        return np.zeros((1,) * len(population.shape))
    height, width = population.shape[1:]
    return np.tile(_STARTS, (-(-height // 2), -(-width // 2)))[None, :height, :width]


def _hears_neighbours(spiking: SpikingNetwork, reader: Projection) -> bool:
    """Whether ``reader`` sends a neuron, whose count depends on the time of spikes, those of several positions."""
    target = spiking.population(reader.target)
    is_timed = target.threshold is not None and not target.hold and not target.takes_largest
    return is_timed and isinstance(reader.map, ConvMap) and max(reader.map.weight.shape[2:]) > 1
