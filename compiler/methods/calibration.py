"""SNN calibration without weight training (Li et al. 2021), layer by layer, from a shift of theta/(2T) per step.

    calibration-bias:       b_c  <- b_c + mean_{n,h,w}(a - phi)     per channel
    calibration-potential:  v0_i <- T mean_n(a_i - phi_i)           per neuron

a is the ANN's activation before any threshold was chosen, phi = theta N / T the value of the spikes. Thresholds of
ReLUs minimise the quantisation error, as in the paper.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...runtime.program import Population, Program
from ..arithmetic import mean
from ..compilation import Built
from .layer_by_layer import RateErrors, correct_layer_by_layer
from .method import Method, threshold_of, uncalibrated
from .rounding_shift import with_shifted_bias


def _bias(built: Built) -> Program:
    target = built.context.target

    def corrected(population: Population, errors: RateErrors) -> Population:
        missed = mean(errors.signed, axis=(1, 2), keepdims=True) if errors.signed.ndim == 3 else errors.signed
        bias = np.rint(population.bias + missed * threshold_of(population)).astype(np.int64)
        return replace(population, bias=target.nearest_bias(bias))

    return correct_layer_by_layer(built, with_shifted_bias(built), corrected)


def _potential(built: Built) -> Program:
    timesteps = built.program.timesteps

    def corrected(population: Population, errors: RateErrors) -> Population:
        potential = np.rint(timesteps * errors.signed * threshold_of(population)).astype(np.int64)
        return replace(population, initial_potential=potential)

    return correct_layer_by_layer(built, with_shifted_bias(built), corrected)


BIAS = Method(uncalibrated, _bias, needs_calibration=True, compared_on=("relu",))
POTENTIAL = Method(uncalibrated, _potential, needs_calibration=True, compared_on=("relu",))
