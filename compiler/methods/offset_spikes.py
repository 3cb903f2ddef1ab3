"""COS: each neuron starts from a potential shifted by what a first pass on the same sample showed.

    v(rho) < 0 and N > 0:         v0' = v0 - max(m - theta + 1, theta)      m = min u where it fired
    v(rho) >= theta and N < rho:  v0' = v0 + max(theta - M, theta)          M = max u where it did not

after rho = 4 steps, layer after layer; then T steps from v0'. Needs an initial potential per neuron and sample; rho
steps for each layer count as latency. See ``runtime.neuron_models.cos``. Source: Hao et al., ICLR 2023.
"""

from __future__ import annotations

from dataclasses import replace

from ...runtime.program.neuron_models import COS as COS_NEURON
from ..options import CompileOptions
from .method import Method, uncalibrated


def _shifted(options: CompileOptions) -> CompileOptions:
    return replace(uncalibrated(options), neuron=COS_NEURON)


COS = Method(_shifted, plain_if=False, compared_on=("round",))
