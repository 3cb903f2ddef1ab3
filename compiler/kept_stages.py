"""What is kept of level 2 while passes run: of a large network nothing that nobody reads again.

Its weights are doubles, 125 million of them in a ResNet-50 for images of 224 pixels, whose global pool is folded into
the last matrix. So the states between passes are let go, but for the one that passes are run again from; what a ledger
says of the others is measured as they pass; and once the program holds the weights as integers, level 2 has none.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .ir.spiking import SpikingNetwork
from .passes.contract import Compilation, Context, spiking_level

LARGE = 1 << 24
"""Weights of level 2 that take 128 MB after every pass that changes them."""

MEASURED = ("balance-thresholds", "quantize-weights")
"""Stages whose level 2 a ledger measures on calibration data."""

_RUN_FROM = ("clip-silent-sources", "fit-counts")
"""What comes right before ``calibrate-state-range``, which is run again with what data caused; the last that there is.
"""


def is_large(state: Compilation) -> bool:
    """Whether level 2 has more than 2^24 weights."""
    spiking = state.spiking
    return spiking is not None and sum(p.map.weight.size for p in spiking.projections) > LARGE


def let_go(stages: dict[str, Compilation], latest: str, context: Context) -> None:
    """Leave out of ``stages`` what a large network's level 2 was before ``latest``, unless passes are run from it."""
    if not is_large(stages[latest]):
        return
    run_from = [name for name in _RUN_FROM if name in stages][-1:] if context.calibration is not None else []
    for name in [n for n, state in stages.items() if state.spiking is not None and n not in (latest, *run_from)]:
        del stages[name]


def settled(stages: dict[str, Compilation], state: Compilation) -> dict[str, Compilation]:
    """The ``stages`` when no pass is run again any more: of a large network those with another level 2 are left out."""
    if not is_large(state):
        return stages
    return {name: each for name, each in stages.items() if each.spiking is None or each.program is not None}


def without_weights(state: Compilation, context: Context) -> Compilation:
    """The ``state`` whose program holds the weights as integers: those of level 2 become NaN, in no memory."""
    return context.shared.of(("without weights", state), lambda: replace(state, spiking=_emptied(spiking_level(state))))


def _emptied(spiking: SpikingNetwork) -> SpikingNetwork:
    return spiking.with_parts(
        projections=tuple(
            replace(p, map=replace(p.map, weight=np.broadcast_to(np.nan, p.map.weight.shape)))
            for p in spiking.projections
        )
    )
