"""Thresholds from the activations of a ReLU network on calibration data, zeros included.

    max-norm:     theta = max a,                    v0 = 0    (Diehl et al. 2015)
    robust-norm:  theta = 99.9 percentile of a,     v0 = 0    (Rueckauer et al. 2017)

Normalising the weights by these values instead is the same network (a neuron's input, threshold and v0 scale together).
"""

from __future__ import annotations

from dataclasses import replace

from ...runtime.program import Program
from ..compilation import Built
from ..options import CompileOptions
from .method import Method, from_zero, largest_activation_uncalibrated


def _robust(options: CompileOptions) -> CompileOptions:
    return replace(largest_activation_uncalibrated(options), percentile=99.9)


def _from_zero(built: Built) -> Program:
    return from_zero(built.program)


MAX_NORM = Method(
    largest_activation_uncalibrated, _from_zero, needs_calibration=True, needs_relu=True, compared_on=("relu",)
)
ROBUST_NORM = Method(_robust, _from_zero, needs_calibration=True, needs_relu=True, compared_on=("relu",))
