"""Layer-wise membrane potential calibration (LMPC).

    lmpc:        v0 <- v0 + T mean_n(a_n - phi_n), iterated from theta/2   (the pass ``calibrate-initial-potential``)
    lmpc-paper:  v0 = T mean_n |a_n - phi_n|, one pass from v0 = 0         (eq. 13 of Xiong et al. 2025 as printed)

a is the ANN's activation, phi = theta N / T the value of the spikes. The printed form can only raise v0: where neurons
miss by as much above as below it moves a potential that is right, so it has no fixed point at zero mean error.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...runtime.program import Population, Program
from ..compilation import Built
from ..options import CompileOptions
from .layer_by_layer import RateErrors, correct_layer_by_layer
from .method import Method, from_zero, threshold_of, uncalibrated


def _signed(options: CompileOptions) -> CompileOptions:
    return replace(options, schedule="pipelined", calibrate=True)


def _as_printed(built: Built) -> Program:
    program = from_zero(built.program)

    def raised(population: Population, errors: RateErrors) -> Population:
        change = np.rint(program.timesteps * errors.absolute * threshold_of(population)).astype(np.int64)
        return replace(population, initial_potential=population.initial_potential + change)

    return correct_layer_by_layer(built, program, raised)


LMPC = Method(_signed)
LMPC_AS_PRINTED = Method(uncalibrated, _as_printed, needs_calibration=True, compared_on=("floor",))
