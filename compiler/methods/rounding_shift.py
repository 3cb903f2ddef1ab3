"""Half a spike for every neuron, so that counts round instead of being cut off.

    opi:  v0 = theta / 2                     (Bu et al. 2022, optimal initial membrane potential)
    opt:  v0 = 0,  b <- b + theta / (2 T)    (Deng and Gu 2021)

Both add theta/2 over the window and differ in when. Thresholds of ReLUs are their largest activations.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...runtime.program import Population, Program
from ..compilation import Built
from .method import Method, change_firing, from_zero, largest_activation_uncalibrated, threshold_of


def with_half_threshold(built: Built) -> Program:
    """v0 = floor(theta / 2) in every firing population."""
    return change_firing(built.program, lambda p: replace(p, initial_potential=threshold_of(p) // 2))


def with_shifted_bias(built: Built) -> Program:
    """v0 = 0 and b + theta/(2T), as near as the target's biases come, in every firing population."""
    target, timesteps = built.context.target, built.program.timesteps

    def shifted(population: Population) -> Population:
        bias = population.bias + threshold_of(population) / (2 * timesteps)
        return replace(population, bias=target.nearest_bias(np.rint(bias).astype(np.int64)))

    return change_firing(from_zero(built.program), shifted)


POTENTIAL_SHIFT = Method(largest_activation_uncalibrated, with_half_threshold, compared_on=("relu", "floor"))
BIAS_SHIFT = Method(largest_activation_uncalibrated, with_shifted_bias, compared_on=("relu", "floor"))
