"""MSAT: a threshold per neuron and step that follows potential and input, and spikes that carry it.

    theta(t) = theta_max sigmoid(DET + DTT),    DET = tau_rd exp(-x / C)
    DTT = tau_mp (alpha (v - V_m) - theta_max + k_a ln(1 + exp((v - V_m) / k_i)))

theta_max is the largest activation, v0 = 0. Needs that arithmetic, a running mean and graded spikes in every neuron.
See ``runtime.neuron_models.msat``. Confidences, which the authors fitted to their networks, are 1. Source: He et al.,
Neural Comput. Appl. 2024.
"""

from __future__ import annotations

from dataclasses import replace

from ...runtime.program.neuron_models import MSAT as MSAT_NEURON
from ..options import CompileOptions
from .method import Method, largest_activation_uncalibrated


def _adaptive(options: CompileOptions) -> CompileOptions:
    return replace(largest_activation_uncalibrated(options), neuron=MSAT_NEURON)


MSAT = Method(
    _adaptive,
    needs_calibration=True,
    needs_relu=True,
    plain_if=False,
    compared_on=("relu",),
)
