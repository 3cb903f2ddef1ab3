"""Gates where they are needed most, as far as a latency budget goes: between plain compilation and the exact schedule.

    gate the layers with most wrong counts on calibration data, worst first, while latency <= budget

``mixed:12`` has a budget of 12 steps from a sample's first input to its result. Which layers these are is measured on
the pipelined program, see ``compiler.schedule``; a gated layer counts what the quantised network has for its input.
"""

from __future__ import annotations

from dataclasses import replace

from ..options import CompileOptions
from .method import Method


def _gated_where_needed(options: CompileOptions) -> CompileOptions:
    return replace(options, schedule="mixed")


MIXED = Method(_gated_where_needed, needs_calibration=True, needs_budget=True, compared_on=("round",))
