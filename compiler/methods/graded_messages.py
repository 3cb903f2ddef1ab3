"""One graded message in place of spikes: the quantised network itself, where a chip's messages carry integers.

    n = clip(floor(u / theta), 0, L) sent at T = 1, theta one level, v0 its shift: no timing, nothing left over

See ``runtime.neuron_models.graded``. It bounds from above what any rule for spikes can reach with the same weights;
recent papers call such neurons scale-and-fire or multi-threshold neurons.
"""

from __future__ import annotations

from dataclasses import replace

from ...runtime.program.neuron_models import GRADED as GRADED_NEURON
from ..options import CompileOptions
from .method import Method, uncalibrated


def _one_message(options: CompileOptions) -> CompileOptions:
    return replace(uncalibrated(options), neuron=GRADED_NEURON)


GRADED = Method(_one_message, plain_if=False, compared_on=("round",), only_timesteps=(1,))
