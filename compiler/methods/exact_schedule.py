"""Gated populations, whose counts are those of the quantised network with L = T whatever the spike timing.

    v0 = theta/2 - B for T steps of integration, +B by a gate, then T input-free steps that emit

B lies above every partial sum of the input; see docs/exact-schedule.md.
"""

from __future__ import annotations

from dataclasses import replace

from ..options import CompileOptions
from .method import Method


def _gated(options: CompileOptions) -> CompileOptions:
    return replace(options, schedule="exact")


EXACT = Method(_gated, compared_on=("round",))
