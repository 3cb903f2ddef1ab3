"""SRP: neurons that fired more than their input adds up to are silenced by a first pass.

    mask_i = 1[v_i(tau) > theta_i / 1000]  after tau = 4 steps;  then T steps from v0, output mask_i s_i(t)

Needs a mask bit per neuron and sample; the tau steps count as latency. Equations and what differs from the published
code: ``runtime.neuron_models.srp``. Source: Hao et al., AAAI 2023.
"""

from __future__ import annotations

from dataclasses import replace

from ...runtime.program.neuron_models import SRP as SRP_NEURON
from ..options import CompileOptions
from .method import Method, uncalibrated


def _masked(options: CompileOptions) -> CompileOptions:
    return replace(uncalibrated(options), neuron=SRP_NEURON)


SRP = Method(_masked, plain_if=False, compared_on=("round",))
