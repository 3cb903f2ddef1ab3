"""The quantise-and-clip ANN as it is, from the two initial potentials that there are for it.

    a = theta clip(floor(z L / theta + s) / L, 0, 1)        s = 0 for eq. 8 of Xiong et al. 2025, 1/2 for QCFS

    qc-ann-paper:  v0 = s theta                              Phase I as printed: 0 for eq. 8, at every T
    qc-ann:        v0 = theta (1/2 + (s - 1/2) T / L)        held within 0..theta/2: equal means of quantiser and neuron

Both are the same at T = L and for s = 1/2. Below T = L the second adds what the neuron's coarser steps of theta/T cut
off more than the quantiser's of theta/L, theta/(2T) - theta/(2L) on average.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...runtime.program import Population, Program
from ..compilation import Built
from .method import Method, change_firing, threshold_of, uncalibrated


def from_shift(built: Built) -> Program:
    """v0 = s theta, rounded down, in every firing population with an activation of shift s."""

    def started(population: Population) -> Population:
        shift = built.spiking.population(population.name).shift
        return replace(population, initial_potential=np.floor(shift * threshold_of(population)).astype(np.int64))

    return change_firing(built.program, started)


QUANTISE_CLIP = Method(uncalibrated, compared_on=("floor", "clip"))
QUANTISE_CLIP_AS_PRINTED = Method(uncalibrated, from_shift, compared_on=("floor",))
