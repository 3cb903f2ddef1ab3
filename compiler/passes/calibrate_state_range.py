"""Leave as much of the state as potentials need on calibration data, where that is asked for.

Interval analysis lets every source be at its worst at every step, and for many inputs its bound is far above anything
that data causes; thresholds that fit it leave few bits to the weights. With the context's ``potentials``, the
largest that calibration data caused,

    |u_i| Theta_i <= state range   for   |u_i| <= margin * largest |u_i| seen

beyond which the state saturates, alike in every backend. What would wrap on the chip, the input of a step, stays
proven, and so does a gated population, whose count a saturated potential would falsify.
"""

from __future__ import annotations

from dataclasses import replace

from ...targets.records import dataclass
from .contract import Compilation, Context, Outcome, spiking_level

STATE_MARGIN = 2.0
"""Times the largest potential seen that a state has room for."""


@dataclass(frozen=True)
class CalibrateStateRange:
    """|u| <= margin max |u| on calibration data, instead of for every input."""

    name: str = "calibrate-state-range"
    preserves: bool = True

    def run(self, state: Compilation, context: Context) -> Outcome:
        """Set ``reach`` of every population whose potentials are known; unchanged where all is to be proven."""
        if context.potentials is None:
            return Outcome(state, {"layers": 0, "margin": STATE_MARGIN})
        known, spiking = context.potentials, spiking_level(state)
        populations = tuple(
            replace(p, reach=STATE_MARGIN * known[p.name]) if p.name in known else p for p in spiking.populations
        )
        effect = {"layers": len(known), "margin": STATE_MARGIN}
        return Outcome(replace(state, spiking=spiking.with_parts(populations)), effect)
